//! Keccak-256 of many short messages at once.
//!
//! A trie hashes thousands of nodes of a hundred or a few hundred bytes that do not depend on each other, and one permutation leaves most of a
//! wide register empty. Eight messages share one here, a lane each; where the processor cannot, each is hashed alone. The digests are
//! the same (FIPS 202's permutation with Keccak's original padding, as Ethereum uses it).

#[cfg(target_arch = "x86_64")]
mod lanes;
#[cfg(test)]
mod tests;

use primitives::{B256, keccak256};

/// Messages that are hashed side by side.
pub const MESSAGES_AT_ONCE: usize = 8;
/// Below this many, each alone is as fast.
#[cfg(target_arch = "x86_64")]
const WORTH_IT: usize = 3;

/// The Keccak-256 of each of `messages`, in order.
pub fn hash_all(messages: &[&[u8]]) -> Vec<B256> {
    #[cfg(target_arch = "x86_64")]
    if messages.len() >= WORTH_IT && lanes::is_available() {
        let mut order: Vec<usize> = (0..messages.len()).collect();
        // Those that take equally many permutations go together, for all eight lanes wait for the longest.
        order.sort_by_key(|&index| lanes::blocks(messages[index]));
        let mut digests = vec![B256::ZERO; messages.len()];
        for group in order.chunks(MESSAGES_AT_ONCE) {
            if group.len() < WORTH_IT {
                for &index in group {
                    digests[index] = keccak256(messages[index]);
                }
                continue;
            }
            let mut together: [&[u8]; MESSAGES_AT_ONCE] = [&[]; MESSAGES_AT_ONCE];
            for (lane, &index) in together.iter_mut().zip(group) {
                *lane = messages[index];
            }
            // SAFETY: the processor has the instructions, as asked above.
            let hashed = unsafe { lanes::hash(together) };
            for (&index, digest) in group.iter().zip(hashed) {
                digests[index] = digest;
            }
        }
        return digests;
    }
    messages.iter().map(keccak256).collect()
}

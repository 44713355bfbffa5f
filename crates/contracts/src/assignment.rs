//! Who owns which row of a blob: the shuffle that operators and readers compute for themselves, and `RowAssignment` on chain.
//!
//! A test asks the contract for the same shuffles.

use alloy_sol_types::SolValue;
use primitives::{B256, keccak256};

/// Names the purpose of the hash, so that no other hash of the protocol is a seed.
const TAG: &str = "aloft/da/assign/v2";

/// Seed of the shuffle of the blob named `root`: `keccak256(abi.encode(TAG, beacon, epoch, root))`.
///
/// The root is fixed only when every row is, so whoever codes a blob cannot aim its rows at operators.
pub fn seed(beacon: B256, epoch: u64, root: B256) -> B256 {
    keccak256((TAG, beacon, epoch, root).abi_encode_params())
}

/// The shuffle of `0..total_rows` that `seed` gives.
///
/// Fisher–Yates from the last place down. Draws are the words of four bytes, big endian, of `keccak256(seed | 0)`,
/// `keccak256(seed | 1)`, .., the counter being 32 bytes. If the hash were a random oracle, every order would have the same chance.
pub fn shuffle(seed: B256, total_rows: u32) -> Vec<u32> {
    let mut words = (0u64..).flat_map(|counter| {
        let mut input = [0; 64];
        input[..32].copy_from_slice(seed.as_slice());
        input[56..].copy_from_slice(&counter.to_be_bytes());
        let hash = keccak256(input);
        let (words, _) = hash.as_chunks::<4>();
        std::array::from_fn::<_, 8, _>(|place| u32::from_be_bytes(words[place]))
    });
    let mut draw = |bound: u32| {
        // The largest multiple of `bound` in a u32: words from there on would favour small numbers.
        let limit = u32::MAX - u32::MAX % bound;
        let word = words.find(|word| *word < limit).expect("the counter does not end");
        word % bound
    };
    let mut rows: Vec<u32> = (0..total_rows).collect();
    for last in (1..total_rows).rev() {
        rows.swap(last as usize, draw(last + 1) as usize);
    }
    rows
}

//! What all members of a run agree on.

use crate::compress::{Decay, Density};
use primitives::Digest;

/// Most workers of a run: shares of 2^16 stay meaningful, and a close message stays readable in one piece.
pub const MAX_WORKERS: usize = 1024;

/// Names a run: updates of another run do not verify in this one.
pub type RunId = Digest;

/// The plan of a run, fixed before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Names the run.
    pub run: RunId,
    /// Names the order and meaning of the parameters: learners of another layout must not mix.
    pub layout: Digest,
    /// Rounds of the run, at least one.
    pub rounds: u32,
    /// Local steps of each round, at least one.
    pub local_steps: u32,
    /// Share of the parameters that an update carries.
    pub density: Density,
    /// Share of the error kept from round to round.
    pub decay: Decay,
}

/// BLAKE3 of the parameters' bits, little endian: equal exactly when every bit is.
pub fn state_hash(parameters: &[f32]) -> Digest {
    /// Parameters hashed at a time: enough for BLAKE3 to use its widest vectors.
    const BLOCK: usize = 16 * 1024;
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::with_capacity(4 * BLOCK);
    for block in parameters.chunks(BLOCK) {
        bytes.clear();
        bytes.extend(block.iter().flat_map(|value| value.to_bits().to_le_bytes()));
        hasher.update(&bytes);
    }
    hasher.finalize().into()
}

/// Version of the shared parameters from which round `round` is trained: how many rounds are merged in it.
pub fn version_for(round: u32) -> u32 {
    round.saturating_sub(1)
}

//! What a revert says, in words.

use alloy_sol_types::{Panic, Revert, SolError};

/// Bytes of a reason that are repeated in a message; the data itself travels whole.
const REASON_BYTES_MAX: usize = 4096;

/// The reason that revert data carry as Solidity's `Error(string)` or `Panic(uint256)`. `None` for a custom error, whose meaning
/// only the contract's interface tells, and for no data.
pub fn revert_reason(data: &[u8]) -> Option<String> {
    if let Ok(revert) = Revert::abi_decode(data) {
        let mut reason = revert.reason;
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        return Some(reason);
    }
    Panic::abi_decode(data).ok().map(|panic| panic.to_string())
}

//! What a revert says, in words.

use alloy_primitives::{Bytes, U256, hex};

/// Selector of Solidity's `Error(string)`: what `require` and `revert` with a text give.
const ERROR: [u8; 4] = [0x08, 0xc3, 0x79, 0xa0];
/// Selector of Solidity's `Panic(uint256)`: failed assertions, overflows, bounds.
const PANIC: [u8; 4] = [0x4e, 0x48, 0x7b, 0x71];
/// Bytes of a reason that are repeated in a message; the data itself travels whole.
const REASON_BYTES_MAX: usize = 4096;

/// The reason in revert data, as `execution reverted` messages carry it: the text of `Error(string)`, the meaning of
/// `Panic(uint256)`, else the bytes in hexadecimal (a custom error is named by its first four). Empty data give an empty text.
pub fn revert_reason(data: &Bytes) -> String {
    let Some((selector, arguments)) = data.split_first_chunk::<4>() else {
        return if data.is_empty() {
            String::new()
        } else {
            hex::encode_prefixed(data)
        };
    };
    let decoded = match *selector {
        ERROR => text(arguments),
        PANIC => word(arguments, 0).map(panic_meaning),
        _ => None,
    };
    decoded.unwrap_or_else(|| hex::encode_prefixed(&data[..data.len().min(REASON_BYTES_MAX)]))
}

/// The one string of ABI-encoded arguments.
fn text(arguments: &[u8]) -> Option<String> {
    let offset = usize::try_from(word(arguments, 0)?).ok()?;
    let length = usize::try_from(word(arguments, offset)?).ok()?;
    let from = offset.checked_add(32)?;
    let bytes = arguments.get(from..from.checked_add(length)?)?;
    Some(String::from_utf8_lossy(&bytes[..length.min(REASON_BYTES_MAX)]).into_owned())
}

fn word(arguments: &[u8], at: usize) -> Option<U256> {
    arguments.get(at..at.checked_add(32)?).map(U256::from_be_slice)
}

fn panic_meaning(code: U256) -> String {
    let meaning = match u64::try_from(code) {
        Ok(0x01) => "assertion failed",
        Ok(0x11) => "arithmetic overflow or underflow",
        Ok(0x12) => "division or modulo by zero",
        Ok(0x21) => "value out of range of its enum",
        Ok(0x22) => "wrongly encoded storage bytes",
        Ok(0x31) => "pop from an empty array",
        Ok(0x32) => "array index out of bounds",
        Ok(0x41) => "too much memory allocated",
        Ok(0x51) => "call of an uninitialised function",
        _ => "unknown panic",
    };
    format!("{meaning} (panic {code:#x})")
}

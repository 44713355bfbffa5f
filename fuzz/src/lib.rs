//! What the targets share: one way to damage valid bytes, and one rule that every codec is held to.
//!
//! A fuzzer that starts from nothing never writes twenty kilobytes of hashes or a point of a curve. So most targets try an input
//! twice: as the message itself, and as a script of damage to a valid message, which reaches the checks behind the first field.

mod blob;
pub mod farm;
mod receipt;
mod transfer;

pub use blob::{BLOB, BLOB_OF_CHUNKS, SealedBlob};
pub use receipt::sale;
pub use transfer::transfer;

use bytes::Bytes;
use commonware_codec::{Decode, Encode};

/// Bytes of one instruction of a script: `place u16, little endian | operation | value`.
const INSTRUCTION_BYTES: usize = 4;

/// `valid` after the instructions of `script`; an incomplete last instruction counts for nothing.
///
/// The place is taken modulo the length. Operations, modulo 5: 0 sets a byte, 1 flips bits, 2 cuts everything from the place on,
/// 3 inserts a byte, 4 removes one.
pub fn damage(valid: &[u8], script: &[u8]) -> Vec<u8> {
    let mut bytes = valid.to_vec();
    for &[low, high, operation, value] in script.as_chunks::<INSTRUCTION_BYTES>().0 {
        if bytes.is_empty() {
            break;
        }
        let place = usize::from(u16::from_le_bytes([low, high])) % bytes.len();
        match operation % 5 {
            0 => bytes[place] = value,
            1 => bytes[place] ^= value,
            2 => bytes.truncate(place),
            3 => bytes.insert(place, value),
            _ => drop(bytes.remove(place)),
        }
    }
    bytes
}

/// `input` itself, and `valid` damaged by it.
pub fn tries(valid: &[u8], input: &[u8]) -> [Vec<u8>; 2] {
    [input.to_vec(), damage(valid, input)]
}

/// Decodes `bytes`, and holds the codec to its rule: what it accepts, it writes again as it was, and says how long that is.
pub fn decode<T: Decode + Encode>(bytes: &[u8], config: &T::Cfg) -> Option<T> {
    let value = T::decode_cfg(Bytes::copy_from_slice(bytes), config).ok()?;
    assert_eq!(value.encode_size(), bytes.len(), "the size announced is the size read");
    assert_eq!(value.encode().as_ref(), bytes, "one value, one encoding");
    Some(value)
}

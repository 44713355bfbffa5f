//! The combination in plain Rust: the reference for the other, and what processors without it run.

use super::{Combined, LANES};
use crate::galois::{self, CHUNK_BYTES, CHUNK_SYMBOLS};

pub(super) fn combine(coefficients: &[u8], row: &[u8]) -> Combined {
    let mut sums = [0u16; LANES];
    for (chunk, coefficients) in row
        .chunks_exact(CHUNK_BYTES)
        .zip(coefficients.chunks_exact(LANES * CHUNK_BYTES))
    {
        for (sum, coefficients) in sums.iter_mut().zip(coefficients.chunks_exact(CHUNK_BYTES)) {
            for index in 0..CHUNK_SYMBOLS {
                *sum ^= galois::multiply(symbol(chunk, index), symbol(coefficients, index));
            }
        }
    }
    let mut combined = [0; 16];
    for (bytes, sum) in combined.chunks_exact_mut(2).zip(sums) {
        bytes.copy_from_slice(&sum.to_le_bytes());
    }
    combined
}

fn symbol(chunk: &[u8], index: usize) -> u16 {
    u16::from_le_bytes([chunk[index], chunk[CHUNK_SYMBOLS + index]])
}

//! The code in plain Rust: the reference for the others, and what processors without them run.

use crate::galois::{self, CHUNK_BYTES, CHUNK_SYMBOLS};

/// Writes the parity of `data`, `k` rows, coset after coset.
pub(super) fn encode(k: usize, data: &[u8], row_bytes: usize, parity: &mut [u8]) {
    let mut coefficients = data.to_vec();
    inverse_transform(&mut coefficients, row_bytes, 0);
    for (coset, parity) in parity.chunks_exact_mut(k * row_bytes).enumerate() {
        parity.copy_from_slice(&coefficients);
        transform(parity, row_bytes, (coset + 1) * k);
    }
}

/// Writes the rows of coset `to` from all rows of coset `from`; coset 0 is the data.
pub(super) fn transfer(from: usize, rows: &[&[u8]], to: usize, row_bytes: usize, values: &mut [u8]) {
    for (slot, row) in values.chunks_exact_mut(row_bytes).zip(rows) {
        slot.copy_from_slice(row);
    }
    inverse_transform(values, row_bytes, from * rows.len());
    transform(values, row_bytes, to * rows.len());
}

/// Writes the data rows from rows at the positions of a domain, as many of them present as there are data rows.
///
/// With Λ the polynomial that vanishes where rows are missing and F = PΛ, of degree below the domain's size: F is known
/// everywhere, and where Λ vanishes F' = PΛ'.
pub(super) fn decode(present: &[Option<&[u8]>], row_bytes: usize, data: &mut [u8]) {
    let factors = super::decoding_factors(present);
    let mut work = vec![0; present.len() * row_bytes];
    for ((slot, row), &factor) in work.chunks_exact_mut(row_bytes).zip(present).zip(&factors) {
        if let Some(row) = row {
            multiply_add(slot, row, &Multiplier::new(factor));
        }
    }
    inverse_transform(&mut work, row_bytes, 0);
    differentiate(&mut work, row_bytes);
    transform(&mut work, row_bytes, 0);
    super::copy_present(present, row_bytes, data);
    for (position, slot) in data.chunks_exact_mut(row_bytes).enumerate() {
        if present[position].is_none() {
            slot.fill(0);
            multiply_add(
                slot,
                &work[position * row_bytes..][..row_bytes],
                &Multiplier::new(factors[position]),
            );
        }
    }
}

/// Coefficients in the Lin-Chung-Han basis from values at `first..first + rows`.
fn inverse_transform(rows: &mut [u8], row_bytes: usize, first: usize) {
    let count = rows.len() / row_bytes;
    for layer in 0..count.trailing_zeros() {
        let distance = row_bytes << layer;
        for (block, rows) in rows.chunks_exact_mut(2 * distance).enumerate() {
            let multiplier = Multiplier::new(factor(first, block, layer));
            let (low, high) = rows.split_at_mut(distance);
            xor(high, low);
            multiply_add(low, high, &multiplier);
        }
    }
}

/// Values at `first..first + rows` from coefficients.
fn transform(rows: &mut [u8], row_bytes: usize, first: usize) {
    let count = rows.len() / row_bytes;
    for layer in (0..count.trailing_zeros()).rev() {
        let distance = row_bytes << layer;
        for (block, rows) in rows.chunks_exact_mut(2 * distance).enumerate() {
            let multiplier = Multiplier::new(factor(first, block, layer));
            let (low, high) = rows.split_at_mut(distance);
            multiply_add(low, high, &multiplier);
            xor(high, low);
        }
    }
}

/// The factor of a block of `2 << layer` rows: the vanishing polynomial of the first `layer` basis elements at its first row.
pub(super) fn factor(first: usize, block: usize, layer: u32) -> u16 {
    let position = first + (block << (layer + 1));
    u16::try_from(position >> layer).expect("positions are below 65,536")
}

/// Formal derivative of a polynomial in the Lin-Chung-Han basis.
fn differentiate(rows: &mut [u8], row_bytes: usize) {
    for row in 1..rows.len() / row_bytes {
        let width = row_bytes << row.trailing_zeros();
        let (low, high) = rows.split_at_mut(row * row_bytes);
        let end = low.len();
        xor(&mut low[end - width..], &high[..width]);
    }
}

fn xor(to: &mut [u8], from: &[u8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to ^= from;
    }
}

/// Products of one factor with every low byte and every high byte.
struct Multiplier {
    low: [u16; 256],
    high: [u16; 256],
}

impl Multiplier {
    fn new(factor: u16) -> Self {
        let map = galois::linear_map(factor);
        let table = |bits: &[u16]| {
            let mut table = [0; 256];
            for byte in 1..256usize {
                table[byte] = table[byte & (byte - 1)] ^ bits[byte.trailing_zeros() as usize];
            }
            table
        };
        Self {
            low: table(&map[..8]),
            high: table(&map[8..]),
        }
    }

    fn multiply(&self, low: u8, high: u8) -> u16 {
        self.low[usize::from(low)] ^ self.high[usize::from(high)]
    }
}

/// `to ^= from * factor`, symbol by symbol.
fn multiply_add(to: &mut [u8], from: &[u8], multiplier: &Multiplier) {
    for (to, from) in to.chunks_exact_mut(CHUNK_BYTES).zip(from.chunks_exact(CHUNK_BYTES)) {
        for symbol in 0..CHUNK_SYMBOLS {
            let [low, high] = multiplier
                .multiply(from[symbol], from[CHUNK_SYMBOLS + symbol])
                .to_le_bytes();
            to[symbol] ^= low;
            to[CHUNK_SYMBOLS + symbol] ^= high;
        }
    }
}

//! The combinations of many rows by tables, in plain Rust: what processors without GFNI run when they encode.
//!
//! What a byte of a row adds to its combination depends on the byte and its place only. Each place's 256 sums are made once, by
//! adding pairs of earlier ones, and looked up for every row (the method of the four Russians).

use super::{Combined, LANES};
use crate::galois::{self, CHUNK_BYTES, CHUNK_SYMBOLS};
use std::sync::LazyLock;

/// Fewest rows that repay the tables.
pub(super) const ROWS_MIN: usize = 256;
/// Places looked up at once: their tables are 16 KiB, half of a first-level cache.
const PLACES: usize = 4;
/// Bytes of each row taken at a time: some cache lines together, of which no row's are near another's.
const STRIP_BYTES: usize = 256;

/// The combination's 16 bytes, as words that one register holds.
type Sum = [u32; 4];

/// The products of each power of two with the 256 low bytes and the 256 high bytes that a symbol may have.
static PRODUCTS: LazyLock<Vec<[[u16; 256]; 2]>> = LazyLock::new(|| {
    let product = |bit: usize, shift: usize, byte: usize| galois::multiply(1 << bit, (byte as u16) << shift);
    let of_bit = |bit| [0, 8].map(|shift| std::array::from_fn(|byte| product(bit, shift, byte)));
    (0..16).map(of_bit).collect()
});

/// What each of `rows` combines to; `coefficients` are as derived.
pub(super) fn combine(coefficients: &[u8], rows: &[&[u8]]) -> Vec<Combined> {
    let mut sums = vec![[0; 4]; rows.len()];
    let mut tables = vec![[[0; 4]; 256]; PLACES];
    // Place by place rather than row by row, each a cache line further than a power of two that shares a cache set.
    let stride = rows.len() + CHUNK_BYTES / PLACES;
    let mut words = vec![0; STRIP_BYTES / PLACES * stride];
    for (strip, coefficients) in coefficients.chunks(LANES * STRIP_BYTES).enumerate() {
        let strip_bytes = coefficients.len() / LANES;
        for (index, row) in rows.iter().enumerate() {
            let bytes = &row[strip * STRIP_BYTES..][..strip_bytes];
            for (word, places) in bytes.as_chunks::<PLACES>().0.iter().zip(words.chunks_exact_mut(stride)) {
                places[index] = u32::from_le_bytes(*word);
            }
        }
        let places = words.chunks_exact(stride).take(strip_bytes / PLACES);
        for (index, words) in places.enumerate() {
            let first = index * PLACES % CHUNK_BYTES;
            let chunk = &coefficients[index * PLACES / CHUNK_BYTES * LANES * CHUNK_BYTES..][..LANES * CHUNK_BYTES];
            for (place, table) in tables.iter_mut().enumerate() {
                fill(table, chunk, first + place);
            }
            let [a, b, c, d] = &tables[..] else {
                unreachable!("as many tables as places")
            };
            for (sum, word) in sums.iter_mut().zip(words) {
                let [w, x, y, z] = word.to_le_bytes().map(usize::from);
                for part in 0..4 {
                    sum[part] ^= a[w][part] ^ b[x][part] ^ c[y][part] ^ d[z][part];
                }
            }
        }
    }
    let bytes = |sum: Sum| {
        let mut combined = [0; 16];
        for (bytes, word) in combined.as_chunks_mut::<4>().0.iter_mut().zip(sum) {
            *bytes = word.to_le_bytes();
        }
        combined
    };
    sums.into_iter().map(bytes).collect()
}

/// The sums of every byte at `place` of a chunk whose coefficients are `chunk`.
fn fill(table: &mut [Sum; 256], chunk: &[u8], place: usize) {
    let (symbol, first_bit) = (place % CHUNK_SYMBOLS, place / CHUNK_SYMBOLS * 8);
    let basis: [Sum; 8] = std::array::from_fn(|bit| {
        let [low, high] = &PRODUCTS[first_bit + bit];
        let product = |lane: usize| {
            let lane = &chunk[lane * CHUNK_BYTES..][..CHUNK_BYTES];
            u32::from(low[usize::from(lane[symbol])] ^ high[usize::from(lane[CHUNK_SYMBOLS + symbol])])
        };
        std::array::from_fn(|part| product(2 * part) | product(2 * part + 1) << 16)
    });
    for byte in 1..256usize {
        let (rest, last) = (table[byte & (byte - 1)], basis[byte.trailing_zeros() as usize]);
        for part in 0..4 {
            table[byte][part] = rest[part] ^ last[part];
        }
    }
}

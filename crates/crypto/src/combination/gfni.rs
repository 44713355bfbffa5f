//! The combination in 512-bit registers: a chunk's 32 symbols, as pairs of bytes, times one lane's 32 coefficients is two
//! products of 64 bytes (AVX-512 with GFNI).
//!
//! Coefficients are eight times as many bytes as a row, so reading them is what costs: two kilobytes of columns of some rows
//! are combined at a time, while their sixteen kilobytes of coefficients are in the first-level cache.

use super::{Combined, LANES, tower::Tower};
use crate::{
    galois::{self, CHUNK_BYTES},
    reed_solomon::ROW_ALIGNMENT,
};
use std::arch::x86_64::*;

/// Rows whose sums are kept at once. More share their coefficients, and lie too far apart for processors to look ahead.
const ROWS_KEPT: usize = 4;
/// Chunks of a row combined at a time: their coefficients are 16 KiB, half of a first-level cache.
const COLUMN_CHUNKS: usize = 32;
const _: () = assert!(ROW_ALIGNMENT.is_multiple_of(2 * CHUNK_BYTES) && COLUMN_CHUNKS.is_multiple_of(2));

/// One lane's sums for one row: of low·low | high·high, and of high·low | low·high.
#[derive(Clone, Copy)]
struct Sum {
    straight: __m512i,
    mixed: __m512i,
}

/// The sums of a row.
type Sums = [Sum; LANES];

/// The change of basis of a chunk: what each half of bytes gives to itself, and what it takes from the other.
#[derive(Clone, Copy)]
struct Basis {
    direct: __m512i,
    crossed: __m512i,
}

/// Coefficients as pairs of bytes, in place.
///
/// # Safety
///
/// The processor has what [`galois::gfni_available`] checks.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) unsafe fn convert(coefficients: &mut [u8]) {
    let basis = basis();
    for chunk in coefficients.as_chunks_mut::<CHUNK_BYTES>().0 {
        // SAFETY: the chunk has 64 bytes.
        unsafe {
            let pairs = pairs(_mm512_loadu_si512(chunk.as_ptr().cast()), basis);
            _mm512_storeu_si512(chunk.as_mut_ptr().cast(), pairs);
        }
    }
}

/// Appends what each of `rows`, of `row_bytes` bytes, combines to, under coefficients that [`convert`] converted.
///
/// # Safety
///
/// The processor has what [`galois::gfni_available`] checks.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) unsafe fn combine<'a>(
    coefficients: &[u8],
    rows: impl Iterator<Item = &'a [u8]>,
    row_bytes: usize,
    combined: &mut Vec<Combined>,
) {
    assert_eq!(
        coefficients.len(),
        LANES * row_bytes,
        "coefficients for rows of {row_bytes} bytes"
    );
    let coefficients = coefficients.as_chunks::<CHUNK_BYTES>().0.as_chunks::<LANES>().0;
    let basis = basis();
    let tower = Tower::get();
    let none: &[[u8; CHUNK_BYTES]] = &[];
    let mut kept = [none; ROWS_KEPT];
    let mut rows = rows.map(|row| {
        assert_eq!(row.len(), row_bytes, "rows of {row_bytes} bytes");
        row.as_chunks::<CHUNK_BYTES>().0
    });
    loop {
        let mut count = 0;
        for (kept, row) in kept.iter_mut().zip(&mut rows) {
            *kept = row;
            count += 1;
        }
        if count == 0 {
            return;
        }
        let zero = Sum {
            straight: _mm512_setzero_si512(),
            mixed: _mm512_setzero_si512(),
        };
        let mut sums = [[zero; LANES]; ROWS_KEPT];
        for (column, coefficients) in coefficients.chunks(COLUMN_CHUNKS).enumerate() {
            let first = column * COLUMN_CHUNKS;
            for (row, sums) in kept[..count].iter().zip(&mut sums) {
                // The row's next columns, which come after those of the other rows.
                for chunk in row[first + coefficients.len()..].iter().take(COLUMN_CHUNKS) {
                    _mm_prefetch::<_MM_HINT_T1>(chunk.as_ptr().cast());
                }
                add(coefficients, &row[first..first + coefficients.len()], basis, sums);
            }
        }
        combined.extend(sums[..count].iter().map(|sums| finish(tower, sums)));
    }
}

/// Adds to `sums`, which fill half of the registers, the products of some chunks of a row with their coefficients. Chunks go two by
/// two: one instruction then adds two products to a sum.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
#[inline]
fn add(coefficients: &[[[u8; CHUNK_BYTES]; LANES]], chunks: &[[u8; CHUNK_BYTES]], basis: Basis, sums: &mut Sums) {
    /// Exclusive or of three, as a table of eight bits.
    const XOR3: i32 = 0x96;
    // SAFETY: a chunk, and a lane's coefficients for one, have 64 bytes.
    let load = |bytes: &[u8; CHUNK_BYTES]| unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) };
    let mut running = *sums;
    // Rows are whole pairs of chunks, by `ROW_ALIGNMENT`.
    for (chunks, coefficients) in chunks.as_chunks::<2>().0.iter().zip(coefficients.as_chunks::<2>().0) {
        let (first, second) = (pairs(load(&chunks[0]), basis), pairs(load(&chunks[1]), basis));
        let (first_swapped, second_swapped) = (swap_halves(first), swap_halves(second));
        for (lane, sum) in running.iter_mut().enumerate() {
            let (factors, next_factors) = (load(&coefficients[0][lane]), load(&coefficients[1][lane]));
            sum.straight = _mm512_ternarylogic_epi64::<XOR3>(
                sum.straight,
                _mm512_gf2p8mul_epi8(first, factors),
                _mm512_gf2p8mul_epi8(second, next_factors),
            );
            sum.mixed = _mm512_ternarylogic_epi64::<XOR3>(
                sum.mixed,
                _mm512_gf2p8mul_epi8(first_swapped, factors),
                _mm512_gf2p8mul_epi8(second_swapped, next_factors),
            );
        }
    }
    *sums = running;
}

/// The eight symbols that a row's sums come to.
#[target_feature(enable = "avx512f")]
fn finish(tower: &Tower, sums: &Sums) -> Combined {
    let mut combined = [0; 16];
    for (bytes, sum) in combined.as_chunks_mut::<2>().0.iter_mut().zip(sums) {
        let (low, high) = fold(sum.straight);
        let (a, b) = fold(sum.mixed);
        *bytes = tower.symbol(low, high, a ^ b).to_le_bytes();
    }
    combined
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn basis() -> Basis {
    let map = &Tower::get().to;
    let halves = |low: u64, high: u64| {
        let (low, high) = (low as i64, high as i64);
        _mm512_set_epi64(high, high, high, high, low, low, low, low)
    };
    Basis {
        direct: halves(galois::bit_matrix(map, 0, 0), galois::bit_matrix(map, 8, 8)),
        crossed: halves(galois::bit_matrix(map, 0, 8), galois::bit_matrix(map, 8, 0)),
    }
}

/// A chunk's symbols as pairs: low bytes, then high bytes.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
#[inline]
fn pairs(chunk: __m512i, basis: Basis) -> __m512i {
    _mm512_xor_si512(
        _mm512_gf2p8affine_epi64_epi8::<0>(chunk, basis.direct),
        _mm512_gf2p8affine_epi64_epi8::<0>(swap_halves(chunk), basis.crossed),
    )
}

#[target_feature(enable = "avx512f")]
#[inline]
fn swap_halves(register: __m512i) -> __m512i {
    _mm512_shuffle_i64x2::<0x4e>(register, register)
}

/// The sums of the bytes of each half.
#[target_feature(enable = "avx512f")]
#[inline]
fn fold(register: __m512i) -> (u8, u8) {
    let mut words = [0u64; 8];
    // SAFETY: 64 bytes are written to as many.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), register) };
    let sum = |half: &[u64]| {
        let word = half.iter().fold(0, |sum, word| sum ^ word);
        word.to_le_bytes().into_iter().fold(0, |sum, byte| sum ^ byte)
    };
    (sum(&words[..4]), sum(&words[4..]))
}

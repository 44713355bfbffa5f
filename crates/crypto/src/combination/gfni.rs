//! The combination in 512-bit registers: a chunk's 32 symbols, as pairs of bytes, times one lane's 32 coefficients is two
//! products of 64 bytes (AVX-512 with GFNI).

use super::{Combined, LANES, tower::Tower};
use crate::galois::{self, CHUNK_BYTES};
use std::arch::x86_64::*;

/// Rows combined at once, so that coefficients are read once for them all.
const ROWS: usize = 2;
/// Lanes combined at once: two rows' sums for four lanes fill half of the registers.
const LANES_AT_ONCE: usize = 4;

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

/// What each of `rows` combines to, under coefficients that [`convert`] converted.
///
/// # Safety
///
/// The processor has what [`galois::gfni_available`] checks.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) unsafe fn combine(coefficients: &[u8], rows: &[u8], row_bytes: usize) -> Vec<Combined> {
    assert_eq!(
        coefficients.len(),
        LANES * row_bytes,
        "coefficients for rows of {row_bytes} bytes"
    );
    let coefficients = coefficients.as_chunks::<CHUNK_BYTES>().0.as_chunks::<LANES>().0;
    let basis = basis();
    let mut combined = vec![[0; 16]; rows.len() / row_bytes];
    for (rows, combined) in rows.chunks(ROWS * row_bytes).zip(combined.chunks_mut(ROWS)) {
        // A row alone is combined twice: the last of an odd number.
        let chunks = |row: usize| {
            rows[row.min(combined.len() - 1) * row_bytes..][..row_bytes]
                .as_chunks::<CHUNK_BYTES>()
                .0
        };
        let rows: [&[[u8; CHUNK_BYTES]]; ROWS] = std::array::from_fn(chunks);
        for first in (0..LANES).step_by(LANES_AT_ONCE) {
            let symbols = combine_lanes(coefficients, rows, first, basis);
            for (combined, symbols) in combined.iter_mut().zip(symbols) {
                for (lane, symbol) in symbols.into_iter().enumerate() {
                    combined[2 * (first + lane)..][..2].copy_from_slice(&symbol.to_le_bytes());
                }
            }
        }
    }
    combined
}

/// Lanes `first..first + LANES_AT_ONCE` of each of `rows`.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn combine_lanes(
    coefficients: &[[[u8; CHUNK_BYTES]; LANES]],
    rows: [&[[u8; CHUNK_BYTES]]; ROWS],
    first: usize,
    basis: Basis,
) -> [[u16; LANES_AT_ONCE]; ROWS] {
    let zero = _mm512_setzero_si512();
    // Sums of low·low | high·high, and of high·low | low·high.
    let mut straight = [[zero; LANES_AT_ONCE]; ROWS];
    let mut mixed = [[zero; LANES_AT_ONCE]; ROWS];
    for (chunk, coefficients) in coefficients.iter().enumerate() {
        for row in 0..ROWS {
            // SAFETY: a chunk has 64 bytes.
            let symbols = unsafe { _mm512_loadu_si512(rows[row][chunk].as_ptr().cast()) };
            let pairs = pairs(symbols, basis);
            let swapped = swap_halves(pairs);
            for lane in 0..LANES_AT_ONCE {
                // SAFETY: a lane's coefficients for a chunk are 64 bytes.
                let factors = unsafe { _mm512_loadu_si512(coefficients[first + lane].as_ptr().cast()) };
                straight[row][lane] = _mm512_xor_si512(straight[row][lane], _mm512_gf2p8mul_epi8(pairs, factors));
                mixed[row][lane] = _mm512_xor_si512(mixed[row][lane], _mm512_gf2p8mul_epi8(swapped, factors));
            }
        }
    }
    let tower = Tower::get();
    std::array::from_fn(|row| {
        std::array::from_fn(|lane| {
            let (low, high) = fold(straight[row][lane]);
            let (a, b) = fold(mixed[row][lane]);
            tower.symbol(low, high, a ^ b)
        })
    })
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
fn pairs(chunk: __m512i, basis: Basis) -> __m512i {
    _mm512_xor_si512(
        _mm512_gf2p8affine_epi64_epi8::<0>(chunk, basis.direct),
        _mm512_gf2p8affine_epi64_epi8::<0>(swap_halves(chunk), basis.crossed),
    )
}

#[target_feature(enable = "avx512f")]
fn swap_halves(register: __m512i) -> __m512i {
    _mm512_shuffle_i64x2::<0x4e>(register, register)
}

/// The sums of the bytes of each half.
#[target_feature(enable = "avx512f")]
fn fold(register: __m512i) -> (u8, u8) {
    let mut bytes = [0u8; CHUNK_BYTES];
    // SAFETY: 64 bytes are written to as many.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), register) };
    let sum = |half: &[u8]| half.iter().fold(0, |sum, byte| sum ^ byte);
    (sum(&bytes[..CHUNK_BYTES / 2]), sum(&bytes[CHUNK_BYTES / 2..]))
}

//! The combination by carry-less products, for processors with AVX2 and no GFNI.
//!
//! As polynomials over GF(2), symbols multiply without carries, and a sum of products needs to be reduced only once, at its end.
//! Two symbols 32 bits apart, times two coefficients in the other order, have the sum of their two products in bits 32 to 62:
//! one instruction does two multiplications and their addition.

use super::{Combined, LANES};
use crate::galois::{self, CANTOR_BASIS, CHUNK_BYTES, CHUNK_SYMBOLS};
use std::{arch::x86_64::*, sync::LazyLock};

/// Registers of eight symbols that a chunk fills.
const PARTS: usize = CHUNK_SYMBOLS / 8;
/// Bit of the sum of a pair's products.
const SUM_SHIFT: u32 = 32;

/// Products of the sixteen values of each nibble of a symbol with the change of basis: low bytes, then high bytes.
struct Change([[[u8; 16]; 2]; 4]);

/// From Cantor's basis to polynomials.
static CHANGE: LazyLock<Change> = LazyLock::new(|| {
    Change(std::array::from_fn(|nibble| {
        let product = |value: usize| {
            (0..4)
                .filter(|bit| value >> bit & 1 == 1)
                .fold(0, |sum, bit| sum ^ CANTOR_BASIS[4 * nibble + bit])
                .to_le_bytes()
        };
        [0, 1].map(|byte| std::array::from_fn(|value| product(value)[byte]))
    }))
});

/// And back.
static INVERSE: LazyLock<[u16; 16]> = LazyLock::new(|| galois::invert(CANTOR_BASIS));

/// Whether this processor has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq")
}

/// Coefficients as polynomials, each pair of neighbouring pairs exchanged, in place.
///
/// # Safety
///
/// The processor is [`available`].
#[target_feature(enable = "avx2,pclmulqdq")]
pub(super) unsafe fn convert(coefficients: &mut [u8]) {
    for chunk in coefficients.as_chunks_mut::<CHUNK_BYTES>().0 {
        let parts = polynomials(chunk);
        for (part, bytes) in parts.into_iter().zip(chunk.as_chunks_mut::<16>().0) {
            // SAFETY: 16 bytes are written to as many.
            unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), _mm_shuffle_epi32::<0xb1>(part)) };
        }
    }
}

/// What `row` combines to, under coefficients that [`convert`] converted.
///
/// # Safety
///
/// The processor is [`available`].
#[target_feature(enable = "avx2,pclmulqdq")]
pub(super) unsafe fn combine(coefficients: &[u8], row: &[u8]) -> Combined {
    let coefficients = coefficients.as_chunks::<CHUNK_BYTES>().0.as_chunks::<LANES>().0;
    let chunks = row.as_chunks::<CHUNK_BYTES>().0;
    assert_eq!(coefficients.len(), chunks.len(), "coefficients for rows of this length");
    let even = _mm_set1_epi32(0xffff);
    let mut sums = [_mm_setzero_si128(); LANES];
    for (chunk, coefficients) in chunks.iter().zip(coefficients) {
        let parts = polynomials(chunk).map(|part| (_mm_and_si128(part, even), _mm_srli_epi32::<16>(part)));
        for (sum, coefficients) in sums.iter_mut().zip(coefficients) {
            for (part, (evens, odds)) in parts.into_iter().enumerate() {
                // SAFETY: a lane's coefficients for a chunk are four times 16 bytes.
                let factors = unsafe { _mm_loadu_si128(coefficients.as_ptr().add(16 * part).cast()) };
                let (even_factors, odd_factors) = (_mm_and_si128(factors, even), _mm_srli_epi32::<16>(factors));
                let a = _mm_clmulepi64_si128::<0x00>(evens, even_factors);
                let b = _mm_clmulepi64_si128::<0x11>(evens, even_factors);
                let c = _mm_clmulepi64_si128::<0x00>(odds, odd_factors);
                let d = _mm_clmulepi64_si128::<0x11>(odds, odd_factors);
                *sum = _mm_xor_si128(*sum, _mm_xor_si128(_mm_xor_si128(a, b), _mm_xor_si128(c, d)));
            }
        }
    }
    let mut combined = [0; 16];
    for (bytes, sum) in combined.as_chunks_mut::<2>().0.iter_mut().zip(sums) {
        let product = (_mm_cvtsi128_si64(sum) as u64 >> SUM_SHIFT) as u32;
        *bytes = galois::apply(&INVERSE, reduce(product)).to_le_bytes();
    }
    combined
}

/// A chunk's symbols as polynomials of 16 bits: symbols 0..8, 16..24, 8..16, 24..32, in registers of eight.
#[target_feature(enable = "avx2,pclmulqdq")]
#[inline]
fn polynomials(chunk: &[u8; CHUNK_BYTES]) -> [__m128i; PARTS] {
    // SAFETY: a chunk has 64 bytes, a table 16.
    unsafe {
        let low = _mm256_loadu_si256(chunk.as_ptr().cast());
        let high = _mm256_loadu_si256(chunk.as_ptr().add(CHUNK_SYMBOLS).cast());
        let mask = _mm256_set1_epi8(0x0f);
        let nibbles = [
            _mm256_and_si256(low, mask),
            _mm256_and_si256(_mm256_srli_epi64::<4>(low), mask),
            _mm256_and_si256(high, mask),
            _mm256_and_si256(_mm256_srli_epi64::<4>(high), mask),
        ];
        let (mut lows, mut highs) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for (nibble, [low, high]) in nibbles.into_iter().zip(&CHANGE.0) {
            let low = _mm256_broadcastsi128_si256(_mm_loadu_si128(low.as_ptr().cast()));
            let high = _mm256_broadcastsi128_si256(_mm_loadu_si128(high.as_ptr().cast()));
            lows = _mm256_xor_si256(lows, _mm256_shuffle_epi8(low, nibble));
            highs = _mm256_xor_si256(highs, _mm256_shuffle_epi8(high, nibble));
        }
        let (a, b) = (_mm256_unpacklo_epi8(lows, highs), _mm256_unpackhi_epi8(lows, highs));
        [
            _mm256_castsi256_si128(a),
            _mm256_extracti128_si256::<1>(a),
            _mm256_castsi256_si128(b),
            _mm256_extracti128_si256::<1>(b),
        ]
    }
}

/// A product of two symbols' polynomials modulo the field's.
fn reduce(mut product: u32) -> u16 {
    for bit in (16..31).rev() {
        if product >> bit & 1 == 1 {
            product ^= galois::POLYNOMIAL << (bit - 16);
        }
    }
    product as u16
}

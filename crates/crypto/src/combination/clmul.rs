//! The last step of the combination by carry-less products: a block's elements, each times one of as many others.
//!
//! As polynomials over GF(2), symbols multiply without carries, and a sum of products needs to be reduced only once, at its end. A word
//! holds two coordinates of an element, with and without `u_0`, 32 bits apart: one instruction multiplies two such words, with all four products
//! of coordinates, of which the mixed ones meet in the middle. Karatsuba's rule makes nine products of words out of sixteen.

use super::{Block, Combined, bytes_of, field};
use crate::galois::{self, CANTOR_BASIS, CHUNK_BYTES, CHUNK_SYMBOLS};
use std::{arch::x86_64::*, array::from_fn, sync::LazyLock};

/// Registers of eight symbols that a chunk fills.
const PARTS: usize = CHUNK_SYMBOLS / 8;
/// Words of an element.
const WORDS: usize = field::DEGREE / 2;
/// What is multiplied of them.
const TERMS: usize = 9;
/// Registers of two elements' words that a block fills for each of an element's words.
const REGISTERS: usize = 32;

/// Elements that others are multiplied by: the terms of every two.
#[derive(Clone, Debug)]
pub(super) struct Factors([[[u8; 16]; TERMS]; REGISTERS]);

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

/// The symbols that the four bytes of a product of two symbols' polynomials stand for.
static SYMBOLS: LazyLock<[[u16; 256]; 4]> = LazyLock::new(|| {
    let back = galois::invert(CANTOR_BASIS);
    let symbol = |mut product: u32| {
        for bit in (16..32).rev() {
            if product >> bit & 1 == 1 {
                product ^= galois::POLYNOMIAL << (bit - 16);
            }
        }
        galois::apply(&back, product as u16)
    };
    [0, 8, 16, 24].map(|shift| from_fn(|byte| symbol((byte as u32) << shift)))
});

/// Whether this processor has the instructions.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("pclmulqdq")
}

/// The elements of `block`, made ready.
///
/// # Safety
///
/// The processor is [`available`].
#[target_feature(enable = "avx2,pclmulqdq")]
pub(super) unsafe fn prepare(block: &Block) -> Factors {
    let mut factors = [[[0; 16]; TERMS]; REGISTERS];
    let mut next = factors.iter_mut();
    each_two(block, |words| {
        let factors = next.next().expect("a place for every two elements");
        for (bytes, term) in factors.iter_mut().zip(terms(words)) {
            // SAFETY: 16 bytes are written to as many.
            unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), term) };
        }
    });
    Factors(factors)
}

/// The sum of a block's elements, each times that at its place in `factors`.
///
/// # Safety
///
/// The processor is [`available`].
#[target_feature(enable = "avx2,pclmulqdq")]
pub(super) unsafe fn inner_product(factors: &Factors, block: &Block) -> Combined {
    let mut sums = [_mm_setzero_si128(); TERMS];
    let mut next = factors.0.iter();
    each_two(block, |words| {
        let factors = next.next().expect("factors of every two elements");
        for ((sum, term), factor) in sums.iter_mut().zip(terms(words)).zip(factors) {
            // SAFETY: 16 bytes are read from as many.
            let factor = unsafe { _mm_loadu_si128(factor.as_ptr().cast()) };
            let first = _mm_clmulepi64_si128::<0x00>(term, factor);
            let second = _mm_clmulepi64_si128::<0x11>(term, factor);
            *sum = _mm_xor_si128(*sum, _mm_xor_si128(first, second));
        }
    });
    let symbols = &*SYMBOLS;
    let symbol = |product: u32| {
        let [a, b, c, d] = product.to_le_bytes().map(usize::from);
        symbols[0][a] ^ symbols[1][b] ^ symbols[2][c] ^ symbols[3][d]
    };
    let products = sums.map(|sum| {
        let (low_and_mixed, high) = (_mm_cvtsi128_si64(sum) as u64, _mm_extract_epi64::<1>(sum) as u64);
        let [low, mixed, high] = [low_and_mixed, low_and_mixed >> 32, high].map(|product| symbol(product as u32));
        [low, high, low ^ high ^ mixed]
    });
    bytes_of(field::recombined(from_fn(|part| {
        from_fn(|term| products[3 * part + term / 3][term % 3])
    })))
}

/// Calls `each` with the words of every two elements of a block.
#[target_feature(enable = "avx2,pclmulqdq")]
#[inline]
fn each_two(block: &Block, mut each: impl FnMut([__m128i; WORDS])) {
    let zero = _mm_setzero_si128();
    let chunks = block.as_chunks::<CHUNK_BYTES>().0;
    for half in 0..2 {
        let coordinates: [[__m128i; PARTS]; field::DEGREE] = from_fn(|place| polynomials(&chunks[2 * place + half]));
        for part in 0..PARTS {
            let coordinates = coordinates.map(|parts| parts[part]);
            // Of each word, four registers of two elements.
            let words: [[__m128i; 4]; WORDS] = from_fn(|word| {
                let (without, with) = (coordinates[2 * word], coordinates[2 * word + 1]);
                let (low, high) = (_mm_unpacklo_epi16(without, zero), _mm_unpackhi_epi16(without, zero));
                let (low_with, high_with) = (_mm_unpacklo_epi16(with, zero), _mm_unpackhi_epi16(with, zero));
                [
                    _mm_unpacklo_epi32(low, low_with),
                    _mm_unpackhi_epi32(low, low_with),
                    _mm_unpacklo_epi32(high, high_with),
                    _mm_unpackhi_epi32(high, high_with),
                ]
            });
            for two in 0..4 {
                each(words.map(|word| word[two]));
            }
        }
    }
}

/// What of an element's words is multiplied, by `u_2` and `u_1`.
#[target_feature(enable = "avx2")]
#[inline]
fn terms([a, b, c, d]: [__m128i; WORDS]) -> [__m128i; TERMS] {
    let (low, high) = (_mm_xor_si128(a, c), _mm_xor_si128(b, d));
    [
        a,
        b,
        _mm_xor_si128(a, b),
        c,
        d,
        _mm_xor_si128(c, d),
        low,
        high,
        _mm_xor_si128(low, high),
    ]
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

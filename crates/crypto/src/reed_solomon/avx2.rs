//! 256-bit registers: a multiplication by a constant looks up each of a symbol's four halves of bytes (AVX2).

use super::strips::{Lanes, Work};
use std::arch::x86_64::*;

/// 32 symbols: their low bytes, then their high bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(__m256i, __m256i);

/// Products of the constant with the sixteen values of each of a symbol's four nibbles, lowest first: low bytes, high bytes.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub(crate) struct Products([[[u8; 16]; 2]; 4]);

// SAFETY: every function but `available`, `enter` and `factor` uses the instructions that `available` checks, and is inlined
// into `enter`, which is compiled for them.
unsafe impl Lanes for Avx2 {
    type Factor = Products;
    type Words = __m256i;

    const BYTES: usize = 64;

    fn available() -> bool {
        is_x86_feature_detected!("avx2")
    }

    #[inline(always)]
    unsafe fn enter(work: impl Work) {
        #[target_feature(enable = "avx2")]
        unsafe fn compiled(work: impl Work) {
            // SAFETY: the caller's.
            unsafe { work.run() }
        }
        // SAFETY: the caller's, who checked `available`.
        unsafe { compiled(work) }
    }

    fn factor(map: &[u16; 16]) -> Products {
        Products(std::array::from_fn(|nibble| {
            let product = |value: usize| {
                (0..4)
                    .filter(|bit| value >> bit & 1 == 1)
                    .fold(0, |sum, bit| sum ^ map[4 * nibble + bit])
                    .to_le_bytes()
            };
            [0, 1].map(|byte| std::array::from_fn(|value| product(value)[byte]))
        }))
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: within `enter`.
        unsafe { Self(_mm256_setzero_si256(), _mm256_setzero_si256()) }
    }

    #[inline(always)]
    unsafe fn read_row(from: *const u8) -> Self {
        // SAFETY: within `enter`; the caller's row has 64 bytes here: a chunk, low bytes first.
        unsafe { Self(_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())) }
    }

    #[inline(always)]
    unsafe fn write_row(self, to: *mut u8) {
        // SAFETY: within `enter`; the caller's row has 64 bytes here.
        unsafe {
            _mm256_storeu_si256(to.cast(), self.0);
            _mm256_storeu_si256(to.add(32).cast(), self.1);
        }
    }

    #[inline(always)]
    unsafe fn stream_row(self, to: *mut u8) {
        // SAFETY: within `enter`; the caller's row has 64 bytes here and starts a cache line.
        unsafe {
            _mm256_stream_si256(to.cast(), self.0);
            _mm256_stream_si256(to.add(32).cast(), self.1);
        }
    }

    #[inline(always)]
    unsafe fn end_stream() {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: within `enter`; the caller's scratch has 64 aligned bytes here.
        unsafe { Self(_mm256_load_si256(from.cast()), _mm256_load_si256(from.add(32).cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: within `enter`; the caller's scratch has 64 aligned bytes here.
        unsafe {
            _mm256_store_si256(to.cast(), self.0);
            _mm256_store_si256(to.add(32).cast(), self.1);
        }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: within `enter`.
        unsafe { Self(_mm256_xor_si256(self.0, other.0), _mm256_xor_si256(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, other: Self, factor: *const Products) -> Self {
        // SAFETY: within `enter`; the caller's factor is live, and its tables are aligned to 16 bytes.
        unsafe {
            let low_nibble = _mm256_set1_epi8(0x0f);
            let nibbles = [
                _mm256_and_si256(other.0, low_nibble),
                _mm256_and_si256(_mm256_srli_epi64::<4>(other.0), low_nibble),
                _mm256_and_si256(other.1, low_nibble),
                _mm256_and_si256(_mm256_srli_epi64::<4>(other.1), low_nibble),
            ];
            let mut sum = self;
            for (nibble, [low, high]) in nibbles.into_iter().zip(&(*factor).0) {
                let table = |bytes: &[u8; 16]| _mm256_broadcastsi128_si256(_mm_load_si128(bytes.as_ptr().cast()));
                sum.0 = _mm256_xor_si256(sum.0, _mm256_shuffle_epi8(table(low), nibble));
                sum.1 = _mm256_xor_si256(sum.1, _mm256_shuffle_epi8(table(high), nibble));
            }
            sum
        }
    }
}

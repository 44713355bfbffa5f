//! Eight rows in 256-bit registers (AVX2).

use super::lanes::{self, Values, Words};
use std::arch::x86_64::*;

// SAFETY: every function but `available` uses the instructions that it checks.
unsafe impl Words for __m256i {
    const COUNT: usize = 8;

    fn available() -> bool {
        is_x86_feature_detected!("avx2")
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm256_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm256_add_epi32(self, other) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm256_xor_si256(self, other) }
    }

    #[inline(always)]
    unsafe fn rotate<const BITS: i32>(self) -> Self {
        // SAFETY: the caller's. Whole bytes move by a shuffle, which is one instruction and not three.
        unsafe {
            match BITS {
                16 => _mm256_shuffle_epi8(
                    self,
                    _mm256_broadcastsi128_si256(_mm_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2)),
                ),
                8 => _mm256_shuffle_epi8(
                    self,
                    _mm256_broadcastsi128_si256(_mm_set_epi8(12, 15, 14, 13, 8, 11, 10, 9, 4, 7, 6, 5, 0, 3, 2, 1)),
                ),
                12 => _mm256_or_si256(_mm256_srli_epi32::<12>(self), _mm256_slli_epi32::<20>(self)),
                _ => _mm256_or_si256(_mm256_srli_epi32::<7>(self), _mm256_slli_epi32::<25>(self)),
            }
        }
    }

    #[inline(always)]
    unsafe fn block(rows: *const *const u8, at: usize) -> [Self; 16] {
        // SAFETY: the caller's rows have 64 bytes from there on.
        unsafe {
            let mut words = [_mm256_setzero_si256(); 16];
            for half in 0..2 {
                let at = at + 32 * half;
                // Four rows at a time, the words of each half of a register: word `4 * half + index` at `4 * four + index`.
                let mut halves = [_mm256_setzero_si256(); 8];
                for four in 0..2 {
                    let [a, b, c, d] = [
                        _mm256_loadu_si256((*rows.add(4 * four)).add(at).cast()),
                        _mm256_loadu_si256((*rows.add(4 * four + 1)).add(at).cast()),
                        _mm256_loadu_si256((*rows.add(4 * four + 2)).add(at).cast()),
                        _mm256_loadu_si256((*rows.add(4 * four + 3)).add(at).cast()),
                    ];
                    let (low, high) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
                    let (low_of_next, high_of_next) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
                    halves[4 * four] = _mm256_unpacklo_epi64(low, low_of_next);
                    halves[4 * four + 1] = _mm256_unpackhi_epi64(low, low_of_next);
                    halves[4 * four + 2] = _mm256_unpacklo_epi64(high, high_of_next);
                    halves[4 * four + 3] = _mm256_unpackhi_epi64(high, high_of_next);
                }
                for index in 0..4 {
                    words[8 * half + index] = _mm256_permute2x128_si256::<0x20>(halves[index], halves[4 + index]);
                    words[8 * half + 4 + index] = _mm256_permute2x128_si256::<0x31>(halves[index], halves[4 + index]);
                }
            }
            words
        }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn absorb(values: &mut Values<Self>, rows: *const *const u8, blocks: usize, counter: u64, flags: [u32; 2]) {
        // SAFETY: the caller's.
        unsafe { lanes::absorb(values, rows, blocks, counter, flags) }
    }

    #[target_feature(enable = "avx2")]
    unsafe fn parent(left: &Values<Self>, right: &mut Values<Self>, flags: u32) {
        // SAFETY: the caller's.
        unsafe { lanes::parent(left, right, flags) }
    }
}

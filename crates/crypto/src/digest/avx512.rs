//! Sixteen rows in 512-bit registers (AVX-512 F).

use super::lanes::{self, Values, Words};
use std::arch::x86_64::*;

// SAFETY: every function but `available` uses the instructions that it checks.
unsafe impl Words for __m512i {
    const COUNT: usize = 16;

    fn available() -> bool {
        is_x86_feature_detected!("avx512f")
    }

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm512_set1_epi32(word as i32) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm512_add_epi32(self, other) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm512_xor_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn rotate<const BITS: i32>(self) -> Self {
        // SAFETY: the caller's.
        unsafe { _mm512_ror_epi32::<BITS>(self) }
    }

    #[inline(always)]
    unsafe fn block(rows: *const *const u8, at: usize) -> [Self; 16] {
        // SAFETY: the caller's rows have 64 bytes from there on.
        unsafe {
            let mut words = [_mm512_setzero_si512(); 16];
            // Four rows at a time, the words of each quarter of a register: word `4 * quarter + index` at `4 * four + index`.
            let mut quarters = words;
            for four in 0..4 {
                let [a, b, c, d] = [
                    _mm512_loadu_si512((*rows.add(4 * four)).add(at).cast()),
                    _mm512_loadu_si512((*rows.add(4 * four + 1)).add(at).cast()),
                    _mm512_loadu_si512((*rows.add(4 * four + 2)).add(at).cast()),
                    _mm512_loadu_si512((*rows.add(4 * four + 3)).add(at).cast()),
                ];
                let (low, high) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
                let (low_of_next, high_of_next) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
                quarters[4 * four] = _mm512_unpacklo_epi64(low, low_of_next);
                quarters[4 * four + 1] = _mm512_unpackhi_epi64(low, low_of_next);
                quarters[4 * four + 2] = _mm512_unpacklo_epi64(high, high_of_next);
                quarters[4 * four + 3] = _mm512_unpackhi_epi64(high, high_of_next);
            }
            for index in 0..4 {
                let [a, b, c, d] = [
                    quarters[index],
                    quarters[4 + index],
                    quarters[8 + index],
                    quarters[12 + index],
                ];
                let (low, high) = (_mm512_shuffle_i32x4::<0x44>(a, b), _mm512_shuffle_i32x4::<0xee>(a, b));
                let (low_of_next, high_of_next) =
                    (_mm512_shuffle_i32x4::<0x44>(c, d), _mm512_shuffle_i32x4::<0xee>(c, d));
                words[index] = _mm512_shuffle_i32x4::<0x88>(low, low_of_next);
                words[4 + index] = _mm512_shuffle_i32x4::<0xdd>(low, low_of_next);
                words[8 + index] = _mm512_shuffle_i32x4::<0x88>(high, high_of_next);
                words[12 + index] = _mm512_shuffle_i32x4::<0xdd>(high, high_of_next);
            }
            words
        }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn absorb(values: &mut Values<Self>, rows: *const *const u8, blocks: usize, counter: u64, flags: [u32; 2]) {
        // SAFETY: the caller's.
        unsafe { lanes::absorb(values, rows, blocks, counter, flags) }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn parent(left: &Values<Self>, right: &mut Values<Self>, flags: u32) {
        // SAFETY: the caller's.
        unsafe { lanes::parent(left, right, flags) }
    }
}

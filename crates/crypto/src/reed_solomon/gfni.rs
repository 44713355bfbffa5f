//! 512-bit registers: a multiplication by a constant is four products of 8 × 8 bit matrices (AVX-512 with GFNI).

use super::strips::{Lanes, Work};
use crate::galois;
use std::arch::x86_64::*;

/// 64 symbols: their low bytes, then their high bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gfni(__m512i, __m512i);

/// The matrices low to low, high to low, low to high, high to high.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrices([u64; 4]);

// SAFETY: every function but `available`, `enter` and `factor` uses the instructions that `available` checks, and is inlined
// into `enter`, which is compiled for them.
unsafe impl Lanes for Gfni {
    type Factor = Matrices;
    type Words = __m512i;

    const BYTES: usize = 128;

    fn available() -> bool {
        galois::gfni_available()
    }

    #[inline(always)]
    unsafe fn enter(work: impl Work) {
        #[target_feature(enable = "avx512f,avx512bw,gfni")]
        unsafe fn compiled(work: impl Work) {
            // SAFETY: the caller's.
            unsafe { work.run() }
        }
        // SAFETY: the caller's, who checked `available`.
        unsafe { compiled(work) }
    }

    fn factor(map: &[u16; 16]) -> Matrices {
        Matrices([(0, 0), (0, 8), (8, 0), (8, 8)].map(|(to, from)| galois::bit_matrix(map, to, from)))
    }

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: within `enter`.
        unsafe { Self(_mm512_setzero_si512(), _mm512_setzero_si512()) }
    }

    #[inline(always)]
    unsafe fn read_row(from: *const u8) -> Self {
        // SAFETY: within `enter`; the caller's row has 128 bytes here. Two chunks' low halves go together, and their high ones.
        unsafe {
            let (a, b) = (_mm512_loadu_si512(from.cast()), _mm512_loadu_si512(from.add(64).cast()));
            Self(_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0xee>(a, b))
        }
    }

    #[inline(always)]
    unsafe fn write_row(self, to: *mut u8) {
        // SAFETY: within `enter`; the caller's row has 128 bytes here.
        unsafe {
            _mm512_storeu_si512(to.cast(), _mm512_shuffle_i64x2::<0x44>(self.0, self.1));
            _mm512_storeu_si512(to.add(64).cast(), _mm512_shuffle_i64x2::<0xee>(self.0, self.1));
        }
    }

    #[inline(always)]
    unsafe fn stream_row(self, to: *mut u8) {
        // SAFETY: within `enter`; the caller's row has 128 bytes here and starts a cache line.
        unsafe {
            _mm512_stream_si512(to.cast(), _mm512_shuffle_i64x2::<0x44>(self.0, self.1));
            _mm512_stream_si512(to.add(64).cast(), _mm512_shuffle_i64x2::<0xee>(self.0, self.1));
        }
    }

    #[inline(always)]
    unsafe fn end_stream() {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _mm_sfence() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: within `enter`; the caller's scratch has 128 aligned bytes here.
        unsafe { Self(_mm512_load_si512(from.cast()), _mm512_load_si512(from.add(64).cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: within `enter`; the caller's scratch has 128 aligned bytes here.
        unsafe {
            _mm512_store_si512(to.cast(), self.0);
            _mm512_store_si512(to.add(64).cast(), self.1);
        }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: within `enter`.
        unsafe { Self(_mm512_xor_si512(self.0, other.0), _mm512_xor_si512(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn multiply_add(self, other: Self, factor: *const Matrices) -> Self {
        /// Exclusive or of three, as a table of eight bits.
        const XOR3: i32 = 0x96;
        // SAFETY: within `enter`; the caller's factor is live.
        unsafe {
            let [a, b, c, d] = (*factor).0.map(
                #[inline(always)]
                |matrix| _mm512_set1_epi64(matrix as i64),
            );
            let product = |matrix, bytes| _mm512_gf2p8affine_epi64_epi8::<0>(bytes, matrix);
            Self(
                _mm512_ternarylogic_epi64::<XOR3>(self.0, product(a, other.0), product(b, other.1)),
                _mm512_ternarylogic_epi64::<XOR3>(self.1, product(c, other.0), product(d, other.1)),
            )
        }
    }
}

//! Eight 64-bit words at a time, one a lane, between memory and registers.

use std::arch::x86_64::*;

/// Lanes of a register, and so keys that are worked out at once.
pub(super) const LANES: usize = 8;

/// Whether this machine has the instructions: AVX-512 with integer multiplication of 52 bits.
pub(in crate::ecdsa) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma")
}

/// Rows as registers.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn load<const ROWS: usize>(rows: &[[u64; LANES]; ROWS]) -> [__m512i; ROWS] {
    let mut registers = [_mm512_setzero_si512(); ROWS];
    for (register, row) in registers.iter_mut().zip(rows) {
        // SAFETY: a row is 64 bytes, and the load asks for no alignment.
        *register = unsafe { _mm512_loadu_si512(row.as_ptr().cast()) };
    }
    registers
}

/// A register as a row.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn store(register: __m512i) -> [u64; LANES] {
    let mut row = [0; LANES];
    // SAFETY: a row is 64 bytes, and the store asks for no alignment.
    unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), register) };
    row
}

/// Rows for columns: word `i` of register `j` becomes word `j` of register `i`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn transposed(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [a, b, c, d, e, f, g, h] = rows;
    // Pairs of words, then the blocks of two words within halves, then the halves.
    let (ab, ab_odd) = (_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    let (cd, cd_odd) = (_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
    let (ef, ef_odd) = (_mm512_unpacklo_epi64(e, f), _mm512_unpackhi_epi64(e, f));
    let (gh, gh_odd) = (_mm512_unpacklo_epi64(g, h), _mm512_unpackhi_epi64(g, h));
    let [c0, c2, c4, c6] = blocks_transposed([ab, cd, ef, gh]);
    let [c1, c3, c5, c7] = blocks_transposed([ab_odd, cd_odd, ef_odd, gh_odd]);
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// The same for blocks of two words: block `i` of register `j` becomes block `j` of register `i`.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn blocks_transposed(rows: [__m512i; 4]) -> [__m512i; 4] {
    let [a, b, c, d] = rows;
    // Blocks 0 and 1 of two registers, then blocks 2 and 3.
    let (ab, ab_high) = (_mm512_shuffle_i64x2::<0x44>(a, b), _mm512_shuffle_i64x2::<0xee>(a, b));
    let (cd, cd_high) = (_mm512_shuffle_i64x2::<0x44>(c, d), _mm512_shuffle_i64x2::<0xee>(c, d));
    [
        _mm512_shuffle_i64x2::<0x88>(ab, cd),
        _mm512_shuffle_i64x2::<0xdd>(ab, cd),
        _mm512_shuffle_i64x2::<0x88>(ab_high, cd_high),
        _mm512_shuffle_i64x2::<0xdd>(ab_high, cd_high),
    ]
}

//! The combination in 512-bit registers: symbols are pairs of bytes, and two of a row's chunks, 64 symbols, times one lane's 64
//! coefficients are three products of 64 bytes (AVX-512 with GFNI).
//!
//! Three, not four, by Karatsuba's rule: `low·high' + high·low'` is `(low + high)·(low' + high')` without `low·low'` and `high·high'`, which
//! are needed anyway. Multiplying is what costs, and reading coefficients, which are twelve times as many bytes as a row: one
//! kilobyte of columns of some rows is combined at a time, while their twelve kilobytes of coefficients are in the first-level cache.

use super::{Combined, LANES, tower::Tower};
use crate::{
    galois::{self, CHUNK_BYTES},
    reed_solomon::ROW_ALIGNMENT,
};
use std::arch::x86_64::*;

/// Rows whose sums are kept at once: they share the reading of their coefficients.
const ROWS_KEPT: usize = 16;
/// Pairs of chunks of a row combined at a time: their coefficients are 12 KiB.
const COLUMN_PAIRS: usize = 8;

/// Two chunks of a row: [`ROW_ALIGNMENT`] makes rows whole pairs.
type Pair = [u8; 2 * CHUNK_BYTES];
const _: () = assert!(ROW_ALIGNMENT == size_of::<Pair>());

/// A chunk that lies in one line of the cache: reading it touches no other.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
struct Aligned([u8; CHUNK_BYTES]);

/// A lane's coefficients for a pair of chunks: those of the first, of the second, and the sums of both's halves.
type Factors = [Aligned; 3];

/// The coefficients of rows of some length: for each pair of chunks, each lane's.
#[derive(Clone, Debug)]
pub(super) struct Coefficients(Vec<[Factors; LANES]>);

/// One lane's sums for one row: of low·low' | high·high', and of (low + high)·(low' + high') of first | second chunks.
#[derive(Clone, Copy)]
struct Sum {
    straight: __m512i,
    crossed: __m512i,
}

/// The sums of a row.
type Sums = [Sum; LANES];

/// The change of basis of a chunk: what each half of bytes gives to itself, and what it takes from the other.
#[derive(Clone, Copy)]
struct Basis {
    direct: __m512i,
    crossed: __m512i,
}

/// Coefficients, as they are derived, made ready: half as many bytes again.
///
/// # Safety
///
/// The processor has what [`galois::gfni_available`] checks.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) unsafe fn prepare(derived: &[u8]) -> Coefficients {
    let basis = basis();
    let chunks = derived.as_chunks::<CHUNK_BYTES>().0.as_chunks::<LANES>().0;
    let factors = |[first, second]: &[[[u8; CHUNK_BYTES]; LANES]; 2], lane: usize| {
        let (first, second) = (pairs(load(&first[lane]), basis), pairs(load(&second[lane]), basis));
        let stored = |register| store(register);
        [first, second, halves_added(first, second)].map(stored)
    };
    let of_pair = |pair| std::array::from_fn(|lane| factors(pair, lane));
    Coefficients(chunks.as_chunks().0.iter().map(of_pair).collect())
}

/// Appends what each of `rows`, of `row_bytes` bytes, combines to, under coefficients that [`prepare`] made ready.
///
/// # Safety
///
/// The processor has what [`galois::gfni_available`] checks.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) unsafe fn combine<'a>(
    coefficients: &Coefficients,
    rows: impl Iterator<Item = &'a [u8]>,
    row_bytes: usize,
    combined: &mut Vec<Combined>,
) {
    assert_eq!(
        coefficients.0.len() * size_of::<Pair>(),
        row_bytes,
        "coefficients for rows of {row_bytes} bytes"
    );
    let basis = basis();
    let tower = Tower::get();
    let none: &[Pair] = &[];
    let mut kept = [none; ROWS_KEPT];
    let mut rows = rows.map(|row| {
        assert_eq!(row.len(), row_bytes, "rows of {row_bytes} bytes");
        row.as_chunks().0
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
            crossed: _mm512_setzero_si512(),
        };
        let mut sums = [[zero; LANES]; ROWS_KEPT];
        for (column, factors) in coefficients.0.chunks(COLUMN_PAIRS).enumerate() {
            let first = column * COLUMN_PAIRS;
            for (row, sums) in kept[..count].iter().zip(&mut sums) {
                // The row's next columns, which come after those of the other rows.
                for pair in row[first + factors.len()..].iter().take(COLUMN_PAIRS) {
                    _mm_prefetch::<_MM_HINT_T1>(pair.as_ptr().cast());
                    _mm_prefetch::<_MM_HINT_T1>(pair[CHUNK_BYTES..].as_ptr().cast());
                }
                add(factors, &row[first..first + factors.len()], basis, sums);
            }
        }
        combined.extend(sums[..count].iter().map(|sums| finish(tower, sums)));
    }
}

/// Adds to `sums`, which fill half of the registers, the products of some pairs of chunks of a row with their coefficients.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
#[inline]
fn add(factors: &[[Factors; LANES]], row: &[Pair], basis: Basis, sums: &mut Sums) {
    /// Exclusive or of three, as a table of eight bits.
    const XOR3: i32 = 0x96;
    let mut running = *sums;
    for (chunks, factors) in row.iter().zip(factors) {
        let [first, second] = chunks.as_chunks::<CHUNK_BYTES>().0 else {
            unreachable!("a pair is two chunks")
        };
        let (first, second) = (pairs(load(first), basis), pairs(load(second), basis));
        let added = halves_added(first, second);
        for (sum, factors) in running.iter_mut().zip(factors) {
            sum.straight = _mm512_ternarylogic_epi64::<XOR3>(
                sum.straight,
                _mm512_gf2p8mul_epi8(first, load(&factors[0].0)),
                _mm512_gf2p8mul_epi8(second, load(&factors[1].0)),
            );
            sum.crossed = _mm512_xor_si512(sum.crossed, _mm512_gf2p8mul_epi8(added, load(&factors[2].0)));
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
        let (first, second) = fold(sum.crossed);
        *bytes = tower.symbol(low, high, first ^ second ^ low ^ high).to_le_bytes();
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

/// The low halves of both plus their high halves.
#[target_feature(enable = "avx512f")]
#[inline]
fn halves_added(first: __m512i, second: __m512i) -> __m512i {
    _mm512_xor_si512(
        _mm512_shuffle_i64x2::<0x44>(first, second),
        _mm512_shuffle_i64x2::<0xee>(first, second),
    )
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(bytes: &[u8; CHUNK_BYTES]) -> __m512i {
    // SAFETY: 64 bytes are read from as many.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(register: __m512i) -> Aligned {
    let mut chunk = Aligned([0; CHUNK_BYTES]);
    // SAFETY: 64 bytes are written to as many, which are aligned.
    unsafe { _mm512_store_si512(chunk.0.as_mut_ptr().cast(), register) };
    chunk
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

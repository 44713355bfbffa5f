//! The innermost products: a few rows times a few vectors of columns, kept in registers.
//!
//! Every element of a tile is its own chain of fused multiply-adds in order of depth, so the tile's shape, which differs
//! between instruction sets, leaves no trace in the result.

use super::Isa;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    _mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_setzero_ps, _mm256_storeu_ps,
    _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

/// Most columns of a tile of any instruction set.
pub(super) const MAX_COLUMNS: usize = 32;

/// Most rows of a tile of any instruction set.
pub(super) const MAX_ROWS: usize = 12;

/// Computes `c = a · b`, or `c = c + a · b` when `add`, for one tile.
///
/// `a` holds `depth` steps of as many numbers as the tile has rows; step `p` of `b` begins at `b[p * b_stride]` and row `i`
/// of `c` at `c[i * c_stride]`.
///
/// # Safety
///
/// The CPU must have the instructions of the tile's set. `a` must be readable for `depth * rows` numbers, `b` for `columns`
/// numbers at each of `depth` steps, and `c` readable and writable for `columns` numbers in each row, apart from `a` and `b`.
pub(super) type Tile =
    unsafe fn(depth: usize, a: *const f32, b: *const f32, b_stride: usize, c: *mut f32, c_stride: usize, add: bool);

/// The tiles of one instruction set: `of_rows[r - 1]` has `r` rows, all have `columns` columns.
pub(super) struct Tiles {
    pub(super) of_rows: &'static [Tile],
    pub(super) columns: usize,
}

impl Tiles {
    /// The tiles of `isa`.
    pub(super) fn of(isa: Isa) -> Tiles {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => Tiles {
                of_rows: &AVX512,
                columns: 32,
            },
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => Tiles {
                of_rows: &AVX2,
                columns: 16,
            },
            _ => Tiles {
                of_rows: &SCALAR,
                columns: 16,
            },
        }
    }

    /// The most rows of a tile.
    pub(super) fn rows(&self) -> usize {
        self.of_rows.len()
    }
}

/// 12 rows of two 16-lane vectors: 24 accumulators, two columns vectors and a broadcast fill 27 of 32 registers.
#[cfg(target_arch = "x86_64")]
static AVX512: [Tile; 12] = [
    avx512::<1>,
    avx512::<2>,
    avx512::<3>,
    avx512::<4>,
    avx512::<5>,
    avx512::<6>,
    avx512::<7>,
    avx512::<8>,
    avx512::<9>,
    avx512::<10>,
    avx512::<11>,
    avx512::<12>,
];

/// 6 rows of two 8-lane vectors: 12 accumulators, two column vectors and a broadcast fill 15 of 16 registers.
#[cfg(target_arch = "x86_64")]
static AVX2: [Tile; 6] = [avx2::<1>, avx2::<2>, avx2::<3>, avx2::<4>, avx2::<5>, avx2::<6>];

static SCALAR: [Tile; 4] = [scalar::<1>, scalar::<2>, scalar::<3>, scalar::<4>];

const _: () = assert!(SCALAR.len() <= MAX_ROWS, "an edge tile's buffer holds any tile");

/// # Safety
///
/// As [`Tile`], for 32 columns and AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,fma")]
unsafe fn avx512<const ROWS: usize>(
    depth: usize,
    a: *const f32,
    b: *const f32,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
    add: bool,
) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    // SAFETY: the caller promises these reads and writes; every offset below is inside what it names.
    unsafe {
        let (mut a, mut b) = (a, b);
        for _ in 0..depth {
            let (left, right) = (_mm512_loadu_ps(b), _mm512_loadu_ps(b.add(16)));
            for (i, sum) in sums.iter_mut().enumerate() {
                let x = _mm512_set1_ps(*a.add(i));
                sum[0] = _mm512_fmadd_ps(x, left, sum[0]);
                sum[1] = _mm512_fmadd_ps(x, right, sum[1]);
            }
            // Wrapping, because the last step may point past the operand, which `add` does not allow.
            (a, b) = (a.wrapping_add(ROWS), b.wrapping_add(b_stride));
        }
        for (i, sum) in sums.iter().enumerate() {
            let row = c.add(i * c_stride);
            let (mut left, mut right) = (sum[0], sum[1]);
            if add {
                left = _mm512_add_ps(_mm512_loadu_ps(row), left);
                right = _mm512_add_ps(_mm512_loadu_ps(row.add(16)), right);
            }
            _mm512_storeu_ps(row, left);
            _mm512_storeu_ps(row.add(16), right);
        }
    }
}

/// # Safety
///
/// As [`Tile`], for 16 columns, AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const ROWS: usize>(
    depth: usize,
    a: *const f32,
    b: *const f32,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
    add: bool,
) {
    let mut sums = [[_mm256_setzero_ps(); 2]; ROWS];
    // SAFETY: the caller promises these reads and writes; every offset below is inside what it names.
    unsafe {
        let (mut a, mut b) = (a, b);
        for _ in 0..depth {
            let (left, right) = (_mm256_loadu_ps(b), _mm256_loadu_ps(b.add(8)));
            for (i, sum) in sums.iter_mut().enumerate() {
                let x = _mm256_set1_ps(*a.add(i));
                sum[0] = _mm256_fmadd_ps(x, left, sum[0]);
                sum[1] = _mm256_fmadd_ps(x, right, sum[1]);
            }
            (a, b) = (a.wrapping_add(ROWS), b.wrapping_add(b_stride));
        }
        for (i, sum) in sums.iter().enumerate() {
            let row = c.add(i * c_stride);
            let (mut left, mut right) = (sum[0], sum[1]);
            if add {
                left = _mm256_add_ps(_mm256_loadu_ps(row), left);
                right = _mm256_add_ps(_mm256_loadu_ps(row.add(8)), right);
            }
            _mm256_storeu_ps(row, left);
            _mm256_storeu_ps(row.add(8), right);
        }
    }
}

/// # Safety
///
/// As [`Tile`], for 16 columns and any CPU.
unsafe fn scalar<const ROWS: usize>(
    depth: usize,
    a: *const f32,
    b: *const f32,
    b_stride: usize,
    c: *mut f32,
    c_stride: usize,
    add: bool,
) {
    let mut sums = [[0.0f32; 16]; ROWS];
    // SAFETY: the caller promises these reads and writes; every offset below is inside what it names.
    unsafe {
        for p in 0..depth {
            for (i, sum) in sums.iter_mut().enumerate() {
                let x = *a.add(p * ROWS + i);
                for (j, value) in sum.iter_mut().enumerate() {
                    *value = x.mul_add(*b.add(p * b_stride + j), *value);
                }
            }
        }
        for (i, sum) in sums.iter().enumerate() {
            for (j, &value) in sum.iter().enumerate() {
                let slot = c.add(i * c_stride + j);
                *slot = if add { *slot + value } else { value };
            }
        }
    }
}

//! Copies of operand panels in the order a tile reads them.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m256;
use std::ops::Range;

use super::{Isa, Kernels};

/// Side of the squares a panel is turned by: one AVX2 register.
#[cfg(target_arch = "x86_64")]
const SIDE: usize = 8;

/// Where the lanes of a panel lie in an operand: rows of a left one, columns of a right one.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    /// Distance between lanes.
    pub(super) lane_stride: usize,
    /// Distance between steps of depth.
    pub(super) depth_stride: usize,
    /// How many lanes there are.
    pub(super) count: usize,
}

impl Kernels {
    /// Lays out `lanes` for `depth` steps so that a step finds its lanes side by side:
    /// `packed[p * width + q] = source[q * lane_stride + p * depth_stride]`, and zero for lanes `count..width`.
    pub(super) fn pack(&self, packed: &mut [f32], width: usize, source: &[f32], lanes: Lanes, depth: usize) {
        let packed = &mut packed[..width * depth];
        if lanes.count < width {
            packed.fill(0.0);
        }
        match (lanes.lane_stride, lanes.depth_stride) {
            (1, stride) => {
                // Fixed widths turn each copy into a few moves.
                match lanes.count {
                    6 => copy_steps::<6>(packed, width, source, stride),
                    12 => copy_steps::<12>(packed, width, source, stride),
                    16 => copy_steps::<16>(packed, width, source, stride),
                    32 => copy_steps::<32>(packed, width, source, stride),
                    count => {
                        for (p, step) in packed.chunks_exact_mut(width).enumerate() {
                            step[..count].copy_from_slice(&source[p * stride..][..count]);
                        }
                    }
                }
            }
            (stride, 1) => match self.isa {
                // SAFETY: a `Kernels` of these instruction sets exists only on a CPU seen to have AVX2.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 | Isa::Avx2 => unsafe { turn_by_squares(packed, width, source, stride, lanes.count) },
                _ => turn(packed, width, source, stride, lanes.count, 0..depth),
            },
            (lane_stride, depth_stride) => {
                for (p, step) in packed.chunks_exact_mut(width).enumerate() {
                    for (q, slot) in step[..lanes.count].iter_mut().enumerate() {
                        *slot = source[q * lane_stride + p * depth_stride];
                    }
                }
            }
        }
    }
}

/// Copies `COUNT` contiguous lanes for each step.
fn copy_steps<const COUNT: usize>(packed: &mut [f32], width: usize, source: &[f32], stride: usize) {
    for (p, step) in packed.chunks_exact_mut(width).enumerate() {
        let lanes: &[f32; COUNT] = source[p * stride..]
            .first_chunk()
            .expect("the operand holds every lane of each step");
        step[..COUNT].copy_from_slice(lanes);
    }
}

/// Packs lanes that are each contiguous in depth: a transposition.
fn turn(packed: &mut [f32], width: usize, source: &[f32], stride: usize, lanes: usize, depths: Range<usize>) {
    for p in depths {
        for (q, slot) in packed[p * width..][..lanes].iter_mut().enumerate() {
            *slot = source[q * stride + p];
        }
    }
}

/// As [`turn`] for all depths, by squares that are transposed in registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn turn_by_squares(packed: &mut [f32], width: usize, source: &[f32], stride: usize, lanes: usize) {
    use std::arch::x86_64::{_mm256_loadu_ps, _mm256_storeu_ps};
    let depth = packed.len() / width;
    let squares = if lanes < SIDE { 0 } else { depth / SIDE * SIDE };
    // Lanes outside: a group of eight is read along its cache lines.
    for lane in (0..if squares == 0 { 0 } else { lanes }).step_by(SIDE) {
        // The last square may overlap the one before it, which writes the same numbers twice.
        let lane = lane.min(lanes - SIDE);
        for first in (0..squares).step_by(SIDE) {
            let square = transpose(std::array::from_fn(|q| {
                let row = &source[(lane + q) * stride + first..][..SIDE];
                // SAFETY: `row` holds the eight numbers read.
                unsafe { _mm256_loadu_ps(row.as_ptr()) }
            }));
            for (p, row) in square.into_iter().enumerate() {
                let slots = &mut packed[(first + p) * width + lane..][..SIDE];
                // SAFETY: `slots` holds the eight numbers written.
                unsafe { _mm256_storeu_ps(slots.as_mut_ptr(), row) };
            }
        }
    }
    turn(packed, width, source, stride, lanes, squares..depth);
}

/// Exchanges rows and columns: of pairs, of pairs of pairs, then of halves.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn transpose(rows: [__m256; SIDE]) -> [__m256; SIDE] {
    use std::arch::x86_64::{
        _mm256_permute2f128_ps as halves, _mm256_shuffle_ps as shuffle, _mm256_unpackhi_ps as high,
        _mm256_unpacklo_ps as low,
    };
    let [a, b, c, d, e, f, g, h] = rows;
    let (ab, cd, ef, gh) = (
        (low(a, b), high(a, b)),
        (low(c, d), high(c, d)),
        (low(e, f), high(e, f)),
        (low(g, h), high(g, h)),
    );
    let left = [
        shuffle::<0x44>(ab.0, cd.0),
        shuffle::<0xee>(ab.0, cd.0),
        shuffle::<0x44>(ab.1, cd.1),
        shuffle::<0xee>(ab.1, cd.1),
    ];
    let right = [
        shuffle::<0x44>(ef.0, gh.0),
        shuffle::<0xee>(ef.0, gh.0),
        shuffle::<0x44>(ef.1, gh.1),
        shuffle::<0xee>(ef.1, gh.1),
    ];
    [
        halves::<0x20>(left[0], right[0]),
        halves::<0x20>(left[1], right[1]),
        halves::<0x20>(left[2], right[2]),
        halves::<0x20>(left[3], right[3]),
        halves::<0x31>(left[0], right[0]),
        halves::<0x31>(left[1], right[1]),
        halves::<0x31>(left[2], right[2]),
        halves::<0x31>(left[3], right[3]),
    ]
}

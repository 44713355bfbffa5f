//! The sum of a row's blocks, each times its element, in wide registers: elements side by side times one element are products of symbols
//! with constants, which the code's registers compute.
//!
//! Karatsuba's rule makes 27 products of coordinates' sums out of 64 of coordinates. Registers hold the sums of nine at a time over
//! the whole row: those of the lower four coordinates, then those of the upper ones, then those of both's sums. What is left of the rule is
//! done once a row.

use super::{BLOCK_BYTES, Block, field, padded};
use crate::{
    galois::{self, CHUNK_BYTES},
    reed_solomon::strips::{Lanes, Work},
};
use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Bytes of a coordinate in a block.
const COORDINATE_BYTES: usize = BLOCK_BYTES / field::DEGREE;
/// How far ahead of what is computed on a row is asked for, in bytes: so much passes in the time that memory takes.
const AHEAD_BYTES: usize = 4096;
/// Coordinates whose terms' sums fit in registers.
const COORDINATES: usize = field::DEGREE / 2;

/// The terms of an element for each block of a row.
#[derive(Clone, Debug)]
pub(super) struct Factors<L: Lanes> {
    terms: Vec<field::Terms<L::Factor>>,
    nu: L::Factor,
}

impl<L: Lanes> Factors<L> {
    /// Nothing where the processor lacks the instructions.
    pub(super) fn new(terms: &[field::Terms<u16>]) -> Option<Self> {
        let factor = |symbol| L::factor(&galois::linear_map(symbol));
        L::available().then(|| Self {
            terms: terms.iter().map(|terms| terms.map(|terms| terms.map(factor))).collect(),
            nu: factor(field::NU),
        })
    }

    /// The sum of the blocks of `row`, each times its element.
    ///
    /// # Panics
    ///
    /// When `row` is not as many blocks as there are elements.
    pub(super) fn fold(&self, row: &[u8]) -> Block {
        assert_eq!(
            row.len().div_ceil(BLOCK_BYTES),
            self.terms.len(),
            "an element for each block"
        );
        let mut folded = [0; BLOCK_BYTES];
        // SAFETY: the processor has the instructions, or there would be no factors.
        unsafe {
            L::enter(Fold {
                factors: self,
                row,
                folded: &mut folded,
            });
        }
        folded
    }
}

struct Fold<'a, L: Lanes> {
    factors: &'a Factors<L>,
    row: &'a [u8],
    folded: &'a mut Block,
}

impl<L: Lanes> Work for Fold<'_, L> {
    #[inline(always)]
    unsafe fn run(self) {
        let (whole, rest) = self.row.as_chunks();
        let (of_whole, of_rest) = self.factors.terms.split_at(whole.len());
        let end = padded(rest);
        let symbols = Columns::<L>(&self.factors.nu);
        // SAFETY: within `enter`.
        unsafe {
            for at in (0..COORDINATE_BYTES).step_by(L::BYTES) {
                let mut sums = [[L::zero(); 9]; 3];
                let end = std::slice::from_ref(&end);
                add::<L, 0>(&symbols, whole, of_whole, at, &mut sums);
                add::<L, 0>(&symbols, end, of_rest, at, &mut sums);
                add::<L, 1>(&symbols, whole, of_whole, at, &mut sums);
                add::<L, 1>(&symbols, end, of_rest, at, &mut sums);
                add::<L, 2>(&symbols, whole, of_whole, at, &mut sums);
                add::<L, 2>(&symbols, end, of_rest, at, &mut sums);
                let coordinates = field::recombined_of(&symbols, sums);
                for (coordinate, to) in coordinates
                    .into_iter()
                    .zip(self.folded.chunks_exact_mut(COORDINATE_BYTES))
                {
                    coordinate.write_row(to[at..][..L::BYTES].as_mut_ptr());
                }
            }
        }
    }
}

/// Adds part `PART` of the products of some blocks, from byte `at` of each coordinate on, with their elements.
#[inline(always)]
unsafe fn add<L: Lanes, const PART: usize>(
    symbols: &Columns<'_, L>,
    blocks: &[Block],
    terms: &[field::Terms<L::Factor>],
    at: usize,
    sums: &mut field::Terms<L>,
) {
    // SAFETY: within `enter`; a coordinate has as many bytes from there on as registers hold.
    unsafe {
        let mut running = sums[PART];
        for (block, terms) in blocks.iter().zip(terms) {
            let block = block.as_ptr().add(at);
            if PART == 0 && at == 0 {
                for line in (0..BLOCK_BYTES).step_by(CHUNK_BYTES) {
                    // What lies there may be no row's: asking for it is all that is done.
                    _mm_prefetch::<_MM_HINT_T0>(block.wrapping_add(AHEAD_BYTES + line).cast());
                }
            }
            let coordinates = [
                read::<L, PART>(block, 0),
                read::<L, PART>(block, 1),
                read::<L, PART>(block, 2),
                read::<L, PART>(block, 3),
            ];
            let factors = field::terms_of_four(symbols, coordinates);
            for term in 0..9 {
                running[term] = running[term].multiply_add(factors[term], &terms[PART][term]);
            }
        }
        sums[PART] = running;
    }
}

/// What part `PART` reads as its coordinate `index`, from some byte of each of a block's coordinates on: that coordinate of the lower ones, of the upper
/// ones, or the sum of both.
#[inline(always)]
unsafe fn read<L: Lanes, const PART: usize>(block: *const u8, index: usize) -> L {
    // SAFETY: within `enter`; a coordinate has as many bytes from there on as registers hold.
    unsafe {
        let (lower, upper) = (
            block.add(COORDINATE_BYTES * index),
            block.add(COORDINATE_BYTES * (COORDINATES + index)),
        );
        match PART {
            0 => L::read_row(lower),
            1 => L::read_row(upper),
            _ => L::read_row(lower).xor(L::read_row(upper)),
        }
    }
}

/// Columns of rows, and multiplication by ν.
struct Columns<'a, L: Lanes>(&'a L::Factor);

// SAFETY: as the registers'.
unsafe impl<L: Lanes> field::Symbols<L> for Columns<'_, L> {
    #[inline(always)]
    unsafe fn add(&self, a: L, b: L) -> L {
        // SAFETY: the caller's.
        unsafe { a.xor(b) }
    }

    #[inline(always)]
    unsafe fn times_nu(&self, a: L) -> L {
        // SAFETY: the caller's.
        unsafe { L::zero().multiply_add(a, self.0) }
    }
}

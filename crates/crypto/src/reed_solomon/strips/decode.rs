//! From any `k` of a polynomial's values to the missing ones of the first coset.
//!
//! In the Lin-Chung-Han basis only the first `k` coefficients of the derivative matter at the first `k` points; they are sums of
//! the first coset's derivative and of two other cosets' coefficients, so each coset that has rows is transformed alone, and one
//! transform of `k` rows ends it: four transforms of `k` rows at most, where the textbook has two of `4k`.

use super::{
    BLOCK, Engine, Lanes, Layout, STRIP_BYTES_MAX, Scratch, Work,
    layers::{forward_high, forward32, inverse_high, inverse32},
    rows::{Sink, Source, Strided},
};

/// Any `k` values to the missing ones of the first coset.
pub(super) struct Decode<'a, L: Lanes> {
    pub(super) engine: &'a Engine<L>,
    pub(super) present: &'a [Option<&'a [u8]>],
    pub(super) factors: &'a [L::Factor],
    /// The first coset's rows.
    pub(super) outputs: &'a [*mut u8],
    pub(super) row_bytes: usize,
}

impl<L: Lanes> Work for Decode<'_, L> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self {
            engine,
            present,
            factors,
            outputs,
            row_bytes,
        } = self;
        let k = engine.k;
        let (blocks, cosets) = (k / BLOCK, present.len() / k);
        let high_layers = blocks.ilog2();
        let strip_max = STRIP_BYTES_MAX.min(row_bytes);
        let layout = Layout::new(k, strip_max);
        // The fourth coset of three times as many rows as data has none, and no factors.
        let used: Vec<bool> = present
            .chunks_exact(k)
            .map(|rows| rows.iter().any(Option::is_some))
            .collect();
        let column_bytes = BLOCK * L::BYTES;
        let mut scratch = Scratch::new(cosets * layout.coset + (cosets + 1) * column_bytes);
        let mut offset = 0;
        // SAFETY: as in `Transfer::run`; columns of each coset follow the cosets in the scratch, then the spare one.
        unsafe {
            let work = scratch.start();
            let column = |coset: usize| work.add(cosets * layout.coset + coset * column_bytes);
            let spare = column(cosets);
            while offset < row_bytes {
                let strip = strip_max.min(row_bytes - offset);
                for (coset, _) in used.iter().enumerate().filter(|(_, used)| **used) {
                    for block in 0..blocks {
                        let first = coset * k + block * BLOCK;
                        let low = engine.cosets[coset].low[block * BLOCK..].as_ptr();
                        let (rows, factors) = (&present[first..][..BLOCK], &factors[first..][..BLOCK]);
                        for part in (0..strip).step_by(L::BYTES) {
                            let scaled = Scaled::<L> {
                                rows,
                                factors,
                                at: offset + part,
                            };
                            let to = work.add(coset * layout.coset + block * layout.block + part);
                            inverse32::<L>(
                                &scaled,
                                &Strided {
                                    start: to,
                                    stride: layout.row,
                                },
                                low,
                                spare,
                            );
                        }
                    }
                }
                for row in 0..BLOCK {
                    for part in (0..strip).step_by(L::BYTES) {
                        let place = work.add(row * layout.row + part);
                        for (coset, &used) in used.iter().enumerate() {
                            let to = column(coset);
                            if used {
                                let high = engine.cosets[coset].high.as_ptr();
                                let from = place.add(coset * layout.coset);
                                let from = Strided {
                                    start: from,
                                    stride: layout.block,
                                };
                                inverse_high::<L>(
                                    high_layers,
                                    from,
                                    Strided {
                                        start: to,
                                        stride: L::BYTES,
                                    },
                                    high,
                                    spare,
                                );
                            } else {
                                for block in 0..blocks {
                                    L::zero().store(to.add(block * L::BYTES));
                                }
                            }
                        }
                        // The derivative's share across blocks and cosets goes where the second coset was.
                        derive_high::<L>(high_layers, cosets, column(0), place, layout, &engine.two);
                    }
                }
                // Its share within each block.
                for block in 0..blocks {
                    for part in (0..strip).step_by(L::BYTES) {
                        let from = work.add(block * layout.block + part);
                        derive_low::<L>(from, from.add(layout.coset), layout.row);
                    }
                }
                let derivative = work.add(layout.coset);
                for row in 0..BLOCK {
                    for part in (0..strip).step_by(L::BYTES) {
                        let place = derivative.add(row * layout.row + part);
                        for block in 0..blocks {
                            L::load(place.add(block * layout.block)).store(column(0).add(block * L::BYTES));
                        }
                        let high = engine.cosets[0].high.as_ptr();
                        let from = Strided {
                            start: column(0),
                            stride: L::BYTES,
                        };
                        let to = Strided {
                            start: place,
                            stride: layout.block,
                        };
                        forward_high::<L>(high_layers, from, to, high, spare);
                    }
                }
                for block in 0..blocks {
                    let rows = &present[block * BLOCK..][..BLOCK];
                    if rows.iter().all(Option::is_some) {
                        continue;
                    }
                    let low = engine.cosets[0].low[block * BLOCK..].as_ptr();
                    let (factors, outputs) = (&factors[block * BLOCK..][..BLOCK], &outputs[block * BLOCK..][..BLOCK]);
                    for part in (0..strip).step_by(L::BYTES) {
                        let from = derivative.add(block * layout.block + part);
                        let from = Strided {
                            start: from,
                            stride: layout.row,
                        };
                        forward32::<L>(
                            &from,
                            &Restored::<L> {
                                rows,
                                factors,
                                outputs,
                                at: offset + part,
                            },
                            low,
                            spare,
                        );
                    }
                }
                offset += strip;
            }
        }
    }
}

/// Rows that are there, times the locator; zero for the others.
struct Scaled<'a, L: Lanes> {
    rows: &'a [Option<&'a [u8]>],
    factors: &'a [L::Factor],
    at: usize,
}

impl<L: Lanes> Source<L> for Scaled<'_, L> {
    #[inline(always)]
    unsafe fn get(&self, row: usize) -> L {
        // SAFETY: the caller's rows have bytes enough from there on.
        unsafe {
            match self.rows[row] {
                Some(bytes) => L::zero().multiply_add(L::read_row(bytes.as_ptr().add(self.at)), &self.factors[row]),
                None => L::zero(),
            }
        }
    }
}

/// Rows that were missing, over the locator's derivative; the others are there already.
struct Restored<'a, L: Lanes> {
    rows: &'a [Option<&'a [u8]>],
    factors: &'a [L::Factor],
    outputs: &'a [*mut u8],
    at: usize,
}

impl<L: Lanes> Sink<L> for Restored<'_, L> {
    #[inline(always)]
    unsafe fn put(&self, row: usize, value: L) {
        if self.rows[row].is_none() {
            // SAFETY: the caller's row has bytes enough from there on.
            unsafe {
                let value = L::zero().multiply_add(value, &self.factors[row]);
                value.write_row(self.outputs[row].add(self.at));
            }
        }
    }
}

/// The derivative's share across blocks and cosets, for one row of every block: from the columns of `cosets` cosets, which
/// follow one another from `columns`, to where the second coset was in the scratch. The first coset's coefficients go back to
/// their place.
#[inline(always)]
unsafe fn derive_high<L: Lanes>(
    layers: u32,
    cosets: usize,
    columns: *mut u8,
    place: *mut u8,
    layout: Layout,
    two: *const L::Factor,
) {
    // SAFETY: the caller's columns have room for 32 rows each, and `place` is a row of the first of two cosets at least.
    unsafe {
        let blocks = 1usize << layers;
        for block in 0..blocks {
            let at = columns.add(block * L::BYTES);
            let coset = BLOCK * L::BYTES;
            let first = L::load(at);
            let mut sum = L::load(at.add(coset));
            if cosets == 4 {
                let (c, d) = (L::load(at.add(2 * coset)), L::load(at.add(3 * coset)));
                sum = sum.xor(first).xor(c).multiply_add(c.xor(d), two);
            }
            let mut distance = 1;
            while distance < blocks {
                if block & distance == 0 {
                    sum = sum.xor(L::load(at.add(distance * L::BYTES)));
                }
                distance *= 2;
            }
            first.store(place.add(block * layout.block));
            sum.store(place.add(layout.coset + block * layout.block));
        }
    }
}

/// The derivative's share within a block: added to `to` from the coefficients at `from`, 32 rows of `stride` bytes each.
#[inline(always)]
unsafe fn derive_low<L: Lanes>(from: *const u8, to: *mut u8, stride: usize) {
    // SAFETY: the caller's rows are within the scratch; a row whose bit is clear has one that much higher in the block.
    unsafe {
        for row in 0..BLOCK {
            let mut sum = L::load(to.add(row * stride));
            let mut distance = 1;
            while distance < BLOCK {
                if row & distance == 0 {
                    sum = sum.xor(L::load(from.add((row + distance) * stride)));
                }
                distance *= 2;
            }
            sum.store(to.add(row * stride));
        }
    }
}

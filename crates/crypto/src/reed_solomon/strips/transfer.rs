//! From a polynomial's values on one coset to its values on others: what encodes, and what decodes a whole coset.

use super::{
    BLOCK, Engine, Lanes, Layout, STRIP_BYTES_MAX, Scratch, Work,
    layers::{forward_high, forward32, inverse_high, inverse32},
    rows::{Given, Streamed, Strided, Written},
};

/// Values on one coset to values on others.
pub(super) struct Transfer<'a, L: Lanes> {
    pub(super) engine: &'a Engine<L>,
    /// `k` rows.
    pub(super) inputs: &'a [*const u8],
    pub(super) from: usize,
    /// Rows of the cosets from `to` on.
    pub(super) outputs: &'a [*mut u8],
    pub(super) to: usize,
    pub(super) row_bytes: usize,
    pub(super) stream: bool,
}

impl<L: Lanes> Work for Transfer<'_, L> {
    #[inline(always)]
    unsafe fn run(self) {
        let Self {
            engine,
            inputs,
            from,
            outputs,
            to,
            row_bytes,
            stream,
        } = self;
        let k = engine.k;
        let (blocks, cosets) = (k / BLOCK, outputs.len() / k);
        let high_layers = blocks.ilog2();
        let strip_max = STRIP_BYTES_MAX.min(row_bytes);
        let layout = Layout::new(k, strip_max);
        let mut scratch = Scratch::new((1 + cosets) * layout.coset + 2 * BLOCK * L::BYTES);
        let source = &engine.cosets[from];
        let mut offset = 0;
        // SAFETY: offsets stay within rows, since `strip` never exceeds what is left of one, and within the scratch, by
        // `layout`; every scratch address is a multiple of 64 from its start.
        unsafe {
            let work = scratch.start();
            let column = work.add((1 + cosets) * layout.coset);
            let spare = column.add(BLOCK * L::BYTES);
            while offset < row_bytes {
                let strip = strip_max.min(row_bytes - offset);
                for block in 0..blocks {
                    let low = source.low[block * BLOCK..].as_ptr();
                    let rows = &inputs[block * BLOCK..][..BLOCK];
                    for part in (0..strip).step_by(L::BYTES) {
                        let given = Given {
                            rows,
                            at: offset + part,
                        };
                        let to = work.add(block * layout.block + part);
                        inverse32::<L>(
                            &given,
                            &Strided {
                                start: to,
                                stride: layout.row,
                            },
                            low,
                            spare,
                        );
                    }
                }
                for row in 0..BLOCK {
                    for part in (0..strip).step_by(L::BYTES) {
                        let place = row * layout.row + part;
                        let from = Strided {
                            start: work.add(place),
                            stride: layout.block,
                        };
                        let middle = Strided {
                            start: column,
                            stride: L::BYTES,
                        };
                        inverse_high::<L>(high_layers, from, middle, source.high.as_ptr(), spare);
                        for coset in 0..cosets {
                            let start = work.add((1 + coset) * layout.coset + place);
                            let to_coset = Strided {
                                start,
                                stride: layout.block,
                            };
                            let high = engine.cosets[to + coset].high.as_ptr();
                            forward_high::<L>(high_layers, middle, to_coset, high, spare);
                        }
                    }
                }
                for coset in 0..cosets {
                    for block in 0..blocks {
                        let low = engine.cosets[to + coset].low[block * BLOCK..].as_ptr();
                        let rows = &outputs[coset * k + block * BLOCK..][..BLOCK];
                        for part in (0..strip).step_by(L::BYTES) {
                            let from = work.add((1 + coset) * layout.coset + block * layout.block + part);
                            let from = Strided {
                                start: from,
                                stride: layout.row,
                            };
                            let written = Written {
                                rows,
                                at: offset + part,
                            };
                            if stream {
                                forward32::<L>(&from, &Streamed(written), low, spare);
                            } else {
                                forward32::<L>(&from, &written, low, spare);
                            }
                        }
                    }
                }
                offset += strip;
            }
            if stream {
                L::end_stream();
            }
        }
    }
}

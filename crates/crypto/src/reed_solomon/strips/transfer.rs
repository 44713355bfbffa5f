//! From a polynomial's values on one coset to its values on others: what encodes, and what decodes a whole coset.

use super::{
    BLOCK, Engine, Lanes, Layout, STRIP_BYTES_MAX, Scratch, Work,
    layers::{forward_high, forward32, inverse_high, inverse32},
    rows::{Given, Kept, Streamed, Strided, Written},
};
use crate::digest::lanes::{RowHasher, Words};
use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};

/// Whoever sees each strip of all rows, those read and those written, while it is in cache.
pub(super) trait Watcher {
    /// Whether there is anyone: if not, rows written are not kept for it.
    const WATCHES: bool;

    /// Sees `bytes` bytes of the 32 rows from row `first` on, which are number `at` on in each row.
    ///
    /// # Safety
    ///
    /// Each pointer is to as many bytes.
    unsafe fn see(&mut self, first: usize, rows: [*const u8; BLOCK], at: usize, bytes: usize);
}

/// Nobody.
impl Watcher for () {
    const WATCHES: bool = false;

    #[inline(always)]
    unsafe fn see(&mut self, _first: usize, _rows: [*const u8; BLOCK], _at: usize, _bytes: usize) {}
}

impl<W: Words> Watcher for &mut RowHasher<W> {
    const WATCHES: bool = true;

    #[inline(always)]
    unsafe fn see(&mut self, first: usize, rows: [*const u8; BLOCK], at: usize, bytes: usize) {
        for group in 0..BLOCK / W::COUNT {
            // SAFETY: the caller's pointers, `W::COUNT` of them.
            unsafe { self.absorb(first / W::COUNT + group, rows[group * W::COUNT..].as_ptr(), at, bytes) };
        }
    }
}

/// Values on one coset to values on others.
pub(super) struct Transfer<'a, L: Lanes, W: Watcher> {
    pub(super) engine: &'a Engine<L>,
    /// `k` rows.
    pub(super) inputs: &'a [*const u8],
    pub(super) from: usize,
    /// Rows of the cosets from `to` on.
    pub(super) outputs: &'a [*mut u8],
    pub(super) to: usize,
    pub(super) row_bytes: usize,
    pub(super) stream: bool,
    /// Sees rows read as rows `0..k`, and rows written as those from `k` on.
    pub(super) watcher: W,
}

impl<L: Lanes, W: Watcher> Work for Transfer<'_, L, W> {
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
            mut watcher,
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
                    // The rows of the next block lie far apart, where no processor looks ahead by itself.
                    let (next, next_offset) = match block + 1 == blocks {
                        false => (&inputs[(block + 1) * BLOCK..][..BLOCK], offset),
                        true => (&inputs[..BLOCK], offset + strip),
                    };
                    for row in next {
                        for line in (next_offset..row_bytes.min(next_offset + strip)).step_by(64) {
                            _mm_prefetch::<_MM_HINT_T1>(row.add(line).cast());
                        }
                    }
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
                    if W::WATCHES {
                        let strips = std::array::from_fn(
                            #[inline(always)]
                            |row| rows[row].add(offset),
                        );
                        watcher.see(block * BLOCK, strips, offset, strip);
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
                        let coded = work.add((1 + coset) * layout.coset + block * layout.block);
                        for part in (0..strip).step_by(L::BYTES) {
                            // Read whole before the first row is written, so a copy may take its place.
                            let from = Strided {
                                start: coded.add(part),
                                stride: layout.row,
                            };
                            let written = Written {
                                rows,
                                at: offset + part,
                            };
                            match (stream, W::WATCHES) {
                                (false, false) => forward32::<L>(&from, &written, low, spare),
                                (true, false) => forward32::<L>(&from, &Streamed(written), low, spare),
                                (false, true) => {
                                    let kept = Kept {
                                        sink: written,
                                        copy: from,
                                    };
                                    forward32::<L>(&from, &kept, low, spare);
                                }
                                (true, true) => {
                                    let kept = Kept {
                                        sink: Streamed(written),
                                        copy: from,
                                    };
                                    forward32::<L>(&from, &kept, low, spare);
                                }
                            }
                        }
                        if W::WATCHES {
                            let strips = std::array::from_fn(
                                #[inline(always)]
                                |row| coded.add(row * layout.row).cast_const(),
                            );
                            watcher.see((1 + coset) * k + block * BLOCK, strips, offset, strip);
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

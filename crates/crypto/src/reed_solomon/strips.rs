//! The code in wide registers, for any width of them.
//!
//! Columns are independent, so a strip of a few hundred bytes of every row is transformed at a time: all of it stays in the
//! second-level cache. A transform over `k` rows is two: one of up to 32 rows across blocks of 32 (the high layers), one of 32
//! rows within each block (the low layers), each made of passes of at most three layers in registers, so that a strip crosses
//! the cache four times and not twenty.
//!
//! Decoding needs fewer transforms than the textbook's. In the Lin-Chung-Han basis only the first `k` coefficients of the
//! derivative matter at the first `k` points; they are sums of the first coset's derivative and of two other cosets'
//! coefficients, so each coset that has rows is transformed alone, and one transform of `k` rows ends it.

use crate::galois;
use std::marker::PhantomData;

/// Rows in a block: the low five layers.
const BLOCK: usize = 32;
/// Layers within a block.
const BLOCK_LAYERS: u32 = BLOCK.trailing_zeros();
/// Most bytes of a row in a strip. Wider strips use more of each page that a row touches; three cosets of 1,024 rows of this
/// fill most of a second-level cache of 1 MiB.
const STRIP_BYTES_MAX: usize = 256;
/// Bytes between blocks of a strip beyond their rows, so that rows a block apart do not share a cache set.
const BLOCK_PADDING: usize = 128;
/// Outputs beyond this many bytes are written past the caches, which could not keep them.
const STREAM_BYTES_MIN: usize = 1 << 22;

/// Registers that hold some columns of one row: the low bytes of their symbols and the high bytes.
///
/// # Safety
///
/// Functions may use instructions that [`Lanes::available`] speaks of: they are called only from within [`Lanes::enter`].
pub(super) unsafe trait Lanes: Copy + Sized + 'static {
    /// Multiplication by a constant.
    type Factor: Copy + Send + Sync;
    /// Bytes of a row in the registers.
    const BYTES: usize;

    /// Whether this processor has the instructions.
    fn available() -> bool;
    /// Runs `work` compiled for the instructions, which must be available.
    unsafe fn enter(work: impl Work);
    /// The constant whose products with powers of two are `map`.
    fn factor(map: &[u16; 16]) -> Self::Factor;
    /// Zero symbols.
    unsafe fn zero() -> Self;
    /// Reads columns of a row; no alignment is needed.
    unsafe fn read_row(from: *const u8) -> Self;
    /// Writes columns of a row; no alignment is needed.
    unsafe fn write_row(self, to: *mut u8);
    /// As `write_row`, past the caches; `to` is aligned to 64 bytes.
    unsafe fn stream_row(self, to: *mut u8);
    /// Orders what `stream_row` wrote before what follows.
    unsafe fn end_stream();
    /// Reads registers that `store` wrote; aligned to 64 bytes.
    unsafe fn load(from: *const u8) -> Self;
    /// Writes registers in their own form; aligned to 64 bytes.
    unsafe fn store(self, to: *mut u8);
    /// The sum.
    unsafe fn xor(self, other: Self) -> Self;
    /// `self + other * factor`.
    unsafe fn multiply_add(self, other: Self, factor: *const Self::Factor) -> Self;
}

/// What [`Lanes::enter`] runs.
pub(super) trait Work {
    /// Does it; always inlined, so that it is compiled for the instructions of the caller.
    unsafe fn run(self);
}

/// The factors of transforms over one coset of `k` rows, as heaps: node 1 is the highest layer's, node `i` has those of the
/// layer below at `2i` and `2i + 1`.
struct Factors<L: Lanes> {
    /// Of the layers across blocks: `k / 32` nodes.
    high: Vec<L::Factor>,
    /// Of the layers within each block: 32 nodes each.
    low: Vec<L::Factor>,
}

impl<L: Lanes> Factors<L> {
    fn new(k: usize, first: usize) -> Self {
        let heap = |first: usize, layers: u32, lowest: u32| -> Vec<L::Factor> {
            let nodes = (1..1usize << layers).map(|node| {
                let depth = node.ilog2();
                let layer = lowest + layers - 1 - depth;
                super::portable::factor(first, node - (1 << depth), layer)
            });
            std::iter::once(0)
                .chain(nodes)
                .map(|factor| L::factor(&galois::linear_map(factor)))
                .collect()
        };
        let high = heap(first, k.ilog2() - BLOCK_LAYERS, BLOCK_LAYERS);
        let low = (0..k / BLOCK)
            .flat_map(|block| heap(first + block * BLOCK, BLOCK_LAYERS, 0))
            .collect();
        Self { high, low }
    }
}

/// The code's tables for one kind of registers.
pub(super) struct Engine<L: Lanes> {
    k: usize,
    cosets: Vec<Factors<L>>,
    /// Multiplication by the symbol 2, the only factor between cosets that is not zero.
    two: L::Factor,
    lanes: PhantomData<L>,
}

/// A strip's scratch: rows of `row` bytes in blocks of `block` bytes.
#[derive(Clone, Copy)]
struct Layout {
    row: usize,
    block: usize,
    /// Bytes of all rows of a coset.
    coset: usize,
}

impl Layout {
    fn new(k: usize, strip_bytes: usize) -> Self {
        let block = BLOCK * strip_bytes + BLOCK_PADDING;
        Self {
            row: strip_bytes,
            block,
            coset: k / BLOCK * block,
        }
    }
}

/// 64 bytes that start a cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Memory aligned to a cache line.
struct Scratch(Vec<Line>);

impl Scratch {
    fn new(bytes: usize) -> Self {
        Self(vec![Line([0; 64]); bytes.div_ceil(64)])
    }

    fn start(&mut self) -> *mut u8 {
        self.0.as_mut_ptr().cast()
    }
}

impl<L: Lanes> Engine<L> {
    /// Tables for `cosets` cosets of `k` rows, or nothing where the instructions are missing.
    pub(super) fn new(k: usize, cosets: usize) -> Option<Self> {
        L::available().then(|| Self {
            k,
            cosets: (0..cosets).map(|coset| Factors::new(k, coset * k)).collect(),
            two: L::factor(&galois::linear_map(2)),
            lanes: PhantomData,
        })
    }

    /// Writes the parity of `data`, coset after coset. Lengths are as [`super::Code::encode_into`] checked.
    pub(super) fn encode(&self, data: &[u8], row_bytes: usize, parity: &mut [u8]) {
        let inputs: Vec<*const u8> = data.chunks_exact(row_bytes).map(<[u8]>::as_ptr).collect();
        let outputs: Vec<*mut u8> = parity.chunks_exact_mut(row_bytes).map(<[u8]>::as_mut_ptr).collect();
        let aligned = outputs.iter().all(|row| row.addr().is_multiple_of(64));
        let stream = aligned && parity.len() >= STREAM_BYTES_MIN;
        // SAFETY: the pointers are to rows of `row_bytes` bytes, `k` of them in and a whole number of cosets out, none of which
        // overlap; the instructions are there, or `new` had made no engine.
        unsafe {
            L::enter(Transfer {
                engine: self,
                inputs: &inputs,
                from: 0,
                outputs: &outputs,
                to: 1,
                row_bytes,
                stream,
            })
        }
    }

    /// Writes the data rows from all rows of coset `coset`.
    pub(super) fn decode_coset(&self, coset: usize, rows: &[&[u8]], row_bytes: usize, data: &mut [u8]) {
        assert!(
            rows.len() == self.k && rows.iter().all(|row| row.len() == row_bytes),
            "a coset of rows"
        );
        assert_eq!(data.len(), self.k * row_bytes, "room for the data");
        let inputs: Vec<*const u8> = rows.iter().map(|row| row.as_ptr()).collect();
        let outputs: Vec<*mut u8> = data.chunks_exact_mut(row_bytes).map(<[u8]>::as_mut_ptr).collect();
        // SAFETY: as in `encode`, with `k` rows in, checked above, and one coset out.
        unsafe {
            L::enter(Transfer {
                engine: self,
                inputs: &inputs,
                from: coset,
                outputs: &outputs,
                to: 0,
                row_bytes,
                stream: false,
            });
        }
    }

    /// Writes the data rows from rows at the positions of a domain of two or four cosets, `k` of them present.
    pub(super) fn decode(&self, present: &[Option<&[u8]>], row_bytes: usize, data: &mut [u8]) {
        let cosets = present.len() / self.k;
        assert!(
            present.len().is_multiple_of(self.k) && matches!(cosets, 2 | 4),
            "a domain of {} rows",
            present.len()
        );
        assert!(
            present.iter().skip(self.cosets.len() * self.k).all(Option::is_none),
            "no rows beyond the code's"
        );
        assert!(
            present.iter().flatten().all(|row| row.len() == row_bytes),
            "rows of {row_bytes} bytes"
        );
        let factors: Vec<L::Factor> = super::decoding_factors(present)
            .into_iter()
            .map(|factor| L::factor(&galois::linear_map(factor)))
            .collect();
        assert_eq!(data.len(), self.k * row_bytes, "room for the data");
        super::copy_present(present, row_bytes, data);
        let outputs: Vec<*mut u8> = data.chunks_exact_mut(row_bytes).map(<[u8]>::as_mut_ptr).collect();
        // SAFETY: the pointers are to rows of `row_bytes` bytes, checked above, that do not overlap; there is one factor for
        // each position; the instructions are there, or `new` had made no engine.
        unsafe {
            L::enter(Decode {
                engine: self,
                present,
                factors: &factors,
                outputs: &outputs,
                row_bytes,
            })
        }
    }
}

/// Values on one coset to values on others.
struct Transfer<'a, L: Lanes> {
    engine: &'a Engine<L>,
    /// `k` rows.
    inputs: &'a [*const u8],
    from: usize,
    /// Rows of the cosets from `to` on.
    outputs: &'a [*mut u8],
    to: usize,
    row_bytes: usize,
    stream: bool,
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
                        let at = |row: usize| L::read_row(rows[row].add(offset + part));
                        let to = work.add(block * layout.block + part);
                        inverse32::<L>(at, |row, value: L| value.store(to.add(row * layout.row)), low, spare);
                    }
                }
                for row in 0..BLOCK {
                    for part in (0..strip).step_by(L::BYTES) {
                        let place = row * layout.row + part;
                        inverse_high::<L>(
                            high_layers,
                            work.add(place),
                            layout.block,
                            column,
                            source.high.as_ptr(),
                            spare,
                        );
                        for coset in 0..cosets {
                            let to_coset = work.add((1 + coset) * layout.coset + place);
                            let high = engine.cosets[to + coset].high.as_ptr();
                            forward_high::<L>(high_layers, column, L::BYTES, to_coset, layout.block, high, spare);
                        }
                    }
                }
                for coset in 0..cosets {
                    for block in 0..blocks {
                        let low = engine.cosets[to + coset].low[block * BLOCK..].as_ptr();
                        let rows = &outputs[coset * k + block * BLOCK..][..BLOCK];
                        for part in (0..strip).step_by(L::BYTES) {
                            let from = work.add((1 + coset) * layout.coset + block * layout.block + part);
                            let at = |row: usize| L::load(from.add(row * layout.row));
                            if stream {
                                forward32::<L>(at, |row, v: L| v.stream_row(rows[row].add(offset + part)), low, spare);
                            } else {
                                forward32::<L>(at, |row, v: L| v.write_row(rows[row].add(offset + part)), low, spare);
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

/// Any `k` values to the missing ones of the first coset.
struct Decode<'a, L: Lanes> {
    engine: &'a Engine<L>,
    present: &'a [Option<&'a [u8]>],
    factors: &'a [L::Factor],
    /// The first coset's rows.
    outputs: &'a [*mut u8],
    row_bytes: usize,
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
                            let at = |row: usize| match rows[row] {
                                Some(bytes) => {
                                    let value = L::read_row(bytes.as_ptr().add(offset + part));
                                    L::zero().multiply_add(value, &factors[row])
                                }
                                None => L::zero(),
                            };
                            let to = work.add(coset * layout.coset + block * layout.block + part);
                            inverse32::<L>(at, |row, value: L| value.store(to.add(row * layout.row)), low, spare);
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
                                inverse_high::<L>(high_layers, from, layout.block, to, high, spare);
                            } else {
                                (0..blocks).for_each(|block| L::zero().store(to.add(block * L::BYTES)));
                            }
                        }
                        // The derivative's share across blocks and cosets goes where the second coset was.
                        for block in 0..blocks {
                            let of = |coset: usize, block: usize| L::load(column(coset).add(block * L::BYTES));
                            let mut sum = of(1, block);
                            if cosets == 4 {
                                let (c, d) = (of(2, block), of(3, block));
                                sum = sum.xor(of(0, block)).xor(c).multiply_add(c.xor(d), &engine.two);
                            }
                            for layer in (0..high_layers).filter(|layer| block >> layer & 1 == 0) {
                                sum = sum.xor(of(0, block + (1 << layer)));
                            }
                            of(0, block).store(place.add(block * layout.block));
                            sum.store(place.add(layout.coset + block * layout.block));
                        }
                    }
                }
                // Its share within each block.
                for block in 0..blocks {
                    for part in (0..strip).step_by(L::BYTES) {
                        let from = work.add(block * layout.block + part);
                        for row in 0..BLOCK {
                            let to = from.add(layout.coset + row * layout.row);
                            let mut sum = L::load(to);
                            for layer in (0..BLOCK_LAYERS).filter(|layer| row >> layer & 1 == 0) {
                                sum = sum.xor(L::load(from.add((row + (1 << layer)) * layout.row)));
                            }
                            sum.store(to);
                        }
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
                        forward_high::<L>(high_layers, column(0), L::BYTES, place, layout.block, high, spare);
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
                        let put = |row: usize, value: L| {
                            if rows[row].is_none() {
                                let value = L::zero().multiply_add(value, &factors[row]);
                                value.write_row(outputs[row].add(offset + part));
                            }
                        };
                        forward32::<L>(|row| L::load(from.add(row * layout.row)), put, low, spare);
                    }
                }
                offset += strip;
            }
        }
    }
}

/// A forward butterfly: values from coefficients.
macro_rules! forward {
    ($rows:ident, $a:literal, $b:literal, $factor:expr) => {
        $rows[$a] = $rows[$a].multiply_add($rows[$b], $factor);
        $rows[$b] = $rows[$b].xor($rows[$a]);
    };
}

/// Its inverse.
macro_rules! inverse {
    ($rows:ident, $a:literal, $b:literal, $factor:expr) => {
        $rows[$b] = $rows[$b].xor($rows[$a]);
        $rows[$a] = $rows[$a].multiply_add($rows[$b], $factor);
    };
}

/// Three layers over eight rows, `node` being the highest layer's factor.
#[inline(always)]
unsafe fn forward8<L: Lanes>(mut rows: [L; 8], factors: *const L::Factor) -> [L; 8] {
    // SAFETY: the caller's factors are a heap of at least eight nodes.
    unsafe {
        forward!(rows, 0, 4, factors.add(1));
        forward!(rows, 1, 5, factors.add(1));
        forward!(rows, 2, 6, factors.add(1));
        forward!(rows, 3, 7, factors.add(1));
        forward!(rows, 0, 2, factors.add(2));
        forward!(rows, 1, 3, factors.add(2));
        forward!(rows, 4, 6, factors.add(3));
        forward!(rows, 5, 7, factors.add(3));
        forward!(rows, 0, 1, factors.add(4));
        forward!(rows, 2, 3, factors.add(5));
        forward!(rows, 4, 5, factors.add(6));
        forward!(rows, 6, 7, factors.add(7));
    }
    rows
}

#[inline(always)]
unsafe fn inverse8<L: Lanes>(mut rows: [L; 8], factors: *const L::Factor) -> [L; 8] {
    // SAFETY: the caller's factors are a heap of at least eight nodes.
    unsafe {
        inverse!(rows, 0, 1, factors.add(4));
        inverse!(rows, 2, 3, factors.add(5));
        inverse!(rows, 4, 5, factors.add(6));
        inverse!(rows, 6, 7, factors.add(7));
        inverse!(rows, 0, 2, factors.add(2));
        inverse!(rows, 1, 3, factors.add(2));
        inverse!(rows, 4, 6, factors.add(3));
        inverse!(rows, 5, 7, factors.add(3));
        inverse!(rows, 0, 4, factors.add(1));
        inverse!(rows, 1, 5, factors.add(1));
        inverse!(rows, 2, 6, factors.add(1));
        inverse!(rows, 3, 7, factors.add(1));
    }
    rows
}

/// Two layers over four rows, below `node` of the heap.
#[inline(always)]
unsafe fn forward4<L: Lanes>(mut rows: [L; 4], factors: *const L::Factor, node: usize) -> [L; 4] {
    // SAFETY: the caller's heap has nodes beyond `2 * node + 1`.
    unsafe {
        forward!(rows, 0, 2, factors.add(node));
        forward!(rows, 1, 3, factors.add(node));
        forward!(rows, 0, 1, factors.add(2 * node));
        forward!(rows, 2, 3, factors.add(2 * node + 1));
    }
    rows
}

#[inline(always)]
unsafe fn inverse4<L: Lanes>(mut rows: [L; 4], factors: *const L::Factor, node: usize) -> [L; 4] {
    // SAFETY: the caller's heap has nodes beyond `2 * node + 1`.
    unsafe {
        inverse!(rows, 0, 1, factors.add(2 * node));
        inverse!(rows, 2, 3, factors.add(2 * node + 1));
        inverse!(rows, 0, 2, factors.add(node));
        inverse!(rows, 1, 3, factors.add(node));
    }
    rows
}

/// Five layers over 32 rows that `get` reads and `put` writes, by way of `spare`, which has room for 32.
#[inline(always)]
unsafe fn forward32<L: Lanes>(
    get: impl Fn(usize) -> L,
    put: impl Fn(usize, L),
    factors: *const L::Factor,
    spare: *mut u8,
) {
    // SAFETY: `spare` has room for 32 rows, `factors` 32 nodes.
    unsafe {
        for first in 0..4 {
            let rows = forward8(
                [0, 4, 8, 12, 16, 20, 24, 28].map(
                    #[inline(always)]
                    |row| get(first + row),
                ),
                factors,
            );
            for (index, row) in rows.into_iter().enumerate() {
                row.store(spare.add((first + 4 * index) * L::BYTES));
            }
        }
        for quarter in 0..8 {
            let at = |row: usize| L::load(spare.add((4 * quarter + row) * L::BYTES));
            let rows = forward4([at(0), at(1), at(2), at(3)], factors, 8 + quarter);
            for (index, row) in rows.into_iter().enumerate() {
                put(4 * quarter + index, row);
            }
        }
    }
}

#[inline(always)]
unsafe fn inverse32<L: Lanes>(
    get: impl Fn(usize) -> L,
    put: impl Fn(usize, L),
    factors: *const L::Factor,
    spare: *mut u8,
) {
    // SAFETY: `spare` has room for 32 rows, `factors` 32 nodes.
    unsafe {
        for quarter in 0..8 {
            let first = 4 * quarter;
            let rows = inverse4(
                [get(first), get(first + 1), get(first + 2), get(first + 3)],
                factors,
                8 + quarter,
            );
            for (index, row) in rows.into_iter().enumerate() {
                row.store(spare.add((first + index) * L::BYTES));
            }
        }
        for first in 0..4 {
            let at = |row: usize| L::load(spare.add((first + row) * L::BYTES));
            let rows = [at(0), at(4), at(8), at(12), at(16), at(20), at(24), at(28)];
            for (index, row) in inverse8(rows, factors).into_iter().enumerate() {
                put(first + 4 * index, row);
            }
        }
    }
}

/// The layers across blocks, up to five, from `from`, a row every `stride` bytes, to the column `to`.
#[inline(always)]
unsafe fn inverse_high<L: Lanes>(
    layers: u32,
    from: *const u8,
    stride: usize,
    to: *mut u8,
    factors: *const L::Factor,
    spare: *mut u8,
) {
    // SAFETY: the caller's pointers are to `1 << layers` rows each, `spare` to 32, and the heap has as many nodes.
    unsafe {
        let get = |row: usize| L::load(from.add(row * stride));
        let put = |row: usize, value: L| value.store(to.add(row * L::BYTES));
        match layers {
            5 => inverse32::<L>(get, put, factors, spare),
            _ => {
                let count = 1usize << layers;
                for row in 0..count {
                    put(row, get(row));
                }
                for depth in (0..layers).rev() {
                    let distance = count >> (depth + 1);
                    for row in (0..count).filter(|row| row & distance == 0) {
                        let at = |row: usize| to.add(row * L::BYTES);
                        let node = factors.add((1 << depth) + row / (2 * distance));
                        let (low, high) = (L::load(at(row)), L::load(at(row + distance)));
                        let high = high.xor(low);
                        high.store(at(row + distance));
                        low.multiply_add(high, node).store(at(row));
                    }
                }
            }
        }
    }
}

/// The layers across blocks, up to five, from a column at `from` to `to`, a row every `to_stride` bytes.
#[inline(always)]
unsafe fn forward_high<L: Lanes>(
    layers: u32,
    from: *const u8,
    from_stride: usize,
    to: *mut u8,
    to_stride: usize,
    factors: *const L::Factor,
    spare: *mut u8,
) {
    // SAFETY: the caller's pointers are to `1 << layers` rows each, `spare` to 32, and the heap has as many nodes.
    unsafe {
        let get = |row: usize| L::load(from.add(row * from_stride));
        let put = |row: usize, value: L| value.store(to.add(row * to_stride));
        match layers {
            5 => forward32::<L>(get, put, factors, spare),
            _ => {
                let count = 1usize << layers;
                for row in 0..count {
                    put(row, get(row));
                }
                for depth in 0..layers {
                    let distance = count >> (depth + 1);
                    for row in (0..count).filter(|row| row & distance == 0) {
                        let at = |row: usize| to.add(row * to_stride);
                        let node = factors.add((1 << depth) + row / (2 * distance));
                        let (low, high) = (L::load(at(row)), L::load(at(row + distance)));
                        let low = low.multiply_add(high, node);
                        low.store(at(row));
                        high.xor(low).store(at(row + distance));
                    }
                }
            }
        }
    }
}

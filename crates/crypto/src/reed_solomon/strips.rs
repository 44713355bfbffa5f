//! The code in wide registers, for any width of them.
//!
//! Columns are independent, so a strip of a few hundred bytes of every row is transformed at a time: all of it stays in the
//! second-level cache. A transform over `k` rows is two: one of up to 32 rows across blocks of 32 (the high layers), one of 32
//! rows within each block (the low layers), each made of passes of at most three layers in registers, so that a strip crosses
//! the cache four times and not twenty.

mod decode;
mod layers;
mod rows;
mod transfer;

use crate::{
    digest::lanes::{RowHasher, Words},
    galois,
};
use decode::Decode;
use primitives::Digest;
use std::marker::PhantomData;
use transfer::{Transfer, Watcher};

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
pub(crate) unsafe trait Lanes: Copy + Sized + 'static {
    /// Multiplication by a constant.
    type Factor: Copy + Send + Sync;
    /// Registers that hash rows, of instructions that are there wherever these are.
    type Words: Words;
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
pub(crate) trait Work {
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
        self.encode_watched(data, row_bytes, parity, ());
    }

    /// As [`Self::encode`]; the digests of all rows, data and parity, which are hashed while they are in cache.
    pub(super) fn encode_with_digests(&self, data: &[u8], row_bytes: usize, parity: &mut [u8]) -> Vec<Digest> {
        let rows = self.k + parity.len() / row_bytes;
        let mut hasher: RowHasher<L::Words> =
            RowHasher::new(rows, row_bytes).expect("instructions that `L` comes with");
        self.encode_watched(data, row_bytes, parity, &mut hasher);
        hasher.digests().collect()
    }

    fn encode_watched(&self, data: &[u8], row_bytes: usize, parity: &mut [u8], watcher: impl Watcher) {
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
                watcher,
            })
        }
    }

    /// Writes the rows of coset `to` from all rows of coset `from`; coset 0 is the data.
    pub(super) fn transfer(&self, from: usize, rows: &[&[u8]], to: usize, row_bytes: usize, values: &mut [u8]) {
        assert!(
            rows.len() == self.k && rows.iter().all(|row| row.len() == row_bytes),
            "a coset of rows"
        );
        assert_eq!(values.len(), self.k * row_bytes, "room for a coset");
        assert!(from.max(to) < self.cosets.len(), "cosets {from} and {to}");
        let inputs: Vec<*const u8> = rows.iter().map(|row| row.as_ptr()).collect();
        let outputs: Vec<*mut u8> = values.chunks_exact_mut(row_bytes).map(<[u8]>::as_mut_ptr).collect();
        // SAFETY: as in `encode`, with `k` rows in, checked above, and one coset out.
        unsafe {
            L::enter(Transfer {
                engine: self,
                inputs: &inputs,
                from,
                outputs: &outputs,
                to,
                row_bytes,
                stream: false,
                watcher: (),
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

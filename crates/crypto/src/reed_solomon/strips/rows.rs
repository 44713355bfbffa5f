//! Where transforms read and write rows: a caller's, or the scratch's.
//!
//! Types rather than closures, for these must be compiled into the functions that have the wide instructions.

use super::Lanes;

/// Where a transform of some rows reads them.
pub(super) trait Source<L> {
    /// Columns of row `row`.
    unsafe fn get(&self, row: usize) -> L;
}

/// Where a transform of some rows writes them.
pub(super) trait Sink<L> {
    /// Writes columns of row `row`.
    unsafe fn put(&self, row: usize, value: L);
}

/// Rows of the scratch.
#[derive(Clone, Copy)]
pub(super) struct Strided {
    pub(super) start: *mut u8,
    pub(super) stride: usize,
}

impl<L: Lanes> Source<L> for Strided {
    #[inline(always)]
    unsafe fn get(&self, row: usize) -> L {
        // SAFETY: the caller's row is within the scratch.
        unsafe { L::load(self.start.add(row * self.stride)) }
    }
}

impl<L: Lanes> Sink<L> for Strided {
    #[inline(always)]
    unsafe fn put(&self, row: usize, value: L) {
        // SAFETY: the caller's row is within the scratch.
        unsafe { value.store(self.start.add(row * self.stride)) }
    }
}

/// Rows that a caller gave, from a byte on.
pub(super) struct Given<'a> {
    pub(super) rows: &'a [*const u8],
    pub(super) at: usize,
}

impl<L: Lanes> Source<L> for Given<'_> {
    #[inline(always)]
    unsafe fn get(&self, row: usize) -> L {
        // SAFETY: the caller's row has bytes enough from there on.
        unsafe { L::read_row(self.rows[row].add(self.at)) }
    }
}

/// Rows that a caller takes, from a byte on.
pub(super) struct Written<'a> {
    pub(super) rows: &'a [*mut u8],
    pub(super) at: usize,
}

impl<L: Lanes> Sink<L> for Written<'_> {
    #[inline(always)]
    unsafe fn put(&self, row: usize, value: L) {
        // SAFETY: the caller's row has bytes enough from there on.
        unsafe { value.write_row(self.rows[row].add(self.at)) }
    }
}

/// The same, past the caches.
pub(super) struct Streamed<'a>(pub(super) Written<'a>);

impl<L: Lanes> Sink<L> for Streamed<'_> {
    #[inline(always)]
    unsafe fn put(&self, row: usize, value: L) {
        // SAFETY: the caller's row has bytes enough from there on, and is aligned.
        unsafe { value.stream_row(self.0.rows[row].add(self.0.at)) }
    }
}

/// Rows that a caller takes, and a copy in the scratch: for whoever reads them next, while they are in cache.
pub(super) struct Kept<S> {
    pub(super) sink: S,
    /// Rows in the form that the caller's have, at the scratch's places.
    pub(super) copy: Strided,
}

impl<L: Lanes, S: Sink<L>> Sink<L> for Kept<S> {
    #[inline(always)]
    unsafe fn put(&self, row: usize, value: L) {
        // SAFETY: the caller's row is within the scratch, and has bytes enough in the sink.
        unsafe {
            self.sink.put(row, value);
            value.write_row(self.copy.start.add(row * self.copy.stride));
        }
    }
}

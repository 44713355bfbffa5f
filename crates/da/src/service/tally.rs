//! What an operator did since it started: counted where it happens, shown by who runs it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What an operator did with rows since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows that dispersers sent, that checked, and that were written.
    pub rows_taken: u64,
    /// Bytes of those.
    pub taken_bytes: u64,
    /// Rows sent to readers.
    pub rows_served: u64,
    /// Bytes of those.
    pub served_bytes: u64,
    /// Samples proven to light clients.
    pub samples_served: u64,
    /// Rows that were missing or rotten and were written again.
    pub rows_repaired: u64,
    /// Local rows that were, too.
    pub local_rows_repaired: u64,
    /// Promises that were not kept and that it collected.
    pub lapses_collected: u64,
}

/// Counts [`Work`].
#[derive(Default)]
pub(super) struct Tally {
    rows_taken: AtomicU64,
    taken_bytes: AtomicU64,
    rows_served: AtomicU64,
    served_bytes: AtomicU64,
    samples_served: AtomicU64,
    rows_repaired: AtomicU64,
    local_rows_repaired: AtomicU64,
    lapses_collected: AtomicU64,
}

impl Tally {
    pub(super) fn took(&self, rows: usize, bytes: usize) {
        self.rows_taken.fetch_add(rows as u64, Relaxed);
        self.taken_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn served(&self, rows: usize, bytes: usize) {
        self.rows_served.fetch_add(rows as u64, Relaxed);
        self.served_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(super) fn sampled(&self, samples: usize) {
        self.samples_served.fetch_add(samples as u64, Relaxed);
    }

    pub(super) fn repaired(&self, rows: usize) {
        self.rows_repaired.fetch_add(rows as u64, Relaxed);
    }

    pub(super) fn mended(&self, local_rows: usize) {
        self.local_rows_repaired.fetch_add(local_rows as u64, Relaxed);
    }

    pub(super) fn collected(&self) {
        self.lapses_collected.fetch_add(1, Relaxed);
    }

    pub(super) fn work(&self) -> Work {
        let read = |count: &AtomicU64| count.load(Relaxed);
        Work {
            rows_taken: read(&self.rows_taken),
            taken_bytes: read(&self.taken_bytes),
            rows_served: read(&self.rows_served),
            served_bytes: read(&self.served_bytes),
            samples_served: read(&self.samples_served),
            rows_repaired: read(&self.rows_repaired),
            local_rows_repaired: read(&self.local_rows_repaired),
            lapses_collected: read(&self.lapses_collected),
        }
    }
}

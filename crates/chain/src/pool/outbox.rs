//! What users of this node gave it, to be told to the other validators: at once, and again while it waits.
//!
//! The first telling may be lost, and the node may have no turn to propose for long, or none. What is told again is what still waits: after
//! [`AGAIN_AFTER_BLOCKS`] final blocks, and then each time after twice as many, [`AGAIN_MAX`] times in all.

use alloy_primitives::{B256, Bytes};
use std::collections::{BTreeMap, VecDeque};

/// Most bytes of transactions waiting to be told to the other validators; beyond it the oldest are not told.
const BYTES_MAX: usize = 8 << 20;
/// Final blocks after which a transaction that still waits is told again, for the first time: with four validators as many as it takes for
/// everybody's turn to come, so that what was not lost is seldom told twice.
pub(super) const AGAIN_AFTER_BLOCKS: u64 = 4;
/// How often a transaction is told again at most: the last time 124 blocks after the first.
pub(super) const AGAIN_MAX: u32 = 5;

/// A transaction that was told, and waits to be told again.
#[derive(Clone, Copy, Debug)]
struct Told {
    hash: B256,
    /// How often it was told again.
    again: u32,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Not told yet, oldest first.
    untold: VecDeque<(B256, Bytes)>,
    untold_bytes: usize,
    /// By the block after which they are due, and in the order in which they were told.
    told: BTreeMap<(u64, u64), Told>,
    tellings: u64,
    /// Blocks that became final so far.
    blocks: u64,
}

impl Outbox {
    /// A user's transaction came in.
    pub(super) fn push(&mut self, hash: B256, encoded: Bytes) {
        self.untold_bytes += encoded.len();
        self.untold.push_back((hash, encoded));
        while self.untold_bytes > BYTES_MAX {
            self.pop();
        }
    }

    fn pop(&mut self) -> Option<(B256, Bytes)> {
        let oldest = self.untold.pop_front()?;
        self.untold_bytes -= oldest.1.len();
        Some(oldest)
    }

    /// A block became final.
    pub(super) fn settle(&mut self) {
        self.blocks += 1;
    }

    /// Bytes of the next transaction to be told for the first time.
    pub(super) fn next_bytes(&self) -> Option<usize> {
        self.untold.front().map(|(_, encoded)| encoded.len())
    }

    /// Takes that transaction. Of those told, `told_max` are remembered: where there are more, those that no longer `wait` are forgotten, and if
    /// all do this one is not told again.
    pub(super) fn tell_next(&mut self, told_max: usize, waits: impl Fn(&B256) -> bool) -> Option<Bytes> {
        let (hash, encoded) = self.pop()?;
        if self.told.len() >= told_max {
            self.told.retain(|_, told| waits(&told.hash));
        }
        if self.told.len() < told_max {
            self.wait(Told { hash, again: 0 });
        }
        Some(encoded)
    }

    fn wait(&mut self, told: Told) {
        self.tellings += 1;
        let due = self.blocks.saturating_add(AGAIN_AFTER_BLOCKS << told.again);
        self.told.insert((due, self.tellings), told);
    }

    /// Takes those that are due to be told again, those first that have been for longest: each as long as `take` takes it. It says what became of
    /// the transaction that it is given.
    pub(super) fn tell_again(&mut self, mut take: impl FnMut(&B256) -> Again) {
        while let Some(entry) = self.told.first_entry() {
            if entry.key().0 > self.blocks {
                return;
            }
            let told = *entry.get();
            match take(&told.hash) {
                Again::Full => return,
                Again::Gone => {
                    entry.remove();
                }
                Again::Told => {
                    entry.remove();
                    let again = told.again + 1;
                    if again < AGAIN_MAX {
                        self.wait(Told { again, ..told });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
impl Outbox {
    /// How many are remembered that were told.
    pub(super) fn remembered(&self) -> usize {
        self.told.len()
    }
}

/// What became of a transaction that was due to be told again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// It waits no longer.
    Gone,
    /// It was told.
    Told,
    /// There is no room left.
    Full,
}

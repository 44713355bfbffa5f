//! The order in which a proposer tries waiting transactions.

use super::Pooled;
use alloy_consensus::Transaction as _;
use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

/// Transactions ready for a block: each sender's in the order of their nonces, and among senders the best tip first (of equal
/// tips, the one that came first). It is a copy: the pool goes on while a block is made.
#[derive(Debug)]
pub struct Selection {
    base_fee_wei: u64,
    heads: BinaryHeap<Run>,
    current: Option<Run>,
}

/// One sender's transactions; never empty in the heap.
#[derive(Debug)]
struct Run {
    tip_wei: u128,
    arrival: u64,
    rest: VecDeque<Arc<Pooled>>,
}

impl Ord for Run {
    fn cmp(&self, other: &Self) -> Ordering {
        self.tip_wei.cmp(&other.tip_wei).then(other.arrival.cmp(&self.arrival))
    }
}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Run {}

impl Selection {
    pub(super) fn new(base_fee_wei: u64, runs: impl Iterator<Item = VecDeque<Arc<Pooled>>>) -> Self {
        let heads = runs.filter_map(|rest| Run::new(base_fee_wei, rest)).collect();
        Self {
            base_fee_wei,
            heads,
            current: None,
        }
    }

    /// The best transaction left. Unless [`Selection::accept`] follows, its sender's later ones are dropped: they could not run.
    pub fn next_best(&mut self) -> Option<Arc<Pooled>> {
        let mut run = self.heads.pop()?;
        let best = run.rest.pop_front()?;
        self.current = Some(run);
        Some(best)
    }

    /// Says that the last one given went into the block, so that its sender's next may follow.
    pub fn accept(&mut self) {
        let run = self
            .current
            .take()
            .and_then(|run| Run::new(self.base_fee_wei, run.rest));
        self.heads.extend(run);
    }
}

impl Run {
    fn new(base_fee_wei: u64, rest: VecDeque<Arc<Pooled>>) -> Option<Self> {
        let first = rest.front()?;
        let tip_wei = first.transaction.effective_tip_per_gas(base_fee_wei)?;
        Some(Self {
            tip_wei,
            arrival: first.arrival,
            rest,
        })
    }
}

//! Executed blocks that are not final, some of which never will be.

use super::Sealed;
use alloy_primitives::B256;
use evm::{HashedDiff, State};
use std::{collections::HashMap, sync::Arc};

/// Most candidates kept. Consensus has a handful in flight; a faulty leader could have us execute more.
const CANDIDATES_MAX: usize = 64;

/// An executed block, the state after it, and what it changed.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) block: Arc<Sealed>,
    pub(super) state: State,
    pub(super) diff: Arc<HashedDiff>,
}

#[derive(Default)]
pub(super) struct Candidates {
    by_hash: HashMap<B256, Candidate>,
}

impl Candidates {
    pub(super) fn get(&self, hash: &B256) -> Option<&Candidate> {
        self.by_hash.get(hash)
    }

    /// Keeps `candidate`. When there are too many the lowest leaves: what builds on it can be executed again.
    pub(super) fn insert(&mut self, candidate: Candidate) -> Arc<Sealed> {
        if self.by_hash.len() >= CANDIDATES_MAX {
            let lowest = self
                .by_hash
                .values()
                .map(|other| (other.block.header.number, other.block.hash))
                .min();
            self.by_hash
                .extract_if(|hash, _| lowest.is_some_and(|(_, lowest)| lowest == *hash))
                .for_each(drop);
        }
        let block = candidate.block.clone();
        self.by_hash.insert(block.hash, candidate);
        block
    }

    /// Takes out what a final block at `number` decided: itself, its siblings and all below.
    pub(super) fn settle(&mut self, number: u64) -> Vec<Candidate> {
        let decided = |_: &B256, candidate: &mut Candidate| candidate.block.header.number <= number;
        let decided = self.by_hash.extract_if(decided);
        decided.map(|(_, candidate)| candidate).collect()
    }
}

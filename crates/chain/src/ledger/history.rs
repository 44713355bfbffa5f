//! The most recent final blocks and the states after them, in memory.

use super::Sealed;
use alloy_primitives::B256;
use evm::State;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// How many final blocks' states a node can still look at: 4 minutes at the default pace. States share what they have in common.
pub const STATE_HISTORY_BLOCKS: usize = 1024;

pub(super) struct History {
    /// Oldest first, without gaps; never empty.
    blocks: VecDeque<(Arc<Sealed>, State)>,
    numbers: HashMap<B256, u64>,
}

impl History {
    pub(super) fn new(latest: Arc<Sealed>, state: State) -> Self {
        let mut history = Self {
            blocks: VecDeque::new(),
            numbers: HashMap::new(),
        };
        history.push(latest, state);
        history
    }

    pub(super) fn push(&mut self, block: Arc<Sealed>, state: State) {
        if self.blocks.len() == STATE_HISTORY_BLOCKS {
            let oldest = self.blocks.pop_front();
            oldest.map(|(block, _)| self.numbers.remove(&block.hash));
        }
        self.numbers.insert(block.hash, block.header.number);
        self.blocks.push_back((block, state));
    }

    fn last(&self) -> &(Arc<Sealed>, State) {
        self.blocks
            .back()
            .expect("the history starts with a block and loses only what another replaced")
    }

    pub(super) fn latest(&self) -> &Arc<Sealed> {
        &self.last().0
    }

    pub(super) fn latest_state(&self) -> &State {
        &self.last().1
    }

    fn get(&self, number: u64) -> Option<&(Arc<Sealed>, State)> {
        let first = self.blocks.front()?.0.header.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.blocks.get(index)
    }

    pub(super) fn block(&self, number: u64) -> Option<&Arc<Sealed>> {
        self.get(number).map(|(block, _)| block)
    }

    pub(super) fn state(&self, number: u64) -> Option<&State> {
        self.get(number).map(|(_, state)| state)
    }

    pub(super) fn hash(&self, number: u64) -> Option<B256> {
        self.block(number).map(|block| block.hash)
    }

    pub(super) fn find(&self, hash: &B256) -> Option<&(Arc<Sealed>, State)> {
        self.get(*self.numbers.get(hash)?)
    }
}

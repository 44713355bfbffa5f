//! The most recent final blocks and the states after them, in memory.

use super::Sealed;
use alloy_primitives::B256;
use evm::State;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// How many final blocks' states a node can still look at unless told otherwise: 4 minutes at the default pace.
pub const STATE_HISTORY_BLOCKS: usize = 1024;

/// How many final blocks, with the states after them, a node keeps at hand. States share what they have in common, so one more costs
/// what its block changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateHistory {
    /// The last so many, at least one; after a start, those since it.
    Last(usize),
    /// All since the genesis block: an archive. A start executes every stored block again.
    All,
}

impl Default for StateHistory {
    fn default() -> Self {
        Self::Last(STATE_HISTORY_BLOCKS)
    }
}

impl StateHistory {
    /// States kept at most.
    pub fn blocks_max(self) -> usize {
        match self {
            Self::Last(blocks) => blocks.max(1),
            Self::All => usize::MAX,
        }
    }
}

pub(super) struct History {
    kept: StateHistory,
    /// Oldest first, without gaps; never empty.
    blocks: VecDeque<(Arc<Sealed>, State)>,
    numbers: HashMap<B256, u64>,
}

impl History {
    pub(super) fn new(latest: Arc<Sealed>, state: State, kept: StateHistory) -> Self {
        let mut history = Self {
            kept,
            blocks: VecDeque::new(),
            numbers: HashMap::new(),
        };
        history.push(latest, state);
        history
    }

    pub(super) fn push(&mut self, block: Arc<Sealed>, state: State) {
        if self.blocks.len() >= self.kept.blocks_max() {
            let oldest = self.blocks.pop_front();
            oldest.map(|(block, _)| self.numbers.remove(&block.hash));
        }
        self.numbers.insert(block.hash, block.header.number);
        self.blocks.push_back((block, state));
    }

    /// Takes `state` as the one after the last block.
    pub(super) fn replace_state(&mut self, state: State) {
        let last = self.blocks.back_mut();
        last.expect("the history starts with a block and loses only what another replaced")
            .1 = state;
    }

    /// Forgets the blocks above `number`; the lowest one kept stays.
    pub(super) fn truncate(&mut self, number: u64) {
        while self.blocks.len() > 1 && self.latest().header.number > number {
            let last = self.blocks.pop_back();
            last.map(|(block, _)| self.numbers.remove(&block.hash));
        }
    }

    pub(super) fn kept(&self) -> StateHistory {
        self.kept
    }

    /// Height of the lowest block kept.
    pub(super) fn oldest(&self) -> u64 {
        self.blocks
            .front()
            .map_or(self.latest().header.number, |(block, _)| block.header.number)
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

//! The most recent final blocks and the states after them, in memory.

use super::Sealed;
use alloy_primitives::B256;
use evm::State;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// How many final blocks' states a node can look at unless told otherwise: 4 minutes at the default pace.
pub const STATE_HISTORY_BLOCKS: usize = 1024;
/// Accounts and slots that those blocks may have changed in all, which is what their states cost: 1.5 KB each with the block itself, as
/// measured with full blocks of transfers among a million accounts, so 400 MB; the fewest blocks that are kept are 450 MB when they are full.
pub const STATE_HISTORY_CHANGES: usize = 1 << 18;
/// Blocks whose states stay whatever they changed: full ones are megabytes each.
pub const STATE_HISTORY_BLOCKS_MIN: usize = 32;

/// How many final blocks, with the states after them, a node keeps at hand. States share what they have in common, so one more costs
/// what its block changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StateHistory {
    /// The last [`STATE_HISTORY_BLOCKS`], or as many of them as together changed no more than [`STATE_HISTORY_CHANGES`], but not fewer than
    /// [`STATE_HISTORY_BLOCKS_MIN`]; after a start, those since it.
    #[default]
    Recent,
    /// The last so many blocks, at least one, whatever they changed; after a start, those since it.
    Last(usize),
    /// All since the genesis block: an archive. A start executes every stored block again.
    All,
}

impl StateHistory {
    /// States kept at most.
    pub fn blocks_max(self) -> usize {
        match self {
            Self::Recent => STATE_HISTORY_BLOCKS,
            Self::Last(blocks) => blocks.max(1),
            Self::All => usize::MAX,
        }
    }

    /// Whether so many blocks, which changed so many accounts and slots, are more than are kept.
    fn is_exceeded(self, blocks: usize, changes: usize) -> bool {
        let heavy = self == Self::Recent && blocks > STATE_HISTORY_BLOCKS_MIN && changes > STATE_HISTORY_CHANGES;
        heavy || blocks > self.blocks_max()
    }
}

/// A final block, and the state after it.
pub(super) struct Final {
    block: Arc<Sealed>,
    state: State,
    /// Accounts and slots that the block changed.
    changes: usize,
}

pub(super) struct History {
    kept: StateHistory,
    /// Oldest first, without gaps; never empty.
    blocks: VecDeque<Final>,
    /// Changes of all of them.
    changes: usize,
    numbers: HashMap<B256, u64>,
}

impl History {
    pub(super) fn new(latest: Arc<Sealed>, state: State, kept: StateHistory) -> Self {
        let mut history = Self {
            kept,
            blocks: VecDeque::new(),
            changes: 0,
            numbers: HashMap::new(),
        };
        history.push(latest, state, 0);
        history
    }

    /// Adds the next block, which changed so many accounts and slots. What is no longer kept is the caller's: to drop it frees many
    /// nodes, and nobody should wait for that.
    pub(super) fn push(&mut self, block: Arc<Sealed>, state: State, changes: usize) -> Vec<Final> {
        self.numbers.insert(block.hash, block.header.number);
        self.blocks.push_back(Final { block, state, changes });
        self.changes += changes;
        let mut gone = Vec::new();
        while self.kept.is_exceeded(self.blocks.len(), self.changes)
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.changes -= oldest.changes;
            self.numbers.remove(&oldest.block.hash);
            gone.push(oldest);
        }
        gone
    }

    /// Takes `state` as the one after the last block.
    pub(super) fn replace_state(&mut self, state: State) {
        let last = self.blocks.back_mut();
        last.expect("the history starts with a block and loses only what another replaced")
            .state = state;
    }

    /// Forgets the blocks above `number`; the lowest one kept stays.
    pub(super) fn truncate(&mut self, number: u64) {
        while self.blocks.len() > 1 && self.latest().header.number > number {
            if let Some(last) = self.blocks.pop_back() {
                self.changes -= last.changes;
                self.numbers.remove(&last.block.hash);
            }
        }
    }

    pub(super) fn kept(&self) -> StateHistory {
        self.kept
    }

    /// Height of the lowest block kept.
    pub(super) fn oldest(&self) -> u64 {
        self.blocks
            .front()
            .map_or(self.latest().header.number, |last| last.block.header.number)
    }

    fn last(&self) -> &Final {
        self.blocks
            .back()
            .expect("the history starts with a block and loses only what another replaced")
    }

    pub(super) fn latest(&self) -> &Arc<Sealed> {
        &self.last().block
    }

    pub(super) fn latest_state(&self) -> &State {
        &self.last().state
    }

    fn get(&self, number: u64) -> Option<&Final> {
        let first = self.oldest();
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.blocks.get(index)
    }

    pub(super) fn block(&self, number: u64) -> Option<&Arc<Sealed>> {
        self.get(number).map(|found| &found.block)
    }

    pub(super) fn state(&self, number: u64) -> Option<&State> {
        self.get(number).map(|found| &found.state)
    }

    pub(super) fn hash(&self, number: u64) -> Option<B256> {
        self.block(number).map(|block| block.hash)
    }

    /// Block and state by the block's hash.
    pub(super) fn find(&self, hash: &B256) -> Option<(&Arc<Sealed>, &State)> {
        let found = self.get(*self.numbers.get(hash)?)?;
        Some((&found.block, &found.state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::Header;

    fn block(number: u64) -> Arc<Sealed> {
        Arc::new(Sealed {
            hash: B256::left_padding_from(&number.to_be_bytes()),
            header: Header {
                number,
                ..Header::default()
            },
            beacon: Default::default(),
            transactions: Vec::new(),
            receipts: Vec::new(),
        })
    }

    /// A history of blocks from 1 on, each of which changed what `changes` says.
    fn history(kept: StateHistory, changes: impl IntoIterator<Item = usize>) -> History {
        let mut history = History::new(block(0), State::empty(), kept);
        for (number, changes) in (1..).zip(changes) {
            history.push(block(number), State::empty(), changes);
        }
        history
    }

    #[test]
    fn quiet_blocks_are_kept_by_their_number_and_busy_ones_by_what_they_changed() {
        let oldest = |kept, changes: usize, blocks: u64| {
            let history = history(kept, (0..blocks).map(|_| changes));
            assert_eq!(history.latest().header.number, blocks);
            history.oldest()
        };
        let (all, least) = (STATE_HISTORY_BLOCKS as u64, STATE_HISTORY_BLOCKS_MIN as u64);
        assert_eq!(oldest(StateHistory::Recent, 1, 2 * all), all + 1);
        // As many as together change what is allowed.
        assert_eq!(
            oldest(StateHistory::Recent, STATE_HISTORY_CHANGES / 512, 2 * all),
            2 * all - 511
        );
        assert_eq!(
            oldest(StateHistory::Recent, STATE_HISTORY_CHANGES, 2 * all),
            2 * all - least + 1
        );
        // Who names a number gets it.
        assert_eq!(oldest(StateHistory::Last(500), STATE_HISTORY_CHANGES, 600), 101);
        assert_eq!(oldest(StateHistory::All, STATE_HISTORY_CHANGES, 600), 0);
    }

    #[test]
    fn a_block_that_left_is_found_neither_by_number_nor_by_hash_and_is_given_back() {
        let mut history = history(StateHistory::Last(2), [5, 6]);
        let gone = history.push(block(3), State::empty(), 7);
        assert_eq!(gone.iter().map(|gone| gone.changes).collect::<Vec<_>>(), [5]);
        assert!(history.find(&block(1).hash).is_none() && history.state(1).is_none());
        assert!(history.find(&block(2).hash).is_some() && history.state(3).is_some());
        history.truncate(2);
        assert!(history.find(&block(3).hash).is_none());
        assert_eq!(history.changes, 6);
    }
}

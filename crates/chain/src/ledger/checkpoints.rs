//! The states that nodes which join can begin with.

use super::Sealed;
use evm::State;
use std::{collections::VecDeque, num::NonZeroU64, sync::Arc};

/// Checkpoints kept: each is there for as many epochs, which is how long a node has to take its state.
pub const CHECKPOINTS_KEPT: usize = 2;

/// An epoch's last block, with the state after it: what a node that joins can begin with, because the engine can.
///
/// A state shares with the later ones all that did not change since. What keeping it costs is therefore at most the size of the state once more, and
/// else the accounts and slots that changed in [`CHECKPOINTS_KEPT`] epochs, about a kilobyte each with the trie nodes above. After a start there is none until
/// the next epoch ends.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    /// The block.
    pub block: Arc<Sealed>,
    /// The state after it.
    pub state: State,
}

/// The last checkpoints of a ledger that was told to keep them.
#[derive(Default)]
pub(super) struct Checkpoints {
    epoch_blocks: Option<NonZeroU64>,
    /// Oldest first.
    kept: VecDeque<Checkpoint>,
}

impl Checkpoints {
    pub(super) fn keep(&mut self, epoch_blocks: NonZeroU64) {
        self.epoch_blocks = Some(epoch_blocks);
    }

    /// Keeps `state` if `block` is an epoch's last.
    pub(super) fn note(&mut self, block: &Arc<Sealed>, state: &State) {
        let ends = |blocks: NonZeroU64| (block.header.number + 1).is_multiple_of(blocks.get());
        if !self.epoch_blocks.is_some_and(ends) || self.kept.iter().any(|kept| kept.block.hash == block.hash) {
            return;
        }
        if self.kept.len() == CHECKPOINTS_KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Checkpoint {
            block: block.clone(),
            state: state.clone(),
        });
    }

    pub(super) fn kept(&self) -> Vec<Checkpoint> {
        self.kept.iter().cloned().collect()
    }
}

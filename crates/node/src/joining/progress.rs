//! How far a node that joined is, for its operator.

use super::folder::CheckpointName;
use serde::Serialize;
use std::sync::{Arc, Mutex};

/// What such a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub(super) enum Stage {
    /// Opens its chain, or builds the first block.
    #[default]
    Opening,
    /// Takes the state after a block from others.
    Arriving {
        /// The block.
        checkpoint: CheckpointName,
        /// How much of it is here.
        percent: u64,
    },
    /// Takes final blocks from others.
    Following {
        /// Height of the last one that any of them had.
        known_height: u64,
    },
    /// Takes part in agreeing on blocks.
    Validating,
}

/// The stage that a node is in. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress(Arc<Mutex<Stage>>);

impl Progress {
    pub(super) fn set(&self, stage: Stage) {
        *self.0.lock().expect("no holder of the lock panics") = stage;
    }

    pub(super) fn stage(&self) -> Stage {
        *self.0.lock().expect("no holder of the lock panics")
    }
}

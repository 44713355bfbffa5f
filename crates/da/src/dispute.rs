//! Disputes on chain: what somebody asks an operator for, and which of them still wait for an answer.
//!
//! `DAChallenges` takes stake from whoever does not show a piece that it signed for (docs/spec/economy.md#challenges). This is the
//! part without network or clock: events in, open disputes out. [`service`](crate::service) answers them.

use crate::sample::Challenge;
use contracts::{
    Event,
    abi::DAChallenges::{Answered, Challenged, Disowned, Piece, Slashed},
};
use primitives::BlobRoot;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Most disputes that are remembered, about 100 bytes each. Each cost its challenger a deposit of at least 0.01 coins in a local
/// network; those that come when it is full wait until others are settled and are found again in the chain's events.
pub const MAX_DISPUTES: usize = 65_536;

/// A piece that one operator is asked for on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dispute {
    /// Last block of the answer; first, so that disputes are in the order in which they end.
    pub deadline: u64,
    /// The blob.
    pub root: BlobRoot,
    /// The piece of it.
    pub challenge: Challenge,
    /// Index of the operator that is asked, in the committee of the blob's epoch.
    pub operator: u32,
}

impl Dispute {
    /// The piece as the contract names it.
    pub fn piece(&self) -> Piece {
        Piece {
            root: self.root.0,
            row: self.challenge.row,
            chunk: self.challenge.chunk,
            operator: self.operator,
        }
    }
}

/// The disputes of one operator that wait for its answer.
#[derive(Debug)]
pub struct Docket {
    account: primitives::Address,
    open: BTreeMap<(BlobRoot, Challenge), Dispute>,
    /// Whether some were passed over because it was full.
    overflowed: bool,
}

impl Docket {
    /// No disputes, of the operator with this account.
    pub fn new(account: primitives::Address) -> Self {
        Self {
            account,
            open: BTreeMap::new(),
            overflowed: false,
        }
    }

    /// Takes in one event of `DAChallenges`; those of other operators, and other events, change nothing.
    pub fn record(&mut self, event: &Event) {
        if let Ok(event) = event.decode::<Challenged>() {
            if event.account != self.account {
                return;
            }
            if self.open.len() == MAX_DISPUTES {
                self.overflowed = true;
                return;
            }
            let dispute = Dispute {
                deadline: event.deadline,
                root: BlobRoot(event.root),
                challenge: Challenge {
                    row: event.row,
                    chunk: event.chunk,
                },
                operator: event.operator,
            };
            self.open.insert((dispute.root, dispute.challenge), dispute);
        } else if let Ok(event) = event.decode::<Answered>() {
            self.settle(event.account, event.root, event.row, event.chunk);
        } else if let Ok(event) = event.decode::<Disowned>() {
            self.settle(event.account, event.root, event.row, event.chunk);
        } else if let Ok(event) = event.decode::<Slashed>() {
            self.settle(event.account, event.root, event.row, event.chunk);
        }
    }

    fn settle(&mut self, account: primitives::Address, root: primitives::B256, row: u32, chunk: u32) {
        if account == self.account {
            self.open.remove(&(BlobRoot(root), Challenge { row, chunk }));
        }
    }

    /// Forgets the disputes that can no longer be answered in a block after `height`, and returns them.
    pub fn expire(&mut self, height: u64) -> Vec<Dispute> {
        let late = self.open.extract_if(.., |_, dispute| dispute.deadline <= height);
        late.map(|(_, dispute)| dispute).collect()
    }

    /// The disputes that wait, the most urgent first.
    pub fn waiting(&self) -> Vec<Dispute> {
        let mut waiting: Vec<Dispute> = self.open.values().copied().collect();
        waiting.sort_unstable();
        waiting
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether disputes were passed over since the last call, so that the events must be read again once there is room.
    pub fn take_overflow(&mut self) -> bool {
        self.open.len() < MAX_DISPUTES / 2 && std::mem::take(&mut self.overflowed)
    }
}

//! The committees that an operator keeps rows for: those of the epochs whose blobs it takes, and of every epoch of which it has blobs.

use crate::Committee;
use commonware_cryptography::ed25519;
use contracts::GRACE_EPOCHS;
use primitives::Epoch;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Committees by epoch. Those of epochs between which nothing changed share their operators.
pub(super) struct Epochs {
    current: Epoch,
    committees: BTreeMap<Epoch, Arc<Committee>>,
}

impl Epochs {
    /// Begins in the epoch of `committee`.
    pub(super) fn new(committee: Committee) -> Self {
        Self {
            current: committee.epoch(),
            committees: BTreeMap::from([(committee.epoch(), Arc::new(committee))]),
        }
    }

    /// The present epoch, as far as the chain was followed.
    pub(super) fn current(&self) -> Epoch {
        self.current
    }

    /// The committee of `epoch`, where it is known.
    pub(super) fn of(&self, epoch: Epoch) -> Option<Arc<Committee>> {
        self.committees.get(&epoch).cloned()
    }

    /// Whether rows of new blobs of `epoch` are taken: of the epochs whose certificates the chain still takes; and of the next, for who
    /// disperses may know of it a moment earlier.
    pub(super) fn is_open(&self, epoch: Epoch) -> bool {
        let Epoch(current) = self.current;
        (current.saturating_sub(GRACE_EPOCHS)..=current + 1).contains(&epoch.0)
    }

    /// Whether `key` is an operator's of an epoch that is open.
    pub(super) fn is_operator(&self, key: &ed25519::PublicKey) -> bool {
        let open = self.committees.iter().filter(|(epoch, _)| self.is_open(**epoch));
        open.into_iter().any(|(_, committee)| committee.index_of(key).is_some())
    }

    /// Goes on to `current`, forgets the committees of other epochs than `needed`, and says which of those are not known.
    pub(super) fn advance(&mut self, current: Epoch, needed: &BTreeSet<Epoch>) -> Vec<Epoch> {
        self.current = self.current.max(current);
        self.committees.retain(|epoch, _| needed.contains(epoch));
        let known = |epoch: &&Epoch| !self.committees.contains_key(epoch);
        needed.iter().filter(known).copied().collect()
    }

    /// Takes in a committee that was read from the chain.
    pub(super) fn insert(&mut self, committee: Committee) {
        let epoch = committee.epoch();
        let same = |(_, other): &(&Epoch, &Arc<Committee>)| other.is_same_but_epoch(&committee);
        // Neighbours are alike most of the time.
        let before = self.committees.range(..epoch).next_back().filter(same);
        let alike = before.or_else(|| self.committees.range(epoch..).next().filter(same));
        let committee = match alike {
            Some((_, other)) => other.at(epoch),
            None => committee,
        };
        self.committees.insert(epoch, Arc::new(committee));
    }
}

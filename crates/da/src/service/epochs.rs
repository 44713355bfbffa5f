//! The committees that an operator keeps rows for: those of the quorums and epochs whose blobs it takes, and all of which it has blobs.

use crate::{Committee, CommitteeId};
use commonware_cryptography::ed25519;
use contracts::GRACE_EPOCHS;
use primitives::Epoch;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Committees by quorum and epoch. Those of epochs between which nothing changed share their operators.
pub(super) struct Epochs {
    current: Epoch,
    /// None: it is known that the quorum has none in that epoch, which does not change any more.
    committees: BTreeMap<CommitteeId, Option<Arc<Committee>>>,
}

impl Epochs {
    /// Begins in epoch `current`.
    pub(super) fn new(current: Epoch) -> Self {
        Self {
            current,
            committees: BTreeMap::new(),
        }
    }

    /// The present epoch, as far as the chain was followed.
    pub(super) fn current(&self) -> Epoch {
        self.current
    }

    /// A committee, where it is known.
    pub(super) fn of(&self, id: CommitteeId) -> Option<Arc<Committee>> {
        self.committees.get(&id).cloned().flatten()
    }

    /// Epochs whose new blobs are taken: those whose certificates the chain still takes; and the next, for who disperses may know of it a moment
    /// earlier.
    pub(super) fn open(current: Epoch) -> impl Iterator<Item = Epoch> {
        let Epoch(current) = current;
        (current.saturating_sub(GRACE_EPOCHS)..=current + 1).map(Epoch)
    }

    /// Whether rows of new blobs of `epoch` are taken.
    pub(super) fn is_open(&self, epoch: Epoch) -> bool {
        Self::open(self.current).any(|open| open == epoch)
    }

    /// Whether `key` is an operator's of any quorum in an epoch that is open.
    pub(super) fn is_operator(&self, key: &ed25519::PublicKey) -> bool {
        let open = self.committees.iter().filter(|(id, _)| self.is_open(id.epoch));
        open.into_iter()
            .filter_map(|(_, committee)| committee.as_ref())
            .any(|committee| committee.index_of(key).is_some())
    }

    /// Goes on to `current`, forgets the committees that are not `needed`, and says which of those are not known.
    pub(super) fn advance(&mut self, current: Epoch, needed: &BTreeSet<CommitteeId>) -> Vec<CommitteeId> {
        self.current = self.current.max(current);
        self.committees.retain(|id, _| needed.contains(id));
        let unknown = |id: &&CommitteeId| !self.committees.contains_key(id);
        needed.iter().filter(unknown).copied().collect()
    }

    /// Takes in a committee that was read from the chain.
    pub(super) fn insert(&mut self, committee: Committee) {
        let id = committee.id();
        let alike = |other: &&Arc<Committee>| other.has_members_of(&committee);
        // Neighbours are alike most of the time.
        let before = self.committees.range(..id).next_back();
        let after = self.committees.range(id..).next();
        let known = before.and_then(|(_, other)| other.as_ref()).filter(alike);
        let known = known.or_else(|| after.and_then(|(_, other)| other.as_ref()).filter(alike));
        let committee = match known {
            Some(other) => other.at(id, committee.seed()),
            None => committee,
        };
        self.committees.insert(id, Some(Arc::new(committee)));
    }

    /// Notes that there is no such committee.
    pub(super) fn note_none(&mut self, id: CommitteeId) {
        self.committees.insert(id, None);
    }
}

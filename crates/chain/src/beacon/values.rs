//! Gathers signatures by shares of the key until they make a height's value.

use super::{Output, PartialSignature, Signature, message::Partials, message_of};
use crate::keys::Identity;
use commonware_cryptography::bls12381::primitives::{
    group::Share,
    ops::{self, threshold},
    variant::MinSig,
};
use commonware_parallel::Sequential;
use commonware_utils::Participant;
use std::collections::{BTreeMap, BTreeSet};

/// Heights above the last recorded value for which signatures are made and gathered.
pub(super) const WINDOW: u64 = 64;

/// How the key is shared in the heights of some epochs.
#[derive(Clone, Debug)]
pub(super) struct Era {
    /// The first height.
    pub(super) from_height: u64,
    pub(super) output: Output,
    /// Whose each share is, by its index, as far as its seat is of the committee.
    pub(super) holders: Vec<Option<Identity>>,
    /// Our shares.
    pub(super) shares: Vec<Share>,
}

/// The values that are being made.
pub(super) struct Values {
    namespace: Vec<u8>,
    /// Oldest first.
    eras: Vec<Era>,
    /// The first height without a recorded value.
    next: u64,
    /// The last final height.
    last_final: u64,
    gathering: BTreeMap<u64, Gathering>,
    /// Who sent signatures that do not verify.
    liars: BTreeSet<Identity>,
}

#[derive(Default)]
struct Gathering {
    own: Option<Partials>,
    heard: BTreeMap<Identity, Vec<PartialSignature>>,
    value: Option<Signature>,
}

/// What a change brought.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Values that are complete.
    pub(super) values: Vec<(u64, Signature)>,
    /// Who sent signatures that do not verify.
    pub(super) liars: Vec<Identity>,
}

impl Values {
    pub(super) fn new(namespace: Vec<u8>) -> Self {
        Self {
            namespace,
            eras: Vec::new(),
            next: 0,
            last_final: 0,
            gathering: BTreeMap::new(),
            liars: BTreeSet::new(),
        }
    }

    /// From now on the key is shared as these say, the oldest first.
    pub(super) fn share(&mut self, eras: Vec<Era>) {
        self.eras = eras;
    }

    /// Heights up to `last_final` are final, and those below `next` need no value any more. Says what is complete by that; then
    /// [`Values::own`] has what is to be told.
    pub(super) fn settle(&mut self, next: u64, last_final: u64) -> Progress {
        (self.next, self.last_final) = (next, last_final);
        self.gathering.retain(|height, _| *height >= next);
        let mut progress = Progress::default();
        if next == 0 {
            return progress;
        }
        for height in self.open() {
            self.sign(height);
            self.advance(height, &mut progress);
        }
        progress
    }

    /// Final heights of the window.
    fn open(&self) -> std::ops::Range<u64> {
        self.next..(self.last_final + 1).min(self.next + WINDOW)
    }

    /// How the key is shared at a final height.
    fn era(&self, height: u64) -> Option<&Era> {
        self.eras.iter().rfind(|era| era.from_height <= height)
    }

    /// Signs a final height with our shares, once.
    fn sign(&mut self, height: u64) {
        if self.gathering.get(&height).is_some_and(|found| found.own.is_some()) {
            return;
        }
        let Some(era) = self.era(height).filter(|era| !era.shares.is_empty()) else {
            return;
        };
        let sign = |share| threshold::sign_message(share, &self.namespace, &message_of(height));
        let signatures = era.shares.iter().map(sign).collect();
        let own = Partials { height, signatures };
        self.gathering.entry(height).or_default().own = Some(own);
    }

    /// Our signatures of the final heights from `first` on that have no value yet, at most `max` of them.
    pub(super) fn own(&self, first: u64, max: usize) -> Vec<Partials> {
        let lacking = self.gathering.range(first..).filter(|(_, found)| found.value.is_none());
        lacking.filter_map(|(_, found)| found.own.clone()).take(max).collect()
    }

    /// Takes another validator's signatures. Those of heights that are not final here wait.
    pub(super) fn hear(&mut self, sender: &Identity, partials: Vec<Partials>) -> Progress {
        let mut progress = Progress::default();
        if self.liars.contains(sender) || self.next == 0 {
            return progress;
        }
        for Partials { height, signatures } in partials {
            if !(self.next..self.next + WINDOW).contains(&height) {
                continue;
            }
            let found = self.gathering.entry(height).or_default();
            if found.value.is_none() {
                found.heard.insert(sender.clone(), signatures);
                self.advance(height, &mut progress);
            }
        }
        progress
    }

    /// Messages kept.
    #[cfg(test)]
    pub(super) fn heard(&self) -> usize {
        self.gathering.values().map(|found| found.heard.len()).sum()
    }

    /// Makes the value of a height if it is final and there are signatures enough. The value is checked, the signatures only if it is wrong.
    fn advance(&mut self, height: u64, progress: &mut Progress) {
        if height > self.last_final {
            return;
        }
        let (Some(era), Some(found)) = (self.era(height), self.gathering.get(&height)) else {
            return;
        };
        if found.value.is_some() {
            return;
        }
        let sharing = era.output.public();
        let required = sharing.required() as usize;
        let mut usable: BTreeMap<Participant, &PartialSignature> = BTreeMap::new();
        usable.extend(
            found
                .own
                .iter()
                .flat_map(|own| &own.signatures)
                .map(|one| (one.index, one)),
        );
        for (sender, signatures) in &found.heard {
            // An index that is not the sender's proves nothing of whose it is.
            let holder = |one: &&PartialSignature| era.holders.get(usize::from(one.index)).and_then(Option::as_ref);
            let own = signatures.iter().filter(|one| holder(one) == Some(sender));
            usable.extend(own.map(|one| (one.index, one)));
        }
        if usable.len() < required {
            return;
        }
        let message = message_of(height);
        let value = threshold::recover(sharing, usable.values().copied(), &Sequential).ok();
        let sound = |value: &Signature| {
            ops::verify_message::<MinSig>(sharing.public(), &self.namespace, &message, value).is_ok()
        };
        if let Some(value) = value.filter(sound) {
            progress.values.push((height, value));
            self.gathering.entry(height).or_default().value = Some(value);
            return;
        }
        let wrong =
            |one: &PartialSignature| threshold::verify_message(sharing, &self.namespace, &message, one).is_err();
        let liars: Vec<Identity> = found
            .heard
            .iter()
            .filter(|(_, signatures)| signatures.iter().any(wrong))
            .map(|(sender, _)| sender.clone())
            .collect();
        for found in self.gathering.values_mut() {
            liars.iter().for_each(|liar| drop(found.heard.remove(liar)));
        }
        if liars.is_empty() {
            return;
        }
        self.liars.extend(liars.iter().cloned());
        progress.liars.extend(liars);
        // There may be enough without theirs.
        self.advance(height, progress);
    }
}

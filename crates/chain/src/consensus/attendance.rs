//! Who was heard of late, from one engine to the next.
//!
//! An engine passes over a leader that it has not heard from while it heard a quorum of the others. One that has just begun has heard nobody: in its second view it
//! would pass over any leader whose first vote took longer than the others' did. As that differs from node to node, some nullify the view and
//! some vote for its block, neither are a quorum, and nobody proposes until the view times out. So an engine is told when it begins that all were
//! heard but those whom the last one had not heard of late.

use crate::keys::{Committee, Identity};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

/// Messages remembered for each validator: those of some four views. Whoever sent none of them is away.
const REMEMBERED_EACH: usize = 8;

/// Who sent votes of late; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Attendance(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    /// Whose absence says something.
    expected: BTreeSet<Identity>,
    /// Who sent the last messages, the oldest first.
    senders: VecDeque<Identity>,
}

impl Heard {
    fn remembered(&self) -> usize {
        REMEMBERED_EACH * self.expected.len()
    }

    fn is_away(&self, validator: &Identity) -> bool {
        let known = !self.expected.is_empty() && self.senders.len() >= self.remembered();
        known && self.expected.contains(validator) && !self.senders.contains(validator)
    }
}

impl Attendance {
    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().expect("no holder of the lock panics")
    }

    /// A message of votes came from `sender`.
    pub(super) fn note(&self, sender: &Identity) {
        let mut heard = self.heard();
        while heard.senders.len() >= heard.remembered().max(1) {
            heard.senders.pop_front();
        }
        heard.senders.push_back(sender.clone());
    }

    /// `committee` votes from now on, without `own`, whom nobody hears here: who of it is not known to be away.
    pub(super) fn begin(&self, committee: &Committee, own: &Identity) -> Vec<Identity> {
        let mut heard = self.heard();
        let others = committee.validators().iter().map(|validator| &validator.identity);
        let others: BTreeSet<_> = others.filter(|identity| *identity != own).cloned().collect();
        let present = others.iter().filter(|validator| !heard.is_away(validator)).cloned();
        let present = present.collect();
        heard.expected = others;
        present
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::ValidatorKeys;

    fn keys(seed: u8) -> ValidatorKeys {
        ValidatorKeys::from_seed(&[seed; 32])
    }

    fn committee(seeds: impl IntoIterator<Item = u8>) -> Committee {
        let validators: Vec<_> = seeds.into_iter().map(|seed| keys(seed).validator(1)).collect();
        Committee::new(&validators).unwrap()
    }

    fn sorted(seeds: &[u8]) -> Vec<Identity> {
        let mut names: Vec<_> = seeds.iter().map(|seed| keys(*seed).identity()).collect();
        names.sort();
        names
    }

    #[test]
    fn whoever_was_expected_and_not_heard_of_late_is_away_and_nobody_else() {
        let own = keys(1).identity();
        let attendance = Attendance::default();
        // At first nothing is known of anybody.
        assert_eq!(attendance.begin(&committee(1..=4), &own), sorted(&[2, 3, 4]));
        attendance.note(&keys(4).identity());
        assert_eq!(attendance.begin(&committee(1..=4), &own), sorted(&[2, 3, 4]));
        for _ in 0..2 * REMEMBERED_EACH {
            attendance.note(&keys(2).identity());
            attendance.note(&keys(3).identity());
        }
        // The fifth is new: it could not be heard.
        assert_eq!(attendance.begin(&committee(1..=5), &own), sorted(&[2, 3, 5]));
        assert_eq!(attendance.0.lock().unwrap().senders.len(), 3 * REMEMBERED_EACH);
    }

    #[test]
    fn a_validator_alone_expects_nobody() {
        let attendance = Attendance::default();
        assert_eq!(attendance.begin(&committee([1]), &keys(1).identity()), vec![]);
        attendance.note(&keys(2).identity());
        attendance.note(&keys(2).identity());
        assert_eq!(attendance.0.lock().unwrap().senders.len(), 1);
    }
}

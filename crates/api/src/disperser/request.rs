//! What became of requests that the chain does not know of (yet): a bounded memory, in no way needed to find a blob.

use super::message::BlobStatus;
use crate::blobs::Name;
use std::collections::{HashMap, VecDeque};

/// Failed requests of which it is remembered how; the oldest are forgotten first, and have then just failed.
pub const MAX_FAILURES: usize = 1024;

/// Requests under way, and how the last ones failed. Every one that succeeded is on chain, where every node finds it.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// By name, how many clients asked for the same. Their payloads' memory bounds them.
    under_way: HashMap<Name, u32>,
    failed: VecDeque<(Name, BlobStatus)>,
}

impl Requests {
    pub(super) fn begin(&mut self, name: Name) {
        *self.under_way.entry(name).or_default() += 1;
    }

    /// A request ended, with a blob on chain, or with [`BlobStatus::Failed`] or [`BlobStatus::InsufficientSignatures`].
    pub(super) fn end(&mut self, name: Name, outcome: Result<(), BlobStatus>) {
        if let Some(count) = self.under_way.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&name);
            }
        }
        self.failed.retain(|(failed, _)| *failed != name);
        if let Err(status) = outcome {
            if self.failed.len() == MAX_FAILURES {
                self.failed.pop_front();
            }
            self.failed.push_back((name, status));
        }
    }

    pub(super) fn is_under_way(&self, name: Name) -> bool {
        self.under_way.contains_key(&name)
    }

    /// How a request failed, if it did and is not under way again.
    pub(super) fn failure(&self, name: Name) -> Option<BlobStatus> {
        self.failed
            .iter()
            .find(|(failed, _)| *failed == name)
            .map(|(_, status)| *status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64) -> Name {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Name {
            root: bytes.into(),
            item: Some(7),
        }
    }

    #[test]
    fn a_request_made_twice_is_under_way_until_both_have_ended() {
        let mut requests = Requests::default();
        requests.begin(name(1));
        requests.begin(name(1));
        requests.end(name(1), Err(BlobStatus::Failed));
        assert!(requests.is_under_way(name(1)));
        requests.end(name(1), Ok(()));
        assert!(!requests.is_under_way(name(1)));
        // The second one succeeded: what the first one met is history.
        assert_eq!(requests.failure(name(1)), None);
    }

    #[test]
    fn the_oldest_failures_are_forgotten_first_and_memory_does_not_grow() {
        let mut requests = Requests::default();
        for number in 0..=MAX_FAILURES as u64 {
            requests.begin(name(number));
            requests.end(name(number), Err(BlobStatus::InsufficientSignatures));
        }
        assert_eq!(requests.failure(name(0)), None);
        assert_eq!(requests.failure(name(1)), Some(BlobStatus::InsufficientSignatures));
        assert_eq!((requests.failed.len(), requests.under_way.len()), (MAX_FAILURES, 0));
    }
}

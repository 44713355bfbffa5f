//! What became of requests that the chain does not know of (yet): a bounded memory, in no way needed to find a blob.

use super::message::BlobStatus;
use primitives::BlobRoot;
use std::collections::{HashMap, VecDeque};

/// Failed requests that are remembered; the oldest are forgotten first, and are then as unknown as if they had never been made.
pub const MAX_FAILURES: usize = 1024;

/// Requests under way, and the last that failed. One that succeeded is on chain, where every node finds it.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// By root, how many clients asked for the same. Their payloads' memory bounds them.
    under_way: HashMap<BlobRoot, u32>,
    failed: VecDeque<(BlobRoot, BlobStatus)>,
}

impl Requests {
    pub(super) fn begin(&mut self, root: BlobRoot) {
        *self.under_way.entry(root).or_default() += 1;
    }

    /// A request ended; `failure` is [`BlobStatus::Failed`] or [`BlobStatus::InsufficientSignatures`].
    pub(super) fn end(&mut self, root: BlobRoot, failure: Option<BlobStatus>) {
        if let Some(count) = self.under_way.get_mut(&root) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&root);
            }
        }
        self.failed.retain(|(failed, _)| *failed != root);
        if let Some(status) = failure {
            if self.failed.len() == MAX_FAILURES {
                self.failed.pop_front();
            }
            self.failed.push_back((root, status));
        }
    }

    pub(super) fn is_under_way(&self, root: BlobRoot) -> bool {
        self.under_way.contains_key(&root)
    }

    /// How a request failed, if it did and is not under way again.
    pub(super) fn failure(&self, root: BlobRoot) -> Option<BlobStatus> {
        self.failed
            .iter()
            .find(|(failed, _)| *failed == root)
            .map(|(_, status)| *status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(number: u64) -> BlobRoot {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        bytes.into()
    }

    #[test]
    fn a_request_made_twice_is_under_way_until_both_have_ended() {
        let mut requests = Requests::default();
        requests.begin(root(1));
        requests.begin(root(1));
        requests.end(root(1), Some(BlobStatus::Failed));
        assert!(requests.is_under_way(root(1)));
        requests.end(root(1), None);
        assert!(!requests.is_under_way(root(1)));
        // The second one succeeded: what the first one met is history.
        assert_eq!(requests.failure(root(1)), None);
    }

    #[test]
    fn the_oldest_failures_are_forgotten_first_and_memory_does_not_grow() {
        let mut requests = Requests::default();
        for number in 0..=MAX_FAILURES as u64 {
            requests.begin(root(number));
            requests.end(root(number), Some(BlobStatus::InsufficientSignatures));
        }
        assert_eq!(requests.failure(root(0)), None);
        assert_eq!(requests.failure(root(1)), Some(BlobStatus::InsufficientSignatures));
        assert_eq!((requests.failed.len(), requests.under_way.len()), (MAX_FAILURES, 0));
    }
}

//! What became of requests that the chain does not know of (yet): a bounded memory, in no way needed to find a blob.

use super::message::BlobStatus;
use crate::blobs::Name;
use primitives::BlobRoot;
use std::collections::{HashMap, VecDeque};

/// Failed requests that are remembered; the oldest are forgotten first, and are then as unknown as if they had never been made.
pub const MAX_FAILURES: usize = 1024;

/// Requests whose blob another quorum keeps than the one that the request id was made for: the oldest are forgotten first, as [`MAX_FAILURES`].
pub const MAX_MOVED: usize = 1024;

/// Requests under way, the last that failed, and the last whose blob has another root than was announced. Every other one that succeeded is on chain,
/// where every node finds it.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// By name, how many clients asked for the same. Their payloads' memory bounds them.
    under_way: HashMap<Name, u32>,
    failed: VecDeque<(Name, BlobStatus)>,
    moved: VecDeque<(Name, BlobRoot)>,
}

impl Requests {
    pub(super) fn begin(&mut self, name: Name) {
        *self.under_way.entry(name).or_default() += 1;
    }

    /// A request ended, with a blob on chain, or with [`BlobStatus::Failed`] or [`BlobStatus::InsufficientSignatures`].
    pub(super) fn end(&mut self, name: Name, outcome: Result<BlobRoot, BlobStatus>) {
        if let Some(count) = self.under_way.get_mut(&name) {
            *count -= 1;
            if *count == 0 {
                self.under_way.remove(&name);
            }
        }
        self.failed.retain(|(failed, _)| *failed != name);
        match outcome {
            Err(status) => {
                if self.failed.len() == MAX_FAILURES {
                    self.failed.pop_front();
                }
                self.failed.push_back((name, status));
            }
            Ok(root) if root != name.root => {
                self.moved.retain(|(moved, _)| *moved != name);
                if self.moved.len() == MAX_MOVED {
                    self.moved.pop_front();
                }
                self.moved.push_back((name, root));
            }
            Ok(_) => {}
        }
    }

    /// The blob of a request: the one that it names, unless another quorum took it.
    pub(super) fn root_of(&self, name: Name) -> BlobRoot {
        let moved = self.moved.iter().find(|(moved, _)| *moved == name);
        moved.map_or(name.root, |(_, root)| *root)
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
        requests.end(name(1), Ok(name(1).root));
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

    #[test]
    fn a_request_whose_blob_has_another_root_in_the_end_is_found_by_the_one_it_was_told() {
        let mut requests = Requests::default();
        for number in 0..=MAX_MOVED as u64 {
            requests.begin(name(number));
            requests.end(name(number), Ok(name(number + 7_000).root));
        }
        assert_eq!(requests.root_of(name(0)), name(0).root, "the oldest is forgotten");
        assert_eq!(requests.root_of(name(1)), name(7_001).root);
        assert_eq!(requests.root_of(name(9_999)), name(9_999).root);
        assert_eq!(requests.moved.len(), MAX_MOVED);
    }
}

//! Local rows that this operator is to keep and does not have: which are missed, and how they are made again.
//!
//! No key is needed: a local row is the sum of its group's rows, which their owners serve. It is done one group after the other and behind
//! everything that was promised: nobody was promised local rows. They are missed when somebody asks for one, when this operator needs one of its own,
//! and when a look through what is on disk, once after a start and once an epoch, finds that one is gone or rotten. A blob that is repaired
//! whole has its local rows again from that.

use super::{
    Shared,
    local::{Place, RebuildError},
};
use crate::{
    CodedBlob, CommitteeId, Runtime, VerifiedHead,
    local::{self, LocalRow},
    store::StoreError,
};
use primitives::{BlobRoot, Epoch};
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, SystemTime},
};

/// Most local rows that are remembered as missed; others are missed again later.
const WANTED_MAX: usize = 1_024;
/// First pause before a local row is tried again whose group cannot be read; each is twice the one before.
const RETRY: Duration = Duration::from_secs(1);
/// Longest pause; after it the local row is given up until it is missed again.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The local rows that are missed.
#[derive(Default)]
pub(super) struct Missed {
    /// When each is tried next, and how long was waited before that.
    wanted: BTreeMap<(BlobRoot, u32), (SystemTime, Duration)>,
}

impl Missed {
    /// Notes that the local row of `group` is missed.
    pub(super) fn want(&mut self, root: BlobRoot, group: u32) {
        if self.wanted.len() < WANTED_MAX {
            let at_once = (SystemTime::UNIX_EPOCH, Duration::ZERO);
            self.wanted.entry((root, group)).or_insert(at_once);
        }
    }

    /// One that is to be tried now.
    fn next(&self, now: SystemTime) -> Option<(BlobRoot, u32)> {
        let due = self.wanted.iter().find(|(_, (at, _))| *at <= now);
        due.map(|(wanted, _)| *wanted)
    }

    fn made(&mut self, wanted: &(BlobRoot, u32)) {
        self.wanted.remove(wanted);
    }

    fn failed(&mut self, wanted: &(BlobRoot, u32), now: SystemTime) {
        let Some((at, waited)) = self.wanted.get_mut(wanted) else {
            return;
        };
        if *waited >= RETRY_MAX {
            self.wanted.remove(wanted);
            return;
        }
        *waited = (*waited * 2).clamp(RETRY, RETRY_MAX);
        *at = now + *waited;
    }
}

/// Why a local row was not made again.
#[derive(Debug, thiserror::Error)]
enum MendError {
    #[error("blob {root} is not kept, or the local row is not this operator's")]
    NotMine { root: BlobRoot },
    #[error("the committee of {id} is not known")]
    NoCommittee { id: CommitteeId },
    #[error("read the rows of the group")]
    Group(#[from] RebuildError),
    #[error("keep the local row")]
    Store(#[from] StoreError),
}

/// What makes local rows again, as the follower of the chain has it: it knows when nothing more urgent is to be repaired.
#[derive(Default)]
pub(super) struct Mender {
    /// Blobs whose local rows are to be looked through.
    unseen: VecDeque<BlobRoot>,
    /// The epoch in which they were listed.
    listed: Option<Epoch>,
}

impl Mender {
    /// Looks through the local rows of one blob, and makes one row again that is missed.
    pub(super) async fn step<E: Runtime>(&mut self, context: &E, shared: &Shared<E>) {
        self.look(shared).await;
        let Some(wanted) = shared.missed.lock().next(context.current()) else {
            return;
        };
        let (root, group) = wanted;
        match make(context, shared, root, group).await {
            Ok(()) => {
                tracing::debug!(%root, group, "made a local row again");
                shared.missed.lock().made(&wanted);
            }
            Err(MendError::NotMine { .. }) => shared.missed.lock().made(&wanted),
            Err(error) => {
                tracing::debug!(%root, group, ?error, "local row not made again");
                shared.missed.lock().failed(&wanted, context.current());
            }
        }
    }

    /// Notes what is missed of the next blob that has local rows here.
    async fn look<E: Runtime>(&mut self, shared: &Shared<E>) {
        let epoch = shared.epochs.lock().current();
        if self.unseen.is_empty() && self.listed != Some(epoch) {
            self.listed = Some(epoch);
            self.unseen = shared.chain.lock().certified.keys().copied().collect();
        }
        // Most blobs here may be without: they are passed over, which costs nothing.
        while let Some(root) = self.unseen.pop_front() {
            if !shared.store.has_local(root).await {
                continue;
            }
            let Ok((_, groups)) = own(shared, root) else { continue };
            for group in groups {
                if let Ok(None) = shared.store.read_local(root, group).await {
                    shared.missed.lock().want(root, group);
                }
            }
            return;
        }
    }
}

/// The head of a certified blob and the groups whose local rows this operator keeps.
fn own<E: Runtime>(shared: &Shared<E>, root: BlobRoot) -> Result<(VerifiedHead, Vec<u32>), MendError> {
    let head = shared.store.head(root);
    let head = head.filter(|_| shared.chain.lock().certified.contains_key(&root));
    let head = head.ok_or(MendError::NotMine { root })?;
    let id = head.header().params.committee;
    let (committee, index) = shared.seat(id).ok_or(MendError::NoCommittee { id })?;
    let shape = head.shape();
    let owners = local::groups(shape).zip(local::owners(&committee, &root, shape));
    let groups = owners
        .filter(|(_, owner)| Some(*owner) == index)
        .map(|(group, _)| group);
    let groups = groups.collect();
    Ok((head, groups))
}

/// Notes that the local row of `group` is missed, if this operator is to keep it.
pub(super) fn miss<E: Runtime>(shared: &Shared<E>, root: BlobRoot, group: u32) {
    if own(shared, root).is_ok_and(|(_, groups)| groups.contains(&group)) {
        shared.missed.lock().want(root, group);
    }
}

/// Makes a local row from the 32 rows of its group.
async fn make<E: Runtime>(context: &E, shared: &Shared<E>, root: BlobRoot, group: u32) -> Result<(), MendError> {
    let (head, groups) = own(shared, root)?;
    if !groups.contains(&group) {
        return Err(MendError::NotMine { root });
    }
    if shared.store.read_local(root, group).await?.is_some() {
        return Ok(());
    }
    let id = head.header().params.committee;
    let Some((committee, Some(index))) = shared.seat(id) else {
        return Err(MendError::NoCommittee { id });
    };
    let place = Place::new(context, shared, (&committee, index), &head);
    let rows = place.gather(local::rows_of(group)).await?;
    let row = LocalRow::of_rows(group, &rows, head.row_bytes());
    shared.store.put_local(root, &row).await?;
    shared.tally.mended(1);
    Ok(())
}

/// Keeps the local rows that are this operator's of a blob that was coded again, those that are there and differ too.
pub(super) async fn keep_own<E: Runtime>(shared: &Shared<E>, blob: &CodedBlob) -> Result<(), StoreError> {
    let root = blob.head().root();
    let Ok((_, groups)) = own(shared, root) else {
        return Ok(());
    };
    if groups.is_empty() {
        return Ok(());
    }
    let own = local::local_rows(blob)
        .into_iter()
        .filter(|row| groups.contains(&row.group));
    for row in own {
        if shared.store.read_local(root, row.group).await?.as_ref() == Some(&row) {
            continue;
        }
        match shared.store.put_local(root, &row).await {
            Ok(()) => shared.tally.mended(1),
            // They are kept as long as there is room.
            Err(StoreError::Full { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_is_tried_less_and_less_often_and_then_given_up() {
        let mut missed = Missed::default();
        let wanted = (BlobRoot::from([1; 32]), 7);
        missed.want(wanted.0, wanted.1);
        let mut now = SystemTime::UNIX_EPOCH;
        let mut waits = Vec::new();
        while !missed.wanted.is_empty() {
            assert_eq!(missed.next(now), Some(wanted));
            missed.failed(&wanted, now);
            if let Some((at, waited)) = missed.wanted.get(&wanted) {
                assert_eq!(missed.next(*at - Duration::from_millis(1)), None);
                waits.push(waited.as_secs());
                now = *at;
            }
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60]);
        // Asked for again, it is tried again at once.
        missed.want(wanted.0, wanted.1);
        assert_eq!(missed.next(now), Some(wanted));
        missed.made(&wanted);
        assert_eq!(missed.next(now), None);
    }

    #[test]
    fn no_more_is_remembered_than_fits_whoever_asks() {
        let mut missed = Missed::default();
        for group in 0..2 * WANTED_MAX as u32 {
            missed.want(BlobRoot::from([2; 32]), group);
        }
        assert_eq!(missed.wanted.len(), WANTED_MAX);
    }
}

//! What a leader may put into its block, and how a block is checked: the beacon as those who propose and verify see it.

use super::{
    conclusion,
    news::MAX_SIGNATURES,
    plan::Plan,
    rules::{self, NewsError},
    schedule::Schedule,
    state::{BeaconState, SignatureBytes, Standing},
};
use crate::block::Context;
use alloy_primitives::B256;
use commonware_cryptography::sha256;
use crypto::ceremony::digest;
use evm::{BeaconCeremony, BeaconNews};
use std::{
    collections::BTreeMap,
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard},
};

/// The beacon of a chain; clones share what is ready.
#[derive(Clone)]
pub(crate) struct Beacon {
    pub(super) state: Arc<dyn BeaconState>,
    pub(super) namespace: Arc<[u8]>,
    pub(super) schedule: Schedule,
    ready: Arc<Mutex<Ready>>,
}

/// What was made or checked here.
#[derive(Default)]
struct Ready {
    /// Signatures of final heights that the chain does not have yet.
    signatures: BTreeMap<u64, SignatureBytes>,
    /// The last ceremony that was concluded here.
    conclusion: Option<Conclusion>,
}

#[derive(Clone)]
struct Conclusion {
    logs: sha256::Digest,
    ceremony: BeaconCeremony,
}

impl Beacon {
    pub(crate) fn new(state: Arc<dyn BeaconState>, namespace: Vec<u8>, epoch_blocks: NonZeroU64) -> Self {
        Self {
            state,
            namespace: namespace.into(),
            schedule: Schedule::new(epoch_blocks),
            ready: Arc::default(),
        }
    }

    fn ready(&self) -> MutexGuard<'_, Ready> {
        self.ready.lock().expect("no holder of the lock panics")
    }

    /// A signature was made here, and verified.
    pub(super) fn add(&self, height: u64, signature: SignatureBytes) {
        self.ready().signatures.insert(height, signature);
    }

    /// Signatures below `next` are on the chain for good.
    pub(super) fn settle(&self, next: u64) {
        self.ready().signatures.retain(|height, _| *height >= next);
    }

    /// What block `number` on top of `parent`, which was executed here, shall say, which is all that is ready; and its `PREVRANDAO`.
    ///
    /// # Errors
    ///
    /// [`NewsError`] where the state cannot be read.
    pub(crate) fn news(&self, place: &Context, parent: &B256, number: u64) -> Result<(BeaconNews, B256), NewsError> {
        let standing = self.state.standing(parent)?;
        let mut news = BeaconNews::default();
        let epoch = self.schedule.epoch_of(number);
        let waiting = self
            .ready()
            .conclusion
            .clone()
            .filter(|found| found.ceremony.epoch == epoch);
        if let Some(found) = waiting
            && rules::check_moment(self.schedule, &standing, number, epoch).is_ok()
            && digest(&conclusion::plain(&self.state.logs(parent, epoch)?)) == found.logs
        {
            news.ceremony = Some(found.ceremony);
        }
        if standing.next != 0 {
            let ready = self.ready();
            let consecutive = (standing.next..number).map_while(|height| ready.signatures.get(&height).copied());
            news.signatures = consecutive.take(MAX_SIGNATURES).collect();
        }
        if !news.signatures.is_empty() {
            news.first_height = standing.next;
        }
        let randao = randao_after(&standing, place, number, &news);
        Ok((news, randao))
    }

    /// Checks what block `number` on top of `parent` says, and gives its `PREVRANDAO`. Takes a tenth of a second and more where it says how a
    /// ceremony ended that was not concluded here.
    ///
    /// # Errors
    ///
    /// [`NewsError`]: [`NewsError::condemns_block`] says whether the block is at fault.
    pub(crate) fn check(
        &self,
        place: &Context,
        parent: &B256,
        number: u64,
        news: &BeaconNews,
    ) -> Result<B256, NewsError> {
        let standing = self.state.standing(parent)?;
        let known = self.ready().signatures.clone();
        rules::check_signatures(&self.namespace, &standing, number, news, &known)?;
        if let Some(ceremony) = &news.ceremony {
            rules::check_moment(self.schedule, &standing, number, ceremony.epoch)?;
            if self.conclude(parent, ceremony.epoch)? != *ceremony {
                let epoch = ceremony.epoch;
                return Err(NewsError::WrongEnd { epoch });
            }
        }
        Ok(randao_after(&standing, place, number, news))
    }

    /// How the ceremony of `epoch` ended, in whose last quarter the block after `at` is. Computed once for the same logs.
    pub(super) fn conclude(&self, at: &B256, epoch: u64) -> Result<BeaconCeremony, NewsError> {
        let logs = self.state.logs(at, epoch)?;
        let digest = digest(&conclusion::plain(&logs));
        let known = self.ready().conclusion.clone();
        if let Some(known) = known.filter(|known| known.logs == digest && known.ceremony.epoch == epoch) {
            return Ok(known.ceremony);
        }
        let plan = Plan::read(&*self.state, at, &self.namespace, epoch)?;
        let ceremony = conclusion::conclude(&plan, &logs);
        self.ready().conclusion = Some(Conclusion {
            logs: digest,
            ceremony: ceremony.clone(),
        });
        Ok(ceremony)
    }
}

fn randao_after(standing: &Standing, place: &Context, number: u64, news: &BeaconNews) -> B256 {
    let last = news.signatures.last().or(standing.latest.as_ref());
    rules::prev_randao(place, number, last)
}

/// What `PREVRANDAO` is on a chain without a beacon.
pub(crate) fn without_beacon(place: &Context, number: u64) -> B256 {
    rules::prev_randao(place, number, None)
}

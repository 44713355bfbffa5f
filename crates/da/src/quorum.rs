//! Quorums: which there are, and which of them keeps a payload.
//!
//! A committee has at most 256 operators and 600 seats, so that each has rows enough; more operators are more quorums, each a service of
//! `NetworkRegistry` that `DAEntrance` opened. A blob is one quorum's for ever: its header names it.
//!
//! **Who decides.** The payload does, by its [`Lot`]: each quorum gets as many as any other, nobody has to be asked, and a payload that is sent again
//! because an answer was lost is the same blob, which a choice at random would keep and charge for twice. Quorums are ranked by
//! highest random weight, so that a new one takes its part from all others and moves nothing else. Where a quorum does not take its payload, the
//! next by rank may ([`Candidates`]).

use crate::{
    CodedBlob, Committee, CommitteeId, Domain, Purchase,
    committee::{CommitteeError, ask},
};
use contracts::{
    Provider,
    abi::{DAEntrance, NetworkRegistry},
    addresses,
};
use crypto::stream::{self, Key};
use primitives::{Address, Digest, Epoch};
use std::cmp::Reverse;

#[cfg(test)]
mod tests;

/// Most quorums of a network: `DAEntrance.MAX_QUORUMS`.
pub const MAX_QUORUMS: usize = 64;

/// What decides which quorum keeps a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lot(Digest);

impl Lot {
    /// The lot of a payload for everybody.
    pub fn of_payload(owner: Address, payload: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("aloft/da/lot/v1");
        hasher.update(owner.as_slice());
        hasher.update(payload);
        Self(hasher.finalize().into())
    }

    /// The lot of a payload that is sealed under `key`: what it says must not decide who keeps it, for that is seen by everybody.
    pub fn of_key(key: &Key) -> Self {
        Self(stream::commitment(key, b"aloft/da/lot/v1"))
    }

    /// `quorums` in the order in which this lot would have them.
    pub fn order(&self, quorums: &[u32]) -> Vec<u32> {
        let weight = |quorum: &u32| {
            let mut hasher = blake3::Hasher::new_derive_key("aloft/da/lot-weight/v1");
            hasher.update(self.0.as_ref());
            hasher.update(&quorum.to_be_bytes());
            Digest::from(hasher.finalize())
        };
        let mut order = quorums.to_vec();
        order.sort_by_cached_key(|quorum| Reverse(*weight(quorum).as_bytes()));
        order
    }
}

/// The quorums of a network in the order in which they were opened, those that take no blobs any more among them.
///
/// # Errors
///
/// [`CommitteeError::Registry`].
pub async fn list(provider: &impl Provider, domain: &Domain) -> Result<Vec<u32>, CommitteeError> {
    let mut quorums = ask(provider, domain.entrance, &DAEntrance::quorumsCall {}).await?;
    quorums.truncate(MAX_QUORUMS);
    Ok(quorums)
}

/// The present epoch.
///
/// # Errors
///
/// [`CommitteeError::Registry`].
pub async fn epoch(provider: &impl Provider) -> Result<Epoch, CommitteeError> {
    let epoch = ask(provider, addresses::NETWORK_REGISTRY, &NetworkRegistry::epochCall {}).await?;
    Ok(Epoch(epoch))
}

/// The present committee of the quorum that keeps the payload of `lot`, which is not asked for where there is one quorum only: of those that take
/// blobs and have a committee, the first by the lot.
///
/// # Errors
///
/// [`CommitteeError`]; [`CommitteeError::NoQuorum`] when there is none.
pub async fn committee_for(
    provider: &impl Provider,
    domain: &Domain,
    lot: impl FnOnce() -> Lot,
) -> Result<Committee, CommitteeError> {
    Ok(Candidates::draw(provider, domain, lot).await?.0)
}

/// The quorums that a payload may still go to when the one that its lot drew does not take it, in the order of the lot.
#[derive(Clone, Debug)]
pub struct Candidates {
    left: std::vec::IntoIter<u32>,
    /// Whether the network has more quorums than one.
    is_choice: bool,
}

impl Candidates {
    /// The committee of [`committee_for`], and the quorums after its own.
    ///
    /// # Errors
    ///
    /// As [`committee_for`].
    pub async fn draw(
        provider: &impl Provider,
        domain: &Domain,
        lot: impl FnOnce() -> Lot,
    ) -> Result<(Committee, Self), CommitteeError> {
        let quorums = list(provider, domain).await?;
        if let [quorum] = quorums[..] {
            let epoch = epoch(provider).await?;
            let committee = Committee::read(provider, CommitteeId { quorum, epoch }).await?;
            let alone = Self {
                left: Vec::new().into_iter(),
                is_choice: false,
            };
            return Ok((committee, alone));
        }
        let mut candidates = Self {
            left: lot().order(&quorums).into_iter(),
            is_choice: true,
        };
        let quorums = quorums.len();
        let first = candidates.next(provider, domain).await?;
        Ok((first.ok_or(CommitteeError::NoQuorum { quorums })?, candidates))
    }

    /// What `blob` is paid for as; none where the network has one quorum: then no two could keep it and both be paid.
    pub fn purchase(&self, blob: &CodedBlob) -> Option<Purchase> {
        self.is_choice.then(|| blob.purchase())
    }

    /// The present committee of the next quorum that takes blobs and has one; none when all were drawn.
    ///
    /// # Errors
    ///
    /// [`CommitteeError`].
    pub async fn next(
        &mut self,
        provider: &impl Provider,
        domain: &Domain,
    ) -> Result<Option<Committee>, CommitteeError> {
        // Asked each time: what the one before took to fail may have been an epoch's end.
        let epoch = epoch(provider).await?;
        for quorum in self.left.by_ref() {
            if let Some(committee) = present(provider, domain, CommitteeId { quorum, epoch }).await? {
                return Ok(Some(committee));
            }
        }
        Ok(None)
    }
}

/// The present committees of all quorums that take blobs, in the order in which they were opened.
///
/// # Errors
///
/// [`CommitteeError`]; [`CommitteeError::NoQuorum`] when there is none.
pub async fn committees(provider: &impl Provider, domain: &Domain) -> Result<Vec<Committee>, CommitteeError> {
    let quorums = list(provider, domain).await?;
    let epoch = epoch(provider).await?;
    let mut committees = Vec::with_capacity(quorums.len());
    for &quorum in &quorums {
        committees.extend(present(provider, domain, CommitteeId { quorum, epoch }).await?);
    }
    let quorums = quorums.len();
    match committees.is_empty() {
        true => Err(CommitteeError::NoQuorum { quorums }),
        false => Ok(committees),
    }
}

/// A committee, if its quorum takes blobs and has one in that epoch.
async fn present(
    provider: &impl Provider,
    domain: &Domain,
    id: CommitteeId,
) -> Result<Option<Committee>, CommitteeError> {
    let quorum = id.quorum;
    if !ask(provider, domain.entrance, &DAEntrance::isOpenCall { quorum }).await? {
        return Ok(None);
    }
    match Committee::read(provider, id).await {
        // It was activated an epoch or two ago.
        Err(CommitteeError::NotFixed { .. }) => Ok(None),
        committee => Ok(Some(committee?)),
    }
}

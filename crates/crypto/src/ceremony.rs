//! A key that nobody knows: seats make it by dealing to each other, and hand it on to other seats without changing it.
//!
//! Joint-Feldman key generation and Desmedt's resharing, as commonware has them (`bls12381::dkg::feldman_desmedt`): a [`Dealer`] commits to a
//! polynomial and deals each player a share of it; a [`Player`] acknowledges a share that meets the commitment; the dealer's signed log shows who
//! acknowledged, and in the clear the shares of who did not, a third of them at most. From the same logs everybody finds the same
//! [`Outcome`]: `n - ⌊(n - 1) / 3⌋` of `n` players act for the key.
//!
//! This module knows no channel: how dealings come to players and logs to everybody is its users' business. Everything a seat says follows from what it
//! is given, so that who starts again says the same.

mod dealer;
#[cfg(test)]
mod tests;

pub use dealer::Dealer;

use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _};
pub use commonware_cryptography::bls12381::dkg::feldman_desmedt::{
    DealerMessageError, DealerPrivMsg as DealerShare, Error, Failure, FinalizeError, PlayerAck, PlayerAckError,
};
use commonware_cryptography::{
    BatchVerifier, Hasher as _, PublicKey, Sha256, Signer,
    bls12381::{
        dkg::feldman_desmedt::{self as dkg, Reveal, SignedDealerLog},
        primitives::{
            group::Share,
            sharing::{Mode, ModeVersion},
            variant::MinSig,
        },
    },
    sha256,
    transcript::{Transcript, Version},
};
use commonware_parallel::Sequential;
use commonware_utils::{N3f1, ordered::Set};
use rand_core::CryptoRng;
use std::{collections::BTreeMap, num::NonZeroU32};

/// What a ceremony comes to: the public polynomial, who dealt and who holds shares.
pub type Outcome<P> = dkg::Output<MinSig, P>;
/// What a ceremony is about.
pub type Info<P> = dkg::Info<MinSig, P>;
/// A dealer's commitment, which all may see.
pub type DealerPublic = dkg::DealerPubMsg<MinSig>;
/// A dealer's log, after its signature was checked.
pub type DealerLog<P> = dkg::DealerLog<MinSig, P>;
/// The logs of a ceremony, of which those that prove no fault will count.
pub type Logs<P> = dkg::Logs<MinSig, P, N3f1>;
/// A seat that receives shares.
pub type Player<S> = dkg::Player<MinSig, S>;

/// How shares are numbered: from 1 up, so that the key's secret is at 0.
pub const MODE: Mode = Mode::NonZeroCounter;

/// Names of an application's ceremonies: apart from those of any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Application(
    /// Begins the name of everything that is hashed.
    pub &'static str,
);

impl Application {
    fn label(self, purpose: &str) -> Vec<u8> {
        [self.0.as_bytes(), purpose.as_bytes()].concat()
    }
}

/// One ceremony: who deals to whom.
#[derive(Clone, Debug)]
pub struct Round<P: PublicKey> {
    application: Application,
    /// Participants at most.
    seats_max: NonZeroU32,
    /// What it is about.
    pub info: Info<P>,
    /// How the key is shared while it goes on; none where the key is made.
    pub previous: Option<Outcome<P>>,
    /// Hash of all that makes this ceremony another than any other.
    pub summary: sha256::Digest,
}

/// Reads an outcome of a ceremony of `seats_max` participants at most.
///
/// # Errors
///
/// When the bytes are none.
pub fn read_outcome<P: PublicKey>(bytes: Bytes, seats_max: NonZeroU32) -> Result<Outcome<P>, commonware_codec::Error> {
    Outcome::decode_cfg(bytes, &(seats_max, ModeVersion::v0()))
}

impl<P: PublicKey> Round<P> {
    /// Ceremony `number` of `application` under `namespace`: those who hold the key as `previous` says hand it on to `players`; where there is no
    /// previous outcome, `dealers` make it. A ceremony that fails uses its number up.
    ///
    /// # Errors
    ///
    /// [`Error`] when dealers and players do not fit together.
    pub fn new(
        application: Application,
        namespace: &[u8],
        number: u64,
        previous: Option<Outcome<P>>,
        dealers: Set<P>,
        players: Set<P>,
        seats_max: NonZeroU32,
    ) -> Result<Self, Error> {
        let dealers = previous.as_ref().map_or(dealers, |outcome| outcome.players().clone());
        let summary = Sha256::hash(&[
            &application.label("-ceremony"),
            &(namespace.to_vec(), number, previous.clone()).encode(),
            &(dealers.clone(), players.clone()).encode(),
        ]);
        let info = Info::new::<N3f1>(namespace, number, previous.clone(), MODE, Reveal::V1, dealers, players)?;
        Ok(Self {
            application,
            seats_max,
            info,
            previous,
            summary,
        })
    }

    /// A log that a dealer signed for this ceremony; `None` if the bytes are none.
    pub fn read_log(&self, bytes: &Bytes) -> Option<(P, DealerLog<P>)> {
        let signed = SignedDealerLog::<MinSig, P>::decode_cfg(bytes.clone(), &self.seats_max).ok()?;
        signed.check(&self.info)
    }

    /// The first log of each dealer that signed it for this ceremony.
    pub fn signed<'a>(&self, logs: impl IntoIterator<Item = &'a Bytes>) -> BTreeMap<P, DealerLog<P>> {
        let mut signed = BTreeMap::new();
        for (dealer, log) in logs.into_iter().filter_map(|bytes| self.read_log(bytes)) {
            signed.entry(dealer).or_insert(log);
        }
        signed
    }

    /// What a seat's polynomial is drawn from: its `secret`, and all that makes this ceremony another than any other.
    fn chance(&self, secret: &[u8]) -> impl CryptoRng + use<P> {
        let mut transcript = Transcript::new(&self.application.label("-deal"), Version::V1);
        transcript.commit(secret);
        transcript.commit(self.summary.0.as_slice());
        transcript.noise(b"dealer")
    }

    /// The weights under which many signatures are checked as one. They depend on all of what is checked, so that nobody can choose logs in view
    /// of them.
    fn weights(&self, logs: &[Bytes]) -> impl CryptoRng + use<P> {
        let mut transcript = Transcript::new(&self.application.label("-check"), Version::V1);
        transcript.commit(digest(logs).0.as_slice());
        transcript.noise(b"weights")
    }
}

impl<P: BatchVerifier> Round<P> {
    /// The logs that dealers signed, checked as far as it takes, with what further checks draw from.
    pub fn checked(&self, logs: &[Bytes]) -> (Logs<P>, impl CryptoRng + use<P>) {
        let mut gathered = Logs::new(self.info.clone());
        for (dealer, log) in self.signed(logs) {
            gathered.record(dealer, log);
        }
        let mut weights = self.weights(logs);
        gathered.pre_verify(&mut weights, &Sequential);
        (gathered, weights)
    }

    /// What all dealers' logs come to: a function of them alone, so that all who have them find the same.
    ///
    /// # Errors
    ///
    /// [`Failure`] when too few logs count.
    pub fn conclude(&self, logs: &[Bytes]) -> Result<Outcome<P>, Failure<P>> {
        let (gathered, mut weights) = self.checked(logs);
        dkg::observe(&mut weights, gathered, &Sequential)
    }

    /// The share of `player`, of logs that were [`Self::checked`].
    ///
    /// # Errors
    ///
    /// [`FinalizeError`] when the logs were too few, or a share is lost that the player acknowledged.
    pub fn share<S: Signer<PublicKey = P>>(
        &self,
        player: Player<S>,
        checked: &Logs<P>,
        weights: &mut impl CryptoRng,
    ) -> Result<Share, FinalizeError<P>> {
        let (_, share) = player.finalize(weights, checked.clone(), &Sequential)?;
        Ok(share)
    }
}

/// Name of a list of logs.
pub fn digest(logs: &[Bytes]) -> sha256::Digest {
    let each: Vec<_> = logs.iter().map(|log| Sha256::hash(&[log]).0).collect();
    Sha256::hash(&[each.concat().as_slice()])
}

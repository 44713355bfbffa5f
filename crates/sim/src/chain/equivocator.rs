//! A validator that votes twice: what leaves its machine says one thing, and then another.

use super::beacon::Gag;
use alloy_primitives::{B256, Bytes};
use chain::{ValidatorKeys, consensus::Scheme, keys::Identity};
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _, RangeCfg, types::lazy::Lazy, varint::UInt};
use commonware_consensus::simplex::types::{Notarize, Vote};
use commonware_cryptography::{
    bls12381::primitives::variant::{MinPk, Variant},
    certificate::Attestation,
    sha256,
};
use commonware_p2p::{CheckedSender, LimitedSender, Recipients, Sender, utils::mux};
use commonware_runtime::{IoBuf, IoBufs};
use commonware_utils::{union, union_unique};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

type Ballot = Vote<Scheme, sha256::Digest>;

/// Votes for a second block of every view, once told to.
pub(super) struct Equivocator {
    namespace: Vec<u8>,
    keys: ValidatorKeys,
    active: AtomicBool,
}

impl Equivocator {
    pub(super) fn new(namespace: Vec<u8>, keys: ValidatorKeys) -> Self {
        Self {
            namespace: union(&namespace, b"_NOTARIZE"),
            keys,
            active: AtomicBool::new(false),
        }
    }

    pub(super) fn begin(&self) {
        self.active.store(true, Ordering::Relaxed);
    }

    /// The votes that contradict those in `message`, as it is on the wire; `None` if they notarize nothing.
    ///
    /// The signature is made here, of the bytes that the documentation says: it is also the test that the engine signs these.
    fn contradict(&self, message: IoBuf) -> Option<IoBuf> {
        if !self.active.load(Ordering::Relaxed) {
            return None;
        }
        let (epoch, votes) = mux::parse(message).ok()?;
        let votes = Vec::<Ballot>::decode_cfg(votes, &(RangeCfg::new(1..=8), ())).ok()?;
        let Vote::Notarize(vote) = votes.first()? else {
            return None;
        };
        let mut proposal = vote.proposal.clone();
        proposal.payload = sha256::Digest(B256::repeat_byte(0xee).0);
        // The first vote is the first seat's.
        let signed = self.keys.votes[0].sign(&union_unique(&self.namespace, &proposal.encode()));
        let signature = <MinPk as Variant>::Signature::decode(Bytes::copy_from_slice(&signed.to_bytes()).0).ok()?;
        let second = Ballot::Notarize(Notarize {
            proposal,
            attestation: Attestation {
                signer: vote.attestation.signer,
                signature: Lazy::from(signature),
            },
        });
        let mut bytes = UInt(epoch).encode().to_vec();
        bytes.extend_from_slice(&vec![second].encode());
        Some(IoBuf::from(bytes))
    }
}

/// A sender that may send twice.
#[derive(Clone)]
pub(super) struct Wire<S> {
    inner: S,
    equivocator: Option<Arc<Equivocator>>,
    /// What the beacon may not say.
    gag: Option<Gag>,
}

impl<S> Wire<S> {
    pub(super) fn honest(inner: S) -> Self {
        let (equivocator, gag) = (None, None);
        Self {
            inner,
            equivocator,
            gag,
        }
    }

    pub(super) fn with(self, equivocator: Arc<Equivocator>) -> Self {
        Self {
            equivocator: Some(equivocator),
            ..self
        }
    }

    pub(super) fn gagged(self, gag: Gag) -> Self {
        Self { gag: Some(gag), ..self }
    }
}

impl<S: Sender<PublicKey = Identity>> LimitedSender for Wire<S> {
    type PublicKey = Identity;
    type Checked<'a> = CheckedWire<S, S::Checked<'a>>;

    fn check(&mut self, recipients: Recipients<Identity>) -> Result<Self::Checked<'_>, SystemTime> {
        let again = self.inner.clone();
        let (equivocator, gag) = (self.equivocator.clone(), self.gag.clone());
        let inner = self.inner.check(recipients)?;
        Ok(CheckedWire {
            inner,
            again,
            equivocator,
            gag,
        })
    }
}

/// [`Wire`] with its recipients.
pub(super) struct CheckedWire<S, C> {
    inner: C,
    again: S,
    equivocator: Option<Arc<Equivocator>>,
    gag: Option<Gag>,
}

impl<S: Sender<PublicKey = Identity>, C: CheckedSender<PublicKey = Identity>> CheckedSender for CheckedWire<S, C> {
    type PublicKey = Identity;

    fn recipients(&self) -> Vec<Identity> {
        self.inner.recipients()
    }

    fn send(mut self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let mut message = message.into().coalesce();
        if let Some(gag) = &self.gag {
            let Some(said) = gag.say(message, &self.inner.recipients()) else {
                return Unreliable::Rejected;
            };
            message = said;
        }
        let second = self
            .equivocator
            .and_then(|equivocator| equivocator.contradict(message.clone()));
        let sent = self.inner.send(message, priority);
        if let Some(second) = second {
            self.again.send(Recipients::All, second, priority);
        }
        sent
    }
}

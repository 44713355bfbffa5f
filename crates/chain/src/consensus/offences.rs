//! What the engine sees of validators that vote twice, as evidence that a contract can check.

use super::{Runtime, Scheme, committees::Schemes};
use crate::{block::BlockDigest, keys::Identity};
use commonware_actor::Feedback;
use commonware_codec::{DecodeExt as _, Encode as _, ReadExt as _};
use commonware_consensus::{
    Epochable as _, Reporter, Viewable as _,
    simplex::types::{Activity, Attributable as _, Finalize, Notarize, Nullify},
};
use commonware_cryptography::certificate::Attestation;
use commonware_parallel::Sequential;
use commonware_utils::channel::mpsc;
use crypto::bls;
use std::num::NonZeroUsize;

/// Offences that wait to be looked at, or to be reported. Who offends is cut off, so there are few.
const OFFENCES_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("64 is not zero");

/// What a vote says of a view; numbered as `ConsensusSlasher` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VoteKind {
    /// The proposal may be built upon.
    Notarize = 0,
    /// The view brings no block.
    Nullify = 1,
    /// The proposal is final.
    Finalize = 2,
}

/// One vote, with its signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedVote {
    /// What it says.
    pub kind: VoteKind,
    /// View of the proposal's parent; 0 of a nullify.
    pub parent_view: u64,
    /// Digest of the proposed block; zero of a nullify.
    pub digest: [u8; 32],
    /// The signature.
    pub signature: bls::Signature,
}

/// Two votes of one seat in one view, of which a validator that follows the protocol casts at most one. Both signatures were verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// Whose seat it is.
    pub validator: Identity,
    /// Which of its seats.
    pub seat: usize,
    /// Epoch of both votes.
    pub epoch: u64,
    /// View of both votes.
    pub view: u64,
    /// The votes.
    pub votes: [SignedVote; 2],
}

type Seen = Activity<Scheme, BlockDigest>;

/// Passes everything on, and keeps a copy of what is an offence.
#[derive(Clone)]
pub(super) struct Witness<R> {
    inner: R,
    seen: mpsc::Sender<Seen>,
}

impl<R> Witness<R> {
    /// A witness, and what it has seen.
    pub(super) fn new(inner: R) -> (Self, mpsc::Receiver<Seen>) {
        let (seen, offences) = mpsc::channel(OFFENCES_MAX.get());
        (Self { inner, seen }, offences)
    }
}

impl<R: Reporter<Activity = Seen>> Reporter for Witness<R> {
    type Activity = Seen;

    fn report(&mut self, activity: Seen) -> Feedback {
        if matches!(
            activity,
            Activity::ConflictingNotarize(_) | Activity::ConflictingFinalize(_) | Activity::NullifyFinalize(_)
        ) {
            // What does not fit is one of many that say the same.
            let _ = self.seen.try_send(activity.clone());
        }
        self.inner.report(activity)
    }
}

/// Verifies what was seen, and hands it on if anybody wants it, until the engines end.
pub(super) async fn judge<E: Runtime>(
    mut context: E,
    mut seen: mpsc::Receiver<Seen>,
    schemes: Schemes,
    offences: Option<mpsc::Sender<Offence>>,
) {
    while let Some(activity) = seen.recv().await {
        let Some(offence) = offence(&mut context, &activity, &schemes) else {
            continue;
        };
        tracing::warn!(validator = %offence.validator, epoch = offence.epoch, view = offence.view, "a validator voted twice");
        if let Some(offences) = &offences {
            let _ = offences.try_send(offence);
        }
    }
}

/// The offence that an activity is, if its signatures are what they seem.
fn offence<E: Runtime>(context: &mut E, activity: &Seen, schemes: &Schemes) -> Option<Offence> {
    let (scheme, committee) = schemes.of(activity.epoch())?;
    // The engine keeps the two votes to itself, but encodes them one after the other.
    let (genuine, signer, votes) = match activity {
        Activity::ConflictingNotarize(pair) => {
            let genuine = pair.verify(context, &scheme, &Sequential);
            let mut bytes = pair.encode();
            let votes = [Notarize::read(&mut bytes).ok()?, Notarize::read(&mut bytes).ok()?];
            (genuine, pair.signer(), votes.map(|vote| notarize(&vote)))
        }
        Activity::ConflictingFinalize(pair) => {
            let genuine = pair.verify(context, &scheme, &Sequential);
            let mut bytes = pair.encode();
            let votes = [Finalize::read(&mut bytes).ok()?, Finalize::read(&mut bytes).ok()?];
            (genuine, pair.signer(), votes.map(|vote| finalize(&vote)))
        }
        Activity::NullifyFinalize(pair) => {
            let genuine = pair.verify(context, &scheme, &Sequential);
            let mut bytes = pair.encode();
            let first = nullify(&Nullify::read(&mut bytes).ok()?);
            let second = finalize(&Finalize::read(&mut bytes).ok()?);
            (genuine, pair.signer(), [first, second])
        }
        _ => return None,
    };
    let [Some(first), Some(second)] = votes else {
        return None;
    };
    let (validator, seat) = committee.seat(signer)?;
    genuine.then(|| Offence {
        validator: validator.identity.clone(),
        seat,
        epoch: activity.epoch().get(),
        view: activity.view().get(),
        votes: [first, second],
    })
}

fn notarize(vote: &Notarize<Scheme, BlockDigest>) -> Option<SignedVote> {
    Some(SignedVote {
        kind: VoteKind::Notarize,
        parent_view: vote.proposal.parent.get(),
        digest: vote.proposal.payload.0,
        signature: signature(&vote.attestation)?,
    })
}

fn nullify(vote: &Nullify<Scheme>) -> Option<SignedVote> {
    Some(SignedVote {
        kind: VoteKind::Nullify,
        parent_view: 0,
        digest: [0; 32],
        signature: signature(&vote.attestation)?,
    })
}

fn finalize(vote: &Finalize<Scheme, BlockDigest>) -> Option<SignedVote> {
    Some(SignedVote {
        kind: VoteKind::Finalize,
        parent_view: vote.proposal.parent.get(),
        digest: vote.proposal.payload.0,
        signature: signature(&vote.attestation)?,
    })
}

fn signature(attestation: &Attestation<Scheme>) -> Option<bls::Signature> {
    bls::Signature::decode(attestation.signature.get()?.encode()).ok()
}

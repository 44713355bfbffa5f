//! A reader's part: ask every member at once, check what comes, and put the first `threshold` right shares together.

use super::{AnswerError, Keepers, Request, Terms, identity, open_shares};
use crate::{
    Committee, Operator, Runtime,
    disperse::Peer,
    wire::{self, WireError},
};
use crypto::{
    envelope::RecipientSecret,
    threshold::{CombineError, ReleaseShare, Released},
};
use futures::{StreamExt, stream::FuturesUnordered};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Longest that one member may take, from the call to its answer. A member that is silent delays nobody while others suffice; when they
/// do not, this is how long it takes to know.
pub const MEMBER_TIMEOUT: Duration = Duration::from_secs(5);

/// What a committee released to a reader.
#[derive(Debug)]
pub struct Collected {
    /// Opens what was encrypted to the terms.
    pub released: Released,
    /// Members that had failed, refused or lied by then, and how.
    pub failures: Vec<Failure>,
}

/// A member gave no right share.
#[derive(Debug, thiserror::Error)]
#[error("member {member} of the release committee")]
pub struct Failure {
    /// Which, counted from 0.
    pub member: u16,
    /// Why.
    pub source: FailureKind,
}

/// Why a member gave no right share.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FailureKind {
    /// No operator has its stream key (any more), so there is nowhere to ask.
    #[error("it is no operator")]
    Absent,
    /// Its stream failed, or it took too long.
    #[error("its stream")]
    Wire(#[source] Arc<WireError>),
    /// It answered something else than was asked.
    #[error("it answered out of turn")]
    OutOfTurn,
    /// It holds no share.
    #[error("it holds no share")]
    NotAMember,
    /// It refused, or its answer does not open.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// It sent a share that its public key disproves: it lies, or its key is damaged.
    #[error("its share is wrong")]
    WrongShare,
}

impl From<WireError> for FailureKind {
    fn from(error: WireError) -> Self {
        Self::Wire(Arc::new(error))
    }
}

/// Too few right shares came.
#[derive(Debug, thiserror::Error)]
#[error("{right} of the {threshold} shares that release the key: {}", reasons(.failures))]
pub struct CollectError {
    /// Right shares that came.
    pub right: u16,
    /// Shares needed.
    pub threshold: u16,
    /// What the other members did, in the order in which it was known.
    pub failures: Vec<Failure>,
}

impl CollectError {
    /// Whether so many refused that the others would not have sufficed: the policy does not let the reader in.
    pub fn is_refused(&self) -> bool {
        let refused = |failure: &&Failure| matches!(failure.source, FailureKind::Answer(AnswerError::Refused { .. }));
        let refusals = self.failures.iter().filter(refused).count();
        let members = usize::from(self.right) + self.failures.len();
        members - refusals < usize::from(self.threshold)
    }
}

/// Every failure with its cause, in one line.
fn reasons(failures: &[Failure]) -> String {
    let reason = |failure: &Failure| format!("member {} {}", failure.member, cause(&failure.source));
    failures.iter().map(reason).collect::<Vec<_>>().join(", ")
}

/// What a person needs of it.
fn cause(kind: &FailureKind) -> &'static str {
    match kind {
        FailureKind::Absent => "is no operator",
        FailureKind::Wire(_) => "cannot be reached",
        FailureKind::OutOfTurn => "answered out of turn",
        FailureKind::NotAMember => "holds no share",
        FailureKind::Answer(AnswerError::Refused { .. }) => "refused",
        FailureKind::Answer(AnswerError::Unavailable { .. }) => "cannot ask the chain",
        FailureKind::Answer(AnswerError::Unauthentic { .. }) => "sent what does not open",
        FailureKind::WrongShare => "sent a wrong share",
    }
}

/// Asks all members for the key of `terms` on behalf of the holder of `secret`, each operator once for all members that it is, and combines the first
/// right shares. Where operators listen is known of
/// those that have a seat in one of `committees`, the present ones of all quorums.
///
/// Each operator has [`MEMBER_TIMEOUT`] of its own. A share counts once its member's public key proves it, about 1 ms each; a wrong one is
/// named and not used. What is still under way when the threshold is reached is dropped.
///
/// # Errors
///
/// [`CollectError`] once every member answered or failed and too few of them were right.
pub async fn collect<E: Runtime>(
    context: &E,
    peer: &Peer,
    committees: &[Committee],
    keepers: &Keepers,
    terms: &Terms,
    secret: &RecipientSecret,
) -> Result<Collected, CollectError> {
    let identity = identity(&peer.domain, terms);
    let threshold = keepers.committee().threshold();
    let mut members: BTreeMap<_, Vec<u16>> = BTreeMap::new();
    for (member, stream_key) in (0u16..).zip(keepers.stream_keys()) {
        members.entry(stream_key).or_default().push(member);
    }
    let mut asked: FuturesUnordered<_> = members
        .into_iter()
        .map(|(stream_key, members)| async move {
            let operator = committees
                .iter()
                .find_map(|committee| committee.operator_of(stream_key));
            let answered = match operator {
                None => Err(FailureKind::Absent),
                Some(operator) => {
                    let asking = ask(context, peer, operator, terms, secret, &members);
                    match wire::within(context, MEMBER_TIMEOUT, asking).await {
                        Ok(answered) => answered,
                        Err(silent) => Err(silent.into()),
                    }
                }
            };
            match answered {
                Ok(shares) => shares,
                Err(failure) => members.iter().map(|member| (*member, Err(failure.clone()))).collect(),
            }
        })
        .collect();
    let mut right: Vec<ReleaseShare> = Vec::with_capacity(threshold.into());
    let mut failures = Vec::new();
    while let Some(shares) = asked.next().await {
        for (member, share) in shares {
            match share {
                Ok(share) if keepers.committee().verify(&identity, &share) => right.push(share),
                Ok(_) => failures.push(Failure {
                    member,
                    source: FailureKind::WrongShare,
                }),
                Err(source) => failures.push(Failure { member, source }),
            }
        }
        if right.len() < usize::from(threshold) {
            continue;
        }
        // The shares hold one by one and the committee's keys are of one polynomial, so their sum holds too.
        return match keepers.committee().combine(&identity, &right) {
            Ok(combined) => Ok(Collected {
                released: combined.released,
                failures,
            }),
            Err(CombineError::TooFew { right, threshold, .. }) => Err(CollectError {
                right: right as u16,
                threshold,
                failures,
            }),
        };
    }
    Err(CollectError {
        right: right.len() as u16,
        threshold,
        failures,
    })
}

/// An operator's shares, on a stream of its own. Only its sender is checked: whether it is right, the committee's keys tell.
async fn ask<E: Runtime>(
    context: &E,
    peer: &Peer,
    operator: &Operator,
    terms: &Terms,
    secret: &RecipientSecret,
    members: &[u16],
) -> Result<Vec<(u16, Result<ReleaseShare, FailureKind>)>, FailureKind> {
    let mut connection = wire::dial(context, &peer.stream_key, peer.domain.chain_id, operator).await?;
    let request = Request {
        terms: *terms,
        reader: secret.public(),
    };
    connection
        .sender
        .send(&wire::Request::Release(request), MEMBER_TIMEOUT)
        .await?;
    match connection.receiver.receive(MEMBER_TIMEOUT).await? {
        wire::Response::Release(response) => {
            let shares = open_shares(&peer.domain, terms, secret, members, &response).into_iter();
            Ok(shares
                .map(|(member, share)| (member, share.map_err(FailureKind::from)))
                .collect())
        }
        wire::Response::NotFound => Err(FailureKind::NotAMember),
        _ => Err(FailureKind::OutOfTurn),
    }
}

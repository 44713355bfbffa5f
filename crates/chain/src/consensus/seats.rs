//! One engine votes for all seats of its validator.
//!
//! The engine has one participant, the validator's first seat, and decides and journals for it. What it votes, this module repeats with the
//! keys of the other seats: a repeated vote says the same of the same view, so the other seats cannot contradict themselves unless the
//! first one does, and need no engine, no journal and no execution of their own. All votes of a decision travel in one message,
//!
//! ```text
//! count (varint, 1 to 8) | count times: vote (the engine's encoding)
//! ```
//!
//! and the receiver hands them to its engine one by one, each as coming from the seat that signed it. A vote that was signed by a seat of
//! another validator than its sender condemns the sender. Only first seats lead ([`Turns`]), each as often as its validator has seats.

#[cfg(test)]
mod tests;

use super::{Scheme, attendance::Attendance};
use crate::{
    block::BlockDigest,
    keys::{Committee, Identity, MAX_SEATS, ValidatorKeys},
};
use commonware_actor::{Feedback, Unreliable};
use commonware_codec::{Decode, DecodeExt as _, Encode, MaxEncodeSize as _, RangeCfg};
use commonware_consensus::{
    simplex::{
        elector::{self, Elector, Scheduled, Terms},
        types::{Attributable as _, Finalize, Notarize, Nullify, Vote},
    },
    types::{Epoch, Round, View},
};
use commonware_macros::select;
use commonware_p2p::{
    BlockedSubscription, Blocker, CheckedSender, LimitedSender, Message, Receiver, Recipients, Sender,
};
use commonware_runtime::{IoBuf, IoBufs};
use commonware_utils::{Participant, channel::mpsc, ordered::Set};
use std::{
    collections::VecDeque,
    fmt,
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
    time::SystemTime,
};

/// A vote of this chain.
type Ballot = Vote<Scheme, BlockDigest>;

/// Most bytes of a message of votes.
pub(super) const MAX_BALLOTS_BYTES: usize = 1 + MAX_SEATS * Ballot::MAX_ENCODE_SIZE;

/// Reads a message of votes. Public for hostile input.
fn read_ballots(message: IoBuf) -> Result<Vec<Ballot>, commonware_codec::Error> {
    Vec::decode_cfg(message, &(RangeCfg::new(1..=MAX_SEATS), ()))
}

/// The signing part of the engine's own seat, and those of the further seats; `None` if `keys` have no vote in `committee`.
pub(super) fn signers(namespace: &[u8], committee: &Committee, keys: &ValidatorKeys) -> Option<(Scheme, Vec<Scheme>)> {
    let own = committee.validator(&keys.identity())?;
    let mut schemes = own.vote_keys.iter().map(|key| {
        let secret = keys.secret_of(key)?;
        Scheme::signer(namespace, committee.seat_keys(), secret)
    });
    let first = schemes.next().flatten()?;
    // A key that this node does not hold was registered by its operator for something else: its seat stays silent.
    Some((first, schemes.flatten().collect()))
}

/// Which seat signed.
fn signer(vote: &Ballot) -> Participant {
    match vote {
        Vote::Notarize(vote) => vote.signer(),
        Vote::Nullify(vote) => vote.signer(),
        Vote::Finalize(vote) => vote.signer(),
    }
}

/// The same vote, signed by another seat.
fn repeat(vote: &Ballot, seat: &Scheme) -> Ballot {
    let repeated = match vote {
        Vote::Notarize(vote) => Notarize::sign(seat, vote.proposal.clone()).map(Vote::Notarize),
        Vote::Nullify(vote) => Nullify::sign::<BlockDigest>(seat, vote.round).map(Vote::Nullify),
        Vote::Finalize(vote) => Finalize::sign(seat, vote.proposal.clone()).map(Vote::Finalize),
    };
    repeated.expect("a seat's scheme signs")
}

/// What an engine takes for a sign of life, and for nothing else: a vote in the view before the first. It never leaves this node.
pub(super) fn sign_of_life(seat: &Scheme, epoch: Epoch) -> IoBuf {
    let round = Round::new(epoch, View::zero());
    let vote = Nullify::sign::<BlockDigest>(seat, round).expect("a seat's scheme signs");
    IoBuf::from(Ballot::Nullify(vote).encode())
}

/// What the engine's votes travel by.
pub(super) struct Ballots<B> {
    /// What signs for the seats beside the engine's own.
    pub(super) further: Vec<Scheme>,
    pub(super) blocker: B,
    /// Who sends votes is noted there.
    pub(super) attendance: Attendance,
    /// What the engine gets first: by whom, and what.
    pub(super) first: Vec<Message<Identity>>,
    /// Votes that came before the engine was there.
    pub(super) early: Vec<Message<Identity>>,
}

/// Both ends of the votes' channel for an engine: what it sends is repeated for its further seats, what it receives is taken apart.
pub(super) fn votes<S, R, B>(
    (sender, receiver): (S, R),
    committee: &Committee,
    ballots: Ballots<B>,
) -> (VoteSender<S>, VoteReceiver<R, B>)
where
    S: Sender<PublicKey = Identity>,
    R: Receiver<PublicKey = Identity>,
    B: Blocker<PublicKey = Identity>,
{
    let Ballots {
        further,
        blocker,
        attendance,
        first,
        early,
    } = ballots;
    let (repeated, own) = mpsc::unbounded_channel();
    let sender = VoteSender {
        inner: sender,
        seats: Arc::new(Seats {
            committee: committee.clone(),
            further,
            repeated: repeated.clone(),
        }),
    };
    let mut receiver = VoteReceiver {
        inner: receiver,
        committee: committee.clone(),
        own,
        _open: repeated,
        blocker,
        attendance,
        ready: first.into(),
    };
    for (peer, message) in early {
        receiver.take_apart(peer, message);
    }
    (sender, receiver)
}

/// What a sender of votes needs to repeat them.
struct Seats {
    committee: Committee,
    further: Vec<Scheme>,
    /// To the own engine, which must count them, too. As many as it votes: it cannot be flooded.
    repeated: mpsc::UnboundedSender<Message<Identity>>,
}

impl Seats {
    /// The votes of all seats, that of the engine first; the others also go to the own engine.
    fn all(&self, vote: Ballot) -> Vec<Ballot> {
        let mut all = Vec::with_capacity(1 + self.further.len());
        all.push(vote);
        for seat in &self.further {
            let vote = repeat(&all[0], seat);
            if let Some(name) = self.committee.seat_name(signer(&vote)) {
                // Fails when the engine stops, which then needs it no more.
                let _ = self.repeated.send((name.clone(), IoBuf::from(vote.encode())));
            }
            all.push(vote);
        }
        all
    }
}

/// Sends the engine's votes with those of the further seats.
#[derive(Clone)]
pub(super) struct VoteSender<S> {
    inner: S,
    seats: Arc<Seats>,
}

impl<S: Sender<PublicKey = Identity>> LimitedSender for VoteSender<S> {
    type PublicKey = Identity;
    type Checked<'a> = CheckedVotes<S::Checked<'a>>;

    fn check(&mut self, recipients: Recipients<Identity>) -> Result<Self::Checked<'_>, SystemTime> {
        // Whoever may not be sent to now, the own engine gets the votes.
        Ok(CheckedVotes {
            inner: self.inner.check(recipients).ok(),
            seats: self.seats.clone(),
        })
    }
}

/// [`VoteSender`] with its recipients.
pub(super) struct CheckedVotes<C> {
    inner: Option<C>,
    seats: Arc<Seats>,
}

impl<C: CheckedSender<PublicKey = Identity>> CheckedSender for CheckedVotes<C> {
    type PublicKey = Identity;

    fn recipients(&self) -> Vec<Identity> {
        self.inner.as_ref().map(C::recipients).unwrap_or_default()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        let vote = Ballot::decode(message.into().coalesce()).expect("the engine sends votes on the votes' channel");
        let ballots = self.seats.all(vote).encode();
        match self.inner {
            Some(inner) => inner.send(ballots, priority),
            None => Unreliable::Rejected,
        }
    }
}

/// Hands the engine each vote as its seat's.
pub(super) struct VoteReceiver<R, B> {
    inner: R,
    committee: Committee,
    own: mpsc::UnboundedReceiver<Message<Identity>>,
    /// Keeps `own` from ending.
    _open: mpsc::UnboundedSender<Message<Identity>>,
    blocker: B,
    attendance: Attendance,
    ready: VecDeque<Message<Identity>>,
}

impl<R, B: Blocker<PublicKey = Identity>> VoteReceiver<R, B> {
    fn take_apart(&mut self, peer: Identity, message: IoBuf) {
        let ballots = match read_ballots(message) {
            Ok(ballots) => ballots,
            Err(error) => {
                commonware_p2p::block!(self.blocker, peer, %error, "votes do not decode");
                return;
            }
        };
        self.attendance.note(&peer);
        for vote in ballots {
            let seat = self.committee.seat_name(signer(&vote));
            match seat.filter(|seat| self.committee.holder(seat) == Some(&peer)) {
                Some(seat) => self.ready.push_back((seat.clone(), IoBuf::from(vote.encode()))),
                None => {
                    commonware_p2p::block!(self.blocker, peer, "votes for a seat of another");
                    return;
                }
            }
        }
    }
}

impl<R, B> fmt::Debug for VoteReceiver<R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoteReceiver").finish_non_exhaustive()
    }
}

impl<R, B> Receiver for VoteReceiver<R, B>
where
    R: Receiver<PublicKey = Identity>,
    B: Blocker<PublicKey = Identity>,
{
    type Error = R::Error;
    type PublicKey = Identity;

    async fn recv(&mut self) -> Result<Message<Identity>, R::Error> {
        loop {
            if let Some(vote) = self.ready.pop_front() {
                return Ok(vote);
            }
            select! {
                vote = self.own.recv() => self.ready.extend(vote),
                message = self.inner.recv() => {
                    let (peer, message) = message?;
                    self.take_apart(peer, message);
                },
            }
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.inner.capacity()
    }
}

/// Sends what is meant for one seat to its validator, if it is the first seat; others have nothing to answer with.
#[derive(Clone)]
pub(super) struct FirstSeats<S> {
    pub(super) inner: S,
    pub(super) committee: Committee,
}

impl<S: Sender<PublicKey = Identity>> LimitedSender for FirstSeats<S> {
    type PublicKey = Identity;
    type Checked<'a> = CheckedFirst<S::Checked<'a>>;

    fn check(&mut self, recipients: Recipients<Identity>) -> Result<Self::Checked<'_>, SystemTime> {
        let further = |name: &Identity| self.committee.holder(name).is_some_and(|holder| holder != name);
        let recipients = match recipients {
            Recipients::One(name) if further(&name) => return Ok(CheckedFirst(None)),
            Recipients::Some(names) => Recipients::Some(names.into_iter().filter(|name| !further(name)).collect()),
            other => other,
        };
        self.inner.check(recipients).map(|checked| CheckedFirst(Some(checked)))
    }
}

/// [`FirstSeats`] with its recipients.
pub(super) struct CheckedFirst<C>(Option<C>);

impl<C: CheckedSender<PublicKey = Identity>> CheckedSender for CheckedFirst<C> {
    type PublicKey = Identity;

    fn recipients(&self) -> Vec<Identity> {
        self.0.as_ref().map(C::recipients).unwrap_or_default()
    }

    fn send(self, message: impl Into<IoBufs> + Send, priority: bool) -> Unreliable<Feedback> {
        match self.0 {
            Some(inner) => inner.send(message, priority),
            None => Unreliable::Rejected,
        }
    }
}

/// Cuts off the validator of a seat that proved to be faulty, but never ourselves.
#[derive(Clone)]
pub(super) struct SeatBlocker<B> {
    pub(super) inner: B,
    pub(super) committee: Committee,
    pub(super) own: Identity,
}

impl<B: Blocker<PublicKey = Identity>> Blocker for SeatBlocker<B> {
    type PublicKey = Identity;

    #[allow(clippy::disallowed_methods)] // Who asks has said in the log why.
    fn block(&mut self, seat: Identity) -> Feedback {
        let peer = self.committee.holder(&seat).unwrap_or(&seat);
        if *peer == self.own {
            return Feedback::Ok;
        }
        self.inner.block(peer.clone())
    }

    fn blocked(&mut self) -> BlockedSubscription<Identity> {
        self.inner.blocked()
    }
}

/// Whose turn it is to propose: seats take turns in the order of their names, and the first seat of a validator acts for each of its seats.
///
/// An epoch goes on where the one before it ended if that had one view a block. So with any number of seats and any length of epochs no seat waits for
/// more blocks than there are seats, as long as the committee stays the same: an epoch of eight blocks beginning anywhere else would leave out most of
/// a hundred seats for long.
#[derive(Clone)]
pub(super) struct Turns {
    /// First seat of the validator of each seat.
    leaders: Arc<[Participant]>,
    epoch_blocks: NonZeroU64,
}

impl Turns {
    pub(super) fn new(committee: &Committee, epoch_blocks: NonZeroU64) -> Self {
        let leaders = committee.seat_keys().into_keys();
        let leader = |name| {
            let holder = committee.holder(name).expect("each seat has a holder");
            committee.participant(holder).expect("a holder has a first seat")
        };
        Self {
            leaders: leaders.iter().map(leader).collect(),
            epoch_blocks,
        }
    }
}

impl elector::Config<Scheme> for Turns {
    type Elector = Self;

    fn build(self, participants: &Set<Identity>) -> Self {
        assert_eq!(
            self.leaders.len(),
            participants.len(),
            "the turns are of this committee"
        );
        self
    }
}

impl Elector<Scheme> for Turns {
    type Mode = Scheduled;

    fn terms(&self) -> Terms {
        Terms::rotating()
    }

    fn elect(&self, round: Round, (): ()) -> Participant {
        let first = round.epoch().get().wrapping_mul(self.epoch_blocks.get());
        let turn = first.wrapping_add(round.view().get()) % self.leaders.len() as u64;
        self.leaders[turn as usize]
    }
}

//! One validator's part in a ceremony, with all its seats: as dealers and as players.

use super::{
    DealerPublic, DealerShare, PlayerAck, SeatKey, SeatSecret, conclusion,
    message::{Acks, Dealing},
    plan::Plan,
};
use crate::keys::{Identity, ValidatorKeys};
use alloy_primitives::Bytes;
use commonware_codec::Encode as _;
use commonware_cryptography::{
    Signer as _,
    bls12381::{
        dkg::feldman_desmedt::{self as dkg, FinalizeError},
        primitives::{group::Share, variant::MinSig},
    },
    transcript::{Transcript, Version},
};
use commonware_parallel::Sequential;
use commonware_utils::{N3f1, ordered::Quorum as _};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};

/// A dealer's log, to be posted to the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// Epoch of the ceremony.
    pub epoch: u64,
    /// Epoch of the committee that has the dealer's seat.
    pub committee: u64,
    /// Which of the operator's seats.
    pub seat: usize,
    /// The log, signed by the seat.
    pub log: Bytes,
}

/// A seat of ours that deals.
struct Dealer {
    public: DealerPublic,
    shares: BTreeMap<SeatKey, DealerShare>,
    /// Who has not acknowledged its share.
    missing: BTreeSet<SeatKey>,
    phase: Phase,
}

enum Phase {
    Dealing(Box<dkg::Dealer<MinSig, SeatSecret>>),
    Closed(Bytes),
}

/// A seat of ours that receives shares.
struct Player {
    inner: dkg::Player<MinSig, SeatSecret>,
    acks: BTreeMap<SeatKey, PlayerAck>,
}

/// One validator's part in a ceremony.
pub(super) struct Ceremony {
    plan: Plan,
    own: Identity,
    dealers: BTreeMap<SeatKey, Dealer>,
    players: BTreeMap<SeatKey, Player>,
}

/// Why a message was not used. The channel is authenticated, so its sender is at fault, or sees another state than we do.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("it is of the ceremony of epoch {found}, not {expected}")]
    OtherEpoch { found: u64, expected: u64 },
    #[error("the seat that deals is not the sender's")]
    NotItsSeat,
    #[error("the seat that is dealt to is not ours")]
    NotOurs,
    #[error("the dealing is not sound")]
    Dealing(#[from] dkg::DealerMessageError),
    #[error("the acknowledgement is not sound")]
    Ack(#[from] dkg::PlayerAckError),
}

/// What came of a dealing.
pub(super) struct Taken {
    /// The part of it that is new, to be durable before `acks` leave.
    pub(super) new: Option<Dealing>,
    pub(super) acks: Acks,
}

impl Ceremony {
    /// Begins our part, or goes on with it: what our seats deal follows from their secrets, so that a dealer that starts again deals the same.
    /// `held` are our shares of the key; `kept` is what our seats acknowledged before, `logs` what is posted already.
    ///
    /// # Errors
    ///
    /// [`dkg::Error`] when what is kept does not fit what is posted.
    pub(super) fn begin(
        plan: Plan,
        keys: &ValidatorKeys,
        held: &[Share],
        kept: &[Dealing],
        logs: &[Bytes],
    ) -> Result<Self, dkg::Error> {
        let own = keys.identity();
        let secrets: BTreeMap<SeatKey, SeatSecret> = keys
            .seat_secrets()
            .map(|secret| (secret.public_key(), secret))
            .collect();
        let mut dealers = BTreeMap::new();
        for (key, secret) in &secrets {
            if plan.dealers.holder(key) == Some(&own)
                && let Some(dealer) = deal(&plan, key, secret, held)?
            {
                dealers.insert(key.clone(), dealer);
            }
        }
        let posted = conclusion::signed(&plan, logs);
        let mut players = BTreeMap::new();
        for (key, secret) in secrets {
            if plan.players.holder(&key) != Some(&own) {
                continue;
            }
            let dealt = kept
                .iter()
                .filter(|dealing| dealing.epoch == plan.epoch)
                .filter_map(|dealing| {
                    let (_, share) = dealing.shares.iter().find(|(player, _)| *player == key)?;
                    Some((dealing.dealer.clone(), dealing.public.clone(), share.clone()))
                });
            let (inner, acks) = dkg::Player::resume::<N3f1>(plan.info.clone(), secret, &posted, dealt)?;
            players.insert(key, Player { inner, acks });
        }
        Ok(Self {
            plan,
            own,
            dealers,
            players,
        })
    }

    pub(super) fn epoch(&self) -> u64 {
        self.plan.epoch
    }

    /// What is still to be dealt, and to whom, ourselves among them: all that was not acknowledged.
    pub(super) fn outstanding(&self) -> Vec<(Identity, Dealing)> {
        let mut outstanding = Vec::new();
        for (key, dealer) in &self.dealers {
            if matches!(dealer.phase, Phase::Closed(_)) {
                continue;
            }
            let mut of_node: BTreeMap<&Identity, Vec<(SeatKey, DealerShare)>> = BTreeMap::new();
            for player in &dealer.missing {
                if let (Some(holder), Some(share)) = (self.plan.players.holder(player), dealer.shares.get(player)) {
                    of_node.entry(holder).or_default().push((player.clone(), share.clone()));
                }
            }
            outstanding.extend(of_node.into_iter().map(|(holder, shares)| {
                let dealing = Dealing {
                    epoch: self.plan.epoch,
                    dealer: key.clone(),
                    public: dealer.public.clone(),
                    shares,
                };
                (holder.clone(), dealing)
            }));
        }
        outstanding
    }

    fn check(&self, epoch: u64, dealer: &SeatKey, sender: &Identity) -> Result<(), MessageError> {
        let expected = self.plan.epoch;
        if epoch != expected {
            return Err(MessageError::OtherEpoch { found: epoch, expected });
        }
        match self.plan.dealers.holder(dealer) == Some(sender) {
            true => Ok(()),
            false => Err(MessageError::NotItsSeat),
        }
    }

    /// Takes what a seat of `sender` deals to ours. The first dealing of a seat counts; what comes later is acknowledged as the first was.
    ///
    /// # Errors
    ///
    /// [`MessageError`]. Nothing is acknowledged then: the dealer has to show our shares to all, or is left out.
    pub(super) fn take_dealing(&mut self, sender: &Identity, dealing: Dealing) -> Result<Taken, MessageError> {
        self.check(dealing.epoch, &dealing.dealer, sender)?;
        let Dealing {
            epoch,
            dealer,
            public,
            shares,
        } = dealing;
        let (mut new, mut acks) = (Vec::new(), Vec::new());
        for (key, share) in shares {
            let player = self.players.get_mut(&key).ok_or(MessageError::NotOurs)?;
            if let Some(ack) = player
                .inner
                .dealer_message::<N3f1>(dealer.clone(), public.clone(), share.clone())?
            {
                player.acks.insert(dealer.clone(), ack);
                new.push((key.clone(), share));
            }
            acks.extend(player.acks.get(&dealer).map(|ack| (key, ack.clone())));
        }
        let new = (!new.is_empty()).then(|| Dealing {
            epoch,
            dealer: dealer.clone(),
            public,
            shares: new,
        });
        let acks = Acks { epoch, dealer, acks };
        Ok(Taken { new, acks })
    }

    /// Takes acknowledgements of what our seat dealt.
    ///
    /// # Errors
    ///
    /// [`MessageError`].
    pub(super) fn take_acks(&mut self, sender: &Identity, acks: Acks) -> Result<(), MessageError> {
        let own = self.own.clone();
        self.check(acks.epoch, &acks.dealer, &own)?;
        let Some(dealer) = self.dealers.get_mut(&acks.dealer) else {
            return Ok(());
        };
        let Phase::Dealing(inner) = &mut dealer.phase else {
            return Ok(());
        };
        for (player, ack) in acks.acks {
            if self.plan.players.holder(&player) != Some(sender) {
                return Err(MessageError::NotItsSeat);
            }
            if dealer.missing.contains(&player) {
                inner.receive_player_ack(player.clone(), ack)?;
                dealer.missing.remove(&player);
            }
        }
        Ok(())
    }

    /// Closes the logs of those of our seats whose shares are all acknowledged, and of all of them if they are `due`.
    pub(super) fn close(self, due: bool) -> Self {
        let dealers = self.dealers.into_iter().map(|(key, dealer)| {
            let phase = match dealer.phase {
                Phase::Dealing(inner) if due || dealer.missing.is_empty() => {
                    Phase::Closed(inner.finalize::<N3f1>().encode().into())
                }
                phase => phase,
            };
            (key, Dealer { phase, ..dealer })
        });
        Self {
            dealers: dealers.collect(),
            ..self
        }
    }

    /// Whether a log of ours is closed.
    pub(super) fn has_closed(&self) -> bool {
        self.dealers
            .values()
            .any(|dealer| matches!(dealer.phase, Phase::Closed(_)))
    }

    /// Whether all logs of ours are closed.
    pub(super) fn is_closed(&self) -> bool {
        self.dealers
            .values()
            .all(|dealer| matches!(dealer.phase, Phase::Closed(_)))
    }

    /// The logs that our seats closed and that are not among those `posted`.
    pub(super) fn posts(&self, posted: &[Bytes]) -> Vec<Post> {
        let posted = conclusion::signed(&self.plan, posted);
        let committee = self.plan.previous.as_ref().map_or(self.plan.epoch, |(from, _)| *from);
        let closed = self.dealers.iter().filter(|(key, _)| !posted.contains_key(*key));
        closed
            .filter_map(|(key, dealer)| match &dealer.phase {
                Phase::Closed(log) => Some(Post {
                    epoch: self.plan.epoch,
                    committee,
                    seat: self.plan.dealers.seat(key)?,
                    log: log.clone(),
                }),
                Phase::Dealing(_) => None,
            })
            .collect()
    }

    /// Our seats' shares of the key, of a ceremony whose logs were enough; a seat that lost what it acknowledged has none.
    pub(super) fn finish(self, logs: &[Bytes]) -> Vec<Share> {
        let (gathered, mut weights) = conclusion::checked(&self.plan, logs);
        let mut shares = Vec::new();
        for (key, player) in self.players {
            match player.inner.finalize(&mut weights, gathered.clone(), &Sequential) {
                Ok((_, share)) => shares.push(share),
                Err(FinalizeError::Failure(_)) => {}
                Err(FinalizeError::Error(error)) => {
                    tracing::error!(%error, seat = %key, epoch = self.plan.epoch, "a seat has no share of the beacon's key");
                }
            }
        }
        shares
    }
}

/// What a seat deals; `None` if it holds no share of the key that is to be handed on.
fn deal(plan: &Plan, key: &SeatKey, secret: &SeatSecret, held: &[Share]) -> Result<Option<Dealer>, dkg::Error> {
    let share = match &plan.previous {
        Some((_, output)) => {
            let index = output.players().index(key);
            let Some(share) = held.iter().find(|share| Some(share.index) == index) else {
                return Ok(None);
            };
            Some(share.clone())
        }
        None => None,
    };
    let (inner, public, shares) =
        dkg::Dealer::start::<N3f1>(chance(plan, secret), plan.info.clone(), secret.clone(), share)?;
    let shares: BTreeMap<_, _> = shares.into_iter().collect();
    Ok(Some(Dealer {
        public,
        missing: shares.keys().cloned().collect(),
        shares,
        phase: Phase::Dealing(Box::new(inner)),
    }))
}

/// What a seat's polynomial is drawn from: its secret, and all that makes this ceremony another than any other.
fn chance(plan: &Plan, secret: &SeatSecret) -> impl CryptoRng + use<> {
    let mut transcript = Transcript::new(b"aloft-beacon-deal", Version::V1);
    transcript.commit(secret.encode());
    transcript.commit(plan.summary.0.as_slice());
    transcript.noise(b"dealer")
}

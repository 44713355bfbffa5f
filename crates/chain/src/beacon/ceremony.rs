//! One validator's part in a ceremony, with all its seats: as dealers and as players.

use super::{
    DealerShare, PlayerAck, SeatKey, SeatSecret, conclusion,
    message::{Acks, Dealing},
    plan::Plan,
};
use crate::keys::{Identity, ValidatorKeys};
use alloy_primitives::Bytes;
use commonware_codec::Encode as _;
use commonware_cryptography::{Signer as _, bls12381::primitives::group::Share};
use commonware_utils::N3f1;
use crypto::ceremony::{self, Dealer, FinalizeError};
use std::collections::BTreeMap;

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

/// A seat of ours that receives shares.
struct Player {
    inner: ceremony::Player<SeatSecret>,
    acks: BTreeMap<SeatKey, PlayerAck>,
}

/// One validator's part in a ceremony.
pub(super) struct Ceremony {
    plan: Plan,
    own: Identity,
    dealers: BTreeMap<SeatKey, Dealer<SeatSecret>>,
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
    Dealing(#[from] ceremony::DealerMessageError),
    #[error("the acknowledgement is not sound")]
    Ack(#[from] ceremony::PlayerAckError),
}

/// What came of a dealing.
pub(super) struct Taken {
    /// The part of it that is new, to be durable before `acks` leave.
    pub(super) new: Option<Dealing>,
    /// Of the shares that are sound.
    pub(super) acks: Acks,
    /// Why the first share that is not sound was not taken.
    pub(super) refused: Option<MessageError>,
}

impl Ceremony {
    /// Begins our part, or goes on with it: what our seats deal follows from their secrets, so that a dealer that starts again deals the same.
    /// `held` are our shares of the key; `kept` is what our seats acknowledged before, `logs` what is posted already.
    ///
    /// # Errors
    ///
    /// [`ceremony::Error`] when what is kept does not fit what is posted.
    pub(super) fn begin(
        plan: Plan,
        keys: &ValidatorKeys,
        held: &[Share],
        kept: &[Dealing],
        logs: &[Bytes],
    ) -> Result<Self, ceremony::Error> {
        let own = keys.identity();
        let secrets: BTreeMap<SeatKey, SeatSecret> = keys
            .seat_secrets()
            .map(|secret| (secret.public_key(), secret))
            .collect();
        let mut dealers = BTreeMap::new();
        for (key, secret) in &secrets {
            if plan.dealers.holder(key) == Some(&own)
                && let Some(dealer) = Dealer::deal(&plan.round, secret, &secret.encode(), held)?
            {
                dealers.insert(key.clone(), dealer);
            }
        }
        let posted = plan.round.signed(&conclusion::plain(logs));
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
            let (inner, acks) = ceremony::Player::resume::<N3f1>(plan.round.info.clone(), secret, &posted, dealt)?;
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
        let mut of_node: BTreeMap<(&SeatKey, &Identity), Vec<(SeatKey, DealerShare)>> = BTreeMap::new();
        for (key, dealer) in &self.dealers {
            for (player, share) in dealer.outstanding() {
                if let Some(holder) = self.plan.players.holder(player) {
                    let shares = of_node.entry((key, holder)).or_default();
                    shares.push((player.clone(), share.clone()));
                }
            }
        }
        let dealings = of_node.into_iter().map(|((key, holder), shares)| {
            let dealing = Dealing {
                epoch: self.plan.epoch,
                dealer: key.clone(),
                public: self.dealers[key].public().clone(),
                shares,
            };
            (holder.clone(), dealing)
        });
        dealings.collect()
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

    /// Takes what a seat of `sender` deals to ours. The first dealing of a seat counts; what comes later is acknowledged as the first was. Of shares that
    /// are not sound none is acknowledged: the dealer has to show them to all, or is left out.
    ///
    /// # Errors
    ///
    /// [`MessageError`]. Nothing is taken then.
    pub(super) fn take_dealing(&mut self, sender: &Identity, dealing: Dealing) -> Result<Taken, MessageError> {
        self.check(dealing.epoch, &dealing.dealer, sender)?;
        let Dealing {
            epoch,
            dealer,
            public,
            shares,
        } = dealing;
        if !shares.iter().all(|(key, _)| self.players.contains_key(key)) {
            return Err(MessageError::NotOurs);
        }
        let (mut new, mut acks, mut refused) = (Vec::new(), Vec::new(), None);
        for (key, share) in shares {
            let player = self.players.get_mut(&key).expect("all are ours");
            let taken = player
                .inner
                .dealer_message::<N3f1>(dealer.clone(), public.clone(), share.clone());
            match taken {
                Ok(Some(ack)) => {
                    player.acks.insert(dealer.clone(), ack);
                    new.push((key.clone(), share));
                }
                Ok(None) => {}
                // Those before it were taken: a player takes one dealing of each dealer, and whoever acknowledges it later must find it kept.
                Err(error) => refused = refused.or(Some(error.into())),
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
        Ok(Taken { new, acks, refused })
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
        for (player, ack) in acks.acks {
            if self.plan.players.holder(&player) != Some(sender) {
                return Err(MessageError::NotItsSeat);
            }
            dealer.take_ack(player, ack)?;
        }
        Ok(())
    }

    /// Closes the logs of those of our seats whose shares are all acknowledged, and of all of them if they are `due`.
    pub(super) fn close(self, due: bool) -> Self {
        let dealers = self.dealers.into_iter();
        Self {
            dealers: dealers.map(|(key, dealer)| (key, dealer.close(due))).collect(),
            ..self
        }
    }

    /// Whether a log of ours is closed.
    pub(super) fn has_closed(&self) -> bool {
        self.dealers.values().any(|dealer| dealer.log().is_some())
    }

    /// Whether all logs of ours are closed.
    pub(super) fn is_closed(&self) -> bool {
        self.dealers.values().all(|dealer| dealer.log().is_some())
    }

    /// The logs that our seats closed and that are not among those `posted`.
    pub(super) fn posts(&self, posted: &[Bytes]) -> Vec<Post> {
        let posted = self.plan.round.signed(&conclusion::plain(posted));
        let committee = self.plan.previous.unwrap_or(self.plan.epoch);
        let closed = self.dealers.iter().filter(|(key, _)| !posted.contains_key(*key));
        closed
            .filter_map(|(key, dealer)| {
                Some(Post {
                    epoch: self.plan.epoch,
                    committee,
                    seat: self.plan.dealers.seat(key)?,
                    log: dealer.log()?.clone().into(),
                })
            })
            .collect()
    }

    /// Our seats' shares of the key, of a ceremony whose logs were enough; a seat that lost what it acknowledged has none.
    pub(super) fn finish(self, logs: &[Bytes]) -> Vec<Share> {
        let (checked, mut weights) = self.plan.round.checked(&conclusion::plain(logs));
        let mut shares = Vec::new();
        for (key, player) in self.players {
            match self.plan.round.share(player.inner, &checked, &mut weights) {
                Ok(share) => shares.push(share),
                Err(FinalizeError::Failure(_)) => {}
                Err(FinalizeError::Error(error)) => {
                    tracing::error!(%error, seat = %key, epoch = self.plan.epoch, "a seat has no share of the beacon's key");
                }
            }
        }
        shares
    }
}

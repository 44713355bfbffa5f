//! A seat of ours that deals: what it deals, who has acknowledged it, and the log that comes of it.

use crate::{
    beacon::{DealerPublic, DealerShare, PlayerAck, SeatKey, SeatSecret, message::Dealing, plan::Plan},
    keys::Identity,
};
use alloy_primitives::Bytes;
use commonware_codec::Encode as _;
use commonware_cryptography::{
    bls12381::{
        dkg::feldman_desmedt::{self as dkg, PlayerAckError},
        primitives::{group::Share, variant::MinSig},
    },
    transcript::{Transcript, Version},
};
use commonware_utils::{N3f1, ordered::Quorum as _};
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};

/// A seat of ours that deals.
pub(super) struct Dealer {
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

impl Dealer {
    /// What the seat `key` deals; `None` if none of the shares `held` is its share of the key that is to be handed on.
    ///
    /// # Errors
    ///
    /// [`dkg::Error`] when the seat is no dealer of the ceremony.
    pub(super) fn deal(
        plan: &Plan,
        key: &SeatKey,
        secret: &SeatSecret,
        held: &[Share],
    ) -> Result<Option<Self>, dkg::Error> {
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
        Ok(Some(Self {
            public,
            missing: shares.keys().cloned().collect(),
            shares,
            phase: Phase::Dealing(Box::new(inner)),
        }))
    }

    /// What is still to be dealt under its name `key`, and to whom: all that was not acknowledged, nothing once the log is closed.
    pub(super) fn outstanding(&self, plan: &Plan, key: &SeatKey) -> Vec<(Identity, Dealing)> {
        if self.log().is_some() {
            return Vec::new();
        }
        let mut of_node: BTreeMap<&Identity, Vec<(SeatKey, DealerShare)>> = BTreeMap::new();
        for player in &self.missing {
            if let (Some(holder), Some(share)) = (plan.players.holder(player), self.shares.get(player)) {
                of_node.entry(holder).or_default().push((player.clone(), share.clone()));
            }
        }
        let dealings = of_node.into_iter().map(|(holder, shares)| {
            let dealing = Dealing {
                epoch: plan.epoch,
                dealer: key.clone(),
                public: self.public.clone(),
                shares,
            };
            (holder.clone(), dealing)
        });
        dealings.collect()
    }

    /// Takes the acknowledgement of a player, unless it has it or the log is closed.
    ///
    /// # Errors
    ///
    /// [`PlayerAckError`].
    pub(super) fn take_ack(&mut self, player: SeatKey, ack: PlayerAck) -> Result<(), PlayerAckError> {
        if let Phase::Dealing(inner) = &mut self.phase
            && self.missing.contains(&player)
        {
            inner.receive_player_ack(player.clone(), ack)?;
            self.missing.remove(&player);
        }
        Ok(())
    }

    /// Closes its log if all is acknowledged, or if it is `due`.
    pub(super) fn close(self, due: bool) -> Self {
        let phase = match self.phase {
            Phase::Dealing(inner) if due || self.missing.is_empty() => {
                Phase::Closed(inner.finalize::<N3f1>().encode().into())
            }
            phase => phase,
        };
        Self { phase, ..self }
    }

    /// Its log, once it is closed.
    pub(super) fn log(&self) -> Option<&Bytes> {
        match &self.phase {
            Phase::Closed(log) => Some(log),
            Phase::Dealing(_) => None,
        }
    }
}

/// What a seat's polynomial is drawn from: its secret, and all that makes this ceremony another than any other.
fn chance(plan: &Plan, secret: &SeatSecret) -> impl CryptoRng + use<> {
    let mut transcript = Transcript::new(b"aloft-beacon-deal", Version::V1);
    transcript.commit(secret.encode());
    transcript.commit(plan.summary.0.as_slice());
    transcript.noise(b"dealer")
}

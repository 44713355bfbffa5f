//! A seat that deals: what it deals, who has acknowledged it, and the log that comes of it.

use super::{DealerPublic, DealerShare, Error, PlayerAck, PlayerAckError, Round};
use bytes::Bytes;
use commonware_codec::Encode as _;
use commonware_cryptography::{
    Signer,
    bls12381::{
        dkg::feldman_desmedt as dkg,
        primitives::{group::Share, variant::MinSig},
    },
};
use commonware_utils::{N3f1, ordered::Quorum as _};
use std::collections::{BTreeMap, BTreeSet};

/// A seat that deals.
pub struct Dealer<S: Signer> {
    public: DealerPublic,
    shares: BTreeMap<S::PublicKey, DealerShare>,
    /// Who has not acknowledged its share.
    missing: BTreeSet<S::PublicKey>,
    phase: Phase<S>,
}

enum Phase<S: Signer> {
    Dealing(Box<dkg::Dealer<MinSig, S>>),
    Closed(Bytes),
}

impl<S: Signer> Dealer<S> {
    /// What the seat that signs with `signer` deals, drawn from its `secret`; `None` if none of the shares `held` is its share of the key that
    /// is to be handed on.
    ///
    /// # Errors
    ///
    /// [`Error`] when the seat is no dealer of the ceremony.
    pub fn deal(round: &Round<S::PublicKey>, signer: &S, secret: &[u8], held: &[Share]) -> Result<Option<Self>, Error> {
        let share = match &round.previous {
            Some(outcome) => {
                let index = outcome.players().index(&signer.public_key());
                let Some(share) = held.iter().find(|share| Some(share.index) == index) else {
                    return Ok(None);
                };
                Some(share.clone())
            }
            None => None,
        };
        let (inner, public, shares) =
            dkg::Dealer::start::<N3f1>(round.chance(secret), round.info.clone(), signer.clone(), share)?;
        let shares: BTreeMap<_, _> = shares.into_iter().collect();
        Ok(Some(Self {
            public,
            missing: shares.keys().cloned().collect(),
            shares,
            phase: Phase::Dealing(Box::new(inner)),
        }))
    }

    /// Its commitment.
    pub fn public(&self) -> &DealerPublic {
        &self.public
    }

    /// What it deals, to each player.
    pub fn shares(&self) -> &BTreeMap<S::PublicKey, DealerShare> {
        &self.shares
    }

    /// What is still to be dealt: all shares that were not acknowledged, none once the log is closed.
    pub fn outstanding(&self) -> impl Iterator<Item = (&S::PublicKey, &DealerShare)> {
        let open = self.log().is_none();
        let missing = self.missing.iter().filter(move |_| open);
        missing.filter_map(|player| Some((player, self.shares.get(player)?)))
    }

    /// Takes the acknowledgement of a player, unless it has it or the log is closed.
    ///
    /// # Errors
    ///
    /// [`PlayerAckError`].
    pub fn take_ack(&mut self, player: S::PublicKey, ack: PlayerAck<S::PublicKey>) -> Result<(), PlayerAckError> {
        if let Phase::Dealing(inner) = &mut self.phase
            && self.missing.contains(&player)
        {
            inner.receive_player_ack(player.clone(), ack)?;
            self.missing.remove(&player);
        }
        Ok(())
    }

    /// Closes its log if all is acknowledged, or if it is `due`.
    pub fn close(self, due: bool) -> Self {
        let phase = match self.phase {
            Phase::Dealing(inner) if due || self.missing.is_empty() => Phase::Closed(inner.finalize::<N3f1>().encode()),
            phase => phase,
        };
        Self { phase, ..self }
    }

    /// Its log, once it is closed.
    pub fn log(&self) -> Option<&Bytes> {
        match &self.phase {
            Phase::Closed(log) => Some(log),
            Phase::Dealing(_) => None,
        }
    }
}

//! What consensus asks of the chain's own state: who votes in which epoch, and where they are.

use super::Scheme;
use crate::keys::{Committee, CommitteeError, Identity, Validator};
use commonware_consensus::types::Epoch;
use commonware_cryptography::certificate::{Provider, Scoped};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

/// Epochs behind the present one whose certificates can still be verified: peers that catch up bring their own.
const EPOCHS_KEPT: u64 = 2;

/// Who votes in which epoch, as the chain's final state has it.
pub trait Committees: Send + Sync + 'static {
    /// The roster of `epoch`.
    ///
    /// It is asked for no later epoch than the one after the next block's, and the answer for an epoch never changes, but for the
    /// peers and their addresses.
    ///
    /// # Errors
    ///
    /// [`RosterError`] when the state cannot be read, or holds no committee of that epoch.
    fn roster(&self, epoch: u64) -> Result<Roster, RosterError>;
}

/// The validators of an epoch, and who else may connect.
#[derive(Clone, Debug)]
pub struct Roster {
    /// Who votes.
    pub committee: Committee,
    /// Where validators are, and those that follow the chain without a vote. Who is not listed is not let in.
    pub peers: Vec<Peer>,
}

/// A node of the validators' network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub identity: Identity,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Why the validators of an epoch are not known.
#[derive(Debug, thiserror::Error)]
#[error("read the validators of epoch {epoch}")]
pub struct RosterError {
    /// The epoch.
    pub epoch: u64,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// One roster for all epochs: a chain whose state says nothing of validators.
#[derive(Clone, Debug)]
pub struct FixedRoster(Roster);

impl FixedRoster {
    /// The roster of these validators, all of which vote.
    ///
    /// # Errors
    ///
    /// [`CommitteeError`], naming the validator at fault.
    pub fn new(validators: &[(Validator, SocketAddr)]) -> Result<Self, CommitteeError> {
        let voting: Vec<_> = validators.iter().map(|(validator, _)| validator.clone()).collect();
        let peers = validators.iter().map(|(validator, address)| Peer {
            identity: validator.identity.clone(),
            address: *address,
        });
        Ok(Self(Roster {
            committee: Committee::new(&voting)?,
            peers: peers.collect(),
        }))
    }
}

impl Committees for FixedRoster {
    fn roster(&self, _: u64) -> Result<Roster, RosterError> {
        Ok(self.0.clone())
    }
}

/// What verifies the votes of each epoch that this node is near.
#[derive(Clone, Default)]
pub(super) struct Schemes {
    known: Arc<Mutex<BTreeMap<Epoch, Known>>>,
}

#[derive(Clone)]
struct Known {
    scheme: Arc<Scheme>,
    committee: Committee,
}

impl Schemes {
    /// Adds an epoch, and forgets those long past.
    pub(super) fn insert(&self, epoch: Epoch, scheme: Scheme, committee: Committee) {
        let mut known = self.known.lock().expect("no holder of the lock panics");
        let scheme = Arc::new(scheme);
        known.insert(epoch, Known { scheme, committee });
        let first = Epoch::new(epoch.get().saturating_sub(EPOCHS_KEPT));
        known.retain(|epoch, _| *epoch >= first);
    }

    /// The scheme and the committee of an epoch.
    pub(super) fn of(&self, epoch: Epoch) -> Option<(Arc<Scheme>, Committee)> {
        let known = self.known.lock().expect("no holder of the lock panics");
        let Known { scheme, committee } = known.get(&epoch)?.clone();
        Some((scheme, committee))
    }
}

impl Provider for Schemes {
    type Scope = Epoch;
    type Scheme = Scheme;

    fn scoped(&self, epoch: Epoch) -> Option<Scoped<Scheme>> {
        self.of(epoch).map(|(scheme, _)| Scoped::scheme(scheme))
    }
}

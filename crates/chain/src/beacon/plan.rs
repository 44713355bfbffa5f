//! Who deals to whom in an epoch's ceremony.

use super::{
    Output, SeatKey,
    state::{BeaconState, StateError},
};
use crate::keys::{Committee, Identity, MAX_VOTES};
use alloy_primitives::{B256, Bytes};
use commonware_utils::{NZU32, TryCollect as _, ordered::Set};
use crypto::ceremony::{self, Application, Round};
use std::{collections::BTreeMap, num::NonZeroU32};

/// Keeps the beacon's ceremonies apart from all others.
const APPLICATION: Application = Application("aloft-beacon");
/// Participants of a ceremony at most.
pub(super) const MAX_PARTICIPANTS: NonZeroU32 = NZU32!(MAX_VOTES as u32);

/// The seats of a committee by their vote keys: whose each is, and which of its seats.
#[derive(Clone, Debug)]
pub(super) struct Seats(BTreeMap<SeatKey, (Identity, usize)>);

impl Seats {
    pub(super) fn of(committee: &Committee) -> Self {
        let seats = committee.validators().iter().flat_map(|validator| {
            let keys = validator.vote_keys.iter().enumerate();
            keys.map(|(seat, key)| (SeatKey::from(*key), (validator.identity.clone(), seat)))
        });
        Self(seats.collect())
    }

    /// Whose seat a key is.
    pub(super) fn holder(&self, key: &SeatKey) -> Option<&Identity> {
        self.0.get(key).map(|(identity, _)| identity)
    }

    /// Which of its holder's seats a key is.
    pub(super) fn seat(&self, key: &SeatKey) -> Option<usize> {
        self.0.get(key).map(|(_, seat)| *seat)
    }

    fn keys(&self) -> Set<SeatKey> {
        self.0.keys().cloned().try_collect().expect("a map's keys are distinct")
    }
}

/// The ceremony of an epoch: it makes the key, or hands it on from who holds it to the committee of the next epoch.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The epoch, which is the ceremony's round, too: a ceremony that fails uses its number up.
    pub(super) epoch: u64,
    pub(super) round: Round<SeatKey>,
    /// Epoch from which on the key is shared as it is while the ceremony goes on; none where the ceremony makes the key.
    pub(super) previous: Option<u64>,
    pub(super) dealers: Seats,
    pub(super) players: Seats,
}

/// Why there can be no ceremony.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The state does not say who takes part.
    #[error(transparent)]
    State(#[from] StateError),
    /// A recorded sharing is none.
    #[error("the sharing from epoch {from_epoch} on does not decode")]
    Sharing {
        /// The epoch.
        from_epoch: u64,
        /// Why.
        source: commonware_codec::Error,
    },
    /// Dealers and players do not fit together.
    #[error("dealers and players of epoch {epoch}")]
    Participants {
        /// The epoch.
        epoch: u64,
        /// Why.
        source: ceremony::Error,
    },
}

/// Reads what a block recorded.
pub(super) fn read_output(from_epoch: u64, output: &Bytes) -> Result<Output, PlanError> {
    ceremony::read_outcome(output.0.clone(), MAX_PARTICIPANTS)
        .map_err(|source| PlanError::Sharing { from_epoch, source })
}

impl Plan {
    /// The ceremony of `epoch`, as the state after the block `at` has it.
    pub(super) fn read(state: &dyn BeaconState, at: &B256, namespace: &[u8], epoch: u64) -> Result<Self, PlanError> {
        let sharings = state.sharings(at)?;
        let last = sharings.iter().rfind(|sharing| sharing.from_epoch <= epoch);
        let previous = match last {
            Some(sharing) => Some((sharing.from_epoch, read_output(sharing.from_epoch, &sharing.output)?)),
            None => None,
        };
        let holders = previous.as_ref().map_or(epoch, |(from_epoch, _)| *from_epoch);
        let (dealers, players) = (state.committee(at, holders)?, state.committee(at, epoch + 1)?);
        Self::new(namespace, epoch, previous, &dealers, &players)
    }

    /// The ceremony of `epoch`, in which `dealers`, who hold the key as `previous` says if there is one, deal to `players`.
    pub(super) fn new(
        namespace: &[u8],
        epoch: u64,
        previous: Option<(u64, Output)>,
        dealers: &Committee,
        players: &Committee,
    ) -> Result<Self, PlanError> {
        let (dealers, players) = (Seats::of(dealers), Seats::of(players));
        let (from_epoch, output) = previous.unzip();
        let round = Round::new(
            APPLICATION,
            namespace,
            epoch,
            output,
            dealers.keys(),
            players.keys(),
            MAX_PARTICIPANTS,
        )
        .map_err(|source| PlanError::Participants { epoch, source })?;
        Ok(Self {
            epoch,
            round,
            previous: from_epoch,
            dealers,
            players,
        })
    }
}

//! The randomness beacon's contract, as validators read it and post to it.

use crate::{
    provider::LedgerProvider,
    validators::{StakedCommittees, StateError},
};
use alloy_sol_types::SolCall;
use chain::{
    Committee, Ledger,
    beacon::{BeaconState, Post, RecordedSharing, Standing, StateError as BeaconStateError},
};
use contracts::{
    CONSENSUS_SERVICE,
    abi::{
        NetworkRegistry,
        RandomnessBeacon::{self, Ceremony},
    },
    addresses::{NETWORK_REGISTRY, RANDOMNESS_BEACON},
};
use primitives::{Address, B256, Bytes, U256};
use tokio::sync::mpsc;

/// The beacon of a chain that has its contract, read from a ledger's states.
#[derive(Clone)]
pub struct ContractBeacon {
    ledger: Ledger,
    committees: StakedCommittees,
}

impl ContractBeacon {
    /// Reads from `ledger`.
    pub fn new(ledger: Ledger) -> Self {
        Self {
            committees: StakedCommittees::new(ledger.clone()),
            ledger,
        }
    }

    /// What the beacon's contract answers after the block `at`.
    fn view<C: SolCall>(&self, what: &'static str, at: &B256, call: &C) -> Result<C::Return, BeaconStateError> {
        let state = self.ledger.pending_on(at).ok_or(StateError::Unknown);
        let answer = state.and_then(|state| self.committees.view_in(&state, RANDOMNESS_BEACON, call));
        answer.map_err(|source| failed(what, at, source))
    }
}

fn failed(what: &'static str, at: &B256, source: StateError) -> BeaconStateError {
    BeaconStateError {
        what,
        at: *at,
        source: source.into(),
    }
}

/// Bytes that the contract has either in full or not at all.
fn whole<const N: usize>(bytes: &Bytes) -> Option<[u8; N]> {
    bytes.as_ref().try_into().ok()
}

impl BeaconState for ContractBeacon {
    fn standing(&self, at: &B256) -> Result<Standing, BeaconStateError> {
        let found = self.view("the standing", at, &RandomnessBeacon::standingCall {})?;
        Ok(Standing {
            concluded: found.concluded,
            next: found.next,
            latest: whole(&found.signature),
            key: whole(&found.publicKey),
        })
    }

    fn sharings(&self, at: &B256) -> Result<Vec<RecordedSharing>, BeaconStateError> {
        let found = self.view("the sharings", at, &RandomnessBeacon::sharingsCall {})?;
        let recorded = found.into_iter().map(|sharing| RecordedSharing {
            from_epoch: sharing.fromEpoch,
            output: sharing.output,
        });
        Ok(recorded.collect())
    }

    fn logs(&self, at: &B256, epoch: u64) -> Result<Vec<Bytes>, BeaconStateError> {
        let found = self.view("the logs", at, &RandomnessBeacon::logsOfCall { epoch_: epoch })?;
        Ok(found.into_iter().map(|posted| posted.log).collect())
    }

    fn committee(&self, at: &B256, epoch: u64) -> Result<Committee, BeaconStateError> {
        let state = self.ledger.pending_on(at).ok_or(StateError::Unknown);
        let roster = state.and_then(|state| self.committees.read_in(&state, epoch));
        let roster = roster.map_err(|source| failed("a committee", at, source))?;
        Ok(roster.committee)
    }
}

/// Why a log cannot be posted.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// The contracts did not answer.
    #[error("find the dealer's seat")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The account has no seat in the committee that deals.
    #[error("{account} is not in the committee of epoch {epoch}")]
    NotAMember {
        /// The account.
        account: Address,
        /// The epoch.
        epoch: u64,
    },
}

/// The call of `RandomnessBeacon` by which the operator with `account` posts a log of one of its seats.
///
/// # Errors
///
/// [`PostError`].
pub fn post_call(ledger: &Ledger, account: Address, post: &Post) -> Result<RandomnessBeacon::postCall, PostError> {
    let call = NetworkRegistry::committeeCall {
        service: CONSENSUS_SERVICE,
        atEpoch: post.committee,
    };
    let committee = StakedCommittees::new(ledger.clone()).view_in(&ledger.pending(), NETWORK_REGISTRY, &call);
    let members = committee.map_err(|error| PostError::State(error.into()))?.members;
    let index = members.iter().position(|member| member.account == account);
    let index = index.and_then(|index| u32::try_from(index).ok());
    Ok(RandomnessBeacon::postCall {
        epoch_: post.epoch,
        index: index.ok_or(PostError::NotAMember {
            account,
            epoch: post.committee,
        })?,
        seat: U256::from(post.seat),
        log: post.log.clone(),
    })
}

/// Posts each log from the node's account, until no more come.
pub(crate) async fn post(mut posts: mpsc::Receiver<Post>, account: Address, provider: LedgerProvider) {
    while let Some(post) = posts.recv().await {
        let (epoch, seat) = (post.epoch, post.seat);
        let call = match post_call(provider.ledger(), account, &post) {
            Ok(call) => call,
            Err(error) => {
                tracing::warn!(epoch, seat, %error, source = ?std::error::Error::source(&error), "a log of the beacon's ceremony cannot be posted");
                continue;
            }
        };
        match contracts::write(&provider, RANDOMNESS_BEACON, &call, U256::ZERO).await {
            Ok(mined) => tracing::info!(
                epoch,
                seat,
                block = mined.block,
                "posted a log of the beacon's ceremony"
            ),
            Err(error) => tracing::warn!(epoch, seat, %error, "a log of the beacon's ceremony was not taken"),
        }
    }
}

/// What the node's metrics say of the beacon.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BeaconReading {
    /// Height of the last value.
    pub(crate) latest: u64,
    /// Epochs whose ceremony's end is recorded.
    pub(crate) concluded: u64,
    /// How the last of them ended.
    pub(crate) last: Option<Ceremony>,
}

/// Reads what the last final block left; nothing where there is no contract.
pub(crate) fn reading(ledger: &Ledger) -> BeaconReading {
    let (committees, state) = (StakedCommittees::new(ledger.clone()), ledger.pending());
    let Ok(standing) = committees.view_in(&state, RANDOMNESS_BEACON, &RandomnessBeacon::standingCall {}) else {
        return BeaconReading::default();
    };
    let last = standing.concluded.checked_sub(1);
    let last = last.and_then(|epoch| {
        let call = RandomnessBeacon::ceremonyOfCall { epoch_: epoch };
        committees.view_in(&state, RANDOMNESS_BEACON, &call).ok()
    });
    BeaconReading {
        latest: standing.latest,
        concluded: standing.concluded,
        last,
    }
}

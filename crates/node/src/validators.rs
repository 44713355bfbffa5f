//! Who votes, as the contracts have it; and what a node does when it sees a validator vote twice.

use crate::provider::LedgerProvider;
use alloy_sol_types::SolCall;
use chain::{
    Committee, Ledger, Validator,
    consensus::{Committees, Offence, Peer, Roster, RosterError, SignedVote},
    keys::{CommitteeError, Identity, VoteKey},
};
use commonware_codec::{DecodeExt as _, FixedSize as _};
use contracts::{
    CONSENSUS_SERVICE,
    abi::{
        ConsensusSlasher::{self, Vote},
        NetworkRegistry, OperatorRegistry, ValidatorRegistry,
    },
    addresses,
};
use evm::{BlockContext, BlockHashes, CallEnd, CallRequest, State};
use primitives::{Address, B256, Bytes};
use tokio::sync::mpsc;

/// The validators that stake chose, read from a ledger's final state.
#[derive(Clone)]
pub struct StakedCommittees {
    ledger: Ledger,
}

/// Why the contracts do not say who votes, or what else validators ask of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("the block was not executed here, or its state is gone")]
    Unknown,
    #[error("the contract did not answer: {0}")]
    Call(String),
    #[error("the validators of epoch {epoch} are no committee")]
    Committee { epoch: u64, source: CommitteeError },
    #[error("no epoch has a validator with a vote key")]
    Nobody,
}

impl StakedCommittees {
    /// Reads from `ledger`.
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// What the contract at `to` answers on top of the last final block.
    fn view<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, StateError> {
        self.view_in(&self.ledger.pending(), to, call)
    }

    /// What the contract at `to` answers in a block on top of a state.
    pub(crate) fn view_in<C: SolCall>(
        &self,
        state: &(BlockContext, State),
        to: Address,
        call: &C,
    ) -> Result<C::Return, StateError> {
        self.reader(state, &self.ledger.hashes()).view(to, call)
    }

    /// The validators of an epoch, as a state has them.
    pub(crate) fn read_in(&self, state: &(BlockContext, State), epoch: u64) -> Result<Roster, StateError> {
        self.reader(state, &self.ledger.hashes()).roster(epoch)
    }

    fn reader<'a>(&self, state: &'a (BlockContext, State), hashes: &'a dyn BlockHashes) -> StateReader<'a> {
        StateReader {
            chain_id: self.ledger.chain_id(),
            state,
            hashes,
        }
    }
}

/// The contracts in a block on top of a state, which need not be a ledger's.
pub(crate) struct StateReader<'a> {
    pub(crate) chain_id: u64,
    pub(crate) state: &'a (BlockContext, State),
    pub(crate) hashes: &'a dyn BlockHashes,
}

impl StateReader<'_> {
    /// What the contract at `to` answers.
    fn view<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, StateError> {
        let request = CallRequest {
            to: Some(to),
            data: call.abi_encode().into(),
            ..CallRequest::default()
        };
        let failed = |error: &dyn std::fmt::Display| StateError::Call(error.to_string());
        let (context, state) = self.state;
        let outcome =
            evm::call(state, context, self.chain_id, self.hashes, &request).map_err(|error| failed(&error))?;
        match outcome.end {
            CallEnd::Returned(data) => C::abi_decode_returns_validate(&data).map_err(|error| failed(&error)),
            CallEnd::Reverted(data) => Err(failed(&contracts::revert_reason(&data))),
            CallEnd::OutOfGas => Err(failed(&"out of gas")),
            CallEnd::Halted(fault) => Err(failed(&fault)),
        }
    }

    /// The validators of an epoch, and who may connect to them.
    pub(crate) fn roster(&self, epoch: u64) -> Result<Roster, StateError> {
        let (committee, found) = self.voting(epoch)?;
        let candidates = self.view(addresses::VALIDATOR_REGISTRY, &ValidatorRegistry::candidatesCall {})?;
        let peers = found.iter().chain(&candidates).filter_map(peer).collect();
        Ok(Roster { committee, peers })
    }

    /// The validators of an epoch.
    pub(crate) fn committee(&self, epoch: u64) -> Result<Committee, StateError> {
        Ok(self.voting(epoch)?.0)
    }

    /// The validators of an epoch, and their entries in the registry.
    fn voting(&self, epoch: u64) -> Result<(Committee, Vec<ValidatorRegistry::Validator>), StateError> {
        // The registry keeps the last committee when nobody qualifies, but what if nobody in it has a vote key? Then the last
        // epoch's go on in which somebody had. The founders have theirs, so there is one.
        for at_epoch in (0..=epoch).rev() {
            let call = ValidatorRegistry::committeeCall { atEpoch: at_epoch };
            let found = self.view(addresses::VALIDATOR_REGISTRY, &call)?;
            let voting: Vec<Validator> = found.iter().filter_map(validator).collect();
            if voting.is_empty() {
                continue;
            }
            let committee = Committee::new(&voting).map_err(|source| StateError::Committee { epoch, source })?;
            return Ok((committee, found));
        }
        Err(StateError::Nobody)
    }
}

impl Committees for StakedCommittees {
    fn roster(&self, epoch: u64) -> Result<Roster, RosterError> {
        self.read_in(&self.ledger.pending(), epoch)
            .map_err(|source| RosterError {
                epoch,
                source: source.into(),
            })
    }
}

/// An operator's ed25519 key; `None` if what it registered is not one. It cannot connect then, so it does not count either.
fn identity(stream_key: &B256) -> Option<Identity> {
    Identity::decode(Bytes::copy_from_slice(&stream_key.0).0).ok()
}

pub(crate) fn validator(entry: &ValidatorRegistry::Validator) -> Option<Validator> {
    let keys = entry.voteKeys.chunks_exact(VoteKey::SIZE);
    Some(Validator {
        identity: identity(&entry.streamKey)?,
        // The pairing precompile made sure that they are points of the group.
        vote_keys: keys
            .map(|key| VoteKey::decode(Bytes::copy_from_slice(key).0).ok())
            .collect::<Option<_>>()?,
    })
}

/// Where it listens; `None` if that is not an IP address and a port. Names are not resolved.
fn peer(entry: &ValidatorRegistry::Validator) -> Option<Peer> {
    Some(Peer {
        identity: identity(&entry.streamKey)?,
        address: entry.endpoint.parse().ok()?,
    })
}

/// Why an offence cannot be reported.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The contracts did not answer, or have no such operator.
    #[error("find who offended")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operator was not in the committee of that epoch.
    #[error("operator {operator} is not in the committee of epoch {epoch}")]
    NotAMember {
        /// The operator.
        operator: u32,
        /// The epoch.
        epoch: u64,
    },
}

/// The call of `ConsensusSlasher` that reports an offence.
///
/// # Errors
///
/// [`ReportError`].
pub fn report_call(ledger: &Ledger, offence: &Offence) -> Result<ConsensusSlasher::reportCall, ReportError> {
    let state = StakedCommittees::new(ledger.clone());
    let failed = |error: StateError| ReportError::State(error.into());
    let call = OperatorRegistry::numberOfKeyCall {
        streamKey: B256::from_slice(offence.validator.as_ref()),
    };
    let operator = state.view(addresses::OPERATOR_REGISTRY, &call).map_err(failed)?;
    let call = NetworkRegistry::committeeCall {
        service: CONSENSUS_SERVICE,
        atEpoch: offence.epoch,
    };
    let members = state.view(addresses::NETWORK_REGISTRY, &call).map_err(failed)?.members;
    let index = members.iter().position(|member| member.operator == operator);
    let index = index
        .and_then(|index| u32::try_from(index).ok())
        .ok_or(ReportError::NotAMember {
            operator,
            epoch: offence.epoch,
        })?;
    let vote = |vote: &SignedVote| Vote {
        kind: vote.kind as u8,
        parentView: vote.parent_view,
        digest: vote.digest.into(),
        signature: vote.signature.to_eip2537().into(),
    };
    Ok(ConsensusSlasher::reportCall {
        epoch_: offence.epoch,
        view_: offence.view,
        index,
        seat: primitives::U256::from(offence.seat),
        first: vote(&offence.votes[0]),
        second: vote(&offence.votes[1]),
    })
}

/// Reports each offence once, from the node's account, until no more come.
pub(crate) async fn report(mut offences: mpsc::Receiver<Offence>, provider: LedgerProvider) {
    while let Some(offence) = offences.recv().await {
        let call = match report_call(provider.ledger(), &offence) {
            Ok(call) => call,
            Err(error) => {
                tracing::warn!(validator = %offence.validator, %error, source = ?std::error::Error::source(&error), "an offence cannot be reported");
                continue;
            }
        };
        match contracts::write(&provider, addresses::CONSENSUS_SLASHER, &call, primitives::U256::ZERO).await {
            Ok(mined) => {
                tracing::warn!(validator = %offence.validator, epoch = offence.epoch, view = offence.view, block = mined.block, "reported a validator that voted twice");
            }
            // Most often because another validator was first.
            Err(error) => tracing::info!(validator = %offence.validator, %error, "an offence was not taken"),
        }
    }
}

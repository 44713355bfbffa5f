//! The contracts of the genesis block, and the calls that found the first committee.

use crate::{abi, addresses};
use alloy_sol_types::{SolCall, SolValue};
use primitives::{Address, B256, Bytes, U256};

/// Price of keeping one coded byte for one block, wei: 100 MiB coded threefold cost about 0.03 coins for a million blocks.
pub const PRICE_PER_BYTE_BLOCK_WEI: u64 = 100;

/// Whether the operators of a network that genesis lists are trusted not to lie about rows: they were chosen by who made the network. It
/// lets blobs be coded twofold, and into fewer rows.
pub const TRUSTED_COMMITTEE: bool = true;
/// Blocks that an operator has to answer a challenge: three minutes of a busy chain, twenty of an idle one, enough to start again and see it.
pub const CHALLENGE_WINDOW_BLOCKS: u64 = 1_200;
/// What an operator loses when it does not answer, wei: one coin, of which the challenger gets a quarter.
pub const SLASH_WEI: u128 = 1_000_000_000_000_000_000;
/// Fixed part of a challenge's deposit, wei: a hundredth of a coin, so that it costs something when gas is free.
pub const CHALLENGE_DEPOSIT_WEI: u64 = 10_000_000_000_000_000;

/// Blocks of an epoch: a challenge's window.
pub const EPOCH_BLOCKS: u64 = CHALLENGE_WINDOW_BLOCKS;
/// Epochs between the one in which a committee is fixed and its own: `Epochs.LOOKAHEAD`.
pub const LOOKAHEAD_EPOCHS: u64 = 2;
/// Epochs until a deposit counts: `Epochs.JOINING_EPOCHS`.
pub const JOINING_EPOCHS: u64 = 4;
/// Epochs until what is asked back is free: `Epochs.UNBONDING_EPOCHS`.
pub const UNBONDING_EPOCHS: u64 = 6;
const _: () = assert!(
    UNBONDING_EPOCHS >= 3 && UNBONDING_EPOCHS * EPOCH_BLOCKS > CHALLENGE_WINDOW_BLOCKS,
    "what leaves outlasts the committees that counted it, and any challenge"
);
/// Epochs after a blob's own in which its certificate is taken: `DAEntrance.GRACE_EPOCHS`.
pub const GRACE_EPOCHS: u64 = 2;

/// Epochs after an offence in which it can be punished: `Epochs.SLASH_WINDOW`.
pub const SLASH_WINDOW_EPOCHS: u64 = 3;
const _: () = assert!(
    UNBONDING_EPOCHS > SLASH_WINDOW_EPOCHS,
    "what is asked back after a challenge is there until it can no longer be settled"
);

/// Blocks that an operator has to answer a challenge where an epoch has `epoch_blocks`: [`CHALLENGE_WINDOW_BLOCKS`], or fewer where epochs are so
/// short that no whole epoch would be left to settle what was not answered.
pub fn challenge_window(epoch_blocks: u64) -> u64 {
    let longest = (SLASH_WINDOW_EPOCHS - 1).saturating_mul(epoch_blocks);
    CHALLENGE_WINDOW_BLOCKS.min(longest)
}

/// What creating a service costs, wei: a hundred coins, burnt. Every epoch has to look at each service.
pub const SERVICE_CREATION_WEI: u128 = 100_000_000_000_000_000_000;
/// Number of the service that is the first quorum of operators that keep blobs: `DAEntrance.firstQuorum`.
pub const DA_SERVICE: u32 = 0;
/// Seats of its committees: each owns at least five rows of a standard blob, which keeps the chance that a quorum draws no bad row of a
/// blob that cannot be decoded below 2^-230 (notes: soundness of the combination check).
pub const DA_SEATS: u32 = 600;
/// Least stake of an operator that keeps blobs, wei: what it loses when it does not answer a challenge.
pub const DA_MIN_STAKE_WEI: u128 = SLASH_WEI;

/// Number of the service that agrees on blocks, the second one.
pub const CONSENSUS_SERVICE: u32 = 1;
/// Seats of its committees at most: each is a vote that every validator checks, and an operator that has one seat is a connection.
pub const CONSENSUS_SEATS_MAX: u32 = 32;
/// Seats of its committees for each founder, as far as [`CONSENSUS_SEATS_MAX`] goes: stakes may differ by that factor.
pub const SEATS_PER_FOUNDER: u32 = 4;
/// Least stake of an operator that agrees on blocks, wei: ten coins, all of which it loses when it votes twice.
pub const CONSENSUS_MIN_STAKE_WEI: u128 = 10 * SLASH_WEI;

/// Number of the service that releases keys, the third one, in a network whose members make that key among themselves.
pub const RELEASE_SERVICE: u32 = 2;
/// Seats of its committees at most: each is a share, and combining them is quadratic.
pub const RELEASE_SEATS_MAX: u32 = 64;
/// Least stake of an operator that releases, wei.
pub const RELEASE_MIN_STAKE_WEI: u128 = SLASH_WEI;

/// Seats of the service that releases keys in a network of `founders`: a multiple of their count, so that equal stakes have equal shares.
pub fn release_seats(founders: u32) -> u32 {
    let each = (RELEASE_SEATS_MAX / founders.max(1)).clamp(1, SEATS_PER_FOUNDER);
    (founders * each).clamp(1, RELEASE_SEATS_MAX)
}

/// Seats of the service that agrees on blocks in a network of `founders`: a multiple of their count, so that equal stakes have equal votes.
pub fn consensus_seats(founders: u32) -> u32 {
    let each = (CONSENSUS_SEATS_MAX / founders.max(1)).clamp(1, SEATS_PER_FOUNDER);
    (founders * each).clamp(1, CONSENSUS_SEATS_MAX)
}

/// What the root chain's mailbox is told to be its root chain: no chain has this id.
pub(crate) const THIS_IS_THE_ROOT: u64 = 0;

/// Supply of the test token, in its smallest unit: 10⁹ USDX of 10⁶ units.
pub const FAUCET_SUPPLY: u64 = 1_000_000_000_000_000;

/// A contract that genesis places at a fixed address by running its creation code there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisContract {
    /// Its name in Solidity.
    pub name: &'static str,
    /// Where it is placed.
    pub address: Address,
    /// Creation code, then the constructor's arguments, ABI-encoded.
    pub init_code: Bytes,
}

/// What a network fixes for its contracts when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Who gets the supply of the test token, and may open quorums.
    pub faucet: Address,
    /// Blocks of an epoch.
    pub epoch_blocks: u64,
    /// Where the key that releases others comes from.
    pub release_key: ReleaseKey,
}

/// Where the key that releases others comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseKey {
    /// From whoever makes the network, if at all: `DealtReleaseCommittee`.
    Dealt,
    /// From the members, who make it among themselves: `ReleaseCeremony`.
    Generated,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            faucet: addresses::FAUCET,
            epoch_blocks: EPOCH_BLOCKS,
            release_key: ReleaseKey::Dealt,
        }
    }
}

/// The protocol's contracts in the order they must be created, on the default terms.
pub fn genesis_contracts() -> Vec<GenesisContract> {
    genesis_contracts_with(&Terms::default())
}

/// The protocol's contracts in the order they must be created, on `terms`.
pub fn genesis_contracts_with(terms: &Terms) -> Vec<GenesisContract> {
    let Terms {
        faucet,
        epoch_blocks,
        release_key,
    } = *terms;
    vec![
        contract(
            "OperatorRegistry",
            addresses::OPERATOR_REGISTRY,
            &abi::OperatorRegistry::BYTECODE,
            (addresses::STAKE_VAULT, epoch_blocks).abi_encode_params(),
        ),
        contract(
            "StakeVault",
            addresses::STAKE_VAULT,
            &abi::StakeVault::BYTECODE,
            (addresses::OPERATOR_REGISTRY, addresses::NETWORK_REGISTRY, epoch_blocks).abi_encode_params(),
        ),
        contract(
            "NetworkRegistry",
            addresses::NETWORK_REGISTRY,
            &abi::NetworkRegistry::BYTECODE,
            (
                addresses::OPERATOR_REGISTRY,
                addresses::STAKE_VAULT,
                U256::from(SERVICE_CREATION_WEI),
                epoch_blocks,
            )
                .abi_encode_params(),
        ),
        contract(
            "ValidatorRegistry",
            addresses::VALIDATOR_REGISTRY,
            &abi::ValidatorRegistry::BYTECODE,
            (
                addresses::OPERATOR_REGISTRY,
                addresses::NETWORK_REGISTRY,
                CONSENSUS_SERVICE,
                epoch_blocks,
            )
                .abi_encode_params(),
        ),
        contract(
            "ConsensusSlasher",
            addresses::CONSENSUS_SLASHER,
            &abi::ConsensusSlasher::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                addresses::VALIDATOR_REGISTRY,
                addresses::STAKE_VAULT,
                CONSENSUS_SERVICE,
            )
                .abi_encode_params(),
        ),
        contract(
            "RandomnessBeacon",
            addresses::RANDOMNESS_BEACON,
            &abi::RandomnessBeacon::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                addresses::VALIDATOR_REGISTRY,
                CONSENSUS_SERVICE,
                epoch_blocks,
            )
                .abi_encode_params(),
        ),
        contract(
            "DAEntrance",
            addresses::DA_ENTRANCE,
            &abi::DAEntrance::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                DA_SERVICE,
                faucet,
                addresses::DA_LOTTERY,
                U256::from(PRICE_PER_BYTE_BLOCK_WEI),
                TRUSTED_COMMITTEE,
                epoch_blocks,
            )
                .abi_encode_params(),
        ),
        contract(
            "USDX",
            addresses::USDX,
            &abi::USDX::BYTECODE,
            (faucet, U256::from(FAUCET_SUPPLY)).abi_encode_params(),
        ),
        contract(
            "X402BatchSettlement",
            addresses::PAYMENT_CHANNELS,
            &abi::X402BatchSettlement::BYTECODE,
            vec![],
        ),
        contract(
            "Erc3009Collector",
            addresses::ERC3009_COLLECTOR,
            &abi::Erc3009Collector::BYTECODE,
            addresses::PAYMENT_CHANNELS.abi_encode(),
        ),
        contract(
            "ContributionBook",
            addresses::CONTRIBUTION_BOOK,
            &abi::ContributionBook::BYTECODE,
            vec![],
        ),
        contract(
            "RevenueSplitter",
            addresses::REVENUE_SPLITTER,
            &abi::RevenueSplitter::BYTECODE,
            addresses::CONTRIBUTION_BOOK.abi_encode(),
        ),
        contract(
            "SplitterFactory",
            addresses::SPLITTER_FACTORY,
            &abi::SplitterFactory::BYTECODE,
            addresses::REVENUE_SPLITTER.abi_encode(),
        ),
        contract(
            "ModelRegistry",
            addresses::MODEL_REGISTRY,
            &abi::ModelRegistry::BYTECODE,
            vec![],
        ),
        contract("ReaderBook", addresses::READER_BOOK, &abi::ReaderBook::BYTECODE, vec![]),
        match release_key {
            ReleaseKey::Dealt => contract(
                "DealtReleaseCommittee",
                addresses::RELEASE_COMMITTEE,
                &abi::DealtReleaseCommittee::BYTECODE,
                vec![],
            ),
            ReleaseKey::Generated => contract(
                "ReleaseCeremony",
                addresses::RELEASE_COMMITTEE,
                &abi::ReleaseCeremony::BYTECODE,
                (
                    addresses::NETWORK_REGISTRY,
                    addresses::OPERATOR_REGISTRY,
                    RELEASE_SERVICE,
                    epoch_blocks,
                )
                    .abi_encode_params(),
            ),
        },
        contract(
            "DAChallenges",
            addresses::DA_CHALLENGES,
            &abi::DAChallenges::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                addresses::STAKE_VAULT,
                addresses::DA_ENTRANCE,
                addresses::RANDOMNESS_BEACON,
                challenge_window(epoch_blocks),
                SLASH_WEI,
                U256::from(CHALLENGE_DEPOSIT_WEI),
                epoch_blocks,
            )
                .abi_encode_params(),
        ),
        contract(
            "DALottery",
            addresses::DA_LOTTERY,
            &abi::DALottery::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                addresses::DA_ENTRANCE,
                addresses::RANDOMNESS_BEACON,
            )
                .abi_encode_params(),
        ),
        contract(
            "ChainClient",
            addresses::CHAIN_CLIENT,
            &abi::ChainClient::BYTECODE,
            addresses::SHARD_REGISTRY.abi_encode(),
        ),
        contract(
            "Mailbox",
            addresses::MAILBOX,
            &abi::Mailbox::BYTECODE,
            (addresses::CHAIN_CLIENT, addresses::SHARD_REGISTRY, THIS_IS_THE_ROOT).abi_encode_params(),
        ),
        contract(
            "ShardRegistry",
            addresses::SHARD_REGISTRY,
            &abi::ShardRegistry::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                addresses::VALIDATOR_REGISTRY,
                addresses::OPERATOR_REGISTRY,
                addresses::MAILBOX,
                addresses::SHARD_VALIDATORS,
                addresses::SHARD_SLASHER,
                CONSENSUS_SERVICE,
                epoch_blocks,
            )
                .abi_encode_params(),
        ),
        contract(
            "ShardSlasher",
            addresses::SHARD_SLASHER,
            &abi::ShardSlasher::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                addresses::VALIDATOR_REGISTRY,
                addresses::STAKE_VAULT,
                addresses::SHARD_REGISTRY,
            )
                .abi_encode_params(),
        ),
    ]
}

pub(crate) fn contract(name: &'static str, address: Address, code: &Bytes, arguments: Vec<u8>) -> GenesisContract {
    GenesisContract {
        name,
        address,
        init_code: [code.as_ref(), &arguments].concat().into(),
    }
}

/// An operator that a network begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Founder {
    /// Its account.
    pub account: Address,
    /// Its ed25519 key.
    pub stream_key: B256,
    /// Its BLS key, as EIP-2537 encodes it.
    pub bls_key: Bytes,
    /// Its proof of possession for `account`, as EIP-2537 encodes it.
    pub possession: Bytes,
    /// Where it listens: `host:port`.
    pub endpoint: String,
    /// What it puts at stake, wei: at least [`DA_MIN_STAKE_WEI`], and [`CONSENSUS_MIN_STAKE_WEI`] of a validator.
    pub stake_wei: U256,
    /// Its part in agreeing on blocks, if it has one.
    pub validator: Option<FoundingValidator>,
}

/// A founder's part in agreeing on blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundingValidator {
    /// Where its validator listens: `address:port`.
    pub endpoint: String,
    /// The keys that vote for its seats, in their order.
    pub vote_keys: Vec<VoteKey>,
}

/// A key that votes on blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteKey {
    /// The key, as EIP-2537 encodes it.
    pub key: Bytes,
    /// Its proof of possession for the founder's account, as EIP-2537 encodes it.
    pub possession: Bytes,
}

/// A call of the genesis block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupCall {
    /// Who calls.
    pub from: Address,
    /// Which contract.
    pub to: Address,
    /// ABI-encoded call.
    pub data: Bytes,
    /// Wei sent along.
    pub value: U256,
}

/// The calls that make `founders` the first committee that keeps blobs, and the validators among them the first that agrees on blocks, to
/// be made in this order when all contracts exist.
///
/// The services' steward is the zero address, whose key nobody has: they are never drained.
///
/// # Panics
///
/// When there are 2^32 founders.
pub fn founding_calls(founders: &[Founder]) -> Vec<SetupCall> {
    let mut calls = vec![create(
        AVAILABILITY,
        addresses::DA_CHALLENGES,
        DA_SEATS,
        DA_MIN_STAKE_WEI,
    )];
    let validators = founders.iter().filter(|founder| founder.validator.is_some()).count();
    let validators = u32::try_from(validators).expect("a network has few founders");
    calls.push(create(
        CONSENSUS,
        addresses::CONSENSUS_SLASHER,
        consensus_seats(validators),
        CONSENSUS_MIN_STAKE_WEI,
    ));
    for (operator, founder) in (0..).zip(founders) {
        let register = abi::OperatorRegistry::registerCall {
            streamKey: founder.stream_key,
            blsKey: founder.bls_key.clone(),
            possession: founder.possession.clone(),
            endpoint: founder.endpoint.clone(),
        };
        let deposit = abi::StakeVault::depositCall { operator };
        let from = founder.account;
        calls.push(call(from, addresses::OPERATOR_REGISTRY, &register, U256::ZERO));
        calls.push(call(from, addresses::STAKE_VAULT, &deposit, founder.stake_wei));
        calls.push(opt_in(from, operator, DA_SERVICE));
        if let Some(validator) = &founder.validator {
            calls.extend(validator_calls(from, validator));
            calls.push(opt_in(from, operator, CONSENSUS_SERVICE));
        }
    }
    let founded = [(DA_SERVICE, !founders.is_empty()), (CONSENSUS_SERVICE, validators > 0)];
    let founded = founded.into_iter().filter(|(_, founded)| *founded);
    calls.extend(founded.map(|(service, _)| activate(service)));
    calls
}

/// The calls, after [`founding_calls`], that make `founders` the first committee that releases keys where its members make the key
/// ([`ReleaseKey::Generated`]).
///
/// # Panics
///
/// When there are 2^32 founders.
pub fn releasing_calls(founders: &[Founder]) -> Vec<SetupCall> {
    let count = u32::try_from(founders.len()).expect("a network has few founders");
    let mut calls = vec![create(
        STORAGE,
        Address::ZERO,
        release_seats(count),
        RELEASE_MIN_STAKE_WEI,
    )];
    calls.extend(
        (0..)
            .zip(founders)
            .map(|(operator, founder)| opt_in(founder.account, operator, RELEASE_SERVICE)),
    );
    if !founders.is_empty() {
        calls.push(activate(RELEASE_SERVICE));
    }
    calls
}

/// What an operator says of its validator.
fn validator_calls(from: Address, validator: &FoundingValidator) -> Vec<SetupCall> {
    let registry = addresses::VALIDATOR_REGISTRY;
    let moved = abi::ValidatorRegistry::setEndpointCall {
        endpoint: validator.endpoint.clone(),
    };
    let keys = validator.vote_keys.iter().map(|key| {
        let add = abi::ValidatorRegistry::addKeyCall {
            voteKey: key.key.clone(),
            possession: key.possession.clone(),
        };
        call(from, registry, &add, U256::ZERO)
    });
    let moved = call(from, registry, &moved, U256::ZERO);
    std::iter::once(moved).chain(keys).collect()
}

/// Kinds of services: `ServiceKind` of the contract.
const CONSENSUS: u8 = 0;
const AVAILABILITY: u8 = 1;
const STORAGE: u8 = 2;

/// Creates a service among which operators share their stake.
fn create(kind: u8, slasher: Address, seats: u32, min_stake: u128) -> SetupCall {
    let create = abi::NetworkRegistry::createCall {
        kind,
        allocation: 0, // Shared.
        slasher,
        seats,
        minStake: min_stake,
    };
    call(Address::ZERO, addresses::NETWORK_REGISTRY, &create, U256::ZERO)
}

fn activate(service: u32) -> SetupCall {
    let activate = abi::NetworkRegistry::activateCall { service };
    call(Address::ZERO, addresses::NETWORK_REGISTRY, &activate, U256::ZERO)
}

fn opt_in(from: Address, operator: u32, service: u32) -> SetupCall {
    let call_data = abi::NetworkRegistry::optInCall {
        service,
        displaced: operator,
    };
    call(from, addresses::NETWORK_REGISTRY, &call_data, U256::ZERO)
}

pub(crate) fn call(from: Address, to: Address, call: &impl SolCall, value: U256) -> SetupCall {
    let data = call.abi_encode().into();
    SetupCall { from, to, data, value }
}

//! The contracts of the genesis block, and the calls that found the first committee.

use crate::{abi, addresses};
use alloy_sol_types::{SolCall, SolValue};
use primitives::{Address, B256, Bytes, U256};

/// Price of keeping one coded byte for one block, wei: 100 MiB coded threefold cost about 0.03 coins for a million blocks.
pub const PRICE_PER_BYTE_BLOCK_WEI: u64 = 100;

/// Whether the operators of a network that genesis lists are trusted not to lie about rows: they were chosen by who made the network. It
/// lets blobs be coded twofold, and into fewer rows.
pub const TRUSTED_COMMITTEE: bool = true;
/// Blocks that an operator has to answer a challenge: five minutes of four blocks a second, enough to start again and see it.
pub const CHALLENGE_WINDOW_BLOCKS: u64 = 1_200;
/// What an operator loses when it does not answer, wei: one coin, of which the challenger gets a quarter.
pub const SLASH_WEI: u128 = 1_000_000_000_000_000_000;
/// Fixed part of a challenge's deposit, wei: a hundredth of a coin, so that it costs something when gas is free.
pub const CHALLENGE_DEPOSIT_WEI: u64 = 10_000_000_000_000_000;

/// Blocks of an epoch: a challenge's window, five minutes of four blocks a second.
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

/// What creating a service costs, wei: a hundred coins, burnt. Every epoch has to look at each service.
pub const SERVICE_CREATION_WEI: u128 = 100_000_000_000_000_000_000;
/// Number of the service that is the first quorum of operators that keep blobs: `DAEntrance.firstQuorum`.
pub const DA_SERVICE: u32 = 0;
/// Seats of its committees: each owns at least five rows of a standard blob, which keeps the chance that a quorum draws no bad row of a
/// blob that cannot be decoded below 2^-230 (notes: soundness of the combination check).
pub const DA_SEATS: u32 = 600;
/// Least stake of an operator that keeps blobs, wei: what it loses when it does not answer a challenge.
pub const DA_MIN_STAKE_WEI: u128 = SLASH_WEI;

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
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            faucet: addresses::FAUCET,
            epoch_blocks: EPOCH_BLOCKS,
        }
    }
}

/// The protocol's contracts in the order they must be created, on the default terms.
pub fn genesis_contracts() -> Vec<GenesisContract> {
    genesis_contracts_with(&Terms::default())
}

/// The protocol's contracts in the order they must be created, on `terms`.
pub fn genesis_contracts_with(terms: &Terms) -> Vec<GenesisContract> {
    let contract = |name, address, code: &Bytes, arguments: Vec<u8>| GenesisContract {
        name,
        address,
        init_code: [code.as_ref(), &arguments].concat().into(),
    };
    let Terms { faucet, epoch_blocks } = *terms;
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
            "DAEntrance",
            addresses::DA_ENTRANCE,
            &abi::DAEntrance::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                DA_SERVICE,
                faucet,
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
        contract(
            "DealtReleaseCommittee",
            addresses::RELEASE_COMMITTEE,
            &abi::DealtReleaseCommittee::BYTECODE,
            vec![],
        ),
        contract(
            "DAChallenges",
            addresses::DA_CHALLENGES,
            &abi::DAChallenges::BYTECODE,
            (
                addresses::NETWORK_REGISTRY,
                addresses::STAKE_VAULT,
                addresses::DA_ENTRANCE,
                CHALLENGE_WINDOW_BLOCKS,
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
            (addresses::NETWORK_REGISTRY, addresses::DA_ENTRANCE).abi_encode_params(),
        ),
    ]
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
    /// What it puts at stake, wei: at least [`DA_MIN_STAKE_WEI`].
    pub stake_wei: U256,
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

/// The calls that make `founders` the first committee that keeps blobs, to be made in this order when all contracts exist.
///
/// The service's steward is the zero address, whose key nobody has: it is never drained.
pub fn founding_calls(founders: &[Founder]) -> Vec<SetupCall> {
    fn call(from: Address, to: Address, call: &impl SolCall, value: U256) -> SetupCall {
        let data = call.abi_encode().into();
        SetupCall { from, to, data, value }
    }
    let create = abi::NetworkRegistry::createCall {
        kind: 1,       // Availability.
        allocation: 0, // Shared.
        slasher: addresses::DA_CHALLENGES,
        seats: DA_SEATS,
        minStake: DA_MIN_STAKE_WEI,
    };
    let services = addresses::NETWORK_REGISTRY;
    let mut calls = vec![call(Address::ZERO, services, &create, U256::ZERO)];
    for (operator, founder) in (0..).zip(founders) {
        let register = abi::OperatorRegistry::registerCall {
            streamKey: founder.stream_key,
            blsKey: founder.bls_key.clone(),
            possession: founder.possession.clone(),
            endpoint: founder.endpoint.clone(),
        };
        let deposit = abi::StakeVault::depositCall { operator };
        let opt_in = abi::NetworkRegistry::optInCall {
            service: DA_SERVICE,
            displaced: operator,
        };
        let from = founder.account;
        calls.push(call(from, addresses::OPERATOR_REGISTRY, &register, U256::ZERO));
        calls.push(call(from, addresses::STAKE_VAULT, &deposit, founder.stake_wei));
        calls.push(call(from, services, &opt_in, U256::ZERO));
    }
    if !founders.is_empty() {
        let activate = abi::NetworkRegistry::activateCall { service: DA_SERVICE };
        calls.push(call(Address::ZERO, services, &activate, U256::ZERO));
    }
    calls
}

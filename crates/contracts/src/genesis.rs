//! The contracts of the genesis block.

use crate::{abi, addresses};
use alloy_sol_types::SolValue;
use primitives::{Address, Bytes, U256};

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

/// The protocol's contracts in the order they must be created; [`addresses::FAUCET`] gets the test token.
pub fn genesis_contracts() -> Vec<GenesisContract> {
    genesis_contracts_with(addresses::FAUCET)
}

/// The protocol's contracts in the order they must be created; `faucet` gets the supply of the test token.
pub fn genesis_contracts_with(faucet: Address) -> Vec<GenesisContract> {
    let contract = |name, address, code: &Bytes, arguments: Vec<u8>| GenesisContract {
        name,
        address,
        init_code: [code.as_ref(), &arguments].concat().into(),
    };
    vec![
        contract(
            "GenesisOperatorRegistry",
            addresses::OPERATOR_REGISTRY,
            &abi::GenesisOperatorRegistry::BYTECODE,
            vec![],
        ),
        contract(
            "DAEntrance",
            addresses::DA_ENTRANCE,
            &abi::DAEntrance::BYTECODE,
            (
                addresses::OPERATOR_REGISTRY,
                U256::from(PRICE_PER_BYTE_BLOCK_WEI),
                TRUSTED_COMMITTEE,
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
                addresses::OPERATOR_REGISTRY,
                addresses::DA_ENTRANCE,
                CHALLENGE_WINDOW_BLOCKS,
                SLASH_WEI,
                U256::from(CHALLENGE_DEPOSIT_WEI),
            )
                .abi_encode_params(),
        ),
        contract(
            "DALottery",
            addresses::DA_LOTTERY,
            &abi::DALottery::BYTECODE,
            (addresses::OPERATOR_REGISTRY, addresses::DA_ENTRANCE).abi_encode_params(),
        ),
    ]
}

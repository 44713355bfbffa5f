//! Where genesis places the contracts.
//!
//! Ours begin with `0xa10f7` ("ALOFT") and count up. The two of x402 are where its clients have them built in.

use primitives::{Address, address};

/// [`OperatorRegistry`](crate::abi::OperatorRegistry): who may serve.
pub const OPERATOR_REGISTRY: Address = address!("0xA10f700000000000000000000000000000000001");
/// [`DAEntrance`](crate::abi::DAEntrance): availability certificates.
pub const DA_ENTRANCE: Address = address!("0xa10F700000000000000000000000000000000002");
/// [`USDX`](crate::abi::USDX): the token payments are made in.
pub const USDX: Address = address!("0xa10f700000000000000000000000000000000003");
/// [`ContributionBook`](crate::abi::ContributionBook): who contributed how much to a model.
pub const CONTRIBUTION_BOOK: Address = address!("0xa10f700000000000000000000000000000000004");
/// [`RevenueSplitter`](crate::abi::RevenueSplitter): the code that splitters run; itself it splits nothing.
pub const REVENUE_SPLITTER: Address = address!("0xa10f700000000000000000000000000000000005");
/// [`SplitterFactory`](crate::abi::SplitterFactory): makes splitters.
pub const SPLITTER_FACTORY: Address = address!("0xA10f700000000000000000000000000000000006");
/// [`ModelRegistry`](crate::abi::ModelRegistry): names of models, and what they cost.
pub const MODEL_REGISTRY: Address = address!("0xa10F700000000000000000000000000000000007");
/// [`ReaderBook`](crate::abi::ReaderBook): who may read encrypted blobs.
pub const READER_BOOK: Address = address!("0xA10f700000000000000000000000000000000008");
/// [`DAChallenges`](crate::abi::DAChallenges): disputes about rows.
pub const DA_CHALLENGES: Address = address!("0xA10f700000000000000000000000000000000009");
/// [`DALottery`](crate::abi::DALottery): prizes for rows that operators show.
pub const DA_LOTTERY: Address = address!("0xa10f70000000000000000000000000000000000a");
/// [`StakeVault`](crate::abi::StakeVault): everything at stake.
pub const STAKE_VAULT: Address = address!("0xa10f70000000000000000000000000000000000b");
/// [`NetworkRegistry`](crate::abi::NetworkRegistry): services, and their committees.
pub const NETWORK_REGISTRY: Address = address!("0xa10f70000000000000000000000000000000000c");
/// [`ValidatorRegistry`](crate::abi::ValidatorRegistry): who votes on blocks, and with which keys.
pub const VALIDATOR_REGISTRY: Address = address!("0xa10f70000000000000000000000000000000000d");
/// [`ConsensusSlasher`](crate::abi::ConsensusSlasher): takes the stake of who votes twice.
pub const CONSENSUS_SLASHER: Address = address!("0xa10f70000000000000000000000000000000000e");
/// [`RandomnessBeacon`](crate::abi::RandomnessBeacon): one random number for each height.
pub const RANDOMNESS_BEACON: Address = address!("0xa10f70000000000000000000000000000000000f");
/// [`DealtReleaseCommittee`](crate::abi::DealtReleaseCommittee) or [`ReleaseCeremony`](crate::abi::ReleaseCeremony): who releases the keys of encrypted
/// blobs.
pub const RELEASE_COMMITTEE: Address = address!("0xa10f700000000000000000000000000000000010");
/// [`Mailbox`](crate::abi::Mailbox): messages to and from other chains; the same address on all of them.
pub const MAILBOX: Address = address!("0xa10f700000000000000000000000000000000011");
/// [`ChainClient`](crate::abi::ChainClient): which blocks of other chains are final.
pub const CHAIN_CLIENT: Address = address!("0xa10f700000000000000000000000000000000012");
/// [`ShardRegistry`](crate::abi::ShardRegistry): the shards of a root chain.
pub const SHARD_REGISTRY: Address = address!("0xa10f700000000000000000000000000000000013");
/// [`ShardSlasher`](crate::abi::ShardSlasher): takes the stake of who votes twice on a shard.
pub const SHARD_SLASHER: Address = address!("0xa10f700000000000000000000000000000000014");
/// [`ShardValidators`](crate::abi::ShardValidators): on a shard, who votes on blocks; it stands where the root chain has [`VALIDATOR_REGISTRY`].
pub const SHARD_VALIDATORS: Address = VALIDATOR_REGISTRY;
/// [`X402BatchSettlement`](crate::abi::X402BatchSettlement): payment channels.
pub const PAYMENT_CHANNELS: Address = address!("0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003");
/// [`Erc3009Collector`](crate::abi::Erc3009Collector): brings deposits into channels under ERC-3009 authorizations.
pub const ERC3009_COLLECTOR: Address = address!("0x4020806089470a89826cB9fB1f4059150b550004");

/// Account that local networks give the whole supply of USDX: the first of the development mnemonic
/// `test test test test test test test test test test test junk`, whose key everybody knows.
pub const FAUCET: Address = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");

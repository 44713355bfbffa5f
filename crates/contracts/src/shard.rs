//! The contracts of a shard's first block.

use crate::{
    GenesisContract, SetupCall,
    abi::{self, ShardValidators::Validator},
    addresses,
    genesis::{call, contract},
};
use alloy_sol_types::SolValue;
use primitives::{Address, B256, U256};

/// All coins that a shard can ever have, wei: its mailbox owns them in the first block, and releases what was sent from elsewhere. More than any
/// root chain has.
pub const SHARD_SUPPLY_WEI: U256 = U256::from_limbs([0, 1 << 56, 0, 0]);

/// What a shard takes from the root chain when it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardTerms {
    /// The root chain's id.
    pub root_chain: u64,
    /// Blocks of its epochs.
    pub root_epoch_blocks: u64,
    /// `prevRandao` of its genesis block.
    pub root_network: B256,
    /// Digest of its committee, as `ShardRegistry.announce` told it.
    pub root_committee: B256,
    /// Blocks of the shard's epochs.
    pub epoch_blocks: u64,
    /// Digest of the shard's first committee, as `ShardRegistry.announce` told it.
    pub committee: B256,
    /// That committee.
    pub validators: Vec<Validator>,
}

/// What `ShardRegistry.announce` tells a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Epoch of the root chain for which the committees were closed.
    pub root_epoch: u64,
    /// Digest of the root chain's committee of that epoch.
    pub root_committee: B256,
    /// Digest of the shard's.
    pub committee: B256,
    /// The shard's.
    pub validators: Vec<Validator>,
}

impl Announcement {
    /// Reads the data of the message.
    ///
    /// # Errors
    ///
    /// When they are of another shape.
    pub fn read(data: &[u8]) -> Result<Self, alloy_sol_types::Error> {
        let (root_epoch, root_committee, committee, validators) =
            <(u64, B256, B256, Vec<Validator>)>::abi_decode_params_validate(data)?;
        Ok(Self {
            root_epoch,
            root_committee,
            committee,
            validators,
        })
    }
}

/// The contracts of a shard, in the order they must be created. Its mailbox has to be given [`SHARD_SUPPLY_WEI`].
pub fn shard_contracts(terms: &ShardTerms) -> Vec<GenesisContract> {
    vec![
        contract(
            "ChainClient",
            addresses::CHAIN_CLIENT,
            &abi::ChainClient::BYTECODE,
            addresses::SHARD_VALIDATORS.abi_encode(),
        ),
        contract(
            "Mailbox",
            addresses::MAILBOX,
            &abi::Mailbox::BYTECODE,
            (addresses::CHAIN_CLIENT, Address::ZERO, terms.root_chain).abi_encode_params(),
        ),
        contract(
            "ShardValidators",
            addresses::SHARD_VALIDATORS,
            &abi::ShardValidators::BYTECODE,
            (
                addresses::MAILBOX,
                addresses::SHARD_REGISTRY,
                terms.root_chain,
                terms.root_epoch_blocks,
                terms.root_network,
                terms.epoch_blocks,
            )
                .abi_encode_params(),
        ),
    ]
}

/// The call of a shard's genesis block that sets its first committee, when all contracts exist.
pub fn shard_founding_call(terms: &ShardTerms) -> SetupCall {
    let found = abi::ShardValidators::foundCall {
        rootCommittee: terms.root_committee,
        digest: terms.committee,
        validators: terms.validators.clone(),
    };
    call(Address::ZERO, addresses::SHARD_VALIDATORS, &found, U256::ZERO)
}

//! What a block fixes for its transactions, and the header rules of this chain.
//!
//! Prague's rules without what only Ethereum's beacon chain brings: no withdrawals, requests, blobs, ommers or beacon root (their
//! header fields hold the value for "none"); the gas limit is the genesis block's for ever.

use crate::beacon::BeaconNews;
use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, constants::EMPTY_WITHDRAWALS};
use alloy_eips::{eip1559::BaseFeeParams, eip7685::EMPTY_REQUESTS_HASH};
use alloy_primitives::{Address, B64, B256, Bytes, U256};
use revm::{context::BlockEnv, context_interface::block::BlobExcessGasAndPrice, primitives::hardfork::SpecId};

/// The fork whose rules transactions run by: the last one whose EIP-2537 lets contracts verify BLS12-381 certificates.
pub(crate) const SPEC: SpecId = SpecId::PRAGUE;

/// What a block's transactions can see of the block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockContext {
    /// Height; the genesis block's is 0.
    pub number: u64,
    /// Seconds since the Unix epoch. May equal the parent's: blocks come several to a second.
    pub timestamp: u64,
    /// Wei a unit of gas costs before the tip; it is burned (EIP-1559).
    pub base_fee: u64,
    /// Gas the block's transactions may use in all.
    pub gas_limit: u64,
    /// Who receives the tips.
    pub beneficiary: Address,
    /// What the `PREVRANDAO` instruction gives.
    pub prev_randao: B256,
    /// Hash of the parent block.
    pub parent_hash: B256,
    /// What the block brings for the randomness beacon, before its transactions.
    pub beacon: BeaconNews,
}

impl BlockContext {
    /// The context that an existing block had, but for what it brought for the randomness beacon, which no header says.
    pub fn of_header(header: &Header) -> Self {
        Self {
            number: header.number,
            timestamp: header.timestamp,
            base_fee: header.base_fee_per_gas.unwrap_or_default(),
            gas_limit: header.gas_limit,
            beneficiary: header.beneficiary,
            prev_randao: header.mix_hash,
            parent_hash: header.parent_hash,
            beacon: BeaconNews::default(),
        }
    }

    /// The context of a block on top of `parent`, whose hash is `parent_hash`, that says nothing of the randomness beacon.
    pub fn after(parent: &Header, parent_hash: B256, timestamp: u64, beneficiary: Address, prev_randao: B256) -> Self {
        Self {
            number: parent.number + 1,
            timestamp,
            base_fee: next_base_fee(parent),
            gas_limit: parent.gas_limit,
            beneficiary,
            prev_randao,
            parent_hash,
            beacon: BeaconNews::default(),
        }
    }

    /// A header with every field that does not depend on the transactions; the others as for an empty block.
    pub(crate) fn header(&self) -> Header {
        Header {
            parent_hash: self.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: self.beneficiary,
            difficulty: U256::ZERO,
            number: self.number,
            gas_limit: self.gas_limit,
            timestamp: self.timestamp,
            extra_data: Bytes::new(),
            mix_hash: self.prev_randao,
            nonce: B64::ZERO,
            base_fee_per_gas: Some(self.base_fee),
            withdrawals_root: Some(EMPTY_WITHDRAWALS),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }

    pub(crate) fn env(&self) -> BlockEnv {
        BlockEnv {
            number: U256::from(self.number),
            beneficiary: self.beneficiary,
            timestamp: U256::from(self.timestamp),
            gas_limit: self.gas_limit,
            basefee: self.base_fee,
            difficulty: U256::ZERO,
            prevrandao: Some(self.prev_randao),
            blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new_with_spec(0, SPEC)),
            ..BlockEnv::default()
        }
    }
}

/// As high as blocks that are full can raise the base fee, in wei: 9.2 coins a unit of gas.
///
/// A header's is 64 bits wide here, and an eighth more than this has to fit. From a gwei it takes 195 full blocks, each paid for.
pub const BASE_FEE_MAX: u64 = 1 << 63;

/// The base fee of the block after `parent`, in wei (EIP-1559 with Ethereum's parameters), [`BASE_FEE_MAX`] at most.
pub fn next_base_fee(parent: &Header) -> u64 {
    let fee = parent.base_fee_per_gas.unwrap_or_default().min(BASE_FEE_MAX);
    BaseFeeParams::ethereum()
        .next_block_base_fee(parent.gas_used, parent.gas_limit, fee)
        .min(BASE_FEE_MAX)
}

/// Where the `BLOCKHASH` instruction finds the ancestors of the block being executed.
pub trait BlockHashes {
    /// The hash of the ancestor at height `number`.
    ///
    /// Must know the last 256 ancestors: execution stops with a panic otherwise, since an invented hash would fork the chain.
    fn block_hash(&self, number: u64) -> Option<B256>;
}

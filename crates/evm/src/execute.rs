//! Check a block that another proposed: execute it, and compare every field of its header.

use crate::{
    beacon::BeaconNews,
    block::{BlockContext, BlockHashes},
    pack::{Executed, Packer, PushError},
    state::State,
};
use alloy_consensus::{Block, Header, TxEnvelope, transaction::Recovered};
use alloy_primitives::Address;
use std::fmt::Debug;

/// Why a block is not valid on top of its parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// A header field differs from what the rules or the execution give.
    #[error("header field {field} is {found}, not {expected}")]
    Header {
        /// Name of the field.
        field: &'static str,
        /// What it must be.
        expected: String,
        /// What the header says.
        found: String,
    },
    /// The block is older than its parent.
    #[error("timestamp {timestamp} is before the parent's, {parent}")]
    TimestampBeforeParent {
        /// The block's, in seconds.
        timestamp: u64,
        /// The parent's, in seconds.
        parent: u64,
    },
    /// The body holds ommers, or withdrawals other than an empty list.
    #[error("the body holds ommers or withdrawals, which this chain does not have")]
    Body,
    /// The caller's list of senders is not as long as the block's list of transactions.
    #[error("{transactions} transactions, {senders} senders")]
    Senders {
        /// Transactions in the block.
        transactions: usize,
        /// Senders given.
        senders: usize,
    },
    /// A transaction cannot be where it is.
    #[error("transaction {index}")]
    Transaction {
        /// Its place in the block.
        index: usize,
        /// Why.
        source: PushError,
    },
}

/// Executes `block` on the state of its parent and checks that it is valid: every transaction, every header field.
///
/// `senders` are the recovered signers of the block's transactions, in order; the caller answers for them, and for what the block says of
/// the randomness `beacon`, of which only the effect on the state is checked.
///
/// # Errors
///
/// [`InvalidBlock`] says what is wrong first.
pub fn execute(
    parent_header: &Header,
    parent: &State,
    block: &Block<TxEnvelope>,
    senders: &[Address],
    chain_id: u64,
    hashes: &dyn BlockHashes,
    beacon: &BeaconNews,
) -> Result<Executed, InvalidBlock> {
    let header = &block.header;
    if header.timestamp < parent_header.timestamp {
        let (timestamp, parent) = (header.timestamp, parent_header.timestamp);
        return Err(InvalidBlock::TimestampBeforeParent { timestamp, parent });
    }
    if !block.body.ommers.is_empty() || block.body.withdrawals.as_ref().is_none_or(|list| !list.is_empty()) {
        return Err(InvalidBlock::Body);
    }
    let transactions = &block.body.transactions;
    if transactions.len() != senders.len() {
        return Err(InvalidBlock::Senders {
            transactions: transactions.len(),
            senders: senders.len(),
        });
    }
    let context = BlockContext {
        beacon: beacon.clone(),
        ..BlockContext::after(
            parent_header,
            parent_header.hash_slow(),
            header.timestamp,
            header.beneficiary,
            header.mix_hash,
        )
    };
    // What needs no execution comes first: a header that lies about its base fee or gas limit costs us nothing.
    let unexecuted = Header {
        state_root: header.state_root,
        transactions_root: header.transactions_root,
        receipts_root: header.receipts_root,
        logs_bloom: header.logs_bloom,
        gas_used: header.gas_used,
        ..context.header()
    };
    same_header(&unexecuted, header)?;
    let mut packer = Packer::new(parent, context, chain_id, hashes);
    packer.read_ahead(transactions, senders);
    for (index, (transaction, sender)) in transactions.iter().zip(senders).enumerate() {
        packer
            .push_ref(Recovered::new_unchecked(transaction, *sender))
            .map_err(|source| InvalidBlock::Transaction { index, source })?;
    }
    let executed = packer.finish();
    same_header(&executed.header, header)?;
    Ok(executed)
}

fn same_header(expected: &Header, found: &Header) -> Result<(), InvalidBlock> {
    // Naming every field makes a header that gains one fail to compile here.
    let Header {
        parent_hash,
        ommers_hash,
        beneficiary,
        state_root,
        transactions_root,
        receipts_root,
        logs_bloom,
        difficulty,
        number,
        gas_limit,
        gas_used,
        timestamp,
        extra_data,
        mix_hash,
        nonce,
        base_fee_per_gas,
        withdrawals_root,
        blob_gas_used,
        excess_blob_gas,
        parent_beacon_block_root,
        requests_hash,
        block_access_list_hash,
        slot_number,
    } = found;
    same("parentHash", &expected.parent_hash, parent_hash)?;
    same("sha3Uncles", &expected.ommers_hash, ommers_hash)?;
    same("miner", &expected.beneficiary, beneficiary)?;
    same("difficulty", &expected.difficulty, difficulty)?;
    same("number", &expected.number, number)?;
    same("gasLimit", &expected.gas_limit, gas_limit)?;
    same("timestamp", &expected.timestamp, timestamp)?;
    same("extraData", &expected.extra_data, extra_data)?;
    same("mixHash", &expected.mix_hash, mix_hash)?;
    same("nonce", &expected.nonce, nonce)?;
    same("baseFeePerGas", &expected.base_fee_per_gas, base_fee_per_gas)?;
    same("withdrawalsRoot", &expected.withdrawals_root, withdrawals_root)?;
    same("blobGasUsed", &expected.blob_gas_used, blob_gas_used)?;
    same("excessBlobGas", &expected.excess_blob_gas, excess_blob_gas)?;
    same(
        "parentBeaconBlockRoot",
        &expected.parent_beacon_block_root,
        parent_beacon_block_root,
    )?;
    same("requestsHash", &expected.requests_hash, requests_hash)?;
    same(
        "blockAccessListHash",
        &expected.block_access_list_hash,
        block_access_list_hash,
    )?;
    same("slotNumber", &expected.slot_number, slot_number)?;
    same("gasUsed", &expected.gas_used, gas_used)?;
    same("transactionsRoot", &expected.transactions_root, transactions_root)?;
    same("receiptsRoot", &expected.receipts_root, receipts_root)?;
    same("logsBloom", &expected.logs_bloom, logs_bloom)?;
    same("stateRoot", &expected.state_root, state_root)
}

fn same<T: PartialEq + Debug>(field: &'static str, expected: &T, found: &T) -> Result<(), InvalidBlock> {
    if expected == found {
        return Ok(());
    }
    Err(InvalidBlock::Header {
        field,
        expected: format!("{expected:?}"),
        found: format!("{found:?}"),
    })
}

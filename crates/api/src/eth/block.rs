//! Blocks, and the transactions and receipts in them, as JSON-RPC shows them.

use super::error::EthError;
use alloy_consensus::Sealed as SealedHeader;
use alloy_eips::{BlockId, BlockNumberOrTag, eip4895::Withdrawals};
use alloy_primitives::U256;
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{Block, BlockTransactions, Header, Log, Transaction, TransactionReceipt, TransactionTrait};
use chain::{Ledger, Sealed};
use evm::{BlockContext, State};
use std::sync::Arc;

/// The final block that `id` names. `pending` is the latest: nothing speculative is shown. `earliest` is the first that this node has.
pub(crate) fn find(ledger: &Ledger, id: BlockId) -> Result<Option<Arc<Sealed>>, EthError> {
    Ok(match id {
        BlockId::Hash(hash) => ledger.by_hash(hash.block_hash)?,
        BlockId::Number(BlockNumberOrTag::Number(number)) => ledger.by_number(number)?,
        BlockId::Number(BlockNumberOrTag::Earliest) => ledger.by_number(ledger.first())?,
        BlockId::Number(_) => Some(ledger.latest()),
    })
}

/// As [`find`], for methods that cannot go on without.
pub(crate) fn require(ledger: &Ledger, id: BlockId) -> Result<Arc<Sealed>, EthError> {
    find(ledger, id)?.ok_or_else(|| match id {
        BlockId::Number(BlockNumberOrTag::Number(number)) if number < ledger.first() => EthError::HistoryGone {
            number,
            first: ledger.first(),
        },
        _ => EthError::UnknownBlock,
    })
}

/// The state after a block, and what a call there sees of the block. For `pending`, those of the next block.
pub(crate) fn state(ledger: &Ledger, id: Option<BlockId>) -> Result<(BlockContext, State), EthError> {
    let id = id.unwrap_or_default();
    if id.is_pending() {
        return Ok(ledger.pending());
    }
    loop {
        let block = require(ledger, id)?;
        let number = block.header.number;
        if let Some(state) = ledger.state_at(number) {
            return Ok((BlockContext::of_header(&block.header), state));
        }
        // The last block may have left the history since it was looked up; no other comes back.
        if !(id.is_latest() || id.is_safe() || id.is_finalized()) {
            let oldest = ledger.oldest_state();
            return Err(EthError::StateGone { number, oldest });
        }
    }
}

/// A block with its transactions, whole or by hash.
pub(crate) fn show(block: &Sealed, full: bool) -> Block {
    let transactions = if full {
        BlockTransactions::Full(
            (0..block.transactions.len())
                .map(|index| transaction(block, index))
                .collect(),
        )
    } else {
        BlockTransactions::Hashes(
            block
                .transactions
                .iter()
                .map(|transaction| *transaction.tx_hash())
                .collect(),
        )
    };
    Block {
        header: header(block),
        uncles: vec![],
        transactions,
        withdrawals: block.header.withdrawals_root.map(|_| Withdrawals::default()),
    }
}

/// A block's header, with its hash and size.
pub(crate) fn header(block: &Sealed) -> Header {
    let sealed = SealedHeader::new_unchecked(block.header.clone(), block.hash);
    Header::from_consensus(sealed, None, Some(U256::from(size(block))))
}

/// Bytes of the block in Ethereum's encoding: header, transactions, no ommers, and no withdrawals if its
/// fork has a list of them.
fn size(block: &Sealed) -> usize {
    let list = |payload_length| {
        alloy_rlp::Header {
            list: true,
            payload_length,
        }
        .length_with_payload()
    };
    let transactions = block
        .transactions
        .iter()
        .map(|transaction| transaction.inner().length())
        .sum();
    let withdrawals = block.header.withdrawals_root.map_or(0, |_| list(0));
    list(block.header.length() + list(transactions) + list(0) + withdrawals)
}

/// The transaction at `index` of a block, which must exist.
pub(crate) fn transaction(block: &Sealed, index: usize) -> Transaction {
    let inner = block.transactions[index].clone();
    Transaction {
        effective_gas_price: Some(inner.effective_gas_price(block.header.base_fee_per_gas)),
        inner,
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        transaction_index: Some(index as u64),
        block_timestamp: Some(block.header.timestamp),
    }
}

/// The transaction at `index` of the block that `id` names, if both exist.
pub(crate) fn transaction_at(ledger: &Ledger, id: BlockId, index: usize) -> Result<Option<Transaction>, EthError> {
    let found = find(ledger, id)?;
    Ok(found
        .filter(|found| index < found.transactions.len())
        .map(|found| transaction(&found, index)))
}

/// The receipts of a block, in order.
pub(crate) fn receipts(block: &Sealed) -> Vec<TransactionReceipt> {
    let (mut first_log, mut gas_before) = (0, 0);
    block
        .receipts
        .iter()
        .enumerate()
        .map(|(index, receipt)| {
            let transaction = &block.transactions[index];
            let gas_used = receipt.cumulative_gas_used() - gas_before;
            gas_before = receipt.cumulative_gas_used();
            let mut log_index = first_log;
            let inner = receipt.clone().map_logs(|log| {
                log_index += 1;
                show_log(block, index, log_index - 1, log)
            });
            first_log = log_index;
            let sender = transaction.signer();
            TransactionReceipt {
                inner,
                transaction_hash: *transaction.tx_hash(),
                transaction_index: Some(index as u64),
                block_hash: Some(block.hash),
                block_number: Some(block.header.number),
                gas_used,
                effective_gas_price: transaction.effective_gas_price(block.header.base_fee_per_gas),
                blob_gas_used: None,
                blob_gas_price: None,
                from: sender,
                to: transaction.to(),
                contract_address: transaction.is_create().then(|| sender.create(transaction.nonce())),
            }
        })
        .collect()
}

/// A log of the transaction at `transaction_index`; `log_index` counts through the block.
pub(crate) fn show_log(block: &Sealed, transaction_index: usize, log_index: u64, log: alloy_primitives::Log) -> Log {
    Log {
        inner: log,
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(*block.transactions[transaction_index].tx_hash()),
        transaction_index: Some(transaction_index as u64),
        log_index: Some(log_index),
        removed: false,
    }
}

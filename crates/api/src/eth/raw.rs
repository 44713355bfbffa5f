//! `debug_getRaw*`: blocks, headers, receipts and transactions as Ethereum encodes them.

use super::{block, error::EthError, transaction};
use alloy_consensus::{BlockBody, TxEnvelope};
use alloy_eips::{BlockId, eip2718::Encodable2718 as _};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Encodable as _;
use chain::Ledger;

/// RLP of a block's header.
pub(crate) fn header(ledger: &Ledger, id: BlockId) -> Result<Bytes, EthError> {
    let found = block::require(ledger, id)?;
    let mut bytes = Vec::with_capacity(found.header.length());
    found.header.encode(&mut bytes);
    Ok(bytes.into())
}

/// RLP of a block.
pub(crate) fn block(ledger: &Ledger, id: BlockId) -> Result<Bytes, EthError> {
    let found = block::require(ledger, id)?;
    let transactions = found.transactions.iter().map(|transaction| transaction.inner().clone());
    let whole = alloy_consensus::Block::<TxEnvelope>::new(
        found.header.clone(),
        BlockBody {
            transactions: transactions.collect(),
            ommers: Vec::new(),
            withdrawals: found.header.withdrawals_root.map(|_| Default::default()),
        },
    );
    let mut bytes = Vec::with_capacity(whole.length());
    whole.encode(&mut bytes);
    Ok(bytes.into())
}

/// The receipts of a block, each in its own encoding (EIP-2718).
pub(crate) fn receipts(ledger: &Ledger, id: BlockId) -> Result<Vec<Bytes>, EthError> {
    let found = block::require(ledger, id)?;
    Ok(found
        .receipts
        .iter()
        .map(|receipt| receipt.encoded_2718().into())
        .collect())
}

/// A transaction, final or waiting, in its encoding (EIP-2718); no bytes where there is none, as geth answers.
pub(crate) fn transaction(ledger: &Ledger, hash: B256) -> Result<Bytes, EthError> {
    let found = transaction::find(ledger, hash)?;
    Ok(found.map(|found| found.inner.encoded_2718().into()).unwrap_or_default())
}

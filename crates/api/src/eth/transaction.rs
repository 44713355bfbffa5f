//! Transactions: taken in, found again, waited for.

use super::{block, error::EthError, intake::Intake};
use alloy_consensus::Transaction as _;
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::{Transaction, TransactionReceipt};
use chain::Ledger;
use std::time::Duration;
use tokio::{sync::broadcast::error::RecvError, time::timeout};

/// Longest that a client may wait within one request for its transaction's block.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// The transaction with this hash: final, or waiting in the pool.
pub(crate) fn find(ledger: &Ledger, hash: B256) -> Result<Option<Transaction>, EthError> {
    // The pool first: a transaction that leaves it meanwhile is found in its block.
    if let Some(pooled) = ledger.pool().get(&hash)
        && ledger.transaction(hash)?.is_none()
    {
        return Ok(Some(waiting(pooled.transaction.clone())));
    }
    Ok(ledger
        .transaction(hash)?
        .map(|(found, index)| block::transaction(&found, index)))
}

/// A transaction that is in no block yet. What it would pay at most stands for what it pays, as in Ethereum's clients.
pub(crate) fn waiting(transaction: evm::Transaction) -> Transaction {
    let effective_gas_price = Some(transaction.max_fee_per_gas());
    Transaction {
        inner: transaction,
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price,
        block_timestamp: None,
    }
}

/// The receipt of a final transaction.
pub(crate) fn receipt(ledger: &Ledger, hash: B256) -> Result<Option<TransactionReceipt>, EthError> {
    let Some((found, index)) = ledger.transaction(hash)? else {
        return Ok(None);
    };
    Ok(block::receipts(&found).into_iter().nth(index))
}

/// Takes a transaction in and waits until it is final (EIP-7966).
///
/// # Errors
///
/// [`EthError::NotYetIncluded`] where that takes longer than the client, or this node, wants to wait.
pub(crate) async fn submit_and_wait(
    ledger: &Ledger,
    intake: &Intake,
    raw: Bytes,
    wait_ms: Option<u64>,
) -> Result<TransactionReceipt, EthError> {
    let wait = wait_ms.map_or(WAIT_MAX, |ms| Duration::from_millis(ms).min(WAIT_MAX));
    let mut blocks = ledger.subscribe();
    let hash = intake.submit(raw).await?;
    let included = async {
        loop {
            if let Some(receipt) = receipt(ledger, hash)? {
                return Ok(receipt);
            }
            match blocks.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(EthError::NotYetIncluded { seconds: 0 }),
            }
        }
    };
    timeout(wait, included).await.unwrap_or(Err(EthError::NotYetIncluded {
        seconds: wait.as_secs(),
    }))
}

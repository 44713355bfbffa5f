//! The states of all blocks, made again from the blocks.

use super::{History, LedgerError, Sealed, StateHistory};
use crate::{
    block::EthereumBlock,
    store::{Store, StoreError},
};
use alloy_consensus::{BlockBody, Header};
use alloy_primitives::{Address, B256};
use evm::{BlockHashes, State, Transaction};
use std::sync::Arc;

/// Executes every block in `store` up to `latest` on top of the genesis state, and keeps all states.
///
/// # Errors
///
/// [`StoreError::Corrupt`] where a block is missing, [`LedgerError::Invalid`] where one does not execute to its own header.
pub(super) fn replay(
    genesis: &Header,
    genesis_state: State,
    latest: &Sealed,
    store: &Store,
    chain_id: u64,
) -> Result<History, LedgerError> {
    let stored = |number| -> Result<Sealed, LedgerError> {
        let block = store.block(number)?;
        Ok(block.ok_or(StoreError::Corrupt { what: "block" })?)
    };
    let first = stored(genesis.number)?;
    let mut history = History::new(Arc::new(first), genesis_state, StateHistory::All);
    for number in genesis.number + 1..=latest.header.number {
        let sealed = stored(number)?;
        let senders: Vec<Address> = sealed.transactions.iter().map(Transaction::signer).collect();
        let executed = evm::execute(
            &history.latest().header,
            history.latest_state(),
            &ethereum(&sealed),
            &senders,
            chain_id,
            &Past(&history),
            &sealed.beacon,
        )
        .map_err(|source| LedgerError::Invalid {
            hash: sealed.hash,
            source: Box::new(source),
        })?;
        let changes = executed.hashed.rows();
        history.push(Arc::new(sealed), executed.state, changes);
    }
    Ok(history)
}

/// The block as validators exchange it.
fn ethereum(sealed: &Sealed) -> EthereumBlock {
    let transactions = sealed
        .transactions
        .iter()
        .map(|transaction| transaction.inner().clone());
    EthereumBlock::new(
        sealed.header.clone(),
        BlockBody {
            transactions: transactions.collect(),
            ommers: Vec::new(),
            withdrawals: sealed.header.withdrawals_root.map(|_| Default::default()),
        },
    )
}

/// The blocks replayed so far, as the `BLOCKHASH` instruction sees them.
pub(super) struct Past<'a>(pub(super) &'a History);

impl BlockHashes for Past<'_> {
    fn block_hash(&self, number: u64) -> Option<B256> {
        self.0.hash(number)
    }
}

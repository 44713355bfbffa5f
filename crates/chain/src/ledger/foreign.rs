//! A ledger over another network's chain, for conformance suites that bring one. No node opens such a ledger.

use super::{History, Ledger, LedgerError, Sealed, StateHistory, archive::Past};
use crate::{block::EthereumBlock, pool::PoolLimits, store::Store};
use alloy_consensus::{Header, transaction::SignerRecoverable as _};
use evm::{Diff, State, Transaction, foreign::Network};
use std::sync::Arc;

impl Ledger {
    /// Opens a chain that others made, in an empty store: its blocks are executed by `network`'s forks and checked against their
    /// headers' roots. All states are kept. Blocks can be asked for, and called on top of; none can be added.
    ///
    /// Ommers and withdrawals are paid for but not kept, since Aloft's own blocks have none.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Foreign`] where a block does not execute to its header, [`LedgerError::InvalidSignature`],
    /// [`LedgerError::Store`].
    pub fn open_foreign(
        network: &Network,
        genesis: Header,
        allocation: &Diff,
        blocks: &[EthereumBlock],
        store: Store,
        limits: PoolLimits,
    ) -> Result<Self, LedgerError> {
        let mut state = State::empty();
        state.apply(allocation);
        let first = Sealed {
            hash: genesis.hash_slow(),
            header: genesis.clone(),
            beacon: Default::default(),
            transactions: Vec::new(),
            receipts: Vec::new(),
        };
        store.append(&first, &allocation.hashed())?;
        let mut history = History::new(Arc::new(first), state, StateHistory::All);
        for block in blocks {
            let hash = block.header.hash_slow();
            let latest = history.latest().hash;
            if block.header.parent_hash != latest {
                return Err(LedgerError::NotNext { hash, latest });
            }
            let transactions: Vec<Transaction> = block
                .body
                .transactions
                .iter()
                .enumerate()
                .map(|(index, transaction)| {
                    let sender = transaction.recover_signer();
                    let sender = sender.map_err(|_| LedgerError::InvalidSignature { hash, index })?;
                    Ok(Transaction::new_unchecked(transaction.clone(), sender))
                })
                .collect::<Result<_, LedgerError>>()?;
            let senders: Vec<_> = transactions.iter().map(Transaction::signer).collect();
            let replayed = network
                .replay(history.latest_state(), block, &senders, &Past(&history))
                .map_err(|source| LedgerError::Foreign {
                    hash,
                    source: Box::new(source),
                })?;
            let sealed = Sealed {
                hash,
                header: block.header.clone(),
                beacon: Default::default(),
                transactions,
                receipts: replayed.receipts,
            };
            let changes = replayed.diff.hashed();
            store.append(&sealed, &changes)?;
            history.push(Arc::new(sealed), replayed.state, changes.rows());
        }
        Ok(Self::assemble(network.chain_id, genesis, 0, history, store, limits))
    }
}

//! Transactions that wait, as the last state has their senders.

use super::Ledger;
use crate::pool::{AccountFunds, Origin, Pool, PoolError};
use alloy_primitives::{Address, B256};
use evm::{State, Transaction};

impl Ledger {
    /// Takes a transaction from a user: it waits here, and the other validators are told.
    ///
    /// # Errors
    ///
    /// [`PoolError`], in the words wallets expect.
    pub fn submit(&self, raw: &[u8]) -> Result<B256, PoolError> {
        let transaction = self.pool().admit(raw)?;
        self.insert(transaction, &self.latest_state(), Origin::User)
    }

    /// As [`Self::submit`], of many: their senders are recovered side by side, which is several times as fast.
    pub fn submit_all(&self, batch: &[impl AsRef<[u8]> + Sync]) -> Vec<Result<B256, PoolError>> {
        self.take(batch, Origin::User)
    }

    /// Takes transactions that another validator told us of. Says of each whether it waits here now.
    pub fn receive(&self, batch: &[impl AsRef<[u8]> + Sync]) -> Vec<Result<B256, PoolError>> {
        self.take(batch, Origin::Validator)
    }

    fn take(&self, batch: &[impl AsRef<[u8]> + Sync], origin: Origin) -> Vec<Result<B256, PoolError>> {
        let admitted = self.pool().admit_all(batch).into_iter();
        let state = self.latest_state();
        let insert = |transaction| self.insert(transaction, &state, origin);
        admitted.map(|transaction| transaction.and_then(insert)).collect()
    }

    pub(super) fn insert(&self, transaction: Transaction, state: &State, origin: Origin) -> Result<B256, PoolError> {
        let funds = funds(state, &transaction.signer());
        self.pool().insert(transaction, funds, origin)
    }

    /// The waiting transactions.
    pub fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    /// Whether a transaction waits that could go into a block on top of `parent`.
    pub fn any_ready(&self, parent: &B256) -> bool {
        let Some((header, state)) = self.chain().executed(parent) else {
            return false;
        };
        let nonce = |sender: &Address| state.account(sender).map_or(0, |account| account.nonce);
        self.pool().any_ready(evm::next_base_fee(&header), nonce)
    }
}

pub(super) fn funds(state: &State, sender: &Address) -> AccountFunds {
    let account = state.account(sender);
    account.map_or_else(AccountFunds::default, |account| AccountFunds {
        nonce: account.nonce,
        balance_wei: account.balance,
    })
}

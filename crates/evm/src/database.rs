//! How revm reads a [`State`].

use crate::{
    block::BlockHashes,
    state::{State, stored_slot},
    trie::Trie,
};
use alloy_primitives::{Address, B256, U256};
use revm::{Database, bytecode::Bytecode, state::AccountInfo};
use std::convert::Infallible;

/// A state and the hashes of its ancestors, as revm reads them.
pub(crate) struct Reader<'a> {
    state: State,
    hashes: &'a dyn BlockHashes,
    /// The storage read last: a contract's slots are mostly read one after another.
    last: Option<(Address, Trie<U256>)>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(state: State, hashes: &'a dyn BlockHashes) -> Self {
        Self {
            state,
            hashes,
            last: None,
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }
}

impl Database for Reader<'_> {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.state.account(&address).map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: None,
        }))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self
            .state
            .bytecode(&hash)
            .expect("a state holds the code of each of its accounts"))
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Infallible> {
        if let Some((last, storage)) = &self.last
            && *last == address
        {
            return Ok(stored_slot(storage, slot));
        }
        let storage = self
            .state
            .stored(&address)
            .map(|stored| stored.storage.clone())
            .unwrap_or_default();
        let value = stored_slot(&storage, slot);
        self.last = Some((address, storage));
        Ok(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        // revm asks only for the 256 ancestors that BLOCKHASH may answer for.
        Ok(self
            .hashes
            .block_hash(number)
            .expect("the hashes of the last 256 ancestors are known"))
    }
}

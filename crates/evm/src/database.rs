//! How revm reads a [`State`].

use crate::{
    block::BlockHashes,
    state::{Parent, State, StoredAccount, stored_slot},
};
use alloy_primitives::{Address, B256, U256, map::AddressMap};
use crypto::keccak::hash_all;
use revm::{Database, bytecode::Bytecode, state::AccountInfo};
use std::convert::Infallible;

/// A state and the hashes of its ancestors, as revm reads them.
pub(crate) struct Reader<'a> {
    state: State,
    hashes: &'a dyn BlockHashes,
    /// The accounts read so far: each was a walk through a trie that is nowhere near the processor.
    accounts: AddressMap<Option<StoredAccount>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(state: State, hashes: &'a dyn BlockHashes) -> Self {
        Self {
            state,
            hashes,
            accounts: AddressMap::default(),
        }
    }

    /// Reads accounts that are going to be asked for: together, which is faster.
    pub(crate) fn read_ahead(&mut self, mut addresses: Vec<Address>) {
        addresses.sort_unstable();
        addresses.dedup();
        let bytes: Vec<&[u8]> = addresses.iter().map(|address| address.as_slice()).collect();
        let mut keys: Vec<_> = hash_all(&bytes).into_iter().zip(addresses).collect();
        // Neighbours in the trie one after the other: they share most of their paths.
        keys.sort_unstable_by_key(|(key, _)| *key);
        self.accounts.reserve(keys.len());
        for (key, address) in keys {
            let stored = self.state.stored_at(&key).cloned();
            self.accounts.insert(address, stored);
        }
    }

    fn stored(&mut self, address: Address) -> Option<&StoredAccount> {
        let read = self.accounts.entry(address);
        read.or_insert_with(|| self.state.stored(&address).cloned()).as_ref()
    }

    /// The state, and what was read of it.
    pub(crate) fn parent(&self) -> Parent<'_> {
        Parent {
            state: &self.state,
            read: Some(&self.accounts),
        }
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }
}

impl Database for Reader<'_> {
    type Error = Infallible;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.stored(address).map(|StoredAccount { account, .. }| AccountInfo {
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
        Ok(self
            .stored(address)
            .map_or(U256::ZERO, |stored| stored_slot(&stored.storage, slot)))
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Infallible> {
        // revm asks only for the 256 ancestors that BLOCKHASH may answer for.
        Ok(self
            .hashes
            .block_hash(number)
            .expect("the hashes of the last 256 ancestors are known"))
    }
}

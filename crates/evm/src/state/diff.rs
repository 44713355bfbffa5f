//! What a block changes: enough to make the next state from its parent's, and what a store writes.

use super::{Account, State, StoredAccount, slot_keys};
use crate::trie::Trie;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, map::AddressMap};
use crypto::keccak::hash_all;
use revm::state::EvmState;
use std::collections::BTreeMap;

/// Changes to a state, in a fixed order. Holds only what differs from the parent state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The accounts that changed.
    pub accounts: BTreeMap<Address, AccountDiff>,
    /// New code by its Keccak-256.
    pub codes: BTreeMap<B256, Bytes>,
}

/// How one account changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountDiff {
    /// The account afterwards, whether or not this part changed; `None`: it is gone, with its storage.
    pub account: Option<Account>,
    /// Whether all slots stored before are gone (the address was created anew); `slots` come on top.
    pub wiped: bool,
    /// Slots that changed; zero: gone.
    pub slots: BTreeMap<U256, U256>,
}

/// A [`Diff`] under the names that tries have, Keccak-256 of addresses and slots: what a state and a store are changed by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashedDiff {
    /// The accounts that changed, by Keccak-256 of the address, ascending.
    pub accounts: Vec<(B256, HashedAccountDiff)>,
    /// New code by its Keccak-256.
    pub codes: BTreeMap<B256, Bytes>,
}

/// An [`AccountDiff`] whose slots have the names that tries have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HashedAccountDiff {
    /// The account afterwards; `None`: it is gone, with its storage.
    pub account: Option<Account>,
    /// Whether all slots stored before are gone; `slots` come on top.
    pub wiped: bool,
    /// Slots that changed by Keccak-256 of the slot, ascending; zero: gone.
    pub slots: Vec<(B256, U256)>,
}

impl HashedDiff {
    /// Accounts and slots that changed: what the change of a state costs.
    pub fn rows(&self) -> usize {
        let slots: usize = self.accounts.iter().map(|(_, change)| change.slots.len()).sum();
        self.accounts.len() + slots
    }
}

impl HashedAccountDiff {
    /// Whether no slot stored before is there afterwards.
    pub fn empties_storage(&self) -> bool {
        self.wiped || self.account.is_none()
    }
}

impl Diff {
    /// The same changes under hashed names. Hashes every name once, eight at a time.
    pub fn hashed(&self) -> HashedDiff {
        let addresses: Vec<&[u8]> = self.accounts.keys().map(|address| address.as_slice()).collect();
        let hashed = |change: &AccountDiff| {
            let mut slots: Vec<_> = slot_keys(change.slots.keys())
                .into_iter()
                .zip(change.slots.values().copied())
                .collect();
            slots.sort_unstable_by_key(|(key, _)| *key);
            HashedAccountDiff {
                account: change.account,
                wiped: change.wiped,
                slots,
            }
        };
        let changes = self.accounts.values().map(hashed);
        let mut accounts: Vec<_> = hash_all(&addresses).into_iter().zip(changes).collect();
        accounts.sort_unstable_by_key(|(key, _)| *key);
        HashedDiff {
            accounts,
            codes: self.codes.clone(),
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.codes.is_empty()
    }

    /// Adds changes that were made after these.
    pub fn append(&mut self, later: Diff) {
        for (address, change) in later.accounts {
            let earlier = self.accounts.entry(address).or_default();
            if change.wiped || change.account.is_none() {
                earlier.slots.clear();
                earlier.wiped = true;
            }
            earlier.account = change.account;
            earlier.slots.extend(change.slots);
        }
        self.codes.extend(later.codes);
    }

    /// What revm's journal changed since `parent`, by the rules of EIP-161: an account left empty is gone.
    ///
    /// The journal spans many transactions: an account counts as destroyed only if the last transaction that touched it
    /// destroyed it (revm empties it when a later one loads it), and its slots' `original_value` is not the parent's.
    pub(crate) fn of_journal<'a>(parent: impl Into<Parent<'a>>, journal: EvmState) -> Self {
        Self::collect(parent.into(), journal, false)
    }

    /// As [`Diff::of_journal`] by the rules before EIP-161: an account that was touched exists, though it be empty.
    pub(crate) fn of_journal_with_empty(parent: &State, journal: EvmState) -> Self {
        Self::collect(parent.into(), journal, true)
    }

    fn collect(parent: Parent<'_>, journal: EvmState, keep_empty: bool) -> Self {
        let mut diff = Self::default();
        for (address, touched) in journal {
            if !touched.is_touched() {
                continue;
            }
            let before = parent.stored(&address);
            if touched.is_selfdestructed_locally() || (touched.is_empty() && !keep_empty) {
                if before.is_some() {
                    diff.accounts.insert(
                        address,
                        AccountDiff {
                            wiped: true,
                            ..AccountDiff::default()
                        },
                    );
                }
                continue;
            }
            let info = touched.info;
            let account = Account {
                nonce: info.nonce,
                balance: info.balance,
                code_hash: info.code_hash,
            };
            let new = touched.status.intersects(NEW);
            let empty = Trie::default();
            let stored = before.filter(|_| !new).map_or(&empty, |before| &before.storage);
            let keys = slot_keys(touched.storage.keys());
            let slots: BTreeMap<_, _> = touched
                .storage
                .into_iter()
                .zip(keys)
                .map(|((slot, value), key)| (slot, value.present_value, stored.get(&key)))
                .filter(|(_, value, before)| before.copied().unwrap_or_default() != *value)
                .map(|(slot, value, _)| (slot, value))
                .collect();
            if let Some(code) = info.code
                && info.code_hash != KECCAK256_EMPTY
                && before.is_none_or(|before| before.account.code_hash != info.code_hash)
            {
                diff.codes.insert(info.code_hash, code.original_bytes());
            }
            let wiped = new && before.is_some();
            if wiped || !slots.is_empty() || before.is_none_or(|before| before.account != account) {
                diff.accounts.insert(
                    address,
                    AccountDiff {
                        account: Some(account),
                        wiped,
                        slots,
                    },
                );
            }
        }
        diff
    }
}

/// The state before a block, with the accounts that its execution has read already.
#[derive(Clone, Copy)]
pub(crate) struct Parent<'a> {
    pub(crate) state: &'a State,
    pub(crate) read: Option<&'a AddressMap<Option<StoredAccount>>>,
}

impl<'a> Parent<'a> {
    fn stored(&self, address: &Address) -> Option<&'a StoredAccount> {
        match self.read.and_then(|read| read.get(address)) {
            Some(read) => read.as_ref(),
            None => self.state.stored(address),
        }
    }
}

impl<'a> From<&'a State> for Parent<'a> {
    fn from(state: &'a State) -> Self {
        Self { state, read: None }
    }
}

/// An account with either mark began the block without the storage it has now.
const NEW: revm::state::AccountStatus =
    revm::state::AccountStatus::Created.union(revm::state::AccountStatus::SelfDestructed);

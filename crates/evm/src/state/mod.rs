//! The world state: every account, its storage and its code, under one Merkle root.
//!
//! A [`State`] is persistent: cloning is O(1) and a changed copy shares all it did not change, so each recent block keeps its own
//! whole state, execution reads its parent's without overlays, and a proof at any of those blocks is a walk.

mod diff;
mod range;
#[cfg(test)]
mod tests;

use crate::trie::{Leaf, Trie};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_trie::TrieAccount;
use crypto::keccak::hash_all;
pub(crate) use diff::Parent;
pub use diff::{AccountDiff, Diff, HashedAccountDiff, HashedDiff};
pub use range::{AccountPage, AccountRow, EMPTY_ROOT, SlotPage};
use revm::bytecode::Bytecode;

/// What an address has, but for its storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Transactions sent, or contracts created by a contract.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Keccak-256 of the code; that of nothing where there is no code.
    pub code_hash: B256,
}

impl Account {
    /// An account without code.
    pub fn with_balance(balance: U256) -> Self {
        Self {
            nonce: 0,
            balance,
            code_hash: KECCAK256_EMPTY,
        }
    }

    /// As a leaf of the trie has it, with the root of its storage.
    fn in_trie(self, storage_root: B256) -> TrieAccount {
        let Self {
            nonce,
            balance,
            code_hash,
        } = self;
        TrieAccount {
            nonce,
            balance,
            storage_root,
            code_hash,
        }
    }

    /// Whether the account holds nothing, and so must not be in the state (EIP-161).
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }
}

/// An account as the trie holds it.
#[derive(Clone, Debug)]
pub(crate) struct StoredAccount {
    pub(crate) account: Account,
    pub(crate) storage: Trie<U256>,
}

impl Leaf for StoredAccount {
    fn encode(&self, out: &mut Vec<u8>) {
        let written = self.account.in_trie(self.storage.root());
        alloy_rlp::Encodable::encode(&written, out);
    }
}

/// Accounts, storage and code. See the module.
#[derive(Clone, Debug, Default)]
pub struct State {
    accounts: Trie<StoredAccount>,
    /// By code hash. A code stays once seen: other accounts may share it.
    codes: Trie<Bytecode>,
}

impl State {
    /// A state without accounts.
    pub fn empty() -> Self {
        Self::default()
    }

    /// The Merkle Patricia root that headers carry. Costs the accounts and slots changed since a root was last asked for.
    pub fn root(&self) -> B256 {
        self.accounts.root()
    }

    /// The account at `address`, if it exists.
    pub fn account(&self, address: &Address) -> Option<Account> {
        self.stored(address).map(|stored| stored.account)
    }

    /// The value of a storage slot; zero where nothing was stored.
    pub fn storage(&self, address: &Address, slot: U256) -> U256 {
        self.stored(address)
            .map_or(U256::ZERO, |stored| stored_slot(&stored.storage, slot))
    }

    /// The code whose Keccak-256 is `hash`, where the state holds it. The hash of nothing gives no bytes.
    pub fn code(&self, hash: &B256) -> Option<Bytes> {
        self.bytecode(hash).map(|code| code.original_bytes())
    }

    /// Proves what an address has, and some of its slots, against [`Self::root`] (EIP-1186); absence is proved too.
    pub fn proof(&self, address: &Address, slots: &[U256]) -> AccountProof {
        let key = keccak256(address);
        let stored = self.accounts.get(&key);
        let storage = stored.map(|stored| stored.storage.clone()).unwrap_or_default();
        AccountProof {
            address: *address,
            account: stored.map(|stored| stored.account),
            storage_root: storage.root(),
            proof: self.accounts.proof(&key),
            storage: slots
                .iter()
                .map(|&slot| SlotProof {
                    slot,
                    value: stored_slot(&storage, slot),
                    proof: storage.proof(&slot_key(slot)),
                })
                .collect(),
        }
    }

    /// Makes the changes of `diff`.
    pub fn apply(&mut self, diff: &Diff) {
        self.apply_hashed(&diff.hashed());
    }

    /// Makes the changes of `diff`, whose names are hashed already.
    pub fn apply_hashed(&mut self, diff: &HashedDiff) {
        for (hash, code) in &diff.codes {
            self.codes.insert(*hash, Bytecode::new_raw(code.clone()));
        }
        // Neighbours in the trie come one after the other: they share most of their paths.
        for (key, change) in &diff.accounts {
            let Some(account) = change.account else {
                self.accounts.remove(key);
                continue;
            };
            self.accounts.update(*key, |stored| {
                let stored = stored.filter(|_| !change.wiped);
                let mut storage = stored.map_or_else(Trie::default, |stored| std::mem::take(&mut stored.storage));
                for (slot, value) in &change.slots {
                    if value.is_zero() {
                        storage.remove(slot);
                    } else {
                        storage.insert(*slot, *value);
                    }
                }
                StoredAccount { account, storage }
            });
        }
    }

    pub(crate) fn stored(&self, address: &Address) -> Option<&StoredAccount> {
        self.stored_at(&keccak256(address))
    }

    /// The account whose address has this Keccak-256.
    pub(crate) fn stored_at(&self, key: &B256) -> Option<&StoredAccount> {
        self.accounts.get(key)
    }

    pub(crate) fn bytecode(&self, hash: &B256) -> Option<Bytecode> {
        if *hash == KECCAK256_EMPTY {
            return Some(Bytecode::default());
        }
        self.codes.get(hash).cloned()
    }
}

/// The keys of many slots, hashed together.
fn slot_keys<'a>(slots: impl Iterator<Item = &'a U256>) -> Vec<B256> {
    let written: Vec<[u8; 32]> = slots.map(U256::to_be_bytes).collect();
    let written: Vec<&[u8]> = written.iter().map(<[u8; 32]>::as_slice).collect();
    hash_all(&written)
}

fn slot_key(slot: U256) -> B256 {
    keccak256(slot.to_be_bytes::<32>())
}

pub(crate) fn stored_slot(storage: &Trie<U256>, slot: U256) -> U256 {
    storage.get(&slot_key(slot)).copied().unwrap_or_default()
}

/// What an address has, with the trie nodes that prove it (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// Whose account.
    pub address: Address,
    /// The account; `None` where the proof shows that there is none.
    pub account: Option<Account>,
    /// Root of the account's storage.
    pub storage_root: B256,
    /// RLP of the nodes from the state root towards the account.
    pub proof: Vec<Bytes>,
    /// The slots asked for, in that order.
    pub storage: Vec<SlotProof>,
}

/// The value of a slot, with the trie nodes that prove it against [`AccountProof::storage_root`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotProof {
    /// Which slot.
    pub slot: U256,
    /// Its value; zero where the proof shows that there is none.
    pub value: U256,
    /// RLP of the nodes from the storage root towards the slot.
    pub proof: Vec<Bytes>,
}

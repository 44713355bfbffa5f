//! The rows of the flat state, and of the index of transactions.

use super::{StoreError, pending::Slice};
use alloy_primitives::{B256, U256};
use evm::{Account, HashedDiff};
use redb::{Table, TableDefinition, WriteTransaction};
use std::ops::RangeInclusive;

pub(super) const ACCOUNTS: TableDefinition<&[u8; 32], &[u8; 72]> = TableDefinition::new("accounts");
pub(super) const SLOTS: TableDefinition<&SlotKey, &[u8; 32]> = TableDefinition::new("slots");
pub(super) const CODES: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("codes");
pub(super) const TRANSACTIONS: TableDefinition<&[u8; 32], (u64, u32)> = TableDefinition::new("transactions");

/// Keccak-256 of the address, then of the slot.
pub(super) type SlotKey = [u8; 64];

/// Makes the changes of `diff` to tables that lack nothing.
pub(super) fn put_diff(write: &WriteTransaction, diff: &HashedDiff) -> Result<(), StoreError> {
    let mut codes = write.open_table(CODES)?;
    for (hash, code) in &diff.codes {
        codes.insert(&hash.0, code.as_ref())?;
    }
    let mut rows = Rows::open(write)?;
    rows.wipe(diff)?;
    rows.put(diff)
}

/// The tables that may be behind, in a transaction.
pub(super) struct Rows<'a> {
    accounts: Table<'a, &'static [u8; 32], &'static [u8; 72]>,
    slots: Table<'a, &'static SlotKey, &'static [u8; 32]>,
    transactions: Table<'a, &'static [u8; 32], (u64, u32)>,
}

impl<'a> Rows<'a> {
    pub(super) fn open(write: &'a WriteTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            accounts: write.open_table(ACCOUNTS)?,
            slots: write.open_table(SLOTS)?,
            transactions: write.open_table(TRANSACTIONS)?,
        })
    }

    /// Writes what is pending of a slice.
    pub(super) fn fold(&mut self, slice: &Slice) -> Result<(), StoreError> {
        for (key, account) in &slice.accounts {
            self.put_account(key, account.as_ref())?;
        }
        for (key, value) in &slice.slots {
            self.put_slot(key, *value)?;
        }
        for (hash, place) in &slice.transactions {
            self.put_transaction(hash, *place)?;
        }
        Ok(())
    }

    pub(super) fn put_transaction(&mut self, hash: &B256, place: (u64, u32)) -> Result<(), StoreError> {
        self.transactions.insert(&hash.0, place)?;
        Ok(())
    }

    /// Writes the changes of `diff`, of which nothing is wiped that is there.
    pub(super) fn put(&mut self, diff: &HashedDiff) -> Result<(), StoreError> {
        for (account, change) in &diff.accounts {
            self.put_account(account, change.account.as_ref())?;
            for (slot, value) in &change.slots {
                self.put_slot(&slot_key(account, slot), *value)?;
            }
        }
        Ok(())
    }

    /// Removes the slots of accounts that `diff` removes or makes anew.
    pub(super) fn wipe(&mut self, diff: &HashedDiff) -> Result<(), StoreError> {
        for (account, change) in &diff.accounts {
            if change.empties_storage() {
                let slots = slots_of(account);
                self.slots
                    .retain_in::<&SlotKey, _>(slots.start()..=slots.end(), |_, _| false)?;
            }
        }
        Ok(())
    }

    pub(super) fn put_account(&mut self, key: &B256, account: Option<&Account>) -> Result<(), StoreError> {
        match account {
            Some(account) => self.accounts.insert(&key.0, &account_bytes(account))?,
            None => self.accounts.remove(&key.0)?,
        };
        Ok(())
    }

    pub(super) fn put_slot(&mut self, key: &SlotKey, value: U256) -> Result<(), StoreError> {
        if value.is_zero() {
            self.slots.remove(key)?;
        } else {
            self.slots.insert(key, &value.to_be_bytes::<32>())?;
        }
        Ok(())
    }
}

pub(super) fn slot_key(account: &B256, slot: &B256) -> SlotKey {
    let mut key = [0; 64];
    key[..32].copy_from_slice(account.as_slice());
    key[32..].copy_from_slice(slot.as_slice());
    key
}

/// The keys of all slots of an account.
pub(super) fn slots_of(account: &B256) -> RangeInclusive<SlotKey> {
    slot_key(account, &B256::ZERO)..=slot_key(account, &B256::repeat_byte(0xff))
}

pub(super) fn account_bytes(account: &Account) -> [u8; 72] {
    let mut bytes = [0; 72];
    bytes[..8].copy_from_slice(&account.nonce.to_be_bytes());
    bytes[8..40].copy_from_slice(&account.balance.to_be_bytes::<32>());
    bytes[40..].copy_from_slice(account.code_hash.as_slice());
    bytes
}

pub(super) fn read_account(bytes: &[u8; 72]) -> Account {
    let nonce = u64::from_be_bytes(bytes[..8].try_into().expect("8 bytes"));
    Account {
        nonce,
        balance: U256::from_be_slice(&bytes[8..40]),
        code_hash: B256::from_slice(&bytes[40..]),
    }
}

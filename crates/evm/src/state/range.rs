//! Part of the state, from one hashed key to another, proved whole against its root: how a node takes a state from others that it need not trust.

use super::{Account, State, StoredAccount};
use crate::trie::{RangeError, Trie, verify_range};
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_trie::EMPTY_ROOT_HASH;

/// Root of a trie without leaves: that of no storage.
pub const EMPTY_ROOT: B256 = EMPTY_ROOT_HASH;

/// An account under the Keccak-256 of its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRow {
    /// Keccak-256 of the address.
    pub key: B256,
    /// What it has, but for its storage.
    pub account: Account,
    /// Root of its storage.
    pub storage_root: B256,
}

impl AccountRow {
    /// Whether it has storage.
    pub fn has_storage(&self) -> bool {
        self.storage_root != EMPTY_ROOT_HASH
    }

    /// Whether it has code.
    pub fn has_code(&self) -> bool {
        self.account.code_hash != KECCAK256_EMPTY
    }

    /// The bytes that stand for it in a leaf.
    fn leaf(&self) -> (B256, Vec<u8>) {
        (self.key, alloy_rlp::encode(self.account.in_trie(self.storage_root)))
    }
}

/// Accounts of a state, all that there are from one key on to the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountPage {
    /// The accounts, in the order of their keys.
    pub rows: Vec<AccountRow>,
    /// Whether more follow.
    pub more: bool,
    /// Nodes on the paths to both ends.
    pub proof: Vec<Bytes>,
}

impl AccountPage {
    /// Checks that these are all accounts of the state with this root from the key `first` on, to the last of them or, if no more follow, to the end.
    ///
    /// # Errors
    ///
    /// [`RangeError`]: who sent it lied, or is damaged.
    pub fn verify(&self, root: B256, first: B256) -> Result<(), RangeError> {
        let leaves: Vec<_> = self.rows.iter().map(AccountRow::leaf).collect();
        verify_range(root, first, &leaves, self.more, &self.proof)
    }
}

/// Slots of an account, all that there are from one key on to the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotPage {
    /// Keccak-256 of the slots, and their values, in the order of the keys.
    pub rows: Vec<(B256, U256)>,
    /// Whether more follow.
    pub more: bool,
    /// Nodes on the paths to both ends.
    pub proof: Vec<Bytes>,
}

impl SlotPage {
    /// As [`AccountPage::verify`], for the storage with this root.
    ///
    /// # Errors
    ///
    /// [`RangeError`]: who sent it lied, or is damaged.
    pub fn verify(&self, storage_root: B256, first: B256) -> Result<(), RangeError> {
        let leaves: Vec<_> = self
            .rows
            .iter()
            .map(|(key, value)| (*key, alloy_rlp::encode(value)))
            .collect();
        verify_range(storage_root, first, &leaves, self.more, &self.proof)
    }
}

impl State {
    /// The first `rows_max` accounts at and after the key `first`, at least one if there is one, with what proves against [`State::root`] that there
    /// are no others.
    pub fn account_page(&self, first: &B256, rows_max: usize) -> AccountPage {
        let page = self.accounts.page(first, rows_max);
        let row = |(key, stored): (B256, StoredAccount)| AccountRow {
            key,
            account: stored.account,
            storage_root: stored.storage.root(),
        };
        AccountPage {
            rows: page.rows.into_iter().map(row).collect(),
            more: page.more,
            proof: page.proof,
        }
    }

    /// As [`State::account_page`], of the storage of the account under this key; no slots of one that is not there.
    pub fn slot_page(&self, account: &B256, first: &B256, rows_max: usize) -> SlotPage {
        let empty = Trie::default();
        let storage = self.stored_at(account).map_or(&empty, |stored| &stored.storage);
        let page = storage.page(first, rows_max);
        SlotPage {
            rows: page.rows,
            more: page.more,
            proof: page.proof,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountDiff, Diff};
    use alloy_primitives::{Address, keccak256};
    use std::collections::BTreeMap;

    /// Forty accounts, every fourth with slots, every third with code.
    fn state() -> State {
        let mut diff = Diff::default();
        for number in 0..40u8 {
            let code = Bytes::from(vec![number]);
            let mut account = Account::with_balance(U256::from(number) + U256::from(1));
            if number % 3 == 0 {
                account.code_hash = keccak256(&code);
                diff.codes.insert(account.code_hash, code);
            }
            let slots = match number % 4 {
                0 => (0..number)
                    .map(|slot| (U256::from(slot), U256::from(slot) + U256::from(7)))
                    .collect(),
                _ => BTreeMap::new(),
            };
            let change = AccountDiff {
                account: Some(account),
                wiped: false,
                slots,
            };
            diff.accounts.insert(Address::repeat_byte(number + 1), change);
        }
        let mut state = State::empty();
        state.apply(&diff);
        state
    }

    /// All pages of accounts, and of the slots of each, are the whole state, and each is proved.
    #[test]
    fn a_state_comes_in_pages_that_its_root_proves() {
        let state = state();
        let (root, mut first, mut accounts, mut slots) = (state.root(), Some(B256::ZERO), 0, 0);
        while let Some(from) = first {
            let page = state.account_page(&from, 7);
            page.verify(root, from).unwrap();
            for row in &page.rows {
                let mut first = Some(B256::ZERO);
                while let Some(from) = first {
                    let page = state.slot_page(&row.key, &from, 5);
                    page.verify(row.storage_root, from).unwrap();
                    assert_eq!(row.has_storage(), !page.rows.is_empty());
                    slots += page.rows.len();
                    first = page
                        .rows
                        .last()
                        .filter(|_| page.more)
                        .and_then(|(key, _)| crate::key_after(key));
                }
            }
            accounts += page.rows.len();
            first = page
                .rows
                .last()
                .filter(|_| page.more)
                .and_then(|row| crate::key_after(&row.key));
        }
        assert_eq!((accounts, slots), (40, (0..40).step_by(4).sum::<usize>()));
    }

    #[test]
    fn an_account_with_another_balance_storage_or_code_is_refused() {
        let state = state();
        let (root, page) = (state.root(), state.account_page(&B256::ZERO, 9));
        let changes: [fn(&mut AccountRow); 4] = [
            |row| row.account.balance += U256::from(1),
            |row| row.account.nonce += 1,
            |row| row.account.code_hash = B256::ZERO,
            |row| row.storage_root = B256::ZERO,
        ];
        for change in changes {
            for index in 0..page.rows.len() {
                let mut wrong = page.clone();
                change(&mut wrong.rows[index]);
                wrong.verify(root, B256::ZERO).unwrap_err();
            }
        }
        assert_eq!(page.verify(root, B256::ZERO), Ok(()));
        // An empty storage is proved, too.
        let none = state.slot_page(&B256::ZERO, &B256::ZERO, 1);
        assert_eq!(none.verify(EMPTY_ROOT_HASH, B256::ZERO), Ok(()));
    }
}

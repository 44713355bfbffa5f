//! A development chain as a whole, to be kept and gone on with.

use super::{AccountChange, Development, Past};
use crate::{
    ledger::{History, Ledger, LedgerError, Sealed, StateHistory},
    pool::PoolLimits,
    store::{MemoryDisk, Store},
};
use alloy_primitives::{Address, Bytes, U256, keccak256};
use evm::{Account, AccountDiff, Diff, HashedDiff, State};
use std::{collections::BTreeMap, sync::Arc};

/// All blocks of a chain and the accounts after the last. Waiting transactions and snapshots are not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The blocks from the genesis block on.
    pub blocks: Vec<Arc<Sealed>>,
    /// The accounts.
    pub accounts: BTreeMap<Address, WholeAccount>,
}

/// An account with all that belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WholeAccount {
    /// Next nonce.
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// Code; no bytes where there is none.
    pub code: Bytes,
    /// The slots that are not zero.
    pub slots: BTreeMap<U256, U256>,
}

impl From<WholeAccount> for AccountChange {
    /// Puts the account in place of whatever is at its address.
    fn from(account: WholeAccount) -> Self {
        Self {
            balance: Some(account.balance),
            nonce: Some(account.nonce),
            code: Some(account.code),
            wiped: true,
            slots: account.slots,
        }
    }
}

impl Development {
    /// The accounts as they stand.
    pub fn accounts(&self) -> BTreeMap<Address, WholeAccount> {
        // Nothing changes while the past is held.
        let past = self.past();
        self.accounts_now(&past)
    }

    fn accounts_now(&self, past: &Past) -> BTreeMap<Address, WholeAccount> {
        let (_, state) = self.ledger.last();
        let mut accounts = BTreeMap::new();
        for address in past.known.addresses(&state) {
            let account = state.account(address).expect("an account that the state has");
            let whole = WholeAccount {
                nonce: account.nonce,
                balance: account.balance,
                code: state.code(&account.code_hash).unwrap_or_default(),
                slots: past.known.slots(address, &state),
            };
            accounts.insert(*address, whole);
        }
        accounts
    }

    /// The chain as a whole.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Store`], which a disk in memory does not give.
    pub fn image(&self) -> Result<Image, LedgerError> {
        let past = self.past();
        let latest = self.ledger.latest().header.number;
        let blocks: Result<Vec<_>, _> = (0..=latest).map(|number| self.ledger.by_number(number)).collect();
        Ok(Image {
            chain_id: self.ledger.chain_id(),
            blocks: blocks?.into_iter().flatten().collect(),
            accounts: self.accounts_now(&past),
        })
    }

    /// Goes on with a chain. States of its earlier blocks are gone; its beginning, for [`Development::reset`], is its last block.
    ///
    /// Nothing is executed again: who has the file may have written anything into it, as with every other method here.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Image`] where the blocks do not follow one another from height zero.
    pub fn go_on(image: &Image, limits: PoolLimits) -> Result<Self, LedgerError> {
        let mut parent: Option<&Sealed> = None;
        for (number, block) in image.blocks.iter().enumerate() {
            let wrong = |reason| LedgerError::Image { number, reason };
            if block.header.number != number as u64 {
                return Err(wrong("its height is another"));
            }
            if parent.is_some_and(|parent| parent.hash != block.header.parent_hash) {
                return Err(wrong("its parent is not the block before"));
            }
            if block.transactions.len() != block.receipts.len() {
                return Err(wrong("it has not one receipt for each transaction"));
            }
            parent = Some(block);
        }
        let (Some(first), Some(last)) = (image.blocks.first(), image.blocks.last()) else {
            let (number, reason) = (0, "it is missing");
            return Err(LedgerError::Image { number, reason });
        };
        let diff = of_accounts(&image.accounts);
        let mut state = State::empty();
        state.apply(&diff);
        let store = Store::in_memory(&MemoryDisk::new())?;
        let (nothing, changes) = (HashedDiff::default(), diff.hashed());
        for block in &image.blocks {
            store.append(block, if block.hash == last.hash { &changes } else { &nothing })?;
        }
        let history = History::new(last.clone(), state, StateHistory::All);
        let limits = PoolLimits {
            block_gas: limits.block_gas.min(last.header.gas_limit),
            ..limits
        };
        let ledger = Ledger::assemble(image.chain_id, first.header.clone(), 0, history, store, limits);
        Ok(Self::over(ledger, &diff))
    }
}

/// The accounts as a difference from nothing.
fn of_accounts(accounts: &BTreeMap<Address, WholeAccount>) -> Diff {
    let mut diff = Diff::default();
    for (address, whole) in accounts {
        let account = Account {
            nonce: whole.nonce,
            balance: whole.balance,
            code_hash: keccak256(&whole.code),
        };
        if !whole.code.is_empty() {
            diff.codes.insert(account.code_hash, whole.code.clone());
        }
        let slots = whole.slots.iter().filter(|(_, value)| !value.is_zero());
        let change = AccountDiff {
            account: Some(account),
            wiped: false,
            slots: slots.map(|(slot, value)| (*slot, *value)).collect(),
        };
        diff.accounts.insert(*address, change);
    }
    diff
}

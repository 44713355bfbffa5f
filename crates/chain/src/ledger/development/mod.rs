//! A chain of one process, on which contracts are developed: nobody votes, and its past and its accounts can be changed.
//!
//! Blocks are executed, indexed and told as any ledger's. What differs is only here: a [`Ledger`] has no method that goes back or
//! changes an account, and a [`Development`] begins a ledger of its own, in memory, so that no validator's ledger comes into its
//! hands. It has no clock: who calls it says what time it is.

mod image;
#[cfg(test)]
mod tests;
mod undo;

use super::{Ledger, LedgerError, Sealed, StateHistory, blocks::fill, lineage::Lineage, waiting::funds};
use crate::{
    pool::{Origin, PoolError, PoolLimits, Waiting},
    store::{MemoryDisk, Store},
};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use evm::{Account, AccountDiff, BlockContext, Diff, Packer, State, Transaction};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, atomic::Ordering},
};
use undo::Touched;

pub use image::{Image, WholeAccount};

/// Snapshots kept at once. Each is small, but what changed since is remembered for it.
const SNAPSHOTS_MAX: usize = 1024;
/// The moment at which the chain began; no snapshot has this number.
const BEGINNING: u64 = 0;

/// A development chain.
pub struct Development {
    ledger: Ledger,
    past: Mutex<Past>,
}

/// What a development chain can go back to, by number: its beginning and its snapshots.
struct Past {
    moments: BTreeMap<u64, Moment>,
    last: u64,
    /// The names of all that there ever was: the state and the store have their hashes.
    known: Touched,
}

/// The chain as it was once.
struct Moment {
    number: u64,
    state: State,
    waiting: Waiting,
    /// What was touched from then until the next moment.
    touched: Touched,
}

/// What a block of a development chain is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Seconds since 1970; the parent's time counts where it is later.
    pub timestamp: u64,
    /// Who receives the tips.
    pub beneficiary: Address,
    /// What contracts see as `PREVRANDAO`.
    pub prev_randao: B256,
    /// Base fee in wei; by EIP-1559 when not said.
    pub base_fee: Option<u64>,
}

/// A change to an account by hand. What is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Balance in wei.
    pub balance: Option<U256>,
    /// Next nonce.
    pub nonce: Option<u64>,
    /// Code; no bytes take it away.
    pub code: Option<Bytes>,
    /// Whether all other slots become zero.
    pub wiped: bool,
    /// Slots.
    pub slots: BTreeMap<U256, U256>,
}

impl Development {
    /// Begins a chain.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Genesis`] where the genesis cannot be executed.
    pub fn begin(genesis: &evm::Genesis, limits: PoolLimits) -> Result<Self, LedgerError> {
        let store = Store::in_memory(&MemoryDisk::new())?;
        let ledger = Ledger::open_with_history(genesis, store, limits, StateHistory::All)?;
        let (_, _, diff) = genesis.build()?;
        Ok(Self::over(ledger, &diff))
    }

    /// The chain of `ledger`, whose accounts `all` has.
    fn over(ledger: Ledger, all: &Diff) -> Self {
        let mut known = Touched::default();
        known.note(all, &Touched::default());
        let beginning = Moment::of(&ledger);
        Self {
            ledger,
            past: Mutex::new(Past {
                moments: [(BEGINNING, beginning)].into(),
                last: BEGINNING,
                known,
            }),
        }
    }

    /// The chain's ledger, as every interface reads one.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().expect("no holder of the past's lock panics")
    }

    /// Makes a block of waiting transactions, best tip first, and of none if `even_empty`; it is final at once.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Store`], which a disk in memory does not give.
    pub fn seal(&self, terms: &Terms, even_empty: bool) -> Result<Option<Arc<Sealed>>, LedgerError> {
        let mut past = self.past();
        let ledger = &self.ledger;
        let (parent, state) = ledger.last();
        let timestamp = terms.timestamp.max(parent.header.timestamp);
        let mut context = BlockContext::after(
            &parent.header,
            parent.hash,
            timestamp,
            terms.beneficiary,
            terms.prev_randao,
        );
        context.base_fee = terms.base_fee.unwrap_or(context.base_fee);
        let nonce = |sender: &Address| state.account(sender).map_or(0, |account| account.nonce);
        if !even_empty && !ledger.pool().any_ready(context.base_fee, nonce) {
            return Ok(None);
        }
        let selection = ledger.pool().select(context.base_fee, nonce);
        let lineage = Lineage {
            ledger,
            parent: parent.hash,
        };
        let packer = Packer::for_any_sender(&state, context, ledger.chain_id(), &lineage);
        let (candidate, diff) = fill(packer, evm::BeaconNews::default(), selection, &mut || false);
        if candidate.block.transactions.is_empty() && !even_empty {
            return Ok(None);
        }
        past.note(&diff);
        let block = ledger.chain().candidates.insert(candidate);
        ledger.finalize(block.hash).map(Some)
    }

    /// Changes accounts as they stand after the last block. The next block's header is the first that commits to it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Store`], which a disk in memory does not give.
    pub fn change(&self, changes: BTreeMap<Address, AccountChange>) -> Result<(), LedgerError> {
        let mut past = self.past();
        let shared = &self.ledger.shared;
        let (_, mut state) = self.ledger.last();
        let mut diff = Diff::default();
        for (address, change) in changes {
            let (change, code) = change.onto(state.account(&address));
            diff.codes.extend(code.map(|code| (keccak256(&code), code)));
            diff.accounts.insert(address, change);
        }
        past.note(&diff);
        let hashed = diff.hashed();
        shared.store.amend(&hashed)?;
        state.apply_hashed(&hashed);
        self.ledger.replace_state(state.clone());
        let changed = diff.accounts.keys().copied();
        self.ledger.pool().recheck(changed, |sender| funds(&state, sender));
        Ok(())
    }

    /// Remembers this moment: blocks, accounts and waiting transactions. Gives its number, for [`Development::revert`].
    ///
    /// # Errors
    ///
    /// [`LedgerError::Snapshots`] where there are too many.
    pub fn snapshot(&self) -> Result<u64, LedgerError> {
        let mut past = self.past();
        // The beginning is one, too.
        if past.moments.len() > SNAPSHOTS_MAX {
            return Err(LedgerError::Snapshots { max: SNAPSHOTS_MAX });
        }
        past.last += 1;
        let (number, moment) = (past.last, Moment::of(&self.ledger));
        past.moments.insert(number, moment);
        Ok(number)
    }

    /// Makes everything as it was at a snapshot, and forgets that and all later ones. `false`: there is no such snapshot.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Store`], which a disk in memory does not give.
    pub fn revert(&self, snapshot: u64) -> Result<bool, LedgerError> {
        let mut past = self.past();
        if snapshot == BEGINNING || !past.moments.contains_key(&snapshot) {
            return Ok(false);
        }
        self.go_back(&past, snapshot)?;
        past.moments.split_off(&snapshot);
        Ok(true)
    }

    /// Makes everything as it was when the chain began here, and forgets all snapshots.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Store`], which a disk in memory does not give.
    pub fn reset(&self) -> Result<(), LedgerError> {
        let mut past = self.past();
        self.go_back(&past, BEGINNING)?;
        past.moments = [(BEGINNING, Moment::of(&self.ledger))].into();
        Ok(())
    }

    fn go_back(&self, past: &Past, to: u64) -> Result<(), LedgerError> {
        let shared = &self.ledger.shared;
        let moment = &past.moments[&to];
        let mut touched = Touched::default();
        for (_, since) in past.moments.range(to..) {
            touched.extend(&since.touched);
        }
        shared
            .store
            .rewind(moment.number, &touched.as_in(&moment.state).hashed())?;
        self.ledger.chain().history.truncate(moment.number);
        self.ledger.replace_state(moment.state.clone());
        self.ledger.pool().put_back(moment.waiting.clone());
        Ok(())
    }

    /// Takes a transaction whose sender is only said to be one: its signature counts for nothing. Its hash must be its own, so the
    /// signature has to depend on the sender.
    ///
    /// # Errors
    ///
    /// [`PoolError`] as for a signed one.
    pub fn submit_unsigned(&self, transaction: Transaction) -> Result<B256, PoolError> {
        self.ledger.pool().check(&transaction)?;
        self.ledger
            .insert(transaction, &self.ledger.latest_state(), Origin::Validator)
    }

    /// Takes a waiting transaction out; whether it waited.
    pub fn drop_transaction(&self, hash: &B256) -> bool {
        self.ledger.pool().remove(hash)
    }

    /// Says when the next block will be at the earliest, in seconds: calls on top of the pending block see that time.
    pub fn expect_timestamp(&self, timestamp: u64) {
        self.ledger.shared.next_timestamp.store(timestamp, Ordering::Relaxed);
    }

    /// The snapshots that can be reverted to, with the height of each.
    pub fn snapshots(&self) -> BTreeMap<u64, u64> {
        let past = self.past();
        let snapshots = past.moments.iter().filter(|(number, _)| **number != BEGINNING);
        snapshots.map(|(number, moment)| (*number, moment.number)).collect()
    }
}

impl std::fmt::Debug for Development {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Development({:?})", self.ledger)
    }
}

impl Past {
    /// Remembers for the last moment that this changes.
    fn note(&mut self, diff: &Diff) {
        let mut touched = Touched::default();
        touched.note(diff, &self.known);
        self.known.extend(&touched);
        let mut last = self.moments.last_entry().expect("the beginning stays");
        last.get_mut().touched.extend(&touched);
    }
}

impl Moment {
    fn of(ledger: &Ledger) -> Self {
        let (block, state) = ledger.last();
        Self {
            number: block.header.number,
            state,
            waiting: ledger.pool().copy(),
            touched: Touched::default(),
        }
    }
}

// Private to this module and those below it: no ledger that others hold can be told these.
impl Ledger {
    fn last(&self) -> (Arc<Sealed>, State) {
        let chain = self.chain();
        (chain.history.latest().clone(), chain.history.latest_state().clone())
    }

    /// Takes `state` as the one after the last block; candidates, which followed another, are forgotten.
    fn replace_state(&self, state: State) {
        let mut chain = self.chain();
        chain.history.replace_state(state);
        chain.candidates.settle(u64::MAX);
    }
}

impl AccountChange {
    /// The account after the change, and its code if that is new.
    fn onto(self, before: Option<Account>) -> (AccountDiff, Option<Bytes>) {
        let mut account = before.unwrap_or(Account::with_balance(U256::ZERO));
        account.balance = self.balance.unwrap_or(account.balance);
        account.nonce = self.nonce.unwrap_or(account.nonce);
        let code = self.code.filter(|code| {
            account.code_hash = if code.is_empty() {
                KECCAK256_EMPTY
            } else {
                keccak256(code)
            };
            !code.is_empty()
        });
        // An account that holds nothing is not in a state (EIP-161).
        let gone = account.is_empty() && self.slots.values().all(U256::is_zero);
        let change = AccountDiff {
            account: (!gone).then_some(account),
            wiped: self.wiped || gone,
            slots: if gone { BTreeMap::new() } else { self.slots },
        };
        (change, code)
    }
}

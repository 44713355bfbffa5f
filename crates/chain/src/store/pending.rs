//! What the last blocks changed and the tables do not say yet.
//!
//! Accounts and transactions are named by hashes, so that a block's changes lie scattered over the whole tables: to write 7,000 accounts
//! of a million is to write every other page. Each block is therefore written as one record of its changes, and the tables are
//! brought up to date a slice of their keys at a time, every block another: what many blocks changed on a page is written once.
//!
//! Everything here is in the records too ([`super::change`]), from which [`super::Store`] makes it again when it opens. A record can
//! go when each slice was folded after it ([`Pending::folded_through`]). What a record says is the value itself and never a difference: it
//! does no harm to read one of which some slices were folded.

use super::rows::{SlotKey, slot_key, slots_of};
use crate::ledger::Sealed;
use alloy_primitives::{B256, U256};
use evm::{Account, HashedDiff};
use std::{collections::BTreeMap, ops::Range};

/// Slices of the keys: in so many blocks every one comes up. Part of the file's format, as it says what a file that is opened lacks. A million random accounts take 30,000 pages; of these a block writes 500.
pub(super) const SLICES: usize = 64;
/// Rows that may be pending; beyond it more than one slice is folded at a time. Full blocks of transfers leave a half of it.
const ROWS_MAX: usize = 1 << 20;

/// Rows of the tables that are to be written.
#[derive(Debug)]
pub(super) struct Pending {
    slices: Vec<Slice>,
    rows: usize,
}

/// What is pending of one slice of the keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    /// Accounts; `None`: gone.
    pub(super) accounts: BTreeMap<B256, Option<Account>>,
    /// Slots; zero: gone.
    pub(super) slots: BTreeMap<SlotKey, U256>,
    /// Height and index of transactions.
    pub(super) transactions: BTreeMap<B256, (u64, u32)>,
    /// The height through which the tables have all that this slice ever held.
    folded_through: u64,
}

impl Slice {
    fn rows(&self) -> usize {
        self.accounts.len() + self.slots.len() + self.transactions.len()
    }
}

impl Pending {
    /// Nothing, in `slices` parts, after the block at height `latest`, where the tables have everything through `folded_through`.
    pub(super) fn new(slices: usize, folded_through: u64, latest: u64) -> Self {
        let count = slices as u64;
        let slices = (0..count).map(|index| {
            // Its turn came last at the height that `due` says.
            let since = (latest % count + count - index) % count;
            Slice {
                folded_through: folded_through.max(latest.saturating_sub(since + 1)),
                ..Slice::default()
            }
        });
        Self {
            slices: slices.collect(),
            rows: 0,
        }
    }

    /// Adds what the block at `height` changed, after all that is here.
    pub(super) fn add(&mut self, block: &Sealed, diff: &HashedDiff) {
        let height = block.header.number;
        for (index, transaction) in (0u32..).zip(&block.transactions) {
            let hash = *transaction.tx_hash();
            let slice = self.slice_of(hash[0]);
            self.slices[slice].transactions.insert(hash, (height, index));
        }
        for (account, change) in &diff.accounts {
            if change.empties_storage() {
                self.wipe(account);
            }
            let slice = self.slice_of(account[0]);
            self.slices[slice].accounts.insert(*account, change.account);
            for (slot, value) in &change.slots {
                let key = slot_key(account, slot);
                // A contract of many slots is spread over all slices by them, contracts of few by their addresses.
                let slice = self.slice_of(account[0].wrapping_add(slot[0]));
                self.slices[slice].slots.insert(key, *value);
            }
        }
        self.rows = self.slices.iter().map(Slice::rows).sum();
    }

    /// Forgets the slots of `account`: the tables lose theirs as soon as the block is written.
    fn wipe(&mut self, account: &B256) {
        let slots = slots_of(account);
        for slice in &mut self.slices {
            let gone: Vec<SlotKey> = slice.slots.range(slots.clone()).map(|(key, _)| *key).collect();
            for key in gone {
                slice.slots.remove(&key);
            }
        }
    }

    /// The slice that holds keys that begin with `first`: neighbours in the table are in one slice.
    fn slice_of(&self, first: u8) -> usize {
        usize::from(first) * self.slices.len() / 256
    }

    /// The slices to fold with the block at `height`: the one whose turn it is, and the next while too much is pending.
    pub(super) fn due(&self, height: u64) -> Due {
        let count = self.slices.len();
        let first = (height % count as u64) as usize;
        let (mut rows, mut slices) = (self.rows, 0);
        while slices == 0 || (rows > ROWS_MAX && slices < count) {
            rows -= self.slices[(first + slices) % count].rows();
            slices += 1;
        }
        Due {
            slices: first..first + slices,
            folded_through: height.saturating_sub(1),
        }
    }

    /// Every slice.
    pub(super) fn all(&self) -> std::slice::Iter<'_, Slice> {
        self.slices.iter()
    }

    /// What is pending of slices that are due.
    pub(super) fn of<'a>(&'a self, due: &Due) -> impl Iterator<Item = &'a Slice> + use<'a> {
        due.slices.clone().map(|index| &self.slices[index % self.slices.len()])
    }

    /// The height through which the tables have everything, once the slices that are `due` are folded.
    pub(super) fn folded_through(&self, due: &Due) -> u64 {
        let count = self.slices.len();
        let is_due = |index: usize| due.slices.contains(&index) || due.slices.contains(&(index + count));
        let heights = self.slices.iter().enumerate();
        let heights = heights.map(|(index, slice)| match is_due(index) {
            true => due.folded_through,
            false => slice.folded_through,
        });
        heights.min().unwrap_or(due.folded_through)
    }

    /// Forgets slices that were folded.
    pub(super) fn forget(&mut self, due: &Due) {
        let count = self.slices.len();
        for index in due.slices.clone() {
            self.slices[index % count] = Slice {
                folded_through: due.folded_through,
                ..Slice::default()
            };
        }
    }

    /// Height and index of a transaction, if it is pending.
    pub(super) fn transaction(&self, hash: &B256) -> Option<(u64, u32)> {
        let slice = &self.slices[self.slice_of(hash[0])];
        slice.transactions.get(hash).copied()
    }
}

/// Slices whose turn it is.
#[derive(Debug)]
pub(super) struct Due {
    /// May run past the last slice, to go on at the first.
    slices: Range<usize>,
    /// The height of the last block whose changes they hold.
    folded_through: u64,
}

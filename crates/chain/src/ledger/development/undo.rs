//! What changed since a moment, so that the stored state can be made again what it was.

use crate::store::{Store, StoreError};
use alloy_primitives::{Address, U256};
use evm::{AccountDiff, Diff, State};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that changed, with the slots that did. Values are not kept: the state of then has them.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeMap<Address, BTreeSet<U256>>);

impl Touched {
    /// Adds what `diff` is about to change in `store`.
    pub(super) fn note(&mut self, diff: &Diff, store: &Store) -> Result<(), StoreError> {
        for (address, change) in &diff.accounts {
            let slots = self.0.entry(*address).or_default();
            slots.extend(change.slots.keys());
            if change.wiped || change.account.is_none() {
                slots.extend(store.slots(address)?.into_keys());
            }
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, other: &Self) {
        for (address, slots) in &other.0 {
            self.0.entry(*address).or_default().extend(slots);
        }
    }

    /// The change that gives all this the values it has in `state`.
    pub(super) fn as_in(&self, state: &State) -> Diff {
        let mut diff = Diff::default();
        for (address, slots) in &self.0 {
            let account = state.account(address);
            let slots = slots.iter().map(|slot| (*slot, state.storage(address, *slot)));
            let change = AccountDiff {
                account,
                wiped: account.is_none(),
                slots: account.map(|_| slots.collect()).unwrap_or_default(),
            };
            diff.accounts.insert(*address, change);
        }
        diff
    }
}

//! What changed since a moment, so that the stored state can be made again what it was, and its names found.

use alloy_primitives::{Address, U256};
use evm::{AccountDiff, Diff, State};
use std::collections::{BTreeMap, BTreeSet};

/// Accounts that changed, with the slots that did. Values are not kept: the state of then has them.
///
/// A state has hashes of names. What was touched since before the first account is therefore also who knows all names.
#[derive(Debug, Default)]
pub(super) struct Touched(BTreeMap<Address, BTreeSet<U256>>);

impl Touched {
    /// Adds what `diff` changes, where `known` has every name that there was before.
    pub(super) fn note(&mut self, diff: &Diff, known: &Self) {
        for (address, change) in &diff.accounts {
            let slots = self.0.entry(*address).or_default();
            slots.extend(change.slots.keys());
            if change.wiped || change.account.is_none() {
                slots.extend(known.0.get(address).into_iter().flatten());
            }
        }
    }

    /// The accounts that `state` has.
    pub(super) fn addresses(&self, state: &State) -> impl Iterator<Item = &Address> {
        self.0.keys().filter(|address| state.account(address).is_some())
    }

    /// The slots of an account that are not zero in `state`.
    pub(super) fn slots(&self, address: &Address, state: &State) -> BTreeMap<U256, U256> {
        let slots = self.0.get(address).into_iter().flatten();
        let values = slots.map(|slot| (*slot, state.storage(address, *slot)));
        values.filter(|(_, value)| !value.is_zero()).collect()
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

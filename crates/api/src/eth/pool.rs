//! The waiting transactions, as `txpool_*` shows them: by sender and nonce, those that can run now apart from those behind a gap.

use super::transaction::waiting;
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, U64};
use alloy_rpc_types_eth::Transaction;
use chain::Ledger;
use serde::Serialize;
use std::collections::BTreeMap;

/// Transactions by sender, then by nonce in decimal.
pub(crate) type Waiting<T> = BTreeMap<Address, BTreeMap<String, T>>;

/// The pool's content, each transaction shown as a `T`.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Content<T> {
    /// Those that can be in the next block.
    pending: Waiting<T>,
    /// Those that wait for an earlier one of their sender.
    queued: Waiting<T>,
}

/// One sender's part of [`Content`].
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct ContentFrom {
    pending: BTreeMap<String, Transaction>,
    queued: BTreeMap<String, Transaction>,
}

/// How many wait.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Status {
    pending: U64,
    queued: U64,
}

/// Everything that waits, shown by `show`.
fn content_as<T>(ledger: &Ledger, show: impl Fn(&evm::Transaction) -> T) -> Content<T> {
    let (_, state) = ledger.pending();
    let mut content = Content {
        pending: BTreeMap::new(),
        queued: BTreeMap::new(),
    };
    let mut run: Option<(Address, u64)> = None;
    // By sender, then nonce: a sender's transactions can run as long as their nonces follow one another.
    for pooled in ledger.pool().content() {
        let (sender, nonce) = (pooled.transaction.signer(), pooled.transaction.nonce());
        let next = match run {
            Some((last, next)) if last == sender => next,
            _ => state.account(&sender).map_or(0, |account| account.nonce),
        };
        let runs = nonce == next;
        run = Some((sender, if runs { next + 1 } else { next }));
        let part = if runs {
            &mut content.pending
        } else {
            &mut content.queued
        };
        part.entry(sender)
            .or_default()
            .insert(nonce.to_string(), show(&pooled.transaction));
    }
    content
}

pub(crate) fn content(ledger: &Ledger) -> Content<Transaction> {
    content_as(ledger, |transaction| waiting(transaction.clone()))
}

pub(crate) fn content_from(ledger: &Ledger, sender: Address) -> ContentFrom {
    let mut all = content(ledger);
    ContentFrom {
        pending: all.pending.remove(&sender).unwrap_or_default(),
        queued: all.queued.remove(&sender).unwrap_or_default(),
    }
}

/// Each transaction in a line, as geth writes it.
pub(crate) fn inspect(ledger: &Ledger) -> Content<String> {
    content_as(ledger, |transaction| {
        let to = transaction.to().map_or("contract creation".into(), |to| to.to_string());
        let (value, gas) = (transaction.value(), transaction.gas_limit());
        format!("{to}: {value} wei + {gas} gas × {} wei", transaction.max_fee_per_gas())
    })
}

pub(crate) fn status(ledger: &Ledger) -> Status {
    let content = content_as(ledger, |_| ());
    let count = |part: &Waiting<()>| U64::from(part.values().map(BTreeMap::len).sum::<usize>());
    Status {
        pending: count(&content.pending),
        queued: count(&content.queued),
    }
}

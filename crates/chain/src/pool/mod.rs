//! Transactions that wait for a block.
//!
//! Each sender's transactions wait in the order of their nonces; a gap is held until it is filled, within a window. When the
//! pool is full the transaction with the lowest fee leaves. A transaction's sender is recovered once, when it comes in: blocks
//! made of pooled transactions are verified without recovering it again.

mod admission;
mod arrivals;
mod error;
mod outbox;
mod selection;
#[cfg(test)]
mod tests;
mod waiting;

pub use arrivals::Arrivals;
pub use error::PoolError;
pub use selection::Selection;

use crate::{block::TRANSACTION_OVERHEAD_BYTES, senders};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, U256};
use evm::Transaction;
use outbox::{Again, Outbox};
use rayon::prelude::*;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

pub(crate) use waiting::Waiting;

/// How much a node keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most transactions.
    pub transactions_max: usize,
    /// Most encoded bytes of them all.
    pub bytes_max: usize,
    /// How far ahead of its account a transaction's nonce may be; hence also most transactions of one sender.
    pub nonce_window: u64,
    /// Lowest `maxFeePerGas`, in wei.
    pub fee_min_wei: u128,
    /// Most gas of one transaction, if the block's gas limit is not lower.
    pub block_gas: u64,
}

impl Default for PoolLimits {
    /// 32,768 transactions or 32 MiB: four and a half full blocks of transfers, and a bound on memory that is hard to notice.
    fn default() -> Self {
        Self {
            transactions_max: 32_768,
            bytes_max: 32 << 20,
            nonce_window: 1_024,
            fee_min_wei: 1,
            block_gas: 36_000_000,
        }
    }
}

/// Told transactions that a pool remembers, for each that it may hold: those that left it are forgotten when there are more.
const TOLD_PER_WAITING: usize = 2;
/// Arrivals that who follows them may be behind: half a MiB of hashes, and about two seconds of as many transactions as a chain of one validator takes.
pub const RECENT_MAX: usize = 1 << 14;

/// A pooled transaction.
#[derive(Debug)]
pub struct Pooled {
    /// The transaction and its sender.
    pub transaction: Transaction,
    /// Encoded bytes.
    pub bytes: usize,
    /// Most it may cost its sender, in wei.
    pub cost_wei: U256,
    /// Place in the order of arrival.
    pub arrival: u64,
}

/// What an account is, as far as the pool cares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountFunds {
    /// Next nonce.
    pub nonce: u64,
    /// Balance, in wei.
    pub balance_wei: U256,
}

/// Whether a transaction came from a user of this node, who expects it to be told to the others, or from another validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a user of this node.
    User,
    /// From another validator, which told everyone.
    Validator,
}

/// Transactions that wait for a block. Shared by the node's interfaces; every method is short.
#[derive(Debug)]
pub struct Pool {
    chain_id: u64,
    limits: PoolLimits,
    state: Mutex<State>,
    arrivals: Arc<arrivals::Counter>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    /// The last that arrived, oldest first, at most [`RECENT_MAX`].
    recent: VecDeque<B256>,
    outbox: Outbox,
}

impl Pool {
    /// An empty pool for chain `chain_id`.
    pub fn new(chain_id: u64, limits: PoolLimits) -> Self {
        Self {
            chain_id,
            limits,
            state: Mutex::default(),
            arrivals: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the pool's lock panics")
    }

    /// Checks `raw` as far as no account is needed, and recovers its sender (some 40 µs). Holds no lock.
    ///
    /// # Errors
    ///
    /// [`PoolError`] says what is wrong with the transaction.
    pub fn admit(&self, raw: &[u8]) -> Result<Transaction, PoolError> {
        admission::admit(raw, self.chain_id, &self.limits)
    }

    /// Checks a transaction that did not come in bytes as [`Self::admit`] does one that did; not its signature.
    pub(crate) fn check(&self, transaction: &Transaction) -> Result<(), PoolError> {
        admission::check(&transaction.encoded_2718(), self.chain_id, &self.limits).map(drop)
    }

    /// As [`Self::admit`], of each of `batch`, on all threads: senders are recovered many at a time, and not of what waits here already.
    pub fn admit_all(&self, batch: &[impl AsRef<[u8]> + Sync]) -> Vec<Result<Transaction, PoolError>> {
        let mut checked: Vec<_> = batch
            .par_iter()
            .map(|raw| admission::check(raw.as_ref(), self.chain_id, &self.limits))
            .collect();
        {
            // What others tell again must cost no signature.
            let state = self.state();
            for one in &mut checked {
                if one
                    .as_ref()
                    .is_ok_and(|envelope| state.waiting.get(envelope.tx_hash()).is_some())
                {
                    *one = Err(PoolError::AlreadyKnown);
                }
            }
        }
        let good: Vec<_> = checked.iter().flatten().collect();
        let mut senders = senders::recover(&good).into_iter();
        checked
            .into_iter()
            .map(|envelope| {
                let envelope = envelope?;
                let sender = senders.next().expect("one for each that is good");
                Ok(Transaction::new_unchecked(
                    envelope,
                    sender.ok_or(PoolError::InvalidSignature)?,
                ))
            })
            .collect()
    }

    /// Adds an admitted transaction of an account that has `funds`.
    ///
    /// # Errors
    ///
    /// [`PoolError`] says why it may not wait here.
    pub fn insert(&self, transaction: Transaction, funds: AccountFunds, origin: Origin) -> Result<B256, PoolError> {
        let hash = *transaction.tx_hash();
        let encoded = Bytes::from(transaction.encoded_2718());
        let mut state = self.state();
        state.waiting.insert(transaction, encoded.len(), funds, &self.limits)?;
        if state.recent.len() == RECENT_MAX {
            state.recent.pop_front();
        }
        state.recent.push_back(hash);
        if origin == Origin::User {
            state.outbox.push(hash, encoded);
        }
        drop(state);
        self.arrivals.increment();
        Ok(hash)
    }

    /// Tells of each transaction that arrives from now on: for whoever waits for one.
    pub fn arrivals(&self) -> Arrivals {
        Arrivals::new(&self.arrivals)
    }

    /// How many arrived so far.
    pub fn arrived(&self) -> u64 {
        self.state().waiting.arrived()
    }

    /// Those that came after the first `seen`, in that order, whether they still wait or not, and how many have arrived by now. Only the last
    /// [`RECENT_MAX`] are known.
    pub fn arrived_after(&self, seen: u64) -> (Vec<B256>, u64) {
        let state = self.state();
        let arrived = state.waiting.arrived();
        let known = state.recent.len();
        let new = usize::try_from(arrived.saturating_sub(seen)).map_or(known, |new| new.min(known));
        (state.recent.range(known - new..).copied().collect(), arrived)
    }

    /// Takes the next transactions to tell the other validators for the first time, up to `bytes_max` encoded bytes with their lengths; none if
    /// there are none.
    pub fn take_untold(&self, bytes_max: usize) -> Vec<Bytes> {
        let mut state = self.state();
        let State { waiting, outbox, .. } = &mut *state;
        let told_max = self.limits.transactions_max.saturating_mul(TOLD_PER_WAITING);
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while let Some(next) = outbox.next_bytes() {
            bytes += next + TRANSACTION_OVERHEAD_BYTES;
            if bytes > bytes_max {
                break;
            }
            taken.extend(outbox.tell_next(told_max, |hash| waiting.get(hash).is_some()));
        }
        taken
    }

    /// As [`Self::take_untold`], those that were told some blocks ago and still wait. Each is given a few times, with more blocks in between each
    /// time; how often this is called, and for how much, bounds what a node says twice.
    pub fn take_told(&self, bytes_max: usize) -> Vec<Bytes> {
        let mut state = self.state();
        let State { waiting, outbox, .. } = &mut *state;
        let (mut taken, mut bytes) = (Vec::new(), 0);
        outbox.tell_again(|hash| {
            let Some(pooled) = waiting.get(hash) else {
                return Again::Gone;
            };
            let more = pooled.bytes + TRANSACTION_OVERHEAD_BYTES;
            if bytes + more > bytes_max {
                return Again::Full;
            }
            bytes += more;
            taken.push(Bytes::from(pooled.transaction.encoded_2718()));
            Again::Told
        });
        taken
    }

    /// The transaction named `hash`, if it waits here.
    pub fn get(&self, hash: &B256) -> Option<Arc<Pooled>> {
        self.state().waiting.get(hash)
    }

    /// The senders of those of `hashes` that wait here, under one lock.
    pub fn senders(&self, hashes: &[B256]) -> Vec<Option<Address>> {
        let state = self.state();
        hashes
            .iter()
            .map(|hash| Some(state.waiting.get(hash)?.transaction.signer()))
            .collect()
    }

    /// First nonce from `nonce` on that no waiting transaction of `sender` uses.
    pub fn next_nonce(&self, sender: &Address, nonce: u64) -> u64 {
        self.state().waiting.next_nonce(sender, nonce)
    }

    /// All waiting transactions, by sender and nonce.
    pub fn content(&self) -> Vec<Arc<Pooled>> {
        self.state().waiting.content()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those that can go into the next block at `base_fee_wei`, best tip first, given each account's next nonce.
    pub fn select(&self, base_fee_wei: u64, nonce: impl Fn(&Address) -> u64) -> Selection {
        self.state().waiting.select(base_fee_wei, nonce)
    }

    /// Whether [`Pool::select`] would give any: cheaper, as it stops at the first.
    pub fn any_ready(&self, base_fee_wei: u64, nonce: impl Fn(&Address) -> u64) -> bool {
        self.state().waiting.any_ready(base_fee_wei, nonce)
    }

    /// Forgets what a final block made obsolete: its transactions, and those that its senders can no longer use or afford.
    pub fn settle(&self, included: &[Transaction], funds: impl Fn(&Address) -> AccountFunds) {
        let senders: BTreeSet<Address> = included.iter().map(Transaction::signer).collect();
        let mut state = self.state();
        state.waiting.settle(senders, funds);
        state.outbox.settle();
    }

    /// Forgets what `senders` can no longer use or afford, after their accounts were changed by hand; who waits for a transaction
    /// looks again, since one that could not run may now.
    pub(crate) fn recheck(&self, senders: impl IntoIterator<Item = Address>, funds: impl Fn(&Address) -> AccountFunds) {
        self.state().waiting.settle(senders, funds);
        self.arrivals.increment();
    }

    /// Takes out the transaction named `hash`; whether it was there.
    pub(crate) fn remove(&self, hash: &B256) -> bool {
        self.state().waiting.take(hash)
    }

    /// What waits now, to be put back later.
    pub(crate) fn copy(&self) -> Waiting {
        self.state().waiting.clone()
    }

    /// Puts back what waited once, in place of what waits now.
    pub(crate) fn put_back(&self, earlier: Waiting) {
        self.state().waiting.replace(earlier);
        self.arrivals.increment();
    }
}

//! The pool's contents and the rules that bound them.

use super::{AccountFunds, PoolError, PoolLimits, Pooled, Selection};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, U256};
use evm::Transaction;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// By how much, in per cent, a replacement must raise both fees.
const REPLACEMENT_RAISE_PERCENT: u128 = 10;

/// Where a transaction stands when the pool is full: lowest fee first, and of equal fees the latest first.
type Rank = (u128, Reverse<u64>, B256);

/// Waiting transactions by hash, by sender and nonce, and by fee.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waiting {
    by_hash: HashMap<B256, Arc<Pooled>>,
    by_sender: HashMap<Address, Queue>,
    by_fee: BTreeSet<Rank>,
    bytes: usize,
    arrivals: u64,
}

/// One sender's transactions.
#[derive(Clone, Debug, Default)]
struct Queue {
    by_nonce: BTreeMap<u64, Arc<Pooled>>,
    /// Sum of what they may cost.
    cost_wei: U256,
}

fn rank(pooled: &Pooled) -> Rank {
    (
        pooled.transaction.max_fee_per_gas(),
        Reverse(pooled.arrival),
        *pooled.transaction.tx_hash(),
    )
}

/// Most a transaction may take from its sender: `value + gas limit * fee`; saturating, as no account can hold that much.
fn cost_wei(transaction: &Transaction) -> U256 {
    let gas = U256::from(transaction.gas_limit()).saturating_mul(U256::from(transaction.max_fee_per_gas()));
    transaction.value().saturating_add(gas)
}

/// `fee` raised by [`REPLACEMENT_RAISE_PERCENT`], rounded up.
fn raised(fee: u128) -> u128 {
    fee.saturating_add(fee.div_ceil(100 / REPLACEMENT_RAISE_PERCENT))
}

fn tip(transaction: &Transaction) -> u128 {
    transaction.priority_fee_or_price()
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.by_hash.len()
    }

    /// How many were inserted so far.
    pub(super) fn arrived(&self) -> u64 {
        self.arrivals
    }

    pub(super) fn get(&self, hash: &B256) -> Option<Arc<Pooled>> {
        self.by_hash.get(hash).cloned()
    }

    pub(super) fn insert(
        &mut self,
        transaction: Transaction,
        bytes: usize,
        funds: AccountFunds,
        limits: &PoolLimits,
    ) -> Result<(), PoolError> {
        let (nonce, next) = (transaction.nonce(), funds.nonce);
        if self.by_hash.contains_key(transaction.tx_hash()) {
            return Err(PoolError::AlreadyKnown);
        }
        if nonce < next {
            return Err(PoolError::NonceTooLow { next, nonce });
        }
        if nonce - next >= limits.nonce_window {
            return Err(PoolError::NonceTooHigh { next, nonce });
        }
        let sender = transaction.signer();
        let queue = self.by_sender.get(&sender);
        let replaced = queue.and_then(|queue| queue.by_nonce.get(&nonce)).cloned();
        if let Some(old) = &replaced {
            let enough = transaction.max_fee_per_gas() >= raised(old.transaction.max_fee_per_gas())
                && tip(&transaction) >= raised(tip(&old.transaction));
            if !enough {
                return Err(PoolError::ReplacementUnderpriced);
            }
        }
        let cost = cost_wei(&transaction);
        let others =
            queue.map_or(U256::ZERO, |queue| queue.cost_wei) - replaced.as_ref().map_or(U256::ZERO, |old| old.cost_wei);
        let left = funds.balance_wei.saturating_sub(others);
        if cost > left {
            return Err(PoolError::InsufficientFunds { balance: left, cost });
        }
        self.make_room(&transaction, bytes, replaced.as_deref(), limits)?;
        if let Some(old) = replaced {
            self.remove(sender, old.transaction.nonce());
        }
        self.arrivals += 1;
        self.add(Arc::new(Pooled {
            transaction,
            bytes,
            cost_wei: cost,
            arrival: self.arrivals,
        }));
        Ok(())
    }

    /// Makes the lowest fees leave until `newcomer` fits, if it pays more than each of them.
    fn make_room(
        &mut self,
        newcomer: &Transaction,
        bytes: usize,
        replaced: Option<&Pooled>,
        limits: &PoolLimits,
    ) -> Result<(), PoolError> {
        let (freed, freed_bytes) = replaced.map_or((0, 0), |old| (1, old.bytes));
        let mut leaving = Vec::new();
        let (mut count, mut total) = (self.len() - freed + 1, self.bytes - freed_bytes + bytes);
        let mut lowest = self.by_fee.iter();
        while count > limits.transactions_max || total > limits.bytes_max {
            let (fee, _, hash) = lowest.next().ok_or(PoolError::Full)?;
            if *fee >= newcomer.max_fee_per_gas() {
                return Err(PoolError::Full);
            }
            let victim = &self.by_hash[hash];
            // A sender does not push out its own earlier transactions, without which the newcomer could not run.
            if victim.transaction.signer() == newcomer.signer() {
                continue;
            }
            (count, total) = (count - 1, total - victim.bytes);
            leaving.push((victim.transaction.signer(), victim.transaction.nonce()));
        }
        for (sender, nonce) in leaving {
            self.remove(sender, nonce);
        }
        Ok(())
    }

    fn add(&mut self, pooled: Arc<Pooled>) {
        self.by_fee.insert(rank(&pooled));
        self.bytes += pooled.bytes;
        let queue = self.by_sender.entry(pooled.transaction.signer()).or_default();
        queue.cost_wei = queue.cost_wei.saturating_add(pooled.cost_wei);
        queue.by_nonce.insert(pooled.transaction.nonce(), pooled.clone());
        self.by_hash.insert(*pooled.transaction.tx_hash(), pooled);
    }

    fn remove(&mut self, sender: Address, nonce: u64) {
        let Some(queue) = self.by_sender.get_mut(&sender) else {
            return;
        };
        let Some(pooled) = queue.by_nonce.remove(&nonce) else {
            return;
        };
        queue.cost_wei -= pooled.cost_wei;
        if queue.by_nonce.is_empty() {
            self.by_sender.remove(&sender);
        }
        self.bytes -= pooled.bytes;
        self.by_fee.remove(&rank(&pooled));
        self.by_hash.remove(pooled.transaction.tx_hash());
    }

    /// Takes out a transaction; whether it was there.
    pub(super) fn take(&mut self, hash: &B256) -> bool {
        let Some(pooled) = self.by_hash.get(hash).cloned() else {
            return false;
        };
        self.remove(pooled.transaction.signer(), pooled.transaction.nonce());
        true
    }

    /// Becomes `earlier`, but goes on counting arrivals, so that who polls for new ones misses none.
    pub(super) fn replace(&mut self, earlier: Self) {
        let arrivals = self.arrivals;
        *self = Self { arrivals, ..earlier };
    }

    pub(super) fn settle(
        &mut self,
        senders: impl IntoIterator<Item = Address>,
        funds: impl Fn(&Address) -> AccountFunds,
    ) {
        for sender in senders {
            let Some(queue) = self.by_sender.get(&sender) else {
                continue;
            };
            let AccountFunds { nonce, balance_wei } = funds(&sender);
            let mut leaving: Vec<u64> = queue.by_nonce.range(..nonce).map(|(used, _)| *used).collect();
            // What the sender can no longer afford leaves from the end, so that what stays can run.
            let used_wei = queue
                .by_nonce
                .range(..nonce)
                .map(|(_, pooled)| pooled.cost_wei)
                .sum::<U256>();
            let mut cost_wei = queue.cost_wei - used_wei;
            for (last, pooled) in queue.by_nonce.range(nonce..).rev() {
                if cost_wei <= balance_wei {
                    break;
                }
                cost_wei -= pooled.cost_wei;
                leaving.push(*last);
            }
            for nonce in leaving {
                self.remove(sender, nonce);
            }
        }
    }

    pub(super) fn next_nonce(&self, sender: &Address, nonce: u64) -> u64 {
        let Some(queue) = self.by_sender.get(sender) else {
            return nonce;
        };
        let run = queue
            .by_nonce
            .range(nonce..)
            .zip(nonce..)
            .take_while(|((used, _), expected)| *used == expected);
        nonce + run.count() as u64
    }

    pub(super) fn content(&self) -> Vec<Arc<Pooled>> {
        let mut all: Vec<_> = self.by_hash.values().cloned().collect();
        all.sort_by_key(|pooled| (pooled.transaction.signer(), pooled.transaction.nonce()));
        all
    }

    pub(super) fn select(&self, base_fee_wei: u64, nonce: impl Fn(&Address) -> u64) -> Selection {
        let runs = self
            .by_sender
            .iter()
            .map(|(sender, queue)| queue.run(base_fee_wei, nonce(sender)).cloned().collect());
        Selection::new(base_fee_wei, runs)
    }

    pub(super) fn any_ready(&self, base_fee_wei: u64, nonce: impl Fn(&Address) -> u64) -> bool {
        self.by_sender
            .iter()
            .any(|(sender, queue)| queue.run(base_fee_wei, nonce(sender)).next().is_some())
    }
}

impl Queue {
    /// What can run from `nonce` on, without a gap, paying `base_fee_wei`.
    fn run(&self, base_fee_wei: u64, nonce: u64) -> impl Iterator<Item = &Arc<Pooled>> {
        let consecutive = self
            .by_nonce
            .range(nonce..)
            .zip(nonce..)
            .take_while(|((used, _), expected)| *used == expected);
        consecutive
            .map(|((_, pooled), _)| pooled)
            .take_while(move |pooled| pooled.transaction.max_fee_per_gas() >= u128::from(base_fee_wei))
    }
}

#[cfg(test)]
impl Waiting {
    /// Panics unless all views of the pool tell the same.
    pub(super) fn check(&self) {
        let queued: Vec<_> = self
            .by_sender
            .values()
            .flat_map(|queue| queue.by_nonce.values())
            .collect();
        assert_eq!(
            (queued.len(), self.by_fee.len()),
            (self.by_hash.len(), self.by_hash.len())
        );
        assert!(queued.iter().all(|pooled| self.by_fee.contains(&rank(pooled))));
        assert_eq!(queued.iter().map(|pooled| pooled.bytes).sum::<usize>(), self.bytes);
        for queue in self.by_sender.values() {
            assert_eq!(
                queue.by_nonce.values().map(|pooled| pooled.cost_wei).sum::<U256>(),
                queue.cost_wei
            );
            assert!(!queue.by_nonce.is_empty());
        }
    }
}

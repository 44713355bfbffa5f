//! Filters that a client polls: what is new since it last asked.

use super::{
    error::EthError,
    log::{self, LOG_RANGE_BLOCKS_MAX},
};
use alloy_primitives::U256;
use alloy_rpc_types_eth::{Filter, FilterChanges, Log};
use chain::Ledger;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// Filters kept for all clients together.
const FILTERS_MAX: usize = 4096;
/// A filter that nobody polls for this long is forgotten, as in geth.
const FILTER_IDLE: Duration = Duration::from_secs(300);

/// The filters of all clients.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    active: Mutex<HashMap<U256, Active>>,
}

#[derive(Debug)]
struct Active {
    kind: Kind,
    /// First block not yet looked at.
    next_block: u64,
    /// The pool's count of arrivals up to which transactions were told.
    arrival: u64,
    polled: Instant,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// New logs that match.
    Logs(Box<Filter>),
    /// Hashes of new blocks.
    Blocks,
    /// Hashes of transactions new in the pool.
    PoolTransactions,
}

impl Filters {
    fn active(&self) -> MutexGuard<'_, HashMap<U256, Active>> {
        self.active.lock().expect("no holder of the filters' lock panics")
    }

    /// Installs a filter for what comes from now on; its name cannot be guessed.
    pub(crate) fn install(&self, ledger: &Ledger, kind: Kind) -> Result<U256, EthError> {
        let now = Instant::now();
        let next_block = ledger.latest().header.number + 1;
        let arrival = ledger.pool().arrived();
        let mut active = self.active();
        active.retain(|_, filter| now.duration_since(filter.polled) < FILTER_IDLE);
        if active.len() >= FILTERS_MAX {
            return Err(EthError::Limit(format!(
                "this node keeps at most {FILTERS_MAX} filters"
            )));
        }
        let id = U256::from(rand::random::<u128>());
        active.insert(
            id,
            Active {
                kind,
                next_block,
                arrival,
                polled: now,
            },
        );
        Ok(id)
    }

    /// Blocks above `height` that come from now on are new, whatever was at their height before.
    pub(crate) fn rewind(&self, height: u64) {
        for filter in self.active().values_mut() {
            filter.next_block = filter.next_block.min(height + 1);
        }
    }

    /// Forgets a filter; whether there was one.
    pub(crate) fn uninstall(&self, id: &U256) -> bool {
        self.active().remove(id).is_some()
    }

    /// What is new since the last call.
    pub(crate) fn changes(&self, ledger: &Ledger, id: &U256) -> Result<FilterChanges, EthError> {
        let latest = ledger.latest().header.number;
        let (kind, from, arrival) = {
            let mut active = self.active();
            let filter = active.get_mut(id).ok_or(EthError::UnknownFilter)?;
            filter.polled = Instant::now();
            // A client that polls seldom gets the blocks in parts.
            let (from, until) = (
                filter.next_block,
                latest.min(filter.next_block + LOG_RANGE_BLOCKS_MAX - 1),
            );
            filter.next_block = until + 1;
            (filter.kind.clone(), from..=until, filter.arrival)
        };
        Ok(match kind {
            Kind::Logs(filter) => FilterChanges::Logs(log::in_range(ledger, &filter, from)?),
            Kind::Blocks => {
                let mut hashes = Vec::new();
                for number in from {
                    hashes.extend(ledger.by_number(number)?.map(|block| block.hash));
                }
                FilterChanges::Hashes(hashes)
            }
            Kind::PoolTransactions => {
                let (hashes, arrival) = ledger.pool().arrived_after(arrival);
                if let Some(filter) = self.active().get_mut(id) {
                    filter.arrival = arrival;
                }
                FilterChanges::Hashes(hashes)
            }
        })
    }

    /// All logs that match a filter for logs, new or not.
    pub(crate) fn logs(&self, ledger: &Ledger, id: &U256) -> Result<Vec<Log>, EthError> {
        let kind = {
            let mut active = self.active();
            let filter = active.get_mut(id).ok_or(EthError::UnknownFilter)?;
            filter.polled = Instant::now();
            filter.kind.clone()
        };
        match kind {
            Kind::Logs(filter) => log::query(ledger, &filter),
            _ => Err(EthError::UnknownFilter),
        }
    }
}

//! What can be set on a development chain beside its ledger, and the making of its blocks.

use super::{clock::Clock, state::SavedState};
use crate::eth::error::EthError;
use alloy_primitives::{Address, B256, keccak256};
use chain::{Development, Sealed, Terms};
use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::Notify;

/// When blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// As soon as a transaction can run.
    Instant,
    /// Every so often, also of nothing.
    Every(Duration),
    /// When told.
    Told,
}

/// The settings, and the chain that they are for.
pub(super) struct Controls {
    pub(super) chain: Arc<Development>,
    settings: Mutex<Settings>,
    /// Wakes who makes blocks when [`Sealing`] changes.
    pub(super) changed: Notify,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) sealing: Sealing,
    pub(super) clock: Clock,
    /// The clock at each snapshot.
    pub(super) clocks: BTreeMap<u64, Clock>,
    pub(super) beneficiary: Address,
    /// Of the next block only.
    pub(super) prev_randao: Option<B256>,
    /// Of the next block only.
    pub(super) base_fee: Option<u64>,
    pub(super) impersonated: HashSet<Address>,
    pub(super) anyone_impersonated: bool,
}

/// The machine's time in seconds since 1970.
pub(super) fn machine_time() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl Controls {
    pub(super) fn new(chain: Arc<Development>, sealing: Sealing, ahead_s: i64) -> Self {
        let mut clock = Clock::default();
        clock.advance(ahead_s);
        let settings = Settings {
            sealing,
            clock,
            clocks: BTreeMap::new(),
            beneficiary: Address::ZERO,
            prev_randao: None,
            base_fee: None,
            impersonated: HashSet::new(),
            anyone_impersonated: false,
        };
        Self {
            chain,
            settings: Mutex::new(settings),
            changed: Notify::new(),
        }
    }

    pub(super) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().expect("no holder of the settings' lock panics")
    }

    /// Makes a block of what waits; of nothing only if `even_empty`.
    pub(super) fn seal(&self, even_empty: bool) -> Result<Option<Arc<Sealed>>, EthError> {
        self.settings().seal(&self.chain, even_empty)
    }

    /// Makes blocks until nothing that waits can run.
    pub(super) fn seal_all(&self) -> Result<(), EthError> {
        while self.seal(false)?.is_some() {}
        Ok(())
    }

    /// Chain and clock, to be kept.
    pub(super) fn save(&self) -> Result<SavedState, EthError> {
        let settings = self.settings();
        Ok(SavedState {
            image: self.chain.image()?,
            ahead_s: settings.clock.ahead(),
        })
    }
}

impl Settings {
    pub(super) fn seal(&mut self, chain: &Development, even_empty: bool) -> Result<Option<Arc<Sealed>>, EthError> {
        let machine = machine_time();
        let parent = chain.ledger().latest().hash;
        let terms = Terms {
            timestamp: self.clock.next(machine),
            beneficiary: self.beneficiary,
            prev_randao: self.prev_randao.unwrap_or_else(|| keccak256(parent)),
            base_fee: self.base_fee,
        };
        let sealed = chain.seal(&terms, even_empty)?;
        if sealed.is_some() {
            self.clock.sealed(machine);
            (self.prev_randao, self.base_fee) = (None, None);
            self.tell_time(chain);
        }
        Ok(sealed)
    }

    /// Tells the chain of a moved clock, so that calls on top of its pending block see that time.
    pub(super) fn tell_time(&self, chain: &Development) {
        let moved = self.clock != Clock::default();
        chain.expect_timestamp(if moved { self.clock.next(machine_time()) } else { 0 });
    }
}

//! What channels hold on chain, remembered for a while.
//!
//! A payer can take money out of a channel only a withdrawal delay after asking, and the service asks for channels with a
//! delay far above [`FRESH`]: within it, what was read still holds.

use compute::till::Funds;
use primitives::B256;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a reading is good: a thirtieth of the shortest delay the payment channels allow (900 s).
pub(super) const FRESH: Duration = Duration::from_secs(30);
/// Channels remembered, at most; all are forgotten when there are more.
const MAX_REMEMBERED: usize = 100_000;

#[derive(Default)]
pub(super) struct FundsCache(Mutex<HashMap<B256, (Funds, Instant)>>);

impl FundsCache {
    pub(super) fn get(&self, channel_id: B256) -> Option<Funds> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(&channel_id)
            .filter(|(_, read)| read.elapsed() < FRESH)
            .map(|(funds, _)| *funds)
    }

    pub(super) fn put(&self, channel_id: B256, funds: Funds) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(channel_id, (funds, Instant::now()));
    }
}

//! A bound on how fast an operator takes rows, so that they need not fill a link that others use too.

use commonware_runtime::Clock;
use commonware_utils::sync::Mutex;
use std::time::{Duration, SystemTime};

/// How far behind its rate the bucket may fall and still catch up: what an idle operator takes at once.
const BURST: Duration = Duration::from_millis(50);

/// A token bucket over all streams of an operator: bytes of rows are taken at its rate, in the order in which they came.
///
/// It is kept as the time at which all that was taken is paid for, so that it needs no task that fills it. Who waits does not
/// read its stream meanwhile, which slows the sender down by TCP's own flow control: nothing is queued here.
pub(super) struct Ingest {
    /// None: as fast as the operator can.
    bytes_per_s: Option<u64>,
    /// When the next bytes may be taken.
    free_at: Mutex<SystemTime>,
}

impl Ingest {
    pub(super) fn new(bytes_per_s: Option<u64>) -> Self {
        Self {
            bytes_per_s,
            free_at: Mutex::new(SystemTime::UNIX_EPOCH),
        }
    }

    /// Returns when `bytes` bytes of rows may be taken.
    pub(super) async fn take(&self, context: &impl Clock, bytes: u64) {
        let Some(bytes_per_s) = self.bytes_per_s else { return };
        let now = context.current();
        let start = {
            let mut free_at = self.free_at.lock();
            let start = (*free_at).max(now.checked_sub(BURST).unwrap_or(now));
            // In whole nanoseconds, rounded up; a rate of zero is one byte a second, so that it ends.
            let cost = u128::from(bytes) * 1_000_000_000;
            let cost = cost.div_ceil(u128::from(bytes_per_s.max(1)));
            *free_at = start + Duration::from_nanos(u64::try_from(cost).unwrap_or(u64::MAX));
            start
        };
        if start > now {
            context.sleep_until(start).await;
        }
    }
}

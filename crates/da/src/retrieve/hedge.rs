//! How long to wait for an operator before its rows are looked for elsewhere, learnt from the others of the same retrieval.
//!
//! The wait is the 95th percentile of what was waited so far for each message of rows: one message in twenty is then hedged, and
//! an operator that stands still costs as long as the slowest of the others, not a fixed time that fits no network. Nothing is kept
//! from one retrieval to the next, and time is the runtime's, so that a simulation of one seed does the same each time.

use std::time::Duration;

/// The wait while fewer than [`SAMPLES_MIN`] messages have come.
pub(super) const INITIAL: Duration = Duration::from_millis(500);

/// The least wait: on a fast network the percentile is less than the pause of a process that its system did not schedule.
pub(super) const LEAST: Duration = Duration::from_millis(100);

/// The longest wait: whoever is slower than this is worth asking others for, on however slow a network.
pub(super) const LONGEST: Duration = Duration::from_secs(2);

/// Messages without which a percentile says nothing.
const SAMPLES_MIN: usize = 3;

/// Waits that are remembered: as many as the rows of a blob, since each is for a row at least.
const SAMPLES_MAX: usize = 4096;

/// How long each message of rows was waited for.
#[derive(Default)]
pub(super) struct Waits(Vec<Duration>);

impl Waits {
    /// Rows came after `wait`.
    pub(super) fn record(&mut self, wait: Duration) {
        if self.0.len() < SAMPLES_MAX {
            let place = self.0.partition_point(|earlier| *earlier <= wait);
            self.0.insert(place, wait);
        }
    }

    /// How long an operator may stand still.
    pub(super) fn hedge_after(&self) -> Duration {
        if self.0.len() < SAMPLES_MIN {
            return INITIAL;
        }
        // The smallest wait that 95 % are not above.
        let rank = (self.0.len() * 95).div_ceil(100);
        self.0[rank - 1].clamp(LEAST, LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(waits_ms: impl IntoIterator<Item = u64>) -> Duration {
        let mut waits = Waits::default();
        waits_ms
            .into_iter()
            .for_each(|wait| waits.record(Duration::from_millis(wait)));
        waits.hedge_after()
    }

    #[test]
    fn the_wait_is_what_one_message_in_twenty_exceeds() {
        assert_eq!(after((1..=100).map(|wait| 10 * wait)), Duration::from_millis(950));
        assert_eq!(after((1..=100).rev().map(|wait| 10 * wait)), Duration::from_millis(950));
        assert_eq!(after([300, 200, 400]), Duration::from_millis(400));
    }

    #[test]
    fn the_wait_is_bounded_below_and_above_and_fixed_until_something_is_known() {
        assert_eq!(after([]), INITIAL);
        assert_eq!(after([5000, 5000]), INITIAL);
        assert_eq!(after([1; 50]), LEAST);
        assert_eq!(after([60_000; 50]), LONGEST);
        assert_eq!(after([150; 10_000]), Duration::from_millis(150));
    }
}

//! What time it is on a development chain: the machine's time, moved.

/// A clock that can be moved. Seconds since 1970 everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// How far ahead of the machine's clock.
    ahead: i64,
    /// Time that the next block was told to have.
    next: Option<u64>,
}

impl Clock {
    /// The time on this chain while the machine's is `machine`.
    pub(super) fn now(self, machine: u64) -> u64 {
        machine.saturating_add_signed(self.ahead)
    }

    /// The time that a block made now has, unless its parent's is later.
    pub(super) fn next(self, machine: u64) -> u64 {
        self.next.unwrap_or(self.now(machine))
    }

    /// Seconds that it is ahead of the machine's clock.
    pub(super) fn ahead(self) -> i64 {
        self.ahead
    }

    /// Moves the clock by `seconds`; gives how far ahead it is now.
    pub(super) fn advance(&mut self, seconds: i64) -> i64 {
        self.ahead = self.ahead.saturating_add(seconds);
        self.ahead
    }

    /// Sets the clock to `time`; gives how far it moved.
    pub(super) fn set(&mut self, time: u64, machine: u64) -> i64 {
        let before = self.ahead;
        self.ahead = i64::try_from(i128::from(time) - i128::from(machine)).unwrap_or(i64::MAX);
        self.ahead.saturating_sub(before)
    }

    /// Tells the next block its time.
    pub(super) fn tell(&mut self, time: u64) {
        self.next = Some(time);
    }

    /// A block was made. The clock goes on from the time that it was told, if it was.
    pub(super) fn sealed(&mut self, machine: u64) {
        if let Some(time) = self.next.take() {
            self.set(time, machine);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_goes_on_from_the_time_that_a_block_was_told() {
        let mut clock = Clock::default();
        assert_eq!(clock.advance(60), 60);
        assert_eq!((clock.now(1_000), clock.next(1_000)), (1_060, 1_060));
        clock.tell(5_000);
        assert_eq!((clock.now(1_000), clock.next(1_000)), (1_060, 5_000));
        clock.sealed(1_001);
        assert_eq!(clock.next(1_002), 5_001);
        clock.sealed(1_003);
        assert_eq!(clock.next(1_003), 5_002);
        assert_eq!(clock.set(100, 1_003), 100 - 5_002);
        assert_eq!(clock.now(1_004), 101);
    }

    #[test]
    fn no_time_that_a_client_asks_for_overflows() {
        let mut clock = Clock::default();
        clock.advance(i64::MAX);
        clock.advance(i64::MAX);
        assert_eq!(clock.now(u64::MAX), u64::MAX);
        clock.set(u64::MAX, 0);
        clock.advance(i64::MIN);
        clock.advance(i64::MIN);
        assert_eq!(clock.now(5), 0);
    }
}

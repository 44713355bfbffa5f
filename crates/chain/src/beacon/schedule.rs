//! When an epoch's ceremony does what, by heights alone.
//!
//! ```text
//! | first block ............ half ............ three quarters ........... last |
//!   dealers deal, players     dealers post       blocks record how it
//!   acknowledge               what they have     ended
//! ```

use std::num::NonZeroU64;

/// The heights at which the parts of a ceremony begin and end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    epoch_blocks: NonZeroU64,
}

impl Schedule {
    pub(crate) fn new(epoch_blocks: NonZeroU64) -> Self {
        Self { epoch_blocks }
    }

    /// The epoch of a height.
    pub(crate) fn epoch_of(&self, height: u64) -> u64 {
        height / self.epoch_blocks
    }

    /// Place of a height in its epoch, times four, beside the blocks of an epoch: `n / blocks` is the quarter.
    fn quarters(&self, height: u64) -> u128 {
        u128::from(height % self.epoch_blocks) * 4
    }

    /// Whether a dealer waits no longer for acknowledgements when block `height` is the next.
    pub(crate) fn logs_are_due(&self, height: u64) -> bool {
        self.quarters(height) >= u128::from(self.epoch_blocks.get()) * 2
    }

    /// Whether block `height` takes logs, as the contract has it.
    pub(crate) fn takes_logs(&self, height: u64) -> bool {
        self.quarters(height) < u128::from(self.epoch_blocks.get()) * 3
    }

    /// Whether block `height` may record how the ceremony of its epoch ended.
    pub(crate) fn concludes(&self, height: u64) -> bool {
        !self.takes_logs(height)
    }

    /// How many blocks a dealer waits for its log to be in a block before it posts it again.
    pub(crate) fn patience(&self) -> u64 {
        (self.epoch_blocks.get() / 16).clamp(2, 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contract divides by integers, too: were the two to differ, blocks would be made whose calls fail.
    #[test]
    fn an_epoch_takes_logs_in_its_first_three_quarters_and_concludes_after_them() {
        for (blocks, due, last_log) in [(8, 4, 5), (10, 5, 7), (1_200, 600, 899)] {
            let schedule = Schedule::new(NonZeroU64::new(blocks).unwrap());
            let first = 3 * blocks;
            assert!(!schedule.logs_are_due(first + due - 1) && schedule.logs_are_due(first + due));
            assert!(schedule.takes_logs(first + last_log) && schedule.concludes(first + last_log + 1));
            assert!(schedule.concludes(first + blocks - 1) && schedule.takes_logs(first + blocks));
            assert_eq!((schedule.epoch_of(first), schedule.epoch_of(first + blocks)), (3, 4));
        }
    }
}

//! Blobs that are kept on a promise: who promised what, and until when.

use crate::wire::Refusal;
use primitives::{Address, BlobRoot, U256};
use std::collections::{BTreeMap, BTreeSet};

/// What one blob is kept on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    /// Who pays.
    pub(super) payer: Address,
    /// What the chain will charge at most, wei.
    pub(super) fee_wei: U256,
    /// Bytes set aside for its rows.
    pub(super) bytes: u64,
    /// Last block in which it can be certified.
    pub(super) deadline: u64,
}

/// All promises that were not kept yet, with their sums.
///
/// **Invariant:** `bytes` and `promised` are the sums over `promises`; `deadlines` has each of them once.
#[derive(Default)]
pub(super) struct Unpaid {
    promises: BTreeMap<BlobRoot, Promise>,
    deadlines: BTreeSet<(u64, BlobRoot)>,
    bytes: u64,
    promised: BTreeMap<Address, U256>,
}

impl Unpaid {
    /// Takes a promise for the blob `root` whose payer has `escrow_wei`, unless rows that nobody paid for would take more than `bytes_max` or the
    /// payer's promises more than it has. A later promise for the same blob takes the place of the one before.
    pub(super) fn admit(
        &mut self,
        root: BlobRoot,
        promise: Promise,
        escrow_wei: U256,
        bytes_max: u64,
    ) -> Result<(), Refusal> {
        let before = self.promises.get(&root).copied();
        let bytes = self.bytes - before.map_or(0, |before| before.bytes);
        if bytes >= bytes_max {
            return Err(Refusal::Full);
        }
        let others = self.promised.get(&promise.payer).copied().unwrap_or_default()
            - (before.filter(|before| before.payer == promise.payer)).map_or(U256::ZERO, |before| before.fee_wei);
        let promised_wei = others.saturating_add(promise.fee_wei);
        if promised_wei > escrow_wei {
            return Err(Refusal::Unfunded {
                payer: promise.payer,
                escrow_wei,
                promised_wei,
            });
        }
        match before {
            Some(before) if before.deadline >= promise.deadline => {}
            _ => self.hold(root, promise),
        }
        Ok(())
    }

    /// Notes a promise that was taken before.
    pub(super) fn hold(&mut self, root: BlobRoot, promise: Promise) {
        self.release(&root);
        self.bytes += promise.bytes;
        *self.promised.entry(promise.payer).or_default() += promise.fee_wei;
        self.deadlines.insert((promise.deadline, root));
        self.promises.insert(root, promise);
    }

    /// The promise for a blob was kept, or its rows are gone.
    pub(super) fn release(&mut self, root: &BlobRoot) {
        let Some(promise) = self.promises.remove(root) else {
            return;
        };
        self.bytes -= promise.bytes;
        self.deadlines.remove(&(promise.deadline, *root));
        if let Some(promised) = self.promised.get_mut(&promise.payer) {
            *promised -= promise.fee_wei;
            if promised.is_zero() {
                self.promised.remove(&promise.payer);
            }
        }
    }

    /// Whether the blob is kept on a promise.
    pub(super) fn contains(&self, root: &BlobRoot) -> bool {
        self.promises.contains_key(root)
    }

    /// Blobs that can no longer be certified after block `height`.
    pub(super) fn over(&self, height: u64) -> Vec<BlobRoot> {
        (self.deadlines.iter())
            .take_while(|(deadline, _)| *deadline < height)
            .map(|(_, root)| *root)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::seeded;
    use rand_core::Rng;

    fn promise(payer: u8, fee: u64, bytes: u64, deadline: u64) -> Promise {
        Promise {
            payer: Address::repeat_byte(payer),
            fee_wei: U256::from(fee),
            bytes,
            deadline,
        }
    }

    fn root(byte: u8) -> BlobRoot {
        BlobRoot::from([byte; 32])
    }

    #[test]
    fn a_payer_promises_no_more_than_it_has_in_escrow() {
        let mut unpaid = Unpaid::default();
        let has = U256::from(100);
        unpaid.admit(root(1), promise(1, 60, 10, 50), has, 1_000).unwrap();
        let second = promise(1, 41, 10, 50);
        let refused = Refusal::Unfunded {
            payer: second.payer,
            escrow_wei: has,
            promised_wei: U256::from(101),
        };
        assert_eq!(unpaid.admit(root(2), second, has, 1_000), Err(refused));
        // Another payer may, and the first again for the blob that it promised already, or when that is paid.
        unpaid.admit(root(3), promise(2, 100, 10, 50), has, 1_000).unwrap();
        unpaid.admit(root(1), promise(1, 60, 10, 60), has, 1_000).unwrap();
        unpaid.release(&root(1));
        unpaid.admit(root(2), second, has, 1_000).unwrap();
        assert_eq!(unpaid.over(50), []);
        assert_eq!(unpaid.over(51), [root(2), root(3)]);
    }

    #[test]
    fn rows_that_nobody_paid_for_take_no_more_room_than_is_given_to_them() {
        let mut unpaid = Unpaid::default();
        let has = U256::MAX;
        unpaid.admit(root(1), promise(1, 1, 100, 5), has, 100).unwrap();
        assert_eq!(unpaid.admit(root(2), promise(1, 1, 1, 5), has, 100), Err(Refusal::Full));
        unpaid.admit(root(1), promise(1, 1, 100, 9), has, 100).unwrap();
        unpaid.release(&root(1));
        unpaid.admit(root(2), promise(1, 1, 1, 5), has, 100).unwrap();
    }

    #[test]
    fn sums_are_those_of_the_promises_whatever_comes_and_goes() {
        let mut rng = seeded(7);
        let mut unpaid = Unpaid::default();
        for _ in 0..2_000 {
            let [a, b, c, d] = rng.next_u32().to_be_bytes();
            let root = root(a % 16);
            match b % 3 {
                0 => unpaid.release(&root),
                _ => drop(unpaid.admit(
                    root,
                    promise(c % 4, d.into(), c.into(), b.into()),
                    U256::from(900),
                    1_500,
                )),
            }
            assert_eq!(
                unpaid.bytes,
                unpaid.promises.values().map(|promise| promise.bytes).sum::<u64>()
            );
            for (payer, promised) in &unpaid.promised {
                let own = unpaid.promises.values().filter(|promise| promise.payer == *payer);
                assert_eq!(own.map(|promise| promise.fee_wei).sum::<U256>(), *promised);
                assert!(*promised <= U256::from(900) && !promised.is_zero());
            }
            let all: BTreeSet<_> = unpaid
                .promises
                .iter()
                .map(|(root, promise)| (promise.deadline, *root))
                .collect();
            assert_eq!(unpaid.deadlines, all);
        }
    }
}

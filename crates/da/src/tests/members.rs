//! Operators that make the release key on the contracts themselves, lose power at any point, leave, and come back.

use super::{
    chain::keys,
    evm_chain::{EvmChain, account},
};
use crate::{
    Domain,
    release::{
        Keepers, KeepersError,
        ceremony::{Fresh, Lasting},
        participant::{Participant, Phase, REFRESH_EPOCHS, Undertaking, Vault},
    },
};
use commonware_cryptography::{Signer, bls12381::primitives::group::Share};
use commonware_utils::sync::Mutex;
use contracts::{
    EPOCH_BLOCKS, Provider, RELEASE_SERVICE, ReleaseKey,
    abi::{NetworkRegistry, ReleaseCeremony},
    addresses::{NETWORK_REGISTRY, RELEASE_COMMITTEE},
    read, write,
};
use crypto::threshold::{Identity, SecretShare};
use futures::executor::block_on;
use primitives::{Address, CHAIN_ID, Digest, U256};
use std::{collections::BTreeMap, io, num::NonZeroU64, sync::Arc};

const OPERATORS: u32 = 5;
/// Seats of each: of five founders with equal stakes.
const SEATS: usize = 4;
const RICH: Address = Address::repeat_byte(0xee);

/// A disk that outlives its operator's process.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<Kept>>);

#[derive(Clone, Default)]
struct Kept {
    undertaking: Option<Undertaking>,
    shares: Option<(u64, Vec<Share>)>,
    /// Secrets drawn.
    drawn: u8,
}

/// What a process knows of its disk.
struct DiskVault {
    operator: u32,
    disk: Disk,
    seen: Kept,
}

impl Vault for DiskVault {
    fn begin(&mut self, epoch: u64, previous: Vec<u8>) -> io::Result<Undertaking> {
        self.seen.drawn += 1;
        let begun = Undertaking {
            epoch,
            fresh: Fresh(blake3::derive_key("aloft tests", &[self.operator as u8, self.seen.drawn]).into()),
            previous,
        };
        self.seen.undertaking = Some(begun.clone());
        *self.disk.0.lock() = self.seen.clone();
        Ok(begun)
    }

    fn undertaking(&self) -> Option<&Undertaking> {
        self.seen.undertaking.as_ref()
    }

    fn forget(&mut self) -> io::Result<()> {
        self.seen.undertaking = None;
        *self.disk.0.lock() = self.seen.clone();
        Ok(())
    }

    fn shares(&self) -> Option<(u64, &[Share])> {
        self.seen
            .shares
            .as_ref()
            .map(|(epoch, shares)| (*epoch, shares.as_slice()))
    }

    fn keep(&mut self, from_epoch: u64, shares: Vec<Share>) -> io::Result<()> {
        self.seen.shares = Some((from_epoch, shares));
        *self.disk.0.lock() = self.seen.clone();
        Ok(())
    }
}

struct World {
    chain: EvmChain,
    disks: Vec<Disk>,
    running: BTreeMap<u32, Participant<EvmChain, DiskVault>>,
    /// What each operator releases with.
    serving: BTreeMap<u32, Vec<SecretShare>>,
}

impl World {
    fn new() -> Self {
        let endpoints: Vec<_> = (0..OPERATORS)
            .map(|index| ([127, 0, 0, 1], 7000 + index as u16).into())
            .collect();
        let wei = U256::from(10).pow(U256::from(20));
        let mut world = Self {
            chain: EvmChain::genesis_with(&endpoints, RICH, wei, ReleaseKey::Generated),
            disks: (0..OPERATORS).map(|_| Disk::default()).collect(),
            running: BTreeMap::new(),
            serving: BTreeMap::new(),
        };
        (0..OPERATORS).for_each(|operator| world.start(operator));
        world
    }

    /// Starts an operator, again if it runs: it knows what is on its disk.
    fn start(&mut self, operator: u32) {
        let disk = self.disks[operator as usize].clone();
        let seen = disk.0.lock().clone();
        let participant = Participant::new(
            self.chain.of(account(operator)),
            DiskVault { operator, disk, seen },
            Domain::of_chain(CHAIN_ID),
            account(operator),
            Lasting([operator as u8 + 1; 32].into()),
            NonZeroU64::new(EPOCH_BLOCKS).unwrap(),
        );
        self.running.insert(operator, participant);
    }

    /// A step of every operator that runs; `after` happens to each after its step.
    fn step(&mut self, mut after: impl FnMut(&mut Self, u32)) {
        let operators: Vec<u32> = self.running.keys().copied().collect();
        for operator in operators {
            let next = block_on(self.chain.height()).unwrap() + 1;
            let participant = self.running.get_mut(&operator).unwrap();
            if let Ok(Some(shares)) = block_on(participant.advance(next)) {
                self.serving.insert(operator, shares);
            }
            after(self, operator);
        }
    }

    /// All phases of an epoch, with some blocks of each.
    fn live(&mut self, epoch: u64, mut after: impl FnMut(&mut Self, u32)) {
        if epoch > 0 {
            self.chain.begin_epoch(epoch);
        }
        for phase in 0..5 {
            let begin = epoch * EPOCH_BLOCKS + phase * EPOCH_BLOCKS / 5;
            let height = block_on(self.chain.height()).unwrap();
            assert!(height <= begin, "the phase before took until {height}");
            self.chain.mine(begin - height);
            for _ in 0..4 {
                self.step(&mut after);
                self.chain.mine(3);
            }
        }
    }

    fn keepers(&self) -> Result<Keepers, KeepersError> {
        block_on(Keepers::read(&self.chain))
    }

    fn shared_from(&self) -> u64 {
        let call = ReleaseCeremony::sharingCall {};
        block_on(read(&self.chain, RELEASE_COMMITTEE, &call)).unwrap().fromEpoch
    }

    /// Checks that these operators, and no others, have all shares of the present committee, so many each, and that shares of any of them release.
    fn check_released_by(&self, operators: &[u32], seats: usize) {
        let keepers = self.keepers().unwrap();
        let committee = keepers.committee();
        assert_eq!(committee.members().len(), operators.len() * seats);
        let identity = Identity(Digest::from([4; 32]));
        let mut all = Vec::new();
        for (operator, shares) in &self.serving {
            let expected = if operators.contains(operator) { seats } else { 0 };
            assert_eq!(shares.len(), expected, "operator {operator}");
            for share in shares {
                keepers.check(share, &keys(*operator).0.public_key()).unwrap();
                all.push(share.release(&identity));
            }
        }
        all.rotate_left(3);
        let enough = &all[..committee.threshold().into()];
        assert!(committee.combine(&identity, enough).unwrap().wrong.is_empty());
        assert!(committee.combine(&identity, &enough[1..]).is_err());
    }

    fn leave(&self, operator: u32) {
        let call = NetworkRegistry::optOutCall {
            service: RELEASE_SERVICE,
        };
        block_on(write(
            &self.chain.of(account(operator)),
            NETWORK_REGISTRY,
            &call,
            U256::ZERO,
        ))
        .unwrap();
    }

    fn secrets_kept(&self) -> usize {
        self.disks
            .iter()
            .filter(|disk| disk.0.lock().undertaking.is_some())
            .count()
    }
}

const NOTHING: fn(&mut World, u32) = |_, _| {};

#[test]
fn operators_make_the_key_in_the_first_epoch_and_hand_it_on_when_one_leaves() {
    let mut world = World::new();
    assert!(matches!(world.keepers(), Err(KeepersError::Nobody)));
    world.live(0, NOTHING);
    assert_eq!((world.shared_from(), world.secrets_kept()), (1, 0));
    world.check_released_by(&[0, 1, 2, 3, 4], SEATS);
    let key = *world.keepers().unwrap().committee().key();

    // Nobody changes, so nothing is posted.
    world.live(1, NOTHING);
    world.leave(2);
    for epoch in [2, 3] {
        world.live(epoch, NOTHING);
    }
    assert_eq!(
        (world.shared_from(), world.secrets_kept()),
        (4, 0),
        "in the epoch before it has no seat"
    );
    // The same twenty seats.
    world.check_released_by(&[0, 1, 3, 4], SEATS + 1);
    assert_eq!(*world.keepers().unwrap().committee().key(), key);
}

#[test]
fn an_operator_that_starts_again_after_every_step_loses_nothing() {
    let mut world = World::new();
    world.live(0, |world, operator| world.start(operator));
    world.serving.clear();
    (0..OPERATORS).for_each(|operator| world.start(operator));
    world.step(NOTHING);
    world.check_released_by(&[0, 1, 2, 3, 4], SEATS);
    assert_eq!(world.secrets_kept(), 0);
}

#[test]
fn an_operator_that_is_away_while_others_agree_finds_its_shares_on_the_chain_later() {
    let mut world = World::new();
    world.live(0, |world, operator| {
        let height = block_on(world.chain.height()).unwrap();
        let (_, phase) = Phase::of(height, NonZeroU64::new(EPOCH_BLOCKS).unwrap());
        if operator == 3 && phase == Phase::Close {
            world.running.remove(&3);
        }
    });
    assert_eq!((world.shared_from(), world.secrets_kept()), (1, 1));
    assert!(!world.serving.contains_key(&3));
    world.chain.begin_epoch(1);
    world.chain.begin_epoch(2);
    world.start(3);
    world.step(NOTHING);
    world.check_released_by(&[0, 1, 2, 3, 4], SEATS);
    assert_eq!(world.secrets_kept(), 0);
}

#[test]
fn two_of_five_that_are_away_keep_the_key_from_being_made_and_one_does_not() {
    let mut world = World::new();
    world.running.retain(|operator, _| *operator > 1);
    world.live(0, NOTHING);
    assert_eq!(world.shared_from(), 0);
    world.start(1);
    world.live(1, NOTHING);
    assert_eq!(
        (world.shared_from(), world.secrets_kept()),
        (2, 0),
        "secrets of what failed are gone, too"
    );
    world.check_released_by(&[1, 2, 3, 4], SEATS);
    let key = *world.keepers().unwrap().committee().key();

    // Who was away gets shares when the key is shared anew, though no seat changed.
    world.start(0);
    for epoch in 2..2 + REFRESH_EPOCHS {
        world.live(epoch, NOTHING);
    }
    assert_eq!(world.shared_from(), 2 + REFRESH_EPOCHS);
    world.check_released_by(&[0, 1, 2, 3, 4], SEATS);
    assert_eq!(*world.keepers().unwrap().committee().key(), key);
}

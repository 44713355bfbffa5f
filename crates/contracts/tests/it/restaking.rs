//! One stake, several services: random calls of operators, backers and slashers, and what must hold whatever they do.
//!
//! The traps are those that audits of such vaults found again and again: a stake slashed by two services for more than there is, one that leaves before
//! what it secured can be punished, a deposit that pays for what happened before it, and a slice that was to be one service's alone.

use crate::{chain::Chain, keys::Operator};
use contracts::{
    DA_SERVICE, EPOCH_BLOCKS, JOINING_EPOCHS, LOOKAHEAD_EPOCHS, SERVICE_CREATION_WEI, SLASH_WEI as COIN,
    UNBONDING_EPOCHS,
    abi::{NetworkRegistry as Networks, StakeVault as Vault},
    addresses::{FAUCET, NETWORK_REGISTRY, STAKE_VAULT},
};
use primitives::{Address, B256, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Who calls `closeEpoch` in a block.
const SYSTEM: Address = Address::repeat_byte(0xfe);
const REPORTER: Address = Address::repeat_byte(0xee);
/// Steward and slasher of each service that the tests make: two that share stake, one that does not.
const SLASHERS: [Address; 3] = [
    Address::repeat_byte(0xa1),
    Address::repeat_byte(0xa2),
    Address::repeat_byte(0xa3),
];
const BACKER: Address = Address::repeat_byte(0xb1);
/// Genesis has two services before them.
const FIRST: u32 = 2;
const UNIQUE: u32 = FIRST + 2;
/// Epochs after an offence in which it can be punished.
const WINDOW: u64 = 3;

/// What an operator's stake was counted as for one committee.
#[derive(Clone, Copy)]
struct Counted {
    /// Epoch of the committee.
    epoch: u64,
    wei: u128,
    /// What the operator had lost in all when it was counted.
    lost_before: u128,
}

struct World {
    chain: Chain,
    operators: Vec<Operator>,
    evidence: u64,
    /// What each operator lost in all.
    lost: Vec<u128>,
    /// What a committee that can still be punished was counted on, by service and operator.
    counted: BTreeMap<(u32, u32), Vec<Counted>>,
    /// Deposits that are under way or joined, by operator and account: epoch in which each was made.
    deposits: BTreeMap<(u32, Address), Vec<u64>>,
    /// Epoch in which an operator last left the service that shares no stake, and one that does.
    left_unique: BTreeMap<u32, u64>,
    left_shared: BTreeMap<u32, u64>,
    /// How often an operator gave its stake to one service alone.
    alone: u32,
}

impl World {
    fn new() -> Self {
        let operators: Vec<_> = (1..=3).map(Operator::new).collect();
        let mut chain = Chain::genesis(FAUCET, &operators);
        for account in operators.iter().map(|operator| operator.account).chain([BACKER]) {
            chain.fund(account, U256::from(1_000_000 * COIN));
        }
        let fee = U256::from(SERVICE_CREATION_WEI);
        for (slasher, allocation) in SLASHERS.into_iter().zip([0, 0, 1]) {
            chain.fund(slasher, fee);
            let create = Networks::createCall {
                kind: 2,
                allocation,
                slasher,
                seats: 9,
                minStake: COIN,
            };
            let service = chain.pay(slasher, NETWORK_REGISTRY, &create, fee).unwrap().result;
            chain
                .send(slasher, NETWORK_REGISTRY, &Networks::activateCall { service })
                .unwrap();
        }
        Self {
            chain,
            lost: vec![0; operators.len()],
            operators,
            evidence: 0,
            counted: BTreeMap::new(),
            deposits: BTreeMap::new(),
            left_unique: BTreeMap::new(),
            left_shared: BTreeMap::new(),
            alone: 0,
        }
    }

    fn epoch(&self) -> u64 {
        self.chain.block / EPOCH_BLOCKS
    }

    fn accounts(&self) -> Vec<Address> {
        let operators = self.operators.iter().map(|operator| operator.account);
        operators.chain([BACKER]).collect()
    }

    fn stake(&mut self, operator: u32) -> Vault::Stake {
        self.chain.view(STAKE_VAULT, &Vault::stakeOfCall { operator })
    }

    /// What can be taken of an operator's stake now.
    fn slashable(&mut self, operator: u32) -> u128 {
        let until = self.epoch();
        let call = Vault::atStakeUntilCall {
            operator,
            untilEpoch: until,
        };
        self.chain.view(STAKE_VAULT, &call)
    }

    fn members(&mut self, service: u32) -> Vec<u32> {
        self.chain.view(NETWORK_REGISTRY, &Networks::membersOfCall { service })
    }

    /// Lets an epoch begin: its block closes committees, and what they were counted on is noted.
    fn next_epoch(&mut self) {
        self.chain.block = (self.epoch() + 1) * EPOCH_BLOCKS;
        self.chain
            .send(SYSTEM, NETWORK_REGISTRY, &Networks::closeEpochCall {})
            .unwrap();
        let epoch = self.epoch();
        for service in FIRST..=UNIQUE {
            for operator in self.members(service) {
                let call = Vault::stakeAtCall {
                    operator,
                    atEpoch: epoch,
                };
                let wei = self.chain.view(STAKE_VAULT, &call);
                let counted = Counted {
                    epoch: epoch + LOOKAHEAD_EPOCHS,
                    wei,
                    lost_before: self.lost[operator as usize],
                };
                self.counted.entry((service, operator)).or_default().push(counted);
            }
        }
        for counted in self.counted.values_mut() {
            counted.retain(|counted| counted.epoch + WINDOW >= epoch);
        }
    }

    /// One call of somebody, which may well be refused.
    fn act(&mut self, rng: &mut ChaCha8Rng) {
        let (operator, accounts) = (rng.random_range(0..3u32), self.accounts());
        let own = accounts[operator as usize];
        let who = if rng.random_bool(0.5) { own } else { BACKER };
        let amount = rng.random_range(0..3 * COIN) + rng.random_range(0..100);
        // Founders are in the first service, which shares their stake.
        let service = [DA_SERVICE, FIRST, FIRST + 1, UNIQUE][rng.random_range(0..4)];
        match rng.random_range(0..10) {
            0..=1 => {
                let call = Vault::depositCall { operator };
                if self.chain.pay(who, STAKE_VAULT, &call, U256::from(amount)).is_ok() {
                    let epoch = self.epoch();
                    self.deposits.entry((operator, who)).or_default().push(epoch);
                }
            }
            2 => {
                let part = if rng.random_bool(0.3) { u128::MAX } else { amount };
                let call = Vault::askBackCall { operator, amount: part };
                let _ = self.chain.send(who, STAKE_VAULT, &call);
            }
            3 => {
                let release = self.epoch().saturating_sub(rng.random_range(0..3));
                let call = Vault::releaseCall {
                    operator,
                    releaseEpoch: release,
                };
                let _ = self.chain.send(who, STAKE_VAULT, &call);
            }
            4..=5 => self.opt_in(own, operator, service),
            6 => {
                let call = Networks::optOutCall { service };
                if self.chain.send(own, NETWORK_REGISTRY, &call).is_ok() {
                    let epoch = self.epoch();
                    let left = if service == UNIQUE {
                        &mut self.left_unique
                    } else {
                        &mut self.left_shared
                    };
                    left.insert(operator, epoch);
                }
            }
            7 => {
                let offence = self.epoch().saturating_sub(rng.random_range(0..=WINDOW + 1));
                let most = if rng.random_bool(0.2) { u128::MAX >> 1 } else { amount };
                self.slash(rng.random_range(FIRST..=UNIQUE), operator, most, offence);
            }
            8 => {
                let call = Networks::evictCall { service, operator };
                let epoch = self.epoch();
                if self.chain.send(SYSTEM, NETWORK_REGISTRY, &call).is_ok() {
                    let left = if service == UNIQUE {
                        &mut self.left_unique
                    } else {
                        &mut self.left_shared
                    };
                    left.insert(operator, epoch);
                }
            }
            _ => {
                let _ = self.chain.send(who, STAKE_VAULT, &Vault::withdrawCall {});
            }
        }
    }

    /// Trap: one stake, promised to two services of which one wants it for itself.
    fn opt_in(&mut self, own: Address, operator: u32, service: u32) {
        let epoch = self.epoch();
        let call = Networks::optInCall { service, displaced: 0 };
        if self.chain.send(own, NETWORK_REGISTRY, &call).is_err() {
            return;
        }
        let mut memberships = Vec::new();
        for at in 0..=UNIQUE {
            if self.members(at).contains(&operator) {
                memberships.push(at);
            }
        }
        let unbound = |left: Option<&u64>| left.is_none_or(|left| left + UNBONDING_EPOCHS <= epoch);
        if service == UNIQUE {
            self.alone += 1;
            assert_eq!(
                memberships,
                [UNIQUE],
                "operator {operator} secures others with a slice of one"
            );
            assert!(
                unbound(self.left_shared.get(&operator)),
                "epoch {epoch}: a shared stake became one service's"
            );
        } else {
            assert!(
                !memberships.contains(&UNIQUE),
                "operator {operator} shares a slice of one"
            );
            assert!(
                unbound(self.left_unique.get(&operator)),
                "epoch {epoch}: one service's stake became shared"
            );
        }
    }

    fn slash(&mut self, service: u32, operator: u32, amount: u128, offence: u64) {
        self.evidence += 1;
        let call = Vault::slashCall {
            service,
            operator,
            amount,
            offenceEpoch: offence,
            evidence: B256::from(U256::from(self.evidence)),
            reporter: REPORTER,
            jailEpochs: 0,
        };
        let epoch = self.epoch();
        let slasher = SLASHERS[(service - FIRST) as usize];
        let before: Vec<_> = (0..3).map(|operator| self.stake(operator)).collect();
        let slashable = self.slashable(operator);
        let held: Vec<u128> = self
            .accounts()
            .iter()
            .map(|account| self.held(operator, *account))
            .collect();
        let Ok(sent) = self.chain.send(slasher, STAKE_VAULT, &call) else {
            return;
        };
        let lost = sent.result.lost;
        assert!(
            offence <= epoch && epoch <= offence + WINDOW,
            "offence {offence} punished in epoch {epoch}"
        );
        // Trap: over-slashing. No more than was asked for, but for what is too little to keep; no more than there was; nobody else's.
        assert!(lost <= slashable, "{lost} of {slashable}");
        assert!(
            lost >= amount.min(slashable),
            "{lost} of {amount} asked for, {slashable} there"
        );
        assert_eq!(sent.result.rewarded, lost / 4);
        self.lost[operator as usize] += lost;
        for other in 0..3u32 {
            let (was, is) = (&before[other as usize], self.stake(other));
            assert_eq!(is.joining, was.joining, "a deposit that does not count was slashed");
            assert_eq!(is.rewards, was.rewards, "what was earned was slashed");
            let gone = (was.active + was.leaving) - (is.active + is.leaving);
            assert_eq!(gone, if other == operator { lost } else { 0 });
        }
        // Trap: a deposit after the offence. Whoever lost something had deposited before it.
        for (account, had) in self.accounts().into_iter().zip(held) {
            let founded = self.operators.iter().any(|founder| founder.account == account);
            if self.held(operator, account) < had && !founded {
                let deposits = &self.deposits[&(operator, account)];
                assert!(
                    deposits.iter().any(|made| *made < offence),
                    "{deposits:?} lost for epoch {offence}"
                );
            }
        }
    }

    /// What an account has in the pool of an operator.
    fn held(&mut self, operator: u32, account: Address) -> u128 {
        self.chain
            .view(STAKE_VAULT, &Vault::delegationOfCall { operator, account })
            .active
    }

    /// Trap: exit before the window. What a committee was counted on can be taken until nothing that the committee did can be punished any more, but for what
    /// was taken already; and its members stay answerable as long, though they left.
    fn check_answerable(&mut self) {
        let (epoch, counted) = (self.epoch(), self.counted.clone());
        for ((service, operator), counted) in counted {
            let slashable = self.slashable(operator);
            for counted in counted {
                let lost = self.lost[operator as usize] - counted.lost_before;
                assert!(
                    slashable + lost >= counted.wei,
                    "epoch {epoch}: {slashable} left and {lost} lost of {} that secured service {service} in epoch {}",
                    counted.wei,
                    counted.epoch
                );
                let call = Networks::wasMemberCall {
                    service,
                    operator,
                    atEpoch: counted.epoch,
                };
                assert!(
                    self.chain.view(NETWORK_REGISTRY, &call),
                    "operator {operator} had seats in epoch {}, and service {service} cannot punish it in {epoch}",
                    counted.epoch
                );
            }
        }
    }

    /// Every wei of the vault is somebody's, and none came from nowhere.
    fn check_conserved(&mut self, total: U256) {
        let mut held = U256::ZERO;
        for operator in 0..3 {
            let stake = self.stake(operator);
            held += U256::from(stake.active) + U256::from(stake.joining) + U256::from(stake.leaving) + stake.rewards;
        }
        let mut accounts = self.accounts();
        accounts.push(REPORTER);
        for account in accounts {
            held += self.chain.view(STAKE_VAULT, &Vault::balancesCall { account });
        }
        assert_eq!(self.chain.balance(STAKE_VAULT), held);
        assert_eq!(self.coins(), total);
    }

    fn coins(&self) -> U256 {
        let mut all = self.accounts();
        all.extend(SLASHERS);
        all.extend([REPORTER, STAKE_VAULT, Address::ZERO]);
        all.iter().map(|account| self.chain.balance(*account)).sum()
    }
}

#[test]
fn whatever_operators_and_slashers_do_no_stake_escapes_or_pays_twice_and_no_wei_is_lost() {
    let (mut slashed, mut alone) = (0, 0);
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut world = World::new();
        let total = world.coins();
        for _ in 0..150 {
            if rng.random_bool(0.2) {
                world.next_epoch();
            } else {
                // The block of an epoch's beginning is not skipped.
                let last = (world.epoch() + 1) * EPOCH_BLOCKS - 1;
                world.chain.block = last.min(world.chain.block + rng.random_range(0..EPOCH_BLOCKS / 8));
            }
            world.act(&mut rng);
            world.check_answerable();
            world.check_conserved(total);
        }
        assert!(
            world.epoch() > JOINING_EPOCHS + UNBONDING_EPOCHS,
            "seed {seed} has seen no stake come and go"
        );
        alone += world.alone;
        slashed += world.lost.iter().filter(|lost| **lost > 0).count();
    }
    // A test in which nothing is punished, or bound, shows nothing.
    assert!(
        slashed >= 20 && alone > 0,
        "{slashed} operators were slashed, {alone} stakes were one service's alone"
    );
}

//! Stake: what is deposited, lost, earned and drawn, to the wei; and the traps that vaults fall into.

use crate::{chain::Chain, keys::Operator};
use contracts::{
    EPOCH_BLOCKS, JOINING_EPOCHS, SERVICE_CREATION_WEI, SLASH_WEI as COIN, UNBONDING_EPOCHS,
    abi::{NetworkRegistry, OperatorRegistry, StakeVault as Vault},
    addresses::{FAUCET, NETWORK_REGISTRY, OPERATOR_REGISTRY, STAKE_VAULT},
};
use primitives::{Address, B256, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

const REPORTER: Address = Address::repeat_byte(0xee);
/// Slashers of services 2 and 3; genesis has two before them.
const SLASHERS: [Address; 2] = [Address::repeat_byte(0xa1), Address::repeat_byte(0xa2)];
const BACKERS: [Address; 3] = [
    Address::repeat_byte(0xb1),
    Address::repeat_byte(0xb2),
    Address::repeat_byte(0xb3),
];
/// What a founder of the tests has at stake.
const FOUNDED: u128 = crate::keys::STAKE_WEI;
const WINDOW: u64 = 3;

/// Three founders, each in services 2 and 3, which share its stake, and backers with coins.
pub struct Scene {
    pub chain: Chain,
    pub operators: Vec<Operator>,
    evidence: u64,
}

impl Scene {
    pub fn new() -> Self {
        let operators: Vec<_> = (1..=3).map(Operator::new).collect();
        let mut chain = Chain::genesis(FAUCET, &operators);
        for account in BACKERS.into_iter().chain(operators.iter().map(|o| o.account)) {
            chain.fund(account, U256::from(1_000_000 * COIN));
        }
        for slasher in SLASHERS {
            chain.fund(slasher, U256::from(SERVICE_CREATION_WEI));
            let create = NetworkRegistry::createCall {
                kind: 2,
                allocation: 0,
                slasher,
                seats: 12,
                minStake: COIN,
            };
            let fee = U256::from(SERVICE_CREATION_WEI);
            let service = chain.pay(slasher, NETWORK_REGISTRY, &create, fee).unwrap().result;
            for operator in &operators {
                let call = NetworkRegistry::optInCall { service, displaced: 0 };
                chain.send(operator.account, NETWORK_REGISTRY, &call).unwrap();
            }
        }
        Self {
            chain,
            operators,
            evidence: 0,
        }
    }

    fn epoch(&self) -> u64 {
        self.chain.block / EPOCH_BLOCKS
    }

    /// Lets epochs pass.
    fn wait(&mut self, epochs: u64) {
        self.chain.block += epochs * EPOCH_BLOCKS;
    }

    fn deposit(&mut self, from: Address, operator: u32, wei: u128) -> Result<(), String> {
        let call = Vault::depositCall { operator };
        self.chain.pay(from, STAKE_VAULT, &call, U256::from(wei)).map(|_| ())
    }

    fn ask_back(&mut self, from: Address, operator: u32, amount: u128) -> Result<u64, String> {
        let call = Vault::askBackCall { operator, amount };
        self.chain.send(from, STAKE_VAULT, &call).map(|sent| sent.result)
    }

    fn release(&mut self, from: Address, operator: u32, due: u64) -> Result<u128, String> {
        let call = Vault::releaseCall {
            operator,
            releaseEpoch: due,
        };
        self.chain.send(from, STAKE_VAULT, &call).map(|sent| sent.result.to())
    }

    /// Service `service` punishes for an offence of `offence` with new evidence.
    fn slash(&mut self, service: u32, operator: u32, amount: u128, offence: u64) -> Result<u128, String> {
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
        let slasher = SLASHERS[service as usize - 2];
        self.chain
            .send(slasher, STAKE_VAULT, &call)
            .map(|sent| sent.result.lost)
    }

    fn stake(&mut self, operator: u32) -> Vault::Stake {
        self.chain.view(STAKE_VAULT, &Vault::stakeOfCall { operator })
    }

    fn held(&mut self, operator: u32, account: Address) -> Vault::Delegation {
        let call = Vault::delegationOfCall { operator, account };
        self.chain.view(STAKE_VAULT, &call)
    }

    fn balance(&mut self, account: Address) -> u128 {
        let call = Vault::balancesCall { account };
        self.chain.view(STAKE_VAULT, &call).to()
    }

    fn at(&mut self, operator: u32, epoch: u64) -> u128 {
        let call = Vault::stakeAtCall {
            operator,
            atEpoch: epoch,
        };
        self.chain.view(STAKE_VAULT, &call)
    }
}

#[test]
fn a_deposit_counts_four_epochs_later_and_can_be_taken_back_until_then() {
    let mut scene = Scene::new();
    let [first, second, _] = BACKERS;
    scene.deposit(first, 0, 8 * COIN).unwrap();
    scene.deposit(second, 0, COIN).unwrap();
    assert_eq!(scene.stake(0).joining, 9 * COIN);
    scene.wait(JOINING_EPOCHS - 1);
    assert_eq!((scene.stake(0).active, scene.held(0, first).active), (FOUNDED, 0));
    let call = Vault::takeBackCall { operator: 0 };
    scene.chain.send(second, STAKE_VAULT, &call).unwrap();
    assert_eq!(scene.balance(second), COIN);
    assert!(scene.chain.send(second, STAKE_VAULT, &call).is_err());
    assert_eq!(
        scene.ask_back(first, 0, COIN).unwrap_err(),
        format!("InvalidAmount(amount: {COIN}, held: 0)")
    );
    scene.wait(1);
    assert_eq!(scene.stake(0).active, FOUNDED + 8 * COIN);
    assert_eq!(scene.held(0, first).active, 8 * COIN);
    assert!(scene.chain.send(first, STAKE_VAULT, &call).is_err());
    // What counts is what counted when the epoch began.
    assert_eq!((scene.at(0, 3), scene.at(0, 4)), (FOUNDED, FOUNDED + 8 * COIN));
    scene.ask_back(first, 0, 3 * COIN).unwrap();
    assert_eq!(
        (scene.at(0, 4), scene.at(0, 5)),
        (FOUNDED + 8 * COIN, FOUNDED + 5 * COIN)
    );
}

#[test]
fn a_deposit_that_is_too_small_or_for_nobody_is_refused() {
    let mut scene = Scene::new();
    let small = scene.deposit(BACKERS[0], 0, 999_999_999_999_999).unwrap_err();
    assert_eq!(small, "DepositTooSmall(amount: 999999999999999)");
    assert_eq!(
        scene.deposit(BACKERS[0], 3, COIN).unwrap_err(),
        "NoSuchOperator(operator: 3)"
    );
}

#[test]
fn a_slash_hits_every_backer_in_proportion_and_what_leaves_too() {
    let mut scene = Scene::new();
    let [first, second, _] = BACKERS;
    let own = scene.operators[0].account;
    scene.deposit(first, 0, 6 * COIN).unwrap();
    scene.deposit(second, 0, 3 * COIN / 2).unwrap();
    scene.wait(JOINING_EPOCHS);
    let due = scene.ask_back(first, 0, 4 * COIN).unwrap();
    let epoch = scene.epoch();
    // Half of ten coins.
    assert_eq!(scene.slash(2, 0, 5 * COIN, epoch).unwrap(), 5 * COIN);
    assert_eq!(scene.held(0, first).active, COIN);
    assert_eq!(scene.held(0, second).active, 3 * COIN / 4);
    assert_eq!(scene.held(0, own).active, FOUNDED / 2);
    let stake = scene.stake(0);
    assert_eq!((stake.active, stake.leaving), (3 * COIN, 2 * COIN));
    assert_eq!(scene.balance(REPORTER), 5 * COIN / 4);
    assert_eq!(
        scene.chain.balance(Address::ZERO),
        U256::from(2 * SERVICE_CREATION_WEI + 15 * COIN / 4)
    );
    scene.wait(UNBONDING_EPOCHS);
    assert_eq!(scene.release(first, 0, due).unwrap(), 2 * COIN);
    assert!(scene.release(first, 0, due).is_err());
}

/// Trap: a stake backs two services, and both slash all of it.
#[test]
fn two_services_that_slash_one_stake_take_no_more_than_there_is() {
    let mut scene = Scene::new();
    assert_eq!(scene.slash(2, 0, FOUNDED - COIN, 0).unwrap(), FOUNDED - COIN);
    assert_eq!(scene.slash(3, 0, FOUNDED, 0).unwrap(), COIN);
    assert_eq!(scene.slash(3, 0, FOUNDED, 0).unwrap(), 0);
    assert_eq!(scene.stake(0).active, 0);
    // Another operator's is another pool.
    assert_eq!(scene.stake(1).active, FOUNDED);
    // Whoever joins a pool that lost all begins anew, and owns what it brings.
    scene.deposit(BACKERS[0], 0, 5 * COIN).unwrap();
    scene.wait(JOINING_EPOCHS);
    assert_eq!(scene.held(0, BACKERS[0]).active, 5 * COIN);
    let own = scene.operators[0].account;
    assert_eq!(scene.held(0, own).active, 0);
    assert!(scene.ask_back(own, 0, 1).is_err());
}

/// Trap: who offended is gone before the evidence is there.
#[test]
fn stake_cannot_leave_before_its_last_committee_can_be_punished() {
    let mut scene = Scene::new();
    let own = scene.operators[0].account;
    // Asked back in epoch 0, after its beginning: it counts for the committee of epoch 2 still.
    let due = scene.ask_back(own, 0, u128::MAX).unwrap();
    let last_committee = 2;
    scene.chain.block = (last_committee + WINDOW + 1) * EPOCH_BLOCKS - 1;
    assert_eq!(
        scene.release(own, 0, due).unwrap_err(),
        format!("NotYet(releaseEpoch: {due})")
    );
    assert_eq!(scene.slash(2, 0, COIN, last_committee).unwrap(), COIN);
    scene.chain.block += 1;
    assert_eq!(
        scene.slash(2, 0, COIN, last_committee).unwrap_err(),
        "OutsideWindow(offenceEpoch: 2)"
    );
    assert_eq!(scene.release(own, 0, due).unwrap(), FOUNDED - COIN);
}

/// Trap: an offence is known, somebody deposits, then the slash comes.
#[test]
fn a_deposit_after_the_offence_is_never_slashed_for_it() {
    let mut scene = Scene::new();
    let backer = BACKERS[0];
    for offence in 0..6 {
        scene.chain.block = offence * EPOCH_BLOCKS + 1;
        scene.deposit(backer, 1, 7 * COIN).unwrap();
        let (before, joined) = (scene.held(1, backer), scene.stake(1).active);
        // At the last moment at which the offence can be punished.
        scene.chain.block = (offence + WINDOW + 1) * EPOCH_BLOCKS - 1;
        let lost = scene.slash(2, 1, COIN / 10, offence).unwrap();
        assert_eq!(lost, COIN / 10);
        let after = scene.held(1, backer);
        assert_eq!((after.joining, after.active), (before.joining, 0));
        assert!(joined < FOUNDED + COIN);
        let call = Vault::takeBackCall { operator: 1 };
        scene.chain.send(backer, STAKE_VAULT, &call).unwrap();
    }
    assert_eq!(scene.balance(backer), 6 * 7 * COIN);
}

#[test]
fn only_a_services_slasher_punishes_its_members_once_for_each_evidence() {
    let mut scene = Scene::new();
    let call = |operator, evidence, jail| Vault::slashCall {
        service: 2,
        operator,
        amount: COIN / 10,
        offenceEpoch: 0,
        evidence: B256::repeat_byte(evidence),
        reporter: REPORTER,
        jailEpochs: jail,
    };
    for (from, call, reason) in [
        (SLASHERS[1], call(0, 1, 0), "NotTheSlasher(service: 2)"),
        (REPORTER, call(0, 1, 0), "NotTheSlasher(service: 2)"),
        (
            SLASHERS[0],
            call(3, 1, 0),
            "NotAMember(service: 2, operator: 3, offenceEpoch: 0)",
        ),
        (SLASHERS[0], call(0, 1, 65), "JailTooLong(epochs: 65)"),
    ] {
        assert_eq!(scene.chain.send(from, STAKE_VAULT, &call).err().unwrap(), reason);
    }
    scene.chain.send(SLASHERS[0], STAKE_VAULT, &call(0, 1, 5)).unwrap();
    let jailed = OperatorRegistry::jailedUntilCall { operator: 0 };
    assert_eq!(scene.chain.view(OPERATOR_REGISTRY, &jailed), 5);
    let again = scene
        .chain
        .send(SLASHERS[0], STAKE_VAULT, &call(0, 1, 0))
        .err()
        .unwrap();
    assert_eq!(again, format!("AlreadyPunished(evidence: {})", B256::repeat_byte(1)));
    let future = Vault::slashCall {
        offenceEpoch: 1,
        ..call(0, 2, 0)
    };
    let refused = scene.chain.send(SLASHERS[0], STAKE_VAULT, &future).err().unwrap();
    assert_eq!(refused, "OutsideWindow(offenceEpoch: 1)");
}

#[test]
fn rewards_are_divided_by_stake_after_the_commission() {
    let mut scene = Scene::new();
    let own = scene.operators[2].account;
    scene.deposit(BACKERS[0], 2, 3 * FOUNDED).unwrap();
    let call = OperatorRegistry::setCommissionCall { commissionBps: 1_000 };
    scene.chain.send(own, OPERATOR_REGISTRY, &call).unwrap();
    scene.wait(UNBONDING_EPOCHS);
    let reward = |scene: &mut Scene, wei: u128| {
        let call = Vault::rewardCall { operator: 2 };
        scene
            .chain
            .pay(BACKERS[1], STAKE_VAULT, &call, U256::from(wei))
            .unwrap();
    };
    reward(&mut scene, 4000);
    assert_eq!(
        (scene.held(2, own).rewards, scene.held(2, BACKERS[0]).rewards),
        (U256::from(899), U256::from(2699))
    );
    assert_eq!(scene.balance(own), 400);
    // A slash takes nothing of what was earned, not even when it takes all the rest.
    let epoch = scene.epoch();
    scene.slash(2, 2, u128::MAX >> 1, epoch).unwrap();
    let draw = Vault::drawRewardsCall { operator: 2 };
    let drawn = scene.chain.send(BACKERS[0], STAKE_VAULT, &draw).unwrap().result;
    assert_eq!(drawn, U256::from(2699));
    assert_eq!(
        scene.chain.send(BACKERS[0], STAKE_VAULT, &draw).unwrap().result,
        U256::ZERO
    );
    // Nobody backs it any more.
    reward(&mut scene, 5);
    assert_eq!(scene.balance(own), 405);
}

/// Fraction bits of the model's amounts.
const BITS: usize = 32;

/// What everybody should have: no shares, only amounts, each of which a slash makes smaller by the same factor.
#[derive(Default)]
struct Model {
    active: BTreeMap<(u32, Address), U256>,
    joining: BTreeMap<(u32, Address), (u128, u64)>,
    leaving: BTreeMap<(u32, Address, u64), U256>,
    rewards: BTreeMap<(u32, Address), U256>,
}

fn exact(wei: u128) -> U256 {
    U256::from(wei) << BITS
}

impl Model {
    fn join(&mut self, epoch: u64) {
        let due: Vec<_> = (self.joining.iter())
            .filter(|(_, (_, at))| *at <= epoch)
            .map(|(key, (wei, _))| (*key, *wei))
            .collect();
        for (key, wei) in due {
            self.joining.remove(&key);
            *self.active.entry(key).or_default() += exact(wei);
        }
    }

    fn total(&self, operator: u32) -> U256 {
        let of = self.active.iter().filter(|((at, _), _)| *at == operator);
        of.map(|(_, wei)| *wei).sum()
    }

    fn shrink(&mut self, operator: u32, epoch: u64, left: U256, of: U256) {
        for ((at, _), wei) in &mut self.active {
            if *at == operator {
                *wei = *wei * left / of;
            }
        }
        for ((at, _, due), wei) in &mut self.leaving {
            if *at == operator && *due > epoch {
                *wei = *wei * left / of;
            }
        }
    }
}

/// Whether two amounts differ by no more than what roundings move, one wei a call.
fn near(found: u128, expected: U256, calls: u128, what: &str) {
    let expected: u128 = (expected >> BITS).to();
    assert!(
        found.abs_diff(expected) <= calls,
        "{what}: {found}, not {expected}, after {calls} calls"
    );
}

/// Random calls of everybody: each has what a model without shares says, and every wei that came in is somebody's or burnt.
#[test]
fn random_calls_give_everybody_what_is_theirs_and_conserve_every_wei() {
    for seed in 0..6 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut scene = Scene::new();
        let mut model = Model::default();
        let accounts: Vec<Address> = (scene.operators.iter().map(|o| o.account)).chain(BACKERS).collect();
        for (operator, account) in (0..3).zip(&accounts) {
            model.active.insert((operator, *account), exact(FOUNDED));
        }
        let coins = |scene: &Scene| -> U256 {
            let all = accounts
                .iter()
                .chain([&Address::ZERO, &REPORTER, &STAKE_VAULT, &SLASHERS[0], &SLASHERS[1]]);
            all.map(|account| scene.chain.balance(*account)).sum()
        };
        let total = coins(&scene);
        let mut counted: BTreeMap<(u32, u64), u128> = BTreeMap::new();
        for call in 1..=160u128 {
            scene.chain.block += rng.random_range(0..EPOCH_BLOCKS);
            let epoch = scene.epoch();
            model.join(epoch);
            let (operator, who) = (rng.random_range(0..3), accounts[rng.random_range(0..accounts.len())]);
            let amount = rng.random_range(0..4 * COIN) + rng.random_range(0..100);
            match rng.random_range(0..12) {
                0..=3 => {
                    if scene.deposit(who, operator, amount).is_ok() {
                        let joining = model.joining.entry((operator, who)).or_default();
                        *joining = (joining.0 + amount, epoch + JOINING_EPOCHS);
                    }
                }
                4 => {
                    let taken = scene.chain.send(who, STAKE_VAULT, &Vault::takeBackCall { operator });
                    let expected = model.joining.remove(&(operator, who)).map(|(wei, _)| U256::from(wei));
                    assert_eq!(taken.ok().map(|sent| sent.result), expected);
                }
                kind @ 5..=6 => {
                    let held = scene.held(operator, who).active;
                    let part = if kind == 5 { u128::MAX } else { amount };
                    let outcome = scene.ask_back(who, operator, part);
                    assert_eq!(
                        outcome.is_ok(),
                        held > 0 && (kind == 5 || (amount > 0 && amount <= held))
                    );
                    if let Ok(due) = outcome {
                        let own = model.active.get_mut(&(operator, who)).unwrap();
                        let gone = exact(part.min(held)).min(*own);
                        *own -= gone;
                        *model.leaving.entry((operator, who, due)).or_default() += gone;
                    }
                }
                7 => {
                    let due = epoch.saturating_sub(rng.random_range(0..2));
                    let outcome = scene.release(who, operator, due);
                    match model.leaving.remove(&(operator, who, due)) {
                        Some(wei) => near(outcome.unwrap(), wei, call, "released"),
                        None => assert!(outcome.is_err()),
                    }
                }
                8 => {
                    let (pool, call) = (model.total(operator), Vault::rewardCall { operator });
                    scene.chain.pay(who, STAKE_VAULT, &call, U256::from(amount)).unwrap();
                    if scene.stake(operator).active > 0 {
                        for ((at, account), wei) in &model.active {
                            if *at == operator {
                                let part = exact(amount) * *wei / pool;
                                *model.rewards.entry((operator, *account)).or_default() += part;
                            }
                        }
                    }
                }
                9 => {
                    let drawn = scene.chain.send(who, STAKE_VAULT, &Vault::drawRewardsCall { operator });
                    let owed = model.rewards.remove(&(operator, who)).unwrap_or_default();
                    // Rewards are also drawn by whatever else an account does to its stake.
                    let drawn: u128 = drawn.unwrap().result.to();
                    assert!(drawn <= (owed >> BITS).to::<u128>() + call);
                }
                10 => {
                    let before = scene.stake(operator);
                    let held: U256 = (model.leaving.iter())
                        .filter(|((at, _, due), _)| *at == operator && *due > epoch)
                        .map(|(_, wei)| *wei)
                        .sum();
                    let offence = epoch.saturating_sub(rng.random_range(0..=WINDOW));
                    let most = if rng.random_bool(0.1) { u128::MAX >> 1 } else { amount };
                    let lost = scene.slash(rng.random_range(2..4), operator, most, offence).unwrap();
                    let all = model.total(operator) + held;
                    near(
                        lost,
                        exact(most.min((all >> BITS).to())).max(exact(lost.min(1))),
                        call,
                        "lost",
                    );
                    if scene.stake(operator).active == 0 && before.active > 0 && lost > before.active {
                        model.shrink(operator, epoch, U256::ZERO, U256::from(1));
                    } else if lost > 0 {
                        model.shrink(operator, epoch, all - exact(lost).min(all), all);
                    }
                }
                _ => {
                    let _ = scene.chain.send(who, STAKE_VAULT, &Vault::withdrawCall {});
                }
            }
            // What counted at an epoch's beginning never changes after.
            for ((operator, at), stake) in counted.iter().filter(|((_, at), _)| *at + 8 > epoch) {
                assert_eq!(scene.at(*operator, *at), *stake, "epoch {at}, seen in {epoch}");
            }
            let mut held = U256::ZERO;
            for operator in 0..3 {
                counted.entry((operator, epoch)).or_insert(scene.at(operator, epoch));
                let stake = scene.stake(operator);
                held +=
                    U256::from(stake.active) + U256::from(stake.joining) + U256::from(stake.leaving) + stake.rewards;
                let mut sum = 0;
                for account in &accounts {
                    let found = scene.held(operator, *account);
                    let expected = model.active.get(&(operator, *account)).copied().unwrap_or_default();
                    near(found.active, expected, call, "active");
                    let joining = model.joining.get(&(operator, *account)).map_or(0, |(wei, _)| *wei);
                    assert_eq!(found.joining, joining);
                    sum += found.active;
                }
                assert!(sum <= stake.active, "backers have {sum} of {}", stake.active);
            }
            let owed: u128 = accounts
                .iter()
                .chain([&REPORTER])
                .map(|account| scene.balance(*account))
                .sum();
            assert_eq!(scene.chain.balance(STAKE_VAULT), held + U256::from(owed));
            assert_eq!(coins(&scene), total);
        }
    }
}

//! Services: who is in them, what becomes of their committees, and what closing them costs.

use crate::{
    chain::Chain,
    keys::{Operator, STAKE_WEI},
};
use contracts::{
    DA_SERVICE, EPOCH_BLOCKS, JOINING_EPOCHS, SERVICE_CREATION_WEI, SLASH_WEI as COIN, UNBONDING_EPOCHS,
    abi::{NetworkRegistry as Networks, StakeVault},
    addresses::{FAUCET, NETWORK_REGISTRY, OPERATOR_REGISTRY, STAKE_VAULT},
};
use primitives::{Address, B256, U256};

const STEWARD: Address = Address::repeat_byte(0x57);
/// Who calls `closeEpoch` in a block, as the executor has it.
const SYSTEM: Address = Address::repeat_byte(0xfe);

fn network(operators: u8) -> (Chain, Vec<Operator>) {
    let operators: Vec<_> = (1..=operators).map(Operator::new).collect();
    let mut chain = Chain::genesis(FAUCET, &operators);
    chain.fund(STEWARD, U256::from(1_000_000 * COIN));
    (chain, operators)
}

fn create(chain: &mut Chain, allocation: u8, seats: u32) -> u32 {
    let call = Networks::createCall {
        kind: 3,
        allocation,
        slasher: STEWARD,
        seats,
        minStake: COIN,
    };
    let fee = U256::from(SERVICE_CREATION_WEI);
    chain.pay(STEWARD, NETWORK_REGISTRY, &call, fee).unwrap().result
}

fn opt_in(chain: &mut Chain, from: Address, service: u32) -> Result<(), String> {
    let call = Networks::optInCall { service, displaced: 0 };
    chain.send(from, NETWORK_REGISTRY, &call).map(|_| ())
}

fn opt_out(chain: &mut Chain, from: Address, service: u32) -> Result<(), String> {
    let call = Networks::optOutCall { service };
    chain.send(from, NETWORK_REGISTRY, &call).map(|_| ())
}

/// Registers an operator that was not there in genesis and puts coins behind it; returns its number.
fn join(chain: &mut Chain, operator: &Operator, coins: u128) -> u32 {
    chain.fund(operator.account, U256::from(1_000 * COIN));
    let sent = chain.send(operator.account, OPERATOR_REGISTRY, &operator.registration());
    let number = sent.unwrap().result;
    let call = StakeVault::depositCall { operator: number };
    chain
        .pay(operator.account, STAKE_VAULT, &call, U256::from(coins * COIN))
        .unwrap();
    number
}

/// The first block of the next epoch begins.
fn next_epoch(chain: &mut Chain) -> u64 {
    let epoch = chain.block / EPOCH_BLOCKS + 1;
    chain.block = epoch * EPOCH_BLOCKS;
    close(chain);
    epoch
}

/// What a block does before its transactions; returns the gas of it.
fn close(chain: &mut Chain) -> u64 {
    let call = Networks::closeEpochCall {};
    chain.send(SYSTEM, NETWORK_REGISTRY, &call).unwrap().gas
}

/// Operators and their counts of seats.
fn committee(chain: &mut Chain, service: u32, epoch: u64) -> Result<Vec<(u32, u32)>, String> {
    let call = Networks::committeeCall {
        service,
        atEpoch: epoch,
    };
    let found = chain.send(SYSTEM, NETWORK_REGISTRY, &call)?.result;
    let mut end = 0;
    let members = found.members.iter().map(|member| {
        assert_eq!(member.firstSeat, end);
        end = member.endSeat;
        (member.operator, member.endSeat - member.firstSeat)
    });
    let members = members.collect();
    assert_eq!(found.seats, end);
    Ok(members)
}

#[test]
fn the_founders_are_the_committee_from_the_first_epoch_on() {
    let (mut chain, operators) = network(4);
    let equal: Vec<(u32, u32)> = (0..4).map(|operator| (operator, 150)).collect();
    for epoch in [0, 1] {
        assert_eq!(committee(&mut chain, DA_SERVICE, epoch).unwrap(), equal);
    }
    let early = committee(&mut chain, DA_SERVICE, 2).unwrap_err();
    assert_eq!(early, "NotFixed(service: 0, epoch: 2)");
    let member = Networks::memberOfCall {
        service: DA_SERVICE,
        atEpoch: 0,
        index: 3,
    };
    let found = chain.view(NETWORK_REGISTRY, &member);
    assert_eq!((found.seats, found.member.account), (600, operators[3].account));
    assert_eq!((found.member.firstSeat, found.member.endSeat), (450, 600));
}

/// Who joins has seats two epochs after its deposit counts; who leaves has none two epochs later; the committees of before stay readable.
#[test]
fn a_committee_is_fixed_two_epochs_ahead_by_the_stake_at_an_epochs_beginning() {
    let (mut chain, operators) = network(4);
    let fifth = Operator::new(5);
    let number = join(&mut chain, &fifth, 5);
    let early = opt_in(&mut chain, fifth.account, DA_SERVICE).unwrap_err();
    assert_eq!(early, format!("StakeTooLow(stake: 0, minStake: {COIN})"));
    while chain.block / EPOCH_BLOCKS < JOINING_EPOCHS - 1 {
        next_epoch(&mut chain);
    }
    next_epoch(&mut chain);
    opt_in(&mut chain, fifth.account, DA_SERVICE).unwrap();
    let twice = opt_in(&mut chain, fifth.account, DA_SERVICE).unwrap_err();
    assert_eq!(twice, format!("MembershipUnchanged(service: 0, operator: {number})"));
    // Epoch 4's closing was before it opted in; epoch 5's gives it seats from epoch 7 on.
    assert_eq!(next_epoch(&mut chain), 5);
    assert_eq!(committee(&mut chain, DA_SERVICE, 6).unwrap().len(), 4);
    next_epoch(&mut chain);
    let with_fifth = committee(&mut chain, DA_SERVICE, 7).unwrap();
    // Twice the others' stake: below a third, so as much as its stake says.
    assert_eq!(
        with_fifth,
        [(0, 100), (1, 100), (2, 100), (3, 100), (4, 199)]
            .map(|(o, s)| (o, if o < 4 { s + u32::from(o == 0) } else { s }))
    );
    assert_eq!(committee(&mut chain, DA_SERVICE, 5).unwrap().len(), 4);

    opt_out(&mut chain, operators[0].account, DA_SERVICE).unwrap();
    assert!(opt_out(&mut chain, operators[0].account, DA_SERVICE).is_err());
    let left = next_epoch(&mut chain);
    for epoch in [left, left + 1] {
        assert!(committee(&mut chain, DA_SERVICE, epoch).unwrap().contains(&(0, 101)));
    }
    next_epoch(&mut chain);
    let without = committee(&mut chain, DA_SERVICE, left + 2).unwrap();
    assert_eq!(
        without.iter().map(|(operator, _)| *operator).collect::<Vec<_>>(),
        [4, 1, 2, 3]
    );
    // It is answerable for a while.
    let answerable = |chain: &mut Chain, epoch| {
        let call = Networks::wasMemberCall {
            service: DA_SERVICE,
            operator: 0,
            atEpoch: epoch,
        };
        chain.view(NETWORK_REGISTRY, &call)
    };
    assert!(answerable(&mut chain, 0) && answerable(&mut chain, left - 1 + UNBONDING_EPOCHS));
    assert!(!answerable(&mut chain, left + UNBONDING_EPOCHS));
}

#[test]
fn closing_twice_or_late_in_the_epoch_changes_nothing() {
    let (mut chain, operators) = network(4);
    next_epoch(&mut chain);
    let again = close(&mut chain);
    assert!(again < 40_000, "{again} gas");
    // Stake that leaves in an epoch counts until its end, whoever closes when.
    chain.block += EPOCH_BLOCKS;
    let leave = StakeVault::askBackCall {
        operator: 1,
        amount: STAKE_WEI / 2,
    };
    chain.send(operators[1].account, STAKE_VAULT, &leave).unwrap();
    close(&mut chain);
    next_epoch(&mut chain);
    assert_eq!(
        committee(&mut chain, DA_SERVICE, 4).unwrap(),
        [(0, 150), (1, 150), (2, 150), (3, 150)]
    );
    next_epoch(&mut chain);
    let fewer = committee(&mut chain, DA_SERVICE, 5).unwrap();
    assert_eq!(fewer, [(0, 172), (1, 86), (2, 171), (3, 171)]);
}

#[test]
fn a_committee_that_cannot_be_closed_stays_and_an_event_says_so() {
    let (mut chain, operators) = network(3);
    let before = committee(&mut chain, DA_SERVICE, 0).unwrap();
    for operator in &operators {
        opt_out(&mut chain, operator.account, DA_SERVICE).unwrap();
    }
    chain.block = EPOCH_BLOCKS;
    let sent = chain
        .send(SYSTEM, NETWORK_REGISTRY, &Networks::closeEpochCall {})
        .unwrap();
    let [kept] = &sent.events::<Networks::CommitteeKept>()[..] else {
        panic!("one event")
    };
    assert_eq!((kept.service, kept.epoch), (DA_SERVICE, 3));
    assert_eq!(contracts::revert_reason(&kept.reason), "NoCandidates");
    chain.block = 9 * EPOCH_BLOCKS;
    close(&mut chain);
    assert_eq!(committee(&mut chain, DA_SERVICE, 9).unwrap(), before);
}

#[test]
fn an_operator_in_jail_gets_no_seats() {
    let (mut chain, operators) = network(3);
    let service = create(&mut chain, 0, 30);
    for operator in &operators {
        opt_in(&mut chain, operator.account, service).unwrap();
    }
    let slash = StakeVault::slashCall {
        service,
        operator: 1,
        amount: COIN / 2,
        offenceEpoch: 0,
        evidence: B256::ZERO,
        reporter: STEWARD,
        jailEpochs: 2,
    };
    chain.send(STEWARD, STAKE_VAULT, &slash).unwrap();
    for epoch in 1..=3 {
        assert_eq!(next_epoch(&mut chain), epoch);
    }
    assert_eq!(committee(&mut chain, DA_SERVICE, 3).unwrap(), [(0, 300), (2, 300)]);
    next_epoch(&mut chain);
    assert_eq!(committee(&mut chain, DA_SERVICE, 4).unwrap().len(), 3);
}

#[test]
fn a_service_is_created_drained_and_closed_while_others_go_on() {
    let (mut chain, operators) = network(3);
    let cheap = Networks::createCall {
        kind: 0,
        allocation: 0,
        slasher: STEWARD,
        seats: 1,
        minStake: 0,
    };
    let refused = chain.send(STEWARD, NETWORK_REGISTRY, &cheap).err().unwrap();
    assert_eq!(refused, format!("WrongFee(sent: 0, fee: {SERVICE_CREATION_WEI})"));
    for seats in [0, 601] {
        let call = Networks::createCall { seats, ..cheap.clone() };
        let refused = chain.pay(STEWARD, NETWORK_REGISTRY, &call, U256::from(SERVICE_CREATION_WEI));
        assert_eq!(refused.err().unwrap(), format!("InvalidSeats(seats: {seats})"));
    }
    let service = create(&mut chain, 0, 9);
    for operator in &operators {
        opt_in(&mut chain, operator.account, service).unwrap();
    }
    assert!(committee(&mut chain, service, 0).is_err());
    let activate = Networks::activateCall { service };
    let stranger = chain
        .send(operators[0].account, NETWORK_REGISTRY, &activate)
        .err()
        .unwrap();
    assert_eq!(stranger, format!("NotTheSteward(service: {service})"));
    chain.send(STEWARD, NETWORK_REGISTRY, &activate).unwrap();
    for _ in 0..3 {
        next_epoch(&mut chain);
    }
    assert_eq!(committee(&mut chain, service, 3).unwrap(), [(0, 3), (1, 3), (2, 3)]);
    assert!(committee(&mut chain, service, 2).is_err());

    chain
        .send(STEWARD, NETWORK_REGISTRY, &Networks::drainCall { service })
        .unwrap();
    let late = opt_in(&mut chain, operators[0].account, service).unwrap_err();
    assert_eq!(late, format!("WrongState(service: {service}, state: 2)"));
    opt_out(&mut chain, operators[0].account, service).unwrap();
    for _ in 0..UNBONDING_EPOCHS {
        let early = chain.send(SYSTEM, NETWORK_REGISTRY, &Networks::closeCall { service });
        assert_eq!(
            early.err().unwrap(),
            format!("StillAnswerable(untilEpoch: {})", 3 + UNBONDING_EPOCHS)
        );
        next_epoch(&mut chain);
    }
    chain
        .send(SYSTEM, NETWORK_REGISTRY, &Networks::closeCall { service })
        .unwrap();
    let epoch = chain.block / EPOCH_BLOCKS;
    assert_eq!(committee(&mut chain, service, epoch).unwrap().len(), 3);
    assert_eq!(committee(&mut chain, DA_SERVICE, epoch).unwrap().len(), 3);
    // Nobody has the key of the steward of the service that keeps blobs.
    let drain = Networks::drainCall { service: DA_SERVICE };
    assert!(chain.send(STEWARD, NETWORK_REGISTRY, &drain).is_err());
}

#[test]
fn stake_that_is_one_services_alone_secures_no_other() {
    let (mut chain, operators) = network(1);
    let alone = create(&mut chain, 1, 9);
    let shared = create(&mut chain, 0, 9);
    let own = operators[0].account;
    let bound = "StakeNotShared(operator: 0)";
    assert_eq!(opt_in(&mut chain, own, alone).unwrap_err(), bound);
    opt_out(&mut chain, own, DA_SERVICE).unwrap();
    // What it left can still punish it.
    assert_eq!(opt_in(&mut chain, own, alone).unwrap_err(), bound);
    chain.block += UNBONDING_EPOCHS * EPOCH_BLOCKS;
    opt_in(&mut chain, own, alone).unwrap();
    assert_eq!(opt_in(&mut chain, own, shared).unwrap_err(), bound);
    opt_out(&mut chain, own, alone).unwrap();
    assert_eq!(opt_in(&mut chain, own, shared).unwrap_err(), bound);
    chain.block += UNBONDING_EPOCHS * EPOCH_BLOCKS;
    opt_in(&mut chain, own, shared).unwrap();
    opt_in(&mut chain, own, DA_SERVICE).unwrap();
}

#[test]
fn who_has_less_than_a_service_asks_for_can_be_put_out() {
    let (mut chain, operators) = network(2);
    let evict = Networks::evictCall {
        service: DA_SERVICE,
        operator: 1,
    };
    assert!(chain.send(SYSTEM, NETWORK_REGISTRY, &evict).is_err());
    let leave = StakeVault::askBackCall {
        operator: 1,
        amount: STAKE_WEI - COIN + 1,
    };
    chain.send(operators[1].account, STAKE_VAULT, &leave).unwrap();
    chain.send(SYSTEM, NETWORK_REGISTRY, &evict).unwrap();
    let members = chain.view(NETWORK_REGISTRY, &Networks::membersOfCall { service: DA_SERVICE });
    assert_eq!(members, [0]);
}

/// The largest service: 256 members, whose stakes are in the order that sorts slowest, all new. What a block does is bounded by it.
#[test]
fn the_largest_committee_is_closed_within_its_gas() {
    let (mut chain, _) = network(1);
    let service = create(&mut chain, 0, 600);
    let mut operators = Vec::new();
    for index in 0..257u32 {
        let mut operator = Operator::new(1);
        let mut seed = [7; 32];
        seed[28..].copy_from_slice(&index.to_be_bytes());
        operator.account = Address::from_word(B256::from(seed));
        operator.stream_key = B256::from(seed);
        operator.secret = blst::min_pk::SecretKey::key_gen(&seed, &[]).unwrap();
        chain.fund(operator.account, U256::from(1_000 * COIN));
        let sent = chain.send(operator.account, OPERATOR_REGISTRY, &operator.registration());
        let call = StakeVault::depositCall {
            operator: sent.unwrap().result,
        };
        let wei = 10 * COIN + u128::from(index) * COIN / 1_000;
        chain
            .pay(operator.account, STAKE_VAULT, &call, U256::from(wei))
            .unwrap();
        operators.push(operator);
    }
    chain.block += JOINING_EPOCHS * EPOCH_BLOCKS;
    for operator in &operators[..256] {
        opt_in(&mut chain, operator.account, service).unwrap();
    }
    // Full: only who has more than a member takes its place.
    let call = |displaced| Networks::optInCall { service, displaced };
    let last = operators[256].account;
    let none = chain.send(last, NETWORK_REGISTRY, &call(0)).err().unwrap();
    assert_eq!(none, "ServiceFull(displaced: 0)");
    chain.send(last, NETWORK_REGISTRY, &call(1)).unwrap();
    let back = chain
        .send(operators[0].account, NETWORK_REGISTRY, &call(2))
        .err()
        .unwrap();
    assert_eq!(back, "ServiceFull(displaced: 2)");

    chain
        .send(STEWARD, NETWORK_REGISTRY, &Networks::activateCall { service })
        .unwrap();
    chain.block += EPOCH_BLOCKS;
    let sent = chain
        .send(SYSTEM, NETWORK_REGISTRY, &Networks::closeEpochCall {})
        .unwrap();
    assert!(
        sent.events::<Networks::CommitteeKept>().is_empty(),
        "kept after {} gas",
        sent.gas
    );
    println!("{} gas to close a committee of 256, all new", sent.gas);
    assert!(sent.gas < 20_000_000, "{}", sent.gas);
    chain.block += EPOCH_BLOCKS;
    println!("{} gas to close it again", close(&mut chain));
    let next = chain.block / EPOCH_BLOCKS + 1;
    assert_eq!(committee(&mut chain, service, next).unwrap().len(), 256);
}

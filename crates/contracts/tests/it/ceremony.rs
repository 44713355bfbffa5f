//! `ReleaseCeremony`: who posts what and when, and what it takes to record an outcome.

use crate::{chain::Chain, keys::Operator};
use alloy_sol_types::{SolCall, SolValue};
use contracts::{
    EPOCH_BLOCKS, RELEASE_SERVICE, ReleaseKey,
    abi::{NetworkRegistry as Networks, ReleaseCeremony as Release},
    addresses::{FAUCET, NETWORK_REGISTRY, RELEASE_COMMITTEE},
};
use primitives::{Address, B256, Bytes, U256, keccak256};

const ENROL: u8 = 0;
const DEAL: u8 = 1;
const ACKNOWLEDGE: u8 = 2;
const CLOSE: u8 = 3;
const AGREE: u8 = 4;

/// So many operators with the same stake, who have four seats each.
fn network(operators: u8) -> (Chain, Vec<Operator>) {
    let operators: Vec<_> = (1..=operators).map(Operator::new).collect();
    let founders: Vec<_> = operators.iter().map(Operator::founder).collect();
    (Chain::founded_with(FAUCET, &founders, ReleaseKey::Generated), operators)
}

/// To the first block of a phase.
fn begin(chain: &mut Chain, epoch: u64, phase: u8) {
    chain.block = epoch * EPOCH_BLOCKS + EPOCH_BLOCKS * u64::from(phase) / 5;
}

fn post(epoch: u64, phase: u8, index: u32, seat: u64, bytes: usize) -> Release::postCall {
    Release::postCall {
        epoch_: epoch,
        phase,
        index,
        seat: U256::from(seat),
        bytes_: vec![seat as u8 + 1; bytes].into(),
    }
}

fn send<C: SolCall>(chain: &mut Chain, from: Address, call: &C) -> Result<u64, String> {
    chain.send(from, RELEASE_COMMITTEE, call).map(|sent| sent.gas)
}

/// An outcome with a member for each seat of `operators`.
fn outcome(epoch: u64, key: u8, operators: u32) -> Release::concludeCall {
    let members: Vec<u32> = (0..operators).flat_map(|operator| [operator; 4]).collect();
    let mut keys = vec![7; 4 + 96 * (members.len() + 1)];
    keys[4..100].fill(key);
    Release::concludeCall {
        epoch_: epoch,
        keys: keys.into(),
        output: vec![9; 32 + 96 * members.len() * 2 / 3 + 64 * members.len()].into(),
        operators: members,
    }
}

fn agree(call: &Release::concludeCall, index: u32) -> Release::agreeCall {
    let fields = (
        call.epoch_,
        call.keys.clone(),
        call.operators.clone(),
        call.output.clone(),
    );
    Release::agreeCall {
        epoch_: call.epoch_,
        index,
        outcome: keccak256(fields.abi_encode_params()),
    }
}

fn from_epoch(chain: &mut Chain) -> u64 {
    chain.view(RELEASE_COMMITTEE, &Release::sharingCall {}).fromEpoch
}

#[test]
fn each_seat_posts_once_in_each_phase_and_only_in_its_fifth_of_the_epoch() {
    let (mut chain, operators) = network(4);
    let accounts: Vec<Address> = operators.iter().map(|operator| operator.account).collect();
    for phase in [ENROL, DEAL, ACKNOWLEDGE, CLOSE] {
        begin(&mut chain, 0, phase);
        let sent = chain
            .send(accounts[1], RELEASE_COMMITTEE, &post(0, phase, 1, 3, 128))
            .unwrap();
        let [posted] = &sent.events::<Release::Posted>()[..] else {
            panic!("one event")
        };
        assert_eq!(
            (posted.epoch, posted.phase, posted.operator, posted.seat),
            (0, phase, 1, 3)
        );
        assert_eq!(posted.post, Bytes::from(vec![4; 128]));
        assert_eq!(
            send(&mut chain, accounts[1], &post(0, phase, 1, 3, 128)).unwrap_err(),
            "PostedBefore(operator: 1, seat: 3)"
        );
        for other in (ENROL..=AGREE).filter(|other| *other != phase) {
            let refused = send(&mut chain, accounts[1], &post(0, other, 1, 0, 128)).unwrap_err();
            assert_eq!(refused, format!("WrongMoment(epoch: 0, phase: {other})"));
        }
        let refused = send(&mut chain, accounts[1], &post(1, phase, 1, 0, 128)).unwrap_err();
        assert_eq!(refused, format!("WrongMoment(epoch: 1, phase: {phase})"));
        for (from, index, seat) in [
            (accounts[0], 1, 0),
            (accounts[1], 1, 4),
            (Address::ZERO, 1, 0),
            (accounts[1], 2, 0),
        ] {
            let refused = send(&mut chain, from, &post(0, phase, index, seat, 128)).unwrap_err();
            assert_eq!(refused, format!("NotTheSeat(index: {index}, seat: {seat})"));
        }
        let refused = send(&mut chain, accounts[1], &post(0, phase, 4, 0, 128)).unwrap_err();
        assert_eq!(refused, "NoSuchMember(index: 4)");
        for length in [0, 16 * 1024 + 1] {
            let refused = send(&mut chain, accounts[1], &post(0, phase, 1, 0, length)).unwrap_err();
            assert_eq!(refused, format!("PostLength(length: {length})"));
        }
        send(&mut chain, accounts[1], &post(0, phase, 1, 0, 16 * 1024)).unwrap();
    }
    begin(&mut chain, 0, AGREE);
    let refused = send(&mut chain, accounts[1], &post(0, AGREE, 1, 0, 128)).unwrap_err();
    assert_eq!(refused, "WrongMoment(epoch: 0, phase: 4)");
    // The next epoch's are others.
    begin(&mut chain, 1, ENROL);
    send(&mut chain, accounts[1], &post(1, ENROL, 1, 3, 128)).unwrap();
}

#[test]
fn an_outcome_is_recorded_once_all_but_a_third_of_the_seats_agree_on_it() {
    let (mut chain, operators) = network(4);
    let call = outcome(0, 1, 4);
    let refused = send(&mut chain, operators[0].account, &agree(&call, 0)).unwrap_err();
    assert_eq!(refused, "WrongMoment(epoch: 0, phase: 4)", "too early");
    begin(&mut chain, 0, AGREE);
    let stranger = send(&mut chain, FAUCET, &agree(&call, 0)).unwrap_err();
    assert_eq!(stranger, "NotTheSeat(index: 0, seat: 0)");
    for index in [0, 2] {
        send(&mut chain, operators[index].account, &agree(&call, index as u32)).unwrap();
    }
    let again = send(&mut chain, operators[0].account, &agree(&call, 0)).unwrap_err();
    assert_eq!(again, "AgreedBefore(operator: 0)");
    // Who agrees on something else counts there.
    send(&mut chain, operators[3].account, &agree(&outcome(0, 2, 4), 3)).unwrap();
    let few = send(&mut chain, operators[0].account, &call).unwrap_err();
    assert_eq!(few, "NotAgreed(seats: 8, needed: 11)");
    send(&mut chain, operators[1].account, &agree(&call, 1)).unwrap();
    let changed = Release::concludeCall {
        output: vec![8].into(),
        ..call.clone()
    };
    assert_eq!(
        send(&mut chain, FAUCET, &changed).unwrap_err(),
        "NotAgreed(seats: 0, needed: 11)"
    );
    for (length, members) in [(100, 0), (99, 16)] {
        let wrong = Release::concludeCall {
            keys: vec![1; length].into(),
            operators: vec![0; members],
            ..call.clone()
        };
        let refused = send(&mut chain, FAUCET, &wrong).unwrap_err();
        assert_eq!(refused, format!("InvalidOutcome(length: {length}, members: {members})"));
    }
    assert_eq!(from_epoch(&mut chain), 0);
    let nobody = chain.view(RELEASE_COMMITTEE, &Release::committeeCall {});
    assert!(nobody.keys.is_empty() && nobody.streamKeys.is_empty());
    // Anybody may.
    send(&mut chain, FAUCET, &call).unwrap();
    assert_eq!(
        send(&mut chain, FAUCET, &call).unwrap_err(),
        "ConcludedBefore(epoch: 0)"
    );
    let sharing = chain.view(RELEASE_COMMITTEE, &Release::sharingCall {});
    assert_eq!((sharing.fromEpoch, sharing.output), (1, call.output));
    let committee = chain.view(RELEASE_COMMITTEE, &Release::committeeCall {});
    assert_eq!(committee.keys, call.keys);
    let stream_keys: Vec<B256> = operators
        .iter()
        .flat_map(|operator| [operator.founder().stream_key; 4])
        .collect();
    assert_eq!(committee.streamKeys, stream_keys);
}

/// Whatever two thirds agree on, the key stays.
#[test]
fn the_public_key_never_changes_once_it_is_set() {
    let (mut chain, operators) = network(4);
    let mut conclude = |epoch, key| {
        begin(&mut chain, epoch, AGREE);
        let call = outcome(epoch, key, 4);
        for (index, operator) in (0..).zip(&operators) {
            send(&mut chain, operator.account, &agree(&call, index)).unwrap();
        }
        (send(&mut chain, FAUCET, &call), from_epoch(&mut chain))
    };
    assert!(conclude(0, 1).0.is_ok());
    assert_eq!(conclude(1, 2), (Err("KeyChanged".into()), 1));
    let (recorded, from) = conclude(2, 1);
    assert!(recorded.is_ok() && from == 3);
}

#[test]
fn those_who_share_the_key_deal_and_those_who_are_to_share_it_enrol() {
    let (mut chain, operators) = network(4);
    begin(&mut chain, 0, AGREE);
    let call = outcome(0, 1, 4);
    for (index, operator) in (0..).zip(&operators) {
        send(&mut chain, operator.account, &agree(&call, index)).unwrap();
    }
    send(&mut chain, FAUCET, &call).unwrap();
    let leave = Networks::optOutCall {
        service: RELEASE_SERVICE,
    };
    chain.send(operators[0].account, NETWORK_REGISTRY, &leave).unwrap();
    for epoch in 1..=3 {
        chain.block = epoch * EPOCH_BLOCKS;
        chain
            .send(FAUCET, NETWORK_REGISTRY, &Networks::closeEpochCall {})
            .unwrap();
    }
    assert_eq!(chain.view(RELEASE_COMMITTEE, &Release::holdersEpochCall {}), 1);
    let (left, last) = (operators[0].account, operators[3].account);
    begin(&mut chain, 3, ENROL);
    // Three operators share sixteen seats now; the last of them took the place of who left.
    let refused = send(&mut chain, left, &post(3, ENROL, 0, 0, 128)).unwrap_err();
    assert_eq!(refused, "NotTheSeat(index: 0, seat: 0)");
    send(&mut chain, last, &post(3, ENROL, 0, 4, 128)).unwrap();
    begin(&mut chain, 3, DEAL);
    send(&mut chain, left, &post(3, DEAL, 0, 0, 128)).unwrap();
    let refused = send(&mut chain, last, &post(3, DEAL, 3, 4, 128)).unwrap_err();
    assert_eq!(
        refused, "NotTheSeat(index: 3, seat: 4)",
        "it had four seats when the key was made"
    );
}

/// What a ceremony of 64 seats costs: docs/decisions/0021.
#[test]
fn a_ceremony_costs_each_of_sixty_four_seats_little_more_than_a_million_gas() {
    let (mut chain, operators) = network(16);
    let mut total = 0;
    let mut each = Vec::new();
    // Lengths of the four posts of a seat; no byte is zero.
    for (phase, bytes) in [(ENROL, 128), (DEAL, 9_345), (ACKNOWLEDGE, 32 + 64 * 66), (CLOSE, 8_400)] {
        begin(&mut chain, 0, phase);
        let gas = send(&mut chain, operators[5].account, &post(0, phase, 5, 2, bytes)).unwrap();
        total += 64 * gas;
        each.push(gas);
    }
    begin(&mut chain, 0, AGREE);
    let call = outcome(0, 1, 16);
    for (index, operator) in (0..).zip(&operators) {
        let gas = send(&mut chain, operator.account, &agree(&call, index)).unwrap();
        total += gas;
        each.push(gas);
    }
    let gas = send(&mut chain, FAUCET, &call).unwrap();
    total += gas;
    println!(
        "posts {:?}, agree {}, conclude {gas}, in all {total}",
        &each[..4],
        each[5]
    );
    assert!(total < 80_000_000 && gas < 11_000_000, "{each:?}, {gas}: {total}");
}

//! The randomness beacon's contract: who may post what and when, and what the protocol records.

use crate::{
    chain::{BEACON, Chain},
    keys::Operator,
};
use contracts::{
    EPOCH_BLOCKS,
    abi::RandomnessBeacon::{self as Beacon, Ceremony},
    addresses::{FAUCET, RANDOMNESS_BEACON},
};
use primitives::{Address, B256, Bytes, U256, address, b256};

/// Who calls before a block's transactions.
pub const PROTOCOL: Address = address!("0xfffffffffffffffffffffffffffffffffffffffe");
const KEPT: u8 = 1;
const MADE: u8 = 2;
const RESHARED: u8 = 3;
/// Heights whose values are kept.
const HISTORY: u64 = 8_191;

/// Four validators of four keys each.
pub fn network() -> (Chain, Vec<Operator>) {
    let operators: Vec<_> = (1..=4).map(Operator::new).collect();
    let founders: Vec<_> = operators
        .iter()
        .map(|operator| operator.founding_validator(4))
        .collect();
    (Chain::founded(FAUCET, &founders), operators)
}

/// A log as long as that of a committee of sixteen seats.
pub fn post(epoch: u64, index: u32, seat: u64) -> Beacon::postCall {
    Beacon::postCall {
        epoch_: epoch,
        index,
        seat: U256::from(seat),
        log: vec![seat as u8 + 1; 3_600].into(),
    }
}

pub fn key() -> Bytes {
    vec![0xaa; 96].into()
}

/// The end of a ceremony that succeeds, in the last quarter of `epoch`.
pub fn conclude(epoch: u64, key: Bytes, output: Bytes) -> Beacon::concludeCall {
    Beacon::concludeCall {
        epoch_: epoch,
        ended: Ceremony {
            result: 0,
            posted: 16,
            counted: 11,
            required: 11,
        },
        key,
        output,
    }
}

fn failing(epoch: u64) -> Beacon::concludeCall {
    conclude(epoch, Bytes::new(), Bytes::new())
}

/// Signatures of `count` heights, each of its own bytes.
pub fn record(first: u64, count: u64) -> Beacon::recordCall {
    let signatures: Vec<u8> = (first..first + count).flat_map(signature).collect();
    Beacon::recordCall {
        first,
        signatures: signatures.into(),
    }
}

fn signature(height: u64) -> Vec<u8> {
    let mut bytes = vec![0x80; 48];
    bytes[40..].copy_from_slice(&height.to_be_bytes());
    bytes
}

/// To the last quarter of an epoch.
fn late(chain: &mut Chain, epoch: u64) {
    chain.block = epoch * EPOCH_BLOCKS + EPOCH_BLOCKS * 3 / 4;
}

fn protocol<C: alloy_sol_types::SolCall>(chain: &mut Chain, call: &C) -> Result<(), String> {
    chain.send(PROTOCOL, RANDOMNESS_BEACON, call).map(drop)
}

/// A chain whose key was made in epoch 0, in the first block of epoch 1.
pub fn with_key() -> Chain {
    let (mut chain, _) = network();
    late(&mut chain, 0);
    protocol(&mut chain, &conclude(0, key(), vec![1; 2_000].into())).unwrap();
    chain.block = EPOCH_BLOCKS;
    chain
}

fn result(chain: &mut Chain, epoch: u64) -> u8 {
    chain
        .view(RANDOMNESS_BEACON, &Beacon::ceremonyOfCall { epoch_: epoch })
        .result
}

#[test]
fn each_seat_of_the_dealing_committee_posts_one_log_in_the_first_three_quarters() {
    let (mut chain, operators) = network();
    let [one, other] = [operators[0].account, operators[1].account];
    let send = |chain: &mut Chain, from, call: &Beacon::postCall| chain.send(from, RANDOMNESS_BEACON, call).map(drop);
    send(&mut chain, one, &post(0, 0, 3)).unwrap();
    assert_eq!(
        send(&mut chain, one, &post(0, 0, 3)).unwrap_err(),
        "LogPostedBefore(operator: 0, seat: 3)"
    );
    for (from, call) in [
        (other, post(0, 0, 0)),
        (one, post(0, 0, 4)),
        (Address::ZERO, post(0, 0, 0)),
    ] {
        let refused = send(&mut chain, from, &call).unwrap_err();
        assert!(refused.starts_with("NotTheDealer"), "{refused}");
    }
    assert_eq!(
        send(&mut chain, one, &post(1, 0, 0)).unwrap_err(),
        "WrongMoment(epoch: 1)"
    );
    for length in [0, 32 * 1024 + 1] {
        let call = Beacon::postCall {
            log: vec![1; length].into(),
            ..post(0, 0, 0)
        };
        assert_eq!(
            send(&mut chain, one, &call).unwrap_err(),
            format!("LogLength(length: {length})")
        );
    }
    send(&mut chain, other, &post(0, 1, 0)).unwrap();
    late(&mut chain, 0);
    assert_eq!(
        send(&mut chain, other, &post(0, 1, 1)).unwrap_err(),
        "WrongMoment(epoch: 0)"
    );
    let logs = chain.view(RANDOMNESS_BEACON, &Beacon::logsOfCall { epoch_: 0 });
    let posted: Vec<_> = logs.iter().map(|log| (log.operator, log.seat, log.log.len())).collect();
    assert_eq!(posted, [(0, 3, 3_600), (1, 0, 3_600)]);
}

/// What the beacon stores does not grow with the epochs.
#[test]
fn logs_take_the_place_of_those_two_epochs_before() {
    let (mut chain, operators) = network();
    for epoch in 0..3 {
        chain.block = epoch * EPOCH_BLOCKS + 1;
        let call = Beacon::postCall {
            log: vec![7; 100 - 40 * epoch as usize].into(),
            ..post(epoch, 0, 0)
        };
        chain.send(operators[0].account, RANDOMNESS_BEACON, &call).unwrap();
    }
    let mut lengths = |epoch| -> Vec<usize> {
        let logs = chain.view(RANDOMNESS_BEACON, &Beacon::logsOfCall { epoch_: epoch });
        logs.iter().map(|log| log.log.len()).collect()
    };
    assert_eq!([lengths(0), lengths(1), lengths(2)], [vec![], vec![60], vec![20]]);
}

#[test]
fn only_the_protocol_says_how_a_ceremony_ended_and_what_values_are() {
    let (mut chain, operators) = network();
    late(&mut chain, 0);
    let from = operators[0].account;
    let ended = chain.send(from, RANDOMNESS_BEACON, &conclude(0, key(), vec![1].into()));
    assert_eq!(ended.err().unwrap(), "NotTheProtocol");
    let recorded = chain.send(from, RANDOMNESS_BEACON, &record(1_200, 1));
    assert_eq!(recorded.err().unwrap(), "NotTheProtocol");
}

#[test]
fn before_there_is_a_key_there_are_no_values() {
    let (mut chain, _) = network();
    let standing = chain.view(RANDOMNESS_BEACON, &Beacon::standingCall {});
    assert_eq!((standing.next, standing.latest, standing.publicKey.len()), (0, 0, 0));
    assert_eq!(
        protocol(&mut chain, &record(0, 1)).unwrap_err(),
        "NotTheNext(height: 0)"
    );
    let asked = chain.send(Address::ZERO, RANDOMNESS_BEACON, &Beacon::valueOfCall { height: 0 });
    assert_eq!(asked.err().unwrap(), "NoValue(height: 0)");
    assert!(
        chain
            .send(Address::ZERO, RANDOMNESS_BEACON, &Beacon::latestCall {})
            .is_err()
    );
}

#[test]
fn a_ceremony_is_concluded_once_in_its_last_quarter_and_never_changes_the_key() {
    let (mut chain, _) = network();
    assert_eq!(protocol(&mut chain, &failing(0)).unwrap_err(), "WrongMoment(epoch: 0)");
    late(&mut chain, 0);
    protocol(&mut chain, &failing(0)).unwrap();
    assert_eq!(protocol(&mut chain, &failing(0)).unwrap_err(), "WrongMoment(epoch: 0)");
    assert_eq!(result(&mut chain, 0), KEPT);
    for epoch in 1..=4 {
        late(&mut chain, epoch);
        let other = conclude(epoch, vec![0xbb; 96].into(), vec![epoch as u8; 50].into());
        if epoch == 1 {
            assert_eq!(protocol(&mut chain, &failing(0)).unwrap_err(), "WrongMoment(epoch: 0)");
        } else {
            assert_eq!(protocol(&mut chain, &other).unwrap_err(), "KeyChanged");
        }
        protocol(&mut chain, &conclude(epoch, key(), vec![epoch as u8; 50].into())).unwrap();
        assert_eq!(result(&mut chain, epoch), if epoch == 1 { MADE } else { RESHARED });
    }
    let kept = chain.view(RANDOMNESS_BEACON, &Beacon::sharingsCall {});
    let kept: Vec<_> = kept
        .iter()
        .map(|sharing| (sharing.fromEpoch, sharing.output[0]))
        .collect();
    assert_eq!(kept, [(3, 2), (4, 3), (5, 4)]);
    assert_eq!(chain.view(RANDOMNESS_BEACON, &Beacon::holdersEpochCall {}), 5);
}

#[test]
fn values_continue_where_they_ended_and_are_found_by_their_heights() {
    let mut chain = with_key();
    let first = EPOCH_BLOCKS;
    for (call, wrong) in [(record(first - 1, 1), first - 1), (record(first + 1, 2), first + 1)] {
        assert_eq!(
            protocol(&mut chain, &call).unwrap_err(),
            format!("NotTheNext(height: {wrong})")
        );
    }
    let uneven = Beacon::recordCall {
        first,
        signatures: vec![1; 47].into(),
    };
    assert!(protocol(&mut chain, &uneven).is_err());
    protocol(&mut chain, &record(first, 2)).unwrap();
    protocol(&mut chain, &record(first + 2, 1)).unwrap();
    for height in first..first + 3 {
        let found = chain.view(RANDOMNESS_BEACON, &Beacon::signatureOfCall { height });
        assert_eq!(found, Bytes::from(signature(height)));
    }
    // SHA-256 of the signature of height 1,200.
    let value = chain.view(RANDOMNESS_BEACON, &Beacon::valueOfCall { height: first });
    assert_eq!(
        value,
        b256!("af01c9eb7e745dea0b393d8a13db1b97b74a7f89972cd6cf7f8ad0bd7732346b")
    );
    let latest = chain.view(RANDOMNESS_BEACON, &Beacon::latestCall {});
    assert_eq!(latest.height, first + 2);
    assert_ne!(latest.value, value);
    let asked = chain.send(
        Address::ZERO,
        RANDOMNESS_BEACON,
        &Beacon::valueOfCall { height: first + 3 },
    );
    assert_eq!(asked.err().unwrap(), format!("NoValue(height: {})", first + 3));
}

/// Who can no longer sign old heights does not stop the new ones.
#[test]
fn heights_without_a_value_when_the_next_epoch_is_over_are_passed_over() {
    let mut chain = with_key();
    let next = |chain: &mut Chain| chain.view(RANDOMNESS_BEACON, &Beacon::nextHeightCall {});
    protocol(&mut chain, &record(EPOCH_BLOCKS, 1)).unwrap();
    chain.block = 3 * EPOCH_BLOCKS - 1;
    assert_eq!(next(&mut chain), EPOCH_BLOCKS + 1);
    chain.block = 3 * EPOCH_BLOCKS;
    assert_eq!(next(&mut chain), 2 * EPOCH_BLOCKS);
    assert!(protocol(&mut chain, &record(EPOCH_BLOCKS + 1, 1)).is_err());
    protocol(&mut chain, &record(2 * EPOCH_BLOCKS, 1)).unwrap();
    let skipped = Beacon::valueOfCall {
        height: EPOCH_BLOCKS + 1,
    };
    assert!(chain.send(Address::ZERO, RANDOMNESS_BEACON, &skipped).is_err());
}

#[test]
fn the_last_8191_values_are_kept() {
    let mut chain = with_key();
    let mut height = EPOCH_BLOCKS;
    while height < EPOCH_BLOCKS + HISTORY + 3 {
        chain.block = height + 100;
        protocol(&mut chain, &record(height, 100)).unwrap();
        height += 100;
    }
    let has = |chain: &mut Chain, height| {
        let call = Beacon::valueOfCall { height };
        chain.send(Address::ZERO, RANDOMNESS_BEACON, &call).is_ok()
    };
    assert!(has(&mut chain, height - 1) && has(&mut chain, height - HISTORY));
    assert!(!has(&mut chain, height - HISTORY - 1) && !has(&mut chain, height));
}

fn seed(chain: &mut Chain, epoch: u64) -> Result<B256, String> {
    let call = Beacon::seedOfCall { epoch_: epoch };
    chain
        .send(Address::ZERO, RANDOMNESS_BEACON, &call)
        .map(|sent| sent.result)
}

fn value(chain: &mut Chain, height: u64) -> B256 {
    chain.view(RANDOMNESS_BEACON, &Beacon::valueOfCall { height })
}

/// Without a key no value is waited for: the next epoch has its seed at once.
#[test]
fn epochs_before_the_first_value_have_the_seed_that_was_dealt() {
    let (mut chain, _) = network();
    for (epoch, expected) in [
        (0, Ok(BEACON)),
        (1, Ok(BEACON)),
        (2, Err("SeedNotFixed(epoch: 2)".into())),
    ] {
        assert_eq!(seed(&mut chain, epoch), expected);
    }
    late(&mut chain, 0);
    protocol(&mut chain, &conclude(0, key(), vec![1; 2_000].into())).unwrap();
    // The key's first value is of the next epoch's first height: the seed of the one after that.
    assert_eq!(seed(&mut chain, 1), Ok(BEACON));
}

#[test]
fn the_seed_of_an_epoch_is_the_value_of_the_first_height_of_the_one_before_and_stays_so() {
    let mut chain = with_key();
    let mut seeds = vec![BEACON, BEACON];
    for epoch in 1..=8 {
        let first = epoch * EPOCH_BLOCKS;
        chain.block = first + 3;
        assert_eq!(
            seed(&mut chain, epoch + 1),
            Err(format!("SeedNotFixed(epoch: {})", epoch + 1)),
            "its value may still come"
        );
        for part in 0..EPOCH_BLOCKS / 100 {
            protocol(&mut chain, &record(first + 100 * part, 100)).unwrap();
            if part == 0 {
                seeds.push(value(&mut chain, first));
            }
        }
        let found: Vec<_> = (0..).zip(&seeds).map(|(epoch, _)| seed(&mut chain, epoch)).collect();
        assert_eq!(found, seeds.iter().copied().map(Ok).collect::<Vec<_>>());
    }
    // Values are forgotten after 8,191 heights; what was drawn from them is not.
    let call = Beacon::valueOfCall { height: EPOCH_BLOCKS };
    assert!(chain.send(Address::ZERO, RANDOMNESS_BEACON, &call).is_err());
    assert_eq!(seed(&mut chain, 2), Ok(seeds[2]));
}

/// Who is late, restarts or asks years later finds the same: an epoch's seed does not change when a value comes that nobody had when it began.
#[test]
fn a_value_that_comes_too_late_changes_no_seed() {
    let mut chain = with_key();
    chain.block = 2 * EPOCH_BLOCKS - 1;
    protocol(&mut chain, &record(EPOCH_BLOCKS, 1)).unwrap();
    let kept = value(&mut chain, EPOCH_BLOCKS);
    assert_eq!(seed(&mut chain, 2), Ok(kept), "in the last block of its epoch");

    // Epoch 2 brings no value; its first comes in epoch 3.
    chain.block = 3 * EPOCH_BLOCKS - 1;
    assert_eq!(seed(&mut chain, 3), Err("SeedNotFixed(epoch: 3)".into()));
    chain.block = 3 * EPOCH_BLOCKS;
    assert_eq!(seed(&mut chain, 3), Ok(kept));
    protocol(&mut chain, &record(2 * EPOCH_BLOCKS, 1)).unwrap();
    assert_ne!(value(&mut chain, 2 * EPOCH_BLOCKS), kept, "it came");
    assert_eq!(seed(&mut chain, 3), Ok(kept), "too late");
    assert_eq!(seed(&mut chain, 4), Err("SeedNotFixed(epoch: 4)".into()));

    // Nothing for six epochs, then one in time: each epoch between has the last seed before it.
    chain.block = 9 * EPOCH_BLOCKS + 20;
    for part in 0..=EPOCH_BLOCKS / 100 {
        protocol(&mut chain, &record(8 * EPOCH_BLOCKS + 100 * part, 100)).unwrap();
    }
    let new = value(&mut chain, 9 * EPOCH_BLOCKS);
    chain.block = 12 * EPOCH_BLOCKS;
    for (epoch, expected) in [
        (1, BEACON),
        (2, kept),
        (3, kept),
        (9, kept),
        (10, new),
        (11, new),
        (12, new),
    ] {
        assert_eq!(seed(&mut chain, epoch), Ok(expected), "epoch {epoch}");
    }
    let mut seeded = with_key();
    seeded.block = 12 * EPOCH_BLOCKS;
    assert_eq!(seed(&mut seeded, 12), Ok(BEACON));
}

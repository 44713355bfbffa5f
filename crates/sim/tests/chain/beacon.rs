//! The randomness beacon of the unchanged node: a key that is made and handed on while validators come, go, fail and lie.
//!
//! The observer in `sim::chain` verifies every value with the key that the first ceremony made, and fails a run in which the key changes or a
//! height has two values; what is asserted here comes on top. Each operator has one seat, so that four can do without one.

use crate::WAN;
use chain::consensus::Pace;
use sim::chain::{BeaconFault, Event, Network, Outcome};
use std::time::Duration;

const EPOCH_BLOCKS: u64 = 12;

fn network(seed: u64, founders: usize, machines: usize) -> Network {
    Network::new(seed)
        .validators(machines)
        .staked(founders, EPOCH_BLOCKS)
        .beacon(1)
        .pace(Pace {
            // Slow, since a quarter of so short an epoch has to be long enough for logs to come into a block.
            block_interval: Duration::from_millis(250),
            ..Pace::default()
        })
        .steady(100)
        .link(WAN)
}

/// First block of an epoch.
fn first(epoch: u64) -> u64 {
    epoch * EPOCH_BLOCKS
}

/// Whether each epoch's ceremony succeeded, as far as blocks say.
fn succeeded(outcome: &Outcome) -> Vec<(u64, bool)> {
    let ends = outcome.ceremonies.iter();
    ends.map(|(epoch, end)| (*epoch, end.succeeded)).collect()
}

/// Every height from the second epoch up to `last` has a value, in a block at most `late` after the next.
fn assert_values(outcome: &Outcome, last: u64, late: u64) {
    for height in first(1)..=last {
        let block = outcome.value_blocks.get(&height);
        let block = block.unwrap_or_else(|| panic!("height {height} has no value\n{}", outcome.log));
        assert!(
            *block <= height + 2 + late,
            "the value of {height} is in block {block}\n{}",
            outcome.log
        );
    }
}

#[test]
fn the_key_is_made_and_handed_on_while_a_validator_joins_and_another_leaves() {
    let outcome = network(60, 4, 5)
        .at_height(2, Event::Register(4))
        .at_height(first(4) + 1, Event::Join(4))
        .at_height(first(4) + 2, Event::Leave(0))
        .run(first(8) + 6, 120_000);
    assert_eq!(
        succeeded(&outcome),
        (0..8).map(|epoch| (epoch, true)).collect::<Vec<_>>(),
        "\n{}",
        outcome.log
    );
    assert_values(&outcome, first(8), 1);
}

/// One of four seats neither deals nor acknowledges nor signs: nobody else notices.
#[test]
fn one_of_four_that_takes_no_part_stops_neither_values_nor_ceremonies() {
    for fault in [BeaconFault::NoSignatures, BeaconFault::NoDealings] {
        let outcome = network(61, 4, 4)
            .at_height(1, Event::FailBeacon(2, fault))
            .run(first(2) + 4, 60_000);
        assert_eq!(succeeded(&outcome), [(0, true), (1, true)], "\n{}", outcome.log);
        assert_values(&outcome, first(2), 1);
    }
}

/// A leader that has no value for its blocks leaves them to the next one. It changes none of them: the observer verified each.
#[test]
fn a_leader_that_leaves_values_out_delays_them_and_changes_nothing() {
    let honest = network(62, 4, 4).run(first(2) + 8, 60_000);
    let grinding = network(62, 4, 4)
        .at_height(first(1), Event::FailBeacon(1, BeaconFault::NoValues))
        .run(first(2) + 8, 60_000);
    assert_values(&grinding, first(2) + 4, 2);
    let by_it = |height: &u64| grinding.proposers.get(height) == Some(&1);
    assert!(
        grinding
            .proposers
            .range(first(1) + 2..)
            .any(|(height, _)| by_it(height))
    );
    assert!(
        !grinding
            .value_blocks
            .values()
            .any(|block| *block > first(1) + 2 && by_it(block))
    );
    // Blocks differ from some height on; the ceremonies before had the same keys and the same network, hence the same key and values.
    let common: Vec<u64> = honest
        .values
        .keys()
        .filter(|height| grinding.values.contains_key(height))
        .copied()
        .collect();
    assert!(common.len() > 8);
    for height in common {
        assert_eq!(honest.values[&height], grinding.values[&height], "height {height}");
    }
}

#[test]
fn a_dealer_of_garbage_is_left_out_and_three_others_hand_the_key_on() {
    let outcome = network(63, 4, 4)
        .at_height(1, Event::FailBeacon(3, BeaconFault::Garbage))
        .run(first(2) + 4, 60_000);
    assert_eq!(succeeded(&outcome), [(0, true), (1, true)], "\n{}", outcome.log);
    assert_values(&outcome, first(2), 1);
}

/// A dealer that gives a share to one other validator only, one that gives that one a wrong share, one that posts nothing and one that posts twice: three
/// others are enough, or its own log is sound after all, and everybody has the same key.
#[test]
fn a_dealer_that_is_two_faced_or_keeps_to_itself_what_is_due_stops_no_ceremony() {
    for (seed, fault, posted) in [
        (72, BeaconFault::FewDealings, 4),
        (73, BeaconFault::TwoFaced, 4),
        (74, BeaconFault::NoLog, 3),
        (75, BeaconFault::LogTwice, 4),
    ] {
        let outcome = network(seed, 4, 4)
            .at_height(1, Event::FailBeacon(1, fault))
            .run(first(2) + 4, 60_000);
        assert_eq!(
            succeeded(&outcome),
            [(0, true), (1, true)],
            "{fault:?}\n{}",
            outcome.log
        );
        let ends = &outcome.ceremonies;
        assert_eq!(ends[&1].posted, posted, "{fault:?} {ends:?}");
        assert_values(&outcome, first(2), 1);
    }
}

/// Two of four that fail in different ways are too many: the holders keep the key, the block says so, and it is handed on when they mend their ways.
#[test]
fn two_dealers_that_fail_each_in_its_way_leave_the_key_where_it_is() {
    for (seed, faults, posted) in [
        (76, [BeaconFault::FewDealings, BeaconFault::NoLog], 3),
        (77, [BeaconFault::NoLog, BeaconFault::NoLog], 2),
        (78, [BeaconFault::FewDealings, BeaconFault::FewDealings], 4),
    ] {
        let mut network = network(seed, 4, 4);
        for (machine, fault) in [(1, faults[0]), (3, faults[1])] {
            network = network
                .at_height(first(1) - 3, Event::FailBeacon(machine, fault))
                .at_height(first(2) - 3, Event::FailBeacon(machine, BeaconFault::None));
        }
        let outcome = network.run(first(3) + 4, 60_000);
        let ends = [(0, true), (1, false), (2, true)];
        assert_eq!(succeeded(&outcome), ends, "{faults:?}\n{}", outcome.log);
        let failed = outcome.ceremonies[&1];
        assert!(
            failed.counted < failed.required && failed.posted == posted,
            "{failed:?}"
        );
        assert_values(&outcome, first(3), 1);
    }
}

/// One machine after another loses power while a ceremony goes on, on several seeds, each time with what it had not synced there or not by chance.
#[test]
fn machines_that_restart_one_after_another_during_ceremonies_keep_one_key() {
    for seed in 80..84 {
        let mut network = network(seed, 4, 4);
        for (place, height) in (1..first(2)).enumerate() {
            let machine = (seed as usize + place) % 4;
            network = network
                .at_height(height, Event::Crash(machine))
                .at_height(height, Event::Restart(machine));
        }
        let outcome = network.run(first(3) + 4, 120_000);
        // Whether each ceremony had the time is chance; the observer fails a run with another key, or a height with two values.
        assert_eq!(outcome.ceremonies.len(), 3, "\n{}", outcome.log);
        assert!(outcome.ceremonies[&2].succeeded, "\n{}", outcome.log);
        assert!(
            outcome.heights.iter().all(|height| *height >= first(3) + 4),
            "\n{}",
            outcome.log
        );
        assert!(outcome.value_blocks.contains_key(&first(3)), "\n{}", outcome.log);
    }
}

/// Two of four are too many: the ceremony fails and says so, the holders keep the key and go on, and the next ceremony works.
#[test]
fn a_ceremony_that_too_many_refuse_keeps_the_key_where_it_is_and_the_next_one_works() {
    let fail = |machine, fault| Event::FailBeacon(machine, fault);
    let outcome = network(64, 4, 4)
        .at_height(first(1) - 3, fail(1, BeaconFault::NoDealings))
        .at_height(first(1) - 3, fail(2, BeaconFault::NoDealings))
        .at_height(first(2) - 3, fail(1, BeaconFault::None))
        .at_height(first(2) - 3, fail(2, BeaconFault::None))
        .run(first(3) + 4, 60_000);
    let ends = [(0, true), (1, false), (2, true)];
    assert_eq!(succeeded(&outcome), ends, "\n{}", outcome.log);
    let failed = outcome.ceremonies[&1];
    assert!(failed.counted < failed.required, "{failed:?}");
    assert_values(&outcome, first(3), 1);
}

/// Wherever the power goes, whoever acknowledged a share has it, and a dealer deals what it dealt.
#[test]
fn all_validators_restart_at_any_point_of_a_ceremony_and_it_ends_as_it_would_have() {
    for (seed, height) in [(65, 2), (66, 7), (67, 10), (68, 14)] {
        let mut network = network(seed, 4, 4);
        for machine in 0..4 {
            network = network
                .at_height(height, Event::Crash(machine))
                .at_height(height, Event::Restart(machine));
        }
        let outcome = network.run(first(2) + 4, 60_000);
        assert_eq!(
            succeeded(&outcome),
            [(0, true), (1, true)],
            "power went at {height}\n{}",
            outcome.log
        );
        assert_values(&outcome, first(2), 6);
    }
}

#[test]
fn a_beacon_is_the_same_run_for_the_same_seed() {
    let run = || network(71, 4, 4).run(first(1) + 8, 60_000);
    let (first, again) = (run(), run());
    assert_eq!(first.log, again.log);
    assert_eq!(first, again);
}

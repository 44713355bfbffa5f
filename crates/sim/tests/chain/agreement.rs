//! Validators on a simulated network, with faults.
//!
//! The observer in `sim::chain` fails a run in which two validators hold different final blocks at a height, or a transaction is
//! final twice; what is asserted here comes on top.

use crate::WAN;
use sim::{
    Link,
    chain::{Event, Network, Outcome},
};

const LOSSY: Link = Link {
    latency_ms: 60,
    jitter_ms: 30,
    loss: 0.1,
};

fn transfers(to: usize, count: u64) -> Event {
    Event::Transfers { to, count }
}

/// Every validator that is up has `height` blocks, and all `transactions` are in them.
fn assert_agreed(outcome: &Outcome, height: u64, transactions: usize) {
    let log = &outcome.log;
    assert!(
        outcome.heights.iter().all(|reached| *reached >= height),
        "{:?} of {height}\n{log}",
        outcome.heights
    );
    assert_eq!((outcome.included, outcome.missing), (transactions, 0), "\n{log}");
}

#[test]
fn four_validators_finalize_the_same_blocks_and_every_transaction_once() {
    let network = Network::new(1)
        .link(WAN)
        .at_ms(500, transfers(0, 3))
        .at_ms(2_000, transfers(2, 2));
    let outcome = network.run(12, 60_000);
    assert_agreed(&outcome, 12, 40);
}

/// For longer than its pool takes transfers of one user while none becomes final.
#[test]
fn users_leave_a_machine_that_hears_of_no_block_any_more() {
    let cut = Event::Partition(vec![vec![0], vec![1, 2, 3]]);
    let outcome = Network::new(9)
        .steady(50)
        .at_ms(1_000, cut)
        .at_ms(60_000, Event::Heal)
        .run(110, 120_000);
    assert_agreed(&outcome, 110, 0);
    assert!(
        outcome.proposers.range(90..).any(|(_, leader)| *leader == 0),
        "\n{}",
        outcome.log
    );
}

#[test]
fn one_validator_alone_is_a_chain() {
    let outcome = Network::new(2).validators(1).at_ms(300, transfers(0, 2)).run(8, 30_000);
    assert_agreed(&outcome, 8, 16);
}

#[test]
fn blocks_come_slowly_while_nothing_waits_and_at_once_when_something_does() {
    let idle = Network::new(3).run(10, 60_000);
    assert!((9_000..12_000).contains(&idle.elapsed_ms), "{} ms", idle.elapsed_ms);
    // A block interval after the last block, a transaction waits for no idle interval.
    let busy = Network::new(3).at_ms(5_500, transfers(1, 1)).run(5, 60_000);
    assert!(busy.elapsed_ms <= 5_800 && busy.missing == 0, "\n{}", busy.log);
}

#[test]
fn a_tenth_of_all_messages_lost_loses_no_transaction() {
    let outcome = Network::new(4)
        .link(LOSSY)
        .at_ms(500, transfers(0, 2))
        .at_ms(3_000, transfers(3, 2))
        .run(15, 120_000);
    assert_agreed(&outcome, 15, 32);
}

#[test]
fn three_of_four_go_on_while_one_is_down_and_it_catches_up() {
    let network = Network::new(5)
        .link(WAN)
        .at_ms(3_000, Event::Crash(1))
        .at_ms(4_000, transfers(0, 2));
    let outcome = network
        .at_ms(30_000, Event::Restart(1))
        .at_ms(31_000, transfers(1, 1))
        .run(25, 120_000);
    assert_agreed(&outcome, 25, 24);
    assert_eq!(outcome.heights.len(), 4);
}

#[test]
fn all_four_crash_at_once_and_go_on_where_they_were() {
    let mut network = Network::new(6).link(WAN).at_ms(1_000, transfers(0, 2));
    for validator in 0..4 {
        network = network
            .at_ms(12_000, Event::Crash(validator))
            .at_ms(13_000, Event::Restart(validator));
    }
    let outcome = network.at_ms(20_000, transfers(3, 1)).run(20, 120_000);
    assert_agreed(&outcome, 20, 24);
}

/// Neither half is a quorum: nothing is final until the halves meet again, and nothing that was final is undone.
#[test]
fn a_network_split_in_halves_stops_and_goes_on_when_healed() {
    let split = Event::Partition(vec![vec![0, 1], vec![2, 3]]);
    let before = Network::new(7)
        .link(WAN)
        .at_ms(4_000, split.clone())
        .run(u64::MAX, 20_000);
    let stuck = *before.heights.iter().max().unwrap();
    assert!((3..8).contains(&stuck), "{:?}\n{}", before.heights, before.log);
    let network = Network::new(7)
        .link(WAN)
        .at_ms(4_000, split)
        .at_ms(10_000, transfers(0, 1));
    let outcome = network.at_ms(20_000, Event::Heal).run(stuck + 10, 120_000);
    assert_agreed(&outcome, stuck + 10, 8);
}

#[test]
fn the_larger_part_of_a_split_network_goes_on_and_the_other_follows_when_healed() {
    let split = Event::Partition(vec![vec![0, 1, 2], vec![3]]);
    let network = Network::new(8)
        .link(WAN)
        .at_ms(3_000, split)
        .at_ms(5_000, transfers(1, 2));
    let outcome = network.at_ms(25_000, Event::Heal).run(25, 120_000);
    assert_agreed(&outcome, 25, 16);
}

/// Chance decides what crashes, when, and what survives on its disk; whatever it decides, the chain goes on.
#[test]
fn validators_that_crash_one_after_another_never_disagree() {
    for seed in 20..23 {
        let mut network = Network::new(seed).link(LOSSY);
        for round in 0..6 {
            let (time, validator) = (2_000 + round * 6_000, ((seed + round * 3) % 4) as usize);
            network = network
                .at_ms(time, Event::Crash(validator))
                .at_ms(time + 2_500, Event::Restart(validator));
            network = network.at_ms(time + 4_000, transfers(validator, 1));
        }
        assert_agreed(&network.run(20, 200_000), 20, 48);
    }
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    let run = |seed| {
        let network = Network::new(seed)
            .link(LOSSY)
            .at_ms(500, transfers(0, 2))
            .at_ms(2_000, Event::Crash(2));
        network.at_ms(6_000, Event::Restart(2)).run(10, 60_000)
    };
    let (first, again, other) = (run(9), run(9), run(10));
    // The log first: it says where two runs part. The runtime's audit of every poll, message and random number is in there too.
    assert_eq!(first.log, again.log);
    assert_eq!(first, again);
    assert_ne!(first.log, other.log);
}

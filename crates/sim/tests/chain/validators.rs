//! Committees that stake chooses, and that change while the chain goes on.
//!
//! Epochs have ten blocks. Who asks for seats in epoch `e` is counted when the committee of `e + 3` is closed, in the first blocks of the next
//! epoch, and leads from there on.

use crate::WAN;
use sim::chain::{Event, Network, Outcome};

const EPOCH_BLOCKS: u64 = 10;
/// Longest wait for a block, in milliseconds, while all validators are up: two block intervals. Looks are 50 ms apart.
const WAIT_MAX_MS: u64 = 550;

/// Founders with machines, and users who send all the time.
fn network(seed: u64, founders: usize, machines: usize) -> Network {
    Network::new(seed)
        .validators(machines)
        .staked(founders, EPOCH_BLOCKS)
        .steady(100)
}

/// Who led in an epoch.
fn leaders(outcome: &Outcome, epoch: u64) -> Vec<usize> {
    let heights = epoch * EPOCH_BLOCKS..(epoch + 1) * EPOCH_BLOCKS;
    let mut leaders: Vec<_> = outcome.proposers.range(heights).map(|(_, leader)| *leader).collect();
    leaders.sort_unstable();
    leaders.dedup();
    leaders
}

fn assert_reached(outcome: &Outcome, height: u64) {
    let reached = outcome.heights.iter().all(|reached| *reached >= height);
    assert!(reached, "{:?} of {height}\n{}", outcome.heights, outcome.log);
}

fn assert_no_wait(outcome: &Outcome) {
    let (waited, height) = outcome.longest_wait.unwrap();
    assert!(
        waited <= WAIT_MAX_MS,
        "{waited} ms before block {height}\n{}",
        outcome.log
    );
}

/// An engine that has just begun has heard nobody, and would pass over leaders whose first vote came later than others'; whether it does depends on the seed.
#[test]
fn nobody_is_passed_over_when_an_engine_begins() {
    for seed in 40..50 {
        let outcome = network(seed, 4, 4).link(WAN).run(EPOCH_BLOCKS + 3, 20_000);
        assert_reached(&outcome, EPOCH_BLOCKS + 3);
        assert_no_wait(&outcome);
    }
}

/// From registering to voting by transactions alone, while nobody waits for a block at any boundary.
#[test]
fn a_validator_joins_by_stake_and_another_leaves_while_transfers_go_on() {
    let outcome = network(40, 4, 5)
        .link(WAN)
        .at_height(2, Event::Register(4))
        .at_height(41, Event::Join(4))
        .at_height(42, Event::Leave(0))
        .run(85, 60_000);
    assert_reached(&outcome, 85);
    assert_no_wait(&outcome);
    for epoch in 0..7 {
        assert!(!leaders(&outcome, epoch).contains(&4), "epoch {epoch}\n{}", outcome.log);
    }
    assert_eq!(leaders(&outcome, 7), [1, 2, 3, 4], "\n{}", outcome.log);
}

#[test]
fn a_validator_that_slept_through_two_epochs_comes_back() {
    let outcome = network(41, 4, 4)
        .at_height(14, Event::Crash(2))
        .at_height(35, Event::Restart(2))
        .run(55, 120_000);
    assert_reached(&outcome, 55);
    assert!(leaders(&outcome, 4).contains(&2), "\n{}", outcome.log);
}

/// A machine whose operator joined and has no seat yet never proposes: what its users give it while nobody hears it, it has to say again.
#[test]
fn what_was_told_to_nobody_is_told_again_by_a_node_that_never_leads() {
    let cut = Event::Partition(vec![vec![0, 1, 2, 3], vec![4]]);
    let outcome = network(46, 4, 5)
        .at_height(2, Event::Register(4))
        .at_height(41, Event::Join(4))
        .at_height(51, cut)
        .at_height(52, Event::Transfers { to: 4, count: 3 })
        .at_height(54, Event::Heal)
        .run(66, 60_000);
    assert_reached(&outcome, 66);
    assert!(
        !outcome.proposers.values().any(|leader| *leader == 4),
        "\n{}",
        outcome.log
    );
    assert_eq!(outcome.missing, 0, "\n{}", outcome.log);
}

/// A validator is cut off while one joins and one leaves; when the cables are back it finds a committee that it has never heard of, and votes
/// in it.
#[test]
fn a_committee_that_changes_during_a_partition_is_learnt_when_it_heals() {
    let split = Event::Partition(vec![vec![0, 1, 2, 4], vec![3]]);
    let outcome = network(42, 4, 5)
        .at_height(2, Event::Register(4))
        .at_height(41, Event::Join(4))
        .at_height(44, split)
        .at_height(45, Event::Leave(0))
        .at_height(72, Event::Heal)
        .run(88, 240_000);
    assert_reached(&outcome, 88);
    // An epoch has fewer blocks than there are seats, so that not everybody's turn comes in it: the newcomer's and the one's that was cut off do.
    let led = leaders(&outcome, 8);
    assert!(
        !led.contains(&0) && led.contains(&3) && led.contains(&4),
        "{led:?}\n{}",
        outcome.log
    );
}

/// Wherever around the boundary the power goes, the votes of both epochs are kept and nobody contradicts itself.
#[test]
fn all_validators_restart_at_a_boundary_and_go_on() {
    for height in [EPOCH_BLOCKS - 2, EPOCH_BLOCKS - 1, EPOCH_BLOCKS] {
        let mut network = network(43 + height, 4, 4).link(WAN);
        for validator in 0..4 {
            network = network
                .at_height(height, Event::Crash(validator))
                .at_ms(6_000, Event::Restart(validator));
        }
        let outcome = network.run(EPOCH_BLOCKS + 5, 60_000);
        assert_reached(&outcome, EPOCH_BLOCKS + 5);
    }
}

/// Evidence goes from the engine into a contract that rebuilds what was signed: the stake is gone, and with it the seat.
#[test]
fn a_validator_that_votes_twice_loses_stake_and_seat_and_nobody_else_does() {
    let outcome = network(44, 4, 4)
        .at_height(3, Event::Equivocate(1))
        // The others cut it off, so it does not follow.
        .at_height(20, Event::Crash(1))
        .run(50, 240_000);
    assert_reached(&outcome, 50);
    let hundred = 100 * 10u128.pow(18);
    assert_eq!(outcome.stakes_wei, [hundred, 0, hundred, hundred], "\n{}", outcome.log);
    assert_eq!(leaders(&outcome, 4), [0, 2, 3], "\n{}", outcome.log);
}

#[test]
fn a_change_of_committees_is_the_same_run_for_the_same_seed() {
    let run = || {
        network(45, 4, 4)
            .link(WAN)
            .at_height(3, Event::Leave(2))
            .run(35, 60_000)
    };
    let (first, again) = (run(), run());
    assert_eq!(first.log, again.log);
    assert_eq!(first, again);
}

//! Seats: the contract's largest remainders against the same in Rust, and what must hold of any.

use crate::chain::Chain;
use alloy_sol_types::sol;
use contracts::GenesisContract;
use primitives::{Address, U256};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::ops::Range;

sol!(SeatsHarness, "../../contracts/artifacts/SeatsHarness.json");

const HARNESS: Address = Address::repeat_byte(0x5e);

/// Most seats of one of `candidates`.
fn cap(seats: u32, candidates: usize) -> u32 {
    let candidates = candidates as u32;
    match candidates {
        20.. => seats / 10,
        4.. => (seats - 1) / 3,
        _ => seats.div_ceil(candidates),
    }
    .max(1)
}

/// Seats by stake, as `Seats` says it, with exact fractions and no cleverness.
pub fn apportion(stakes: &[u128], seats: u32) -> Vec<u32> {
    let most = cap(seats, stakes.len());
    let mut given: Vec<Option<u32>> = vec![None; stakes.len()];
    let mut free = seats.min(most * stakes.len() as u32);
    loop {
        let open = |given: &[Option<u32>]| (0..stakes.len()).filter(|&i| given[i].is_none()).collect::<Vec<_>>();
        let weight: u128 = open(&given).iter().map(|&i| stakes[i]).sum();
        let reached: Vec<usize> = (open(&given).into_iter())
            .filter(|&i| stakes[i] > 0 && stakes[i] * u128::from(free) >= u128::from(most) * weight)
            .collect();
        if !reached.is_empty() {
            free -= most * reached.len() as u32;
            reached.iter().for_each(|&i| given[i] = Some(most));
            continue;
        }
        if weight == 0 {
            return given.into_iter().map(Option::unwrap_or_default).collect();
        }
        let mut parts: Vec<(u128, usize)> = Vec::new();
        for i in open(&given) {
            let exact = stakes[i] * u128::from(free);
            given[i] = Some((exact / weight) as u32);
            parts.push((exact % weight, i));
        }
        let left = free - parts.iter().map(|&(_, i)| given[i].unwrap()).sum::<u32>();
        parts.sort_by_key(|&(remainder, i)| (std::cmp::Reverse(remainder), i));
        for &(_, i) in &parts[..left as usize] {
            given[i] = given[i].map(|seats| seats + 1);
        }
        return given.into_iter().map(Option::unwrap_or_default).collect();
    }
}

/// The ranges of seats of committee members with these stakes.
pub fn of(stakes: &[u128], seats: u32) -> Vec<Range<u32>> {
    let mut end = 0;
    let range = |own: u32| {
        end += own;
        end - own..end
    };
    apportion(stakes, seats).into_iter().map(range).collect()
}

fn harness() -> Chain {
    let mut chain = Chain::empty();
    chain.construct(&GenesisContract {
        name: "SeatsHarness",
        address: HARNESS,
        init_code: SeatsHarness::BYTECODE.clone(),
    });
    chain
}

fn on_chain(chain: &mut Chain, stakes: &[u128], seats: u32) -> Vec<u32> {
    let call = SeatsHarness::apportionCall {
        stakes: stakes.iter().map(|stake| U256::from(*stake)).collect(),
        seats: U256::from(seats),
    };
    let given = chain.view(HARNESS, &call);
    given.into_iter().map(|seats| seats.to::<u32>()).collect()
}

#[test]
fn the_contract_gives_the_seats_that_exact_fractions_give() {
    let mut chain = harness();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..300 {
        let count = if round < 200 {
            rng.random_range(1..12)
        } else {
            rng.random_range(12..60)
        };
        let seats = rng.random_range(1..=600);
        let most = [3, 1_000, 1 << 90][round % 3];
        // Some equal, some a thousand times the others.
        let mut stakes: Vec<u128> = (0..count).map(|_| rng.random_range(0..most)).collect();
        stakes[0] = rng.random_range(1..most) * if round % 2 == 0 { 1_000 } else { 1 };
        let given = on_chain(&mut chain, &stakes, seats);
        assert_eq!(given, apportion(&stakes, seats), "{seats} seats by {stakes:?}");
        assert!(given.iter().all(|own| *own <= cap(seats, count)));
        assert!(given.iter().zip(&stakes).all(|(own, stake)| *stake > 0 || *own == 0));
        if stakes.iter().all(|stake| *stake > 0) {
            let all = seats.min(cap(seats, count) * count as u32);
            assert_eq!(given.iter().sum::<u32>(), all);
        }
        // More stake is never fewer seats.
        for (a, stake) in stakes.iter().enumerate() {
            assert!((0..count).all(|b| stakes[b] > *stake || given[b] <= given[a] || stakes[b] == *stake));
        }
    }
}

#[test]
fn known_stakes_give_known_seats() {
    let mut chain = harness();
    for (stakes, seats, expected) in [
        (&[1, 1, 1, 1][..], 600, &[150, 150, 150, 150][..]),
        (&[1], 600, &[600]),
        (&[7, 1], 600, &[300, 300]),
        // Fewer than a third, however rich.
        (&[97, 1, 1, 1], 600, &[199, 134, 134, 133]),
        (&[5, 3, 1, 1, 1, 1], 7, &[2, 2, 1, 1, 1, 0]),
    ] {
        assert_eq!(
            on_chain(&mut chain, stakes, seats),
            expected,
            "{seats} seats by {stakes:?}"
        );
        assert_eq!(apportion(stakes, seats), expected);
    }
    let many: Vec<u128> = (0..25).map(|i| if i == 0 { 1 << 80 } else { 1 }).collect();
    assert_eq!(on_chain(&mut chain, &many, 600)[0], 60);
}

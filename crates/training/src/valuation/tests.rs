use super::*;
use crate::{
    TrainSummary,
    compress::{Decay, Density},
    linear::Linear,
    round::{Action, Coordinator, FromCoordinator, Plan, Worker},
    table::{Examples, Split, SplitConfig, Table, tests::rice_farms},
};
use commonware_codec::Encode;
use commonware_cryptography::{Signer as _, ed25519};
use primitives::{Digest, address, b256};
use proptest::prelude::*;
use std::sync::Arc;

fn key(index: usize) -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(index as u64)
}

fn salt() -> SketchKey {
    SketchKey::new([7; 32])
}

const SPLIT: SplitConfig = SplitConfig {
    held_out_percent: 25,
    seed: 7,
};

/// Trains the learners together for some rounds, everything arriving in time.
fn train<L: Learner>(learners: Vec<L>, rounds: u32) -> Outcome {
    let plan = Plan {
        run: Digest::of(b"run"),
        layout: Digest::of(b"linear"),
        rounds,
        local_steps: 10,
        density: Density::new(2048).unwrap(),
        decay: Decay::DEFAULT,
    };
    let initial = learners[0].parameters().to_vec();
    let mut workers: BTreeMap<_, _> = learners
        .into_iter()
        .enumerate()
        .map(|(index, learner)| {
            (
                key(index).public_key(),
                Worker::new(learner, key(index), plan.run, plan.layout),
            )
        })
        .collect();
    let mut coordinator = Coordinator::new(plan, workers.keys().cloned(), workers.len(), initial);
    let mut actions: Vec<Action> = vec![];
    for worker in workers.keys() {
        actions.extend(coordinator.join(worker).unwrap());
    }
    while !actions.contains(&Action::Finished) {
        for action in std::mem::take(&mut actions) {
            if let Action::Send { to, message } = action {
                assert!(!matches!(*message, FromCoordinator::Refused { .. }));
                workers.get_mut(&to).unwrap().receive(message.encode()).unwrap();
            }
        }
        for (name, worker) in &mut workers {
            if let Some(trained) = worker.train().unwrap() {
                actions.extend(coordinator.receive(name, trained.update));
            }
        }
    }
    coordinator.into_outcome()
}

/// Removes copies in the order of the farms, trains who has rows left, and values everyone.
fn value(table: &Table, rounds: u32) -> (Valuation, Kept) {
    let split = Split::of(table, SPLIT).unwrap();
    let sketches: Vec<Sketch> = split.farms.iter().map(|rows| Sketch::of(rows, &salt())).collect();
    let kept = deduplicate(&sketches);
    let held_out = Arc::new(split.held_out);
    let mut learners = vec![];
    let mut keys = vec![];
    for (rows, kept) in split.farms.iter().zip(&kept.rows) {
        keys.push((!kept.is_empty()).then(|| key(learners.len()).public_key()));
        if !kept.is_empty() {
            learners.push(Linear::new(rows.select(kept), &held_out));
        }
    }
    let mut judge = learners[0].clone();
    let outcome = train(learners, rounds);
    (value_farms(&outcome, &keys, &mut judge, Cap::NONE).unwrap(), kept)
}

fn weight_of(table: &Table, valuation: &Valuation, name: &str) -> f64 {
    valuation.weights[table.group_index(name).unwrap()].1 as f64 / WEIGHT_TOTAL as f64
}

#[test]
fn a_copy_and_a_farm_with_shuffled_figures_are_worth_next_to_nothing() {
    let table = rice_farms().with_copied_group("langan", "zz copy").unwrap();
    let table = table.with_shuffled_target("ciwangi", 3).unwrap();
    let (valuation, kept) = value(&table, 20);
    let copy = table.group_index("zz copy").unwrap();
    assert!(kept.rows[copy].is_empty());
    let honest_dropped = kept.dropped.iter().filter(|row| row.farm != copy).count();
    assert!(
        honest_dropped <= 8,
        "{honest_dropped} honest rows of 768 look like another farm's"
    );
    assert_eq!(weight_of(&table, &valuation, "zz copy"), 0.0);
    let honest = ["gunungwangi", "langan", "malausma", "sukaambit", "wargabinangun"];
    let least = honest
        .map(|name| weight_of(&table, &valuation, name))
        .into_iter()
        .fold(1.0, f64::min);
    let shuffled = weight_of(&table, &valuation, "ciwangi");
    assert!(
        shuffled <= least / 5.0,
        "shuffled {shuffled}, least honest {least}: {:?}",
        valuation.weights
    );
    assert_eq!(
        valuation.weights.iter().map(|(_, weight)| weight).sum::<u64>(),
        WEIGHT_TOTAL
    );

    let losses = &valuation.report.losses;
    let total: f64 = valuation.report.values.iter().sum();
    assert!(
        (losses[0] - losses[20] - total).abs() < 1e-9,
        "values add up to what the run was worth"
    );
    let (again, _) = value(&table, 20);
    assert_eq!(again.weights, valuation.weights);
}

#[test]
fn a_jittered_copy_is_found_and_honest_rows_are_kept() {
    let split = Split::of(&rice_farms(), SPLIT).unwrap();
    let mut farms: Vec<Examples> = split.farms;
    let mut copy = farms[2].clone();
    let width = copy.width;
    let mut state = 1u64;
    let mut jitter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.15
    };
    for (at, input) in copy.inputs.iter_mut().enumerate() {
        // Texts cannot be jittered; they are the last inputs of a row.
        if at % width < 4 {
            *input += jitter();
        }
    }
    copy.targets.iter_mut().for_each(|target| *target += jitter());
    farms.push(copy);
    let sketches: Vec<Sketch> = farms.iter().map(|rows| Sketch::of(rows, &salt())).collect();
    let kept = deduplicate(&sketches);
    let honest: usize = farms[..6].iter().map(Examples::len).sum();
    let honest_dropped = kept.dropped.iter().filter(|row| row.farm != 6).count();
    assert!(
        honest_dropped * 50 <= honest,
        "{honest_dropped} of {honest} honest rows dropped"
    );
    assert!(
        kept.rows[6].len() * 50 <= farms[6].len(),
        "{} of {} copied rows kept",
        kept.rows[6].len(),
        farms[6].len()
    );
    let other_salt: Vec<Sketch> = farms
        .iter()
        .map(|rows| Sketch::of(rows, &SketchKey::new([8; 32])))
        .collect();
    assert_ne!(sketches, other_salt);
}

#[test]
fn who_commits_first_keeps_the_rows() {
    let split = Split::of(&rice_farms(), SPLIT).unwrap();
    let sketch = Sketch::of(&split.farms[0], &salt());
    let kept = deduplicate(&[sketch.clone(), sketch.clone()]);
    assert_eq!((kept.rows[0].len(), kept.rows[1].len()), (sketch.row_count(), 0));
    assert_eq!(
        kept.dropped[3],
        Duplicate {
            farm: 1,
            row: 3,
            of_farm: 0,
            of_row: 3,
            likeness: Likeness::Exact
        }
    );
}

/// A worker that trains on nothing and sends nothing, or noise.
struct Idle {
    inner: Linear,
    noise: f32,
}

impl Learner for Idle {
    fn parameters(&self) -> &[f32] {
        self.inner.parameters()
    }
    fn set_parameters(&mut self, parameters: &[f32]) {
        self.inner.set_parameters(parameters);
    }
    fn train(&mut self, round: u32, _steps: u32) -> TrainSummary {
        for (at, parameter) in self.inner.parameters.iter_mut().enumerate() {
            let sign = if blake3::hash(&[round as u8, at as u8]).as_bytes()[0] & 1 == 0 {
                1.0
            } else {
                -1.0
            };
            *parameter += sign * self.noise;
        }
        TrainSummary {
            first_loss: 1.0,
            last_loss: 0.1,
            examples: 1000,
        }
    }
    fn loss_of(&mut self, parameters: &[f32]) -> f64 {
        self.inner.loss_of(parameters)
    }
}

#[test]
fn a_free_rider_and_a_noise_maker_are_worth_next_to_nothing() {
    for noise in [0.0, 0.05] {
        let mut learners: Vec<Box<dyn Learner>> = vec![];
        let farms = Linear::of(&rice_farms());
        let mut judge = farms[0].clone();
        for (index, inner) in farms.into_iter().enumerate() {
            learners.push(if index == 3 {
                Box::new(Idle { inner, noise })
            } else {
                Box::new(inner)
            });
        }
        let outcome = train(learners, 15);
        let keys: Vec<_> = (0..6).map(|index| Some(key(index).public_key())).collect();
        let valuation = value_farms(&outcome, &keys, &mut judge, Cap::NONE).unwrap();
        let weights: Vec<u64> = valuation.weights.iter().map(|(_, weight)| *weight).collect();
        let least = weights
            .iter()
            .enumerate()
            .filter(|(farm, _)| *farm != 3)
            .map(|(_, weight)| *weight)
            .min()
            .unwrap();
        assert!(weights[3] <= least / 5, "noise {noise}: {weights:?}");
    }
}

#[test]
fn errors_of_a_valuation_say_what_is_missing() {
    let farms = Linear::of(&rice_farms());
    let mut judge = farms[0].clone();
    let outcome = train(farms, 2);
    let stranger = value_farms(&outcome, &[None], &mut judge, Cap::NONE);
    assert!(matches!(stranger, Err(ShapleyError::Unknown { round: 0, .. })));
    let mut nothing = outcome.clone();
    nothing.rounds.clear();
    assert_eq!(
        value_farms(&nothing, &[None], &mut judge, Cap::NONE).unwrap_err(),
        ShapleyError::Worthless
    );
    let mut crowd = outcome;
    let part = crowd.rounds[0].accepted[0].clone();
    crowd.rounds[0].accepted = vec![part; 13];
    let crowded = value_farms(&crowd, &[None], &mut judge, Cap::NONE).unwrap_err();
    assert_eq!(crowded, ShapleyError::TooMany { round: 0, count: 13 });
}

#[test]
fn a_cap_is_kept_and_the_whole_is_still_paid_out() {
    let cap = |millionths| Cap::new(millionths).unwrap();
    let check = |values: &[f64], cap, expected: &[u64]| assert_eq!(weigh(values, cap).unwrap(), expected);
    check(
        &[1.0, 1.0, 1.0],
        Cap::NONE,
        &[333_333_333_334, 333_333_333_333, 333_333_333_333],
    );
    check(
        &[8.0, 1.0, 1.0, -5.0],
        cap(500_000),
        &[500_000_000_000, 250_000_000_000, 250_000_000_000, 0],
    );
    check(
        &[8.0, 8.0, 1.0],
        cap(400_000),
        &[400_000_000_000, 400_000_000_000, 200_000_000_000],
    );
    // Two cannot have at most a fifth each: the cap gives way.
    check(&[3.0, 1.0], cap(200_000), &[500_000_000_000, 500_000_000_000]);
    check(&[2.0], cap(200_000), &[WEIGHT_TOTAL]);
    assert_eq!(weigh(&[0.0, -1.0, f64::NAN], Cap::NONE), None);
    assert_eq!(weigh(&[], Cap::NONE), None);
}

/// Value from OpenZeppelin's StandardMerkleTree documentation: its example tree has this leaf's root among its proofs.
#[test]
fn a_leaf_is_hashed_as_openzeppelin_hashes_it() {
    let inner = primitives::keccak256(
        primitives::hex::decode(
            "0000000000000000000000001111111111111111111111111111111111111111\
             0000000000000000000000000000000000000000000000004563918244f40000",
        )
        .unwrap(),
    );
    let account = address!("1111111111111111111111111111111111111111");
    assert_eq!(leaf(account, 5_000_000_000_000_000_000), primitives::keccak256(inner));
    assert_ne!(
        leaf(account, 1),
        b256!("0000000000000000000000000000000000000000000000000000000000000000")
    );
}

proptest! {
    #[test]
    fn weights_add_up_and_follow_the_order_of_the_values(
        values in proptest::collection::vec(-1e3f64..1e3, 1..12), millionths in 1u32..=1_000_000,
    ) {
        if let Some(weights) = weigh(&values, Cap::new(millionths).unwrap()) {
            prop_assert_eq!(weights.iter().sum::<u64>(), WEIGHT_TOTAL);
            for (a, b) in values.iter().zip(&weights) {
                prop_assert!(*a > 0.0 || *b == 0);
                for (c, d) in values.iter().zip(&weights) {
                    prop_assert!(a <= c || b + 1 >= *d);
                }
            }
        } else {
            prop_assert!(values.iter().all(|value| *value <= 0.0));
        }
    }
}

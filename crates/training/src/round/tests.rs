use super::*;
use crate::{
    Learner,
    compress::{Decay, Density, FIXED_BITS, LEVEL_BITS, Sparse},
    linear::Linear,
    table::tests::rice_farms,
};
use bytes::Bytes;
use commonware_codec::{Decode, Encode};
use commonware_cryptography::{Signer as _, ed25519};
use primitives::Digest;
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

fn key(index: usize) -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(index as u64)
}

fn plan(rounds: u32) -> Plan {
    Plan {
        run: Digest::of(b"run"),
        layout: Digest::of(b"linear"),
        rounds,
        local_steps: 5,
        density: Density::new(1024).unwrap(),
        decay: Decay::DEFAULT,
    }
}

/// Workers and a coordinator in one thread: messages arrive in the order they were sent.
struct Run {
    coordinator: Option<Coordinator>,
    workers: BTreeMap<ed25519::PublicKey, Worker<Linear>>,
    deadline: Option<u32>,
    finished: bool,
    refused: Vec<(ed25519::PublicKey, Refusal)>,
}

impl Run {
    fn new(rounds: u32, quorum: usize) -> Self {
        let learners = Linear::of(&rice_farms());
        let initial = learners[0].parameters.clone();
        let keys: Vec<_> = (0..learners.len()).map(key).collect();
        let allowed = keys.iter().map(|key| key.public_key());
        let coordinator = Coordinator::new(plan(rounds), allowed, quorum, initial);
        let worker = |(key, learner): (&ed25519::PrivateKey, Linear)| {
            let Plan { run, layout, .. } = plan(rounds);
            (key.public_key(), Worker::new(learner, key.clone(), run, layout))
        };
        let workers = keys.iter().zip(learners).map(worker).collect();
        Self {
            coordinator: Some(coordinator),
            workers,
            deadline: None,
            finished: false,
            refused: vec![],
        }
    }

    fn coordinator(&mut self) -> &mut Coordinator {
        self.coordinator.as_mut().unwrap()
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::SetDeadline { round } => self.deadline = Some(round),
                Action::Finished => self.finished = true,
                Action::Send { to, message } => {
                    if let FromCoordinator::Refused { reason, .. } = *message {
                        self.refused.push((to.clone(), reason));
                    }
                    if let Some(worker) = self.workers.get_mut(&to) {
                        worker.receive(message.encode()).unwrap();
                    }
                }
            }
        }
    }

    fn join_all(&mut self) {
        for worker in self.workers.keys().cloned().collect::<Vec<_>>() {
            let actions = self.coordinator().join(&worker).unwrap();
            self.perform(actions);
        }
    }

    /// Every worker that can trains one round; `absent` ones do not.
    fn step(&mut self, absent: &[usize]) -> VecDeque<(ed25519::PublicKey, Bytes)> {
        let absent: Vec<_> = absent.iter().map(|index| key(*index).public_key()).collect();
        let mut sent = VecDeque::new();
        for (name, worker) in &mut self.workers {
            if !absent.contains(name)
                && let Some(trained) = worker.train().unwrap()
            {
                sent.push_back((name.clone(), trained.update));
            }
        }
        sent
    }

    fn deliver(&mut self, sent: impl IntoIterator<Item = (ed25519::PublicKey, Bytes)>) {
        for (from, update) in sent {
            let actions = self.coordinator().receive(&from, update);
            self.perform(actions);
        }
    }

    /// Goes on until the run is over; `absent` workers do nothing, and deadlines pass when nobody else can go on.
    fn finish(&mut self, absent: &[usize]) -> Outcome {
        for _ in 0..1000 {
            if self.finished {
                return self.coordinator.take().unwrap().into_outcome();
            }
            let sent = self.step(absent);
            if sent.is_empty()
                && let Some(round) = self.deadline
            {
                let actions = self.coordinator().deadline(round);
                self.perform(actions);
            }
            self.deliver(sent);
        }
        panic!("the run does not end");
    }

    fn held_out_loss(&mut self, parameters: &[f32]) -> f64 {
        self.workers
            .values_mut()
            .next()
            .unwrap()
            .learner_mut()
            .loss_of(parameters)
    }

    fn assert_all_hold(&mut self, parameters: &[f32]) {
        for worker in self.workers.values_mut() {
            worker.finish().unwrap();
            assert_eq!(worker.learner().parameters(), parameters);
        }
    }
}

#[test]
fn six_farms_learn_together_what_none_learns_alone_and_hold_the_same_bits() {
    let mut run = Run::new(60, 4);
    run.join_all();
    let outcome = run.finish(&[]);
    assert_eq!(outcome.rounds.len(), 60);
    run.assert_all_hold(&outcome.parameters);
    let [before, after] = [&outcome.initial, &outcome.parameters].map(|parameters| run.held_out_loss(parameters));
    assert!(after < 0.25 * before, "held-out loss fell from {before} to {after}");
    for mut alone in Linear::of(&rice_farms()) {
        alone.train(0, 300);
        let parameters = alone.parameters.clone();
        let loss = alone.loss_of(&parameters);
        assert!(after < loss, "together {after}, alone {loss}");
    }
}

#[test]
fn the_same_run_gives_the_same_bits_whatever_order_updates_arrive_in() {
    let outcomes = [false, true].map(|reversed| {
        let mut run = Run::new(6, 6);
        run.join_all();
        while !run.finished {
            let mut sent = run.step(&[]);
            if reversed {
                sent.make_contiguous().reverse();
            }
            run.deliver(sent);
        }
        run.coordinator.take().unwrap().into_outcome()
    });
    assert_eq!(
        outcomes[0].rounds.last().unwrap().state,
        outcomes[1].rounds.last().unwrap().state
    );
}

#[test]
fn every_round_is_trained_from_the_shared_parameters_of_one_round_before() {
    let mut run = Run::new(3, 6);
    run.join_all();
    let first = run.step(&[]);
    // The update of round 0 is on its way, and round 1 is trained meanwhile; round 2 has to wait for it.
    let second = run.step(&[]);
    assert_eq!((first.len(), second.len(), run.step(&[]).len()), (6, 6, 0));
    run.deliver(first);
    assert_eq!(run.coordinator().closed().len(), 1);
    run.deliver(second);
    assert_eq!(run.coordinator().closed().len(), 2);
    let outcome = run.finish(&[]);
    run.assert_all_hold(&outcome.parameters);
}

#[test]
fn a_worker_that_dies_in_a_round_is_not_waited_for() {
    let mut run = Run::new(5, 4);
    run.join_all();
    let sent = run.step(&[2]);
    run.deliver(sent);
    assert_eq!(run.coordinator().closed().len(), 0);
    let dead = key(2).public_key();
    let actions = run.coordinator().leave(&dead);
    run.workers.remove(&dead);
    run.perform(actions);
    assert_eq!(run.coordinator().closed().len(), 1);
    let outcome = run.finish(&[]);
    assert!(outcome.rounds.iter().all(|round| round.accepted.len() == 5));
    run.assert_all_hold(&outcome.parameters);
}

#[test]
fn an_update_after_the_deadline_is_refused_and_sent_again_with_the_next() {
    let mut run = Run::new(8, 4);
    run.join_all();
    let mut sent = run.step(&[]);
    let late = key(1).public_key();
    let late_update = sent
        .iter()
        .position(|(from, _)| *from == late)
        .and_then(|at| sent.remove(at))
        .unwrap();
    run.deliver(sent);
    let actions = run.coordinator().deadline(0);
    run.perform(actions);
    assert_eq!(run.coordinator().closed()[0].accepted.len(), 5);
    run.deliver([late_update]);
    assert_eq!(run.refused, [(late.clone(), Refusal::WrongRound)]);
    let outcome = run.finish(&[]);
    assert!(
        outcome.rounds[2..]
            .iter()
            .all(|round| round.accepted.iter().any(|part| part.worker == late))
    );
    run.assert_all_hold(&outcome.parameters);
}

#[test]
fn a_deadline_without_a_quorum_is_extended_and_then_ends_the_run() {
    let mut run = Run::new(5, 4);
    run.join_all();
    let outcome = run.finish(&[0, 1, 2]);
    assert_eq!(outcome.rounds.len(), 0);
    assert_eq!(outcome.parameters, outcome.initial);
}

#[test]
fn a_corrupted_or_foreign_update_is_refused_and_the_run_goes_on() {
    let mut run = Run::new(4, 4);
    run.join_all();
    let sent = run.step(&[]);
    let (from, good) = sent[0].clone();
    let refusal = |to: &ed25519::PublicKey, actions: &[Action]| {
        let [Action::Send { to: told, message }] = actions else {
            panic!("not refused: {actions:?}")
        };
        let FromCoordinator::Refused { reason, .. } = **message else {
            panic!("not refused: {message:?}")
        };
        assert_eq!(told, to);
        reason
    };
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.to_vec();
        bad[at] ^= 0x40;
        let actions = run.coordinator().receive(&from, bad.into());
        assert_eq!(refusal(&from, &actions), Refusal::Malformed);
    }
    // An update another worker signed is not this worker's, and one is enough.
    let other = sent[1].0.clone();
    let actions = run.coordinator().receive(&other, good.clone());
    assert_eq!(refusal(&other, &actions), Refusal::Malformed);
    run.deliver([(from.clone(), good.clone()), (from.clone(), good)]);
    assert_eq!(run.refused, [(from, Refusal::Duplicate)]);
    run.refused.clear();
    run.deliver(sent.into_iter().skip(1));
    assert_eq!(run.coordinator().closed().len(), 1);
}

#[test]
fn a_worker_whose_parameters_differ_is_given_the_shared_ones() {
    let mut run = Run::new(8, 4);
    run.join_all();
    let sent = run.step(&[]);
    run.deliver(sent);
    let spoiled = key(4).public_key();
    run.workers.get_mut(&spoiled).unwrap().spoil();
    let sent = run.step(&[]);
    run.deliver(sent);
    assert_eq!(run.refused, [(spoiled.clone(), Refusal::WrongBase)]);
    let outcome = run.finish(&[]);
    assert!(outcome.rounds[1].accepted.iter().all(|part| part.worker != spoiled));
    assert!(
        outcome
            .rounds
            .last()
            .unwrap()
            .accepted
            .iter()
            .any(|part| part.worker == spoiled)
    );
    run.assert_all_hold(&outcome.parameters);
}

#[test]
fn a_worker_that_comes_late_begins_with_the_next_round() {
    let mut run = Run::new(8, 4);
    let late = key(5).public_key();
    for index in 0..5 {
        let actions = run.coordinator().join(&key(index).public_key()).unwrap();
        run.perform(actions);
    }
    assert!(run.step(&[]).is_empty());
    let actions = run.coordinator().open_deadline();
    run.perform(actions);
    for _ in 0..2 {
        let sent = run.step(&[]);
        run.deliver(sent);
    }
    assert_eq!(run.coordinator().closed().len(), 2);
    let actions = run.coordinator().join(&late).unwrap();
    run.perform(actions);
    let outcome = run.finish(&[]);
    assert_eq!(outcome.rounds[2].accepted.len(), 5);
    assert_eq!(outcome.rounds[3].accepted.len(), 6);
    run.assert_all_hold(&outcome.parameters);
    let stranger = key(99).public_key();
    let mut run = Run::new(8, 4);
    assert_eq!(
        run.coordinator().join(&stranger),
        Err(JoinError::Stranger {
            worker: Box::new(stranger)
        })
    );
}

#[test]
fn shares_add_up_and_follow_the_weights() {
    assert_eq!(shares(&[1, 1, 1]), [21846, 21845, 21845]);
    assert_eq!(shares(&[0, 0]), [32768, 32768]);
    assert_eq!(shares(&[u64::MAX, u64::MAX, 0]), [32768, 32768, 0]);
    assert!(shares(&[]).is_empty());
}

#[test]
fn merging_is_exact_where_floats_would_round() {
    // 1 - 1/3 (1 + 1 + 1) with shares that do not divide evenly is still exactly zero.
    let update = Sparse::of(&[1i64 << FIXED_BITS], Density::new(4096).unwrap());
    assert_eq!(update.values().next(), Some((0, 1 << LEVEL_BITS)));
    let mut parameters = [1.0f32];
    aggregate(
        &mut parameters,
        shares(&[7, 7, 7]).into_iter().map(|share| (&update, share)),
    );
    assert_eq!(parameters, [0.0]);
}

#[test]
fn messages_are_no_larger_than_a_receiver_admits() {
    for (length, k) in [
        (1, 1),
        (27, 1024),
        (4096, 4096),
        (5000, 3),
        (20_000, 64),
        (20_000, 4000),
    ] {
        let density = Density::new(k).unwrap();
        // The worst a Rice code can do: all entries at the end of their chunks.
        let values: Vec<i64> = (0..length as i64).map(|place| place << 20).collect();
        let delta = Sparse::of(&values, density);
        let Plan { run, layout, .. } = plan(1);
        let update = Update::sign(&key(0), run, 0, run, 1, crate::TrainSummary::default(), layout, delta);
        let most = update_bytes_max(&UpdateConfig {
            parameter_count: length,
            density,
        });
        assert!(
            update.encode().len() <= most,
            "{} of {most} bytes",
            update.encode().len()
        );
    }
}

/// Decoders of what comes over the network: they refuse or agree with the encoder, and never panic.
mod hostile {
    use super::*;

    const CONFIG: UpdateConfig = UpdateConfig {
        parameter_count: 27,
        density: match Density::new(1024) {
            Some(density) => density,
            None => panic!(),
        },
    };

    fn real_messages() -> Vec<Bytes> {
        let mut run = Run::new(2, 6);
        let mut messages = vec![];
        run.join_all();
        let sent = run.step(&[]);
        messages.push(sent[0].1.clone());
        let mut actions = vec![];
        for (from, update) in sent {
            actions.extend(run.coordinator().receive(&from, update));
        }
        let parameters = vec![0.5; 27];
        actions.push(Action::Send {
            to: key(0).public_key(),
            message: Box::new(FromCoordinator::Welcome(Welcome {
                plan: plan(3),
                round: 0,
                parameters,
            })),
        });
        for action in actions {
            if let Action::Send { message, .. } = action {
                messages.push(message.encode());
            }
        }
        messages
    }

    fn check(bytes: &[u8]) {
        if let Ok(update) = Update::decode_cfg(Bytes::copy_from_slice(bytes), &CONFIG) {
            assert_eq!(update.encode(), bytes);
        }
        let _ = Update::open(Bytes::copy_from_slice(bytes), &CONFIG);
        if let Ok(message) =
            FromCoordinator::decode_cfg(Bytes::copy_from_slice(bytes), &MessageConfig { parameter_count: 27 })
        {
            assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn real_messages_read_back_and_no_change_to_one_makes_a_decoder_panic() {
        for message in real_messages() {
            check(&message);
            for at in 0..message.len() {
                check(&message[..at]);
                for flip in [1, 0x80, 0xff] {
                    let mut changed = message.to_vec();
                    changed[at] ^= flip;
                    check(&changed);
                }
            }
            check(&[&message[..], &[0]].concat());
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), tag in 0u8..3) {
            check(&bytes);
            check(&[&[tag], &bytes[..]].concat());
            check(&[&b"ALU1"[..], &bytes].concat());
        }
    }
}

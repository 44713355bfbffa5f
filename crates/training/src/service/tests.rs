use super::{worker::Connection, *};
use crate::{
    Learner, TrainSummary,
    compress::Decay,
    linear::Linear,
    round::{FromCoordinator, Plan, Refusal, Worker},
    table::tests::rice_farms,
};
use commonware_codec::Decode;
use commonware_cryptography::Signer as _;
use commonware_runtime::{Handle, Runner as _, Spawner as _, Supervisor as _, deterministic, tokio};
use futures::{SinkExt as _, StreamExt as _, channel::mpsc};
use std::net::Ipv4Addr;

const ROUNDS: u32 = 6;

fn key(index: usize) -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(index as u64)
}

fn plan() -> Plan {
    Plan {
        run: Digest::of(b"run"),
        layout: Digest::of(b"linear"),
        rounds: ROUNDS,
        local_steps: 5,
        density: Density::new(1024).unwrap(),
        decay: Decay::DEFAULT,
    }
}

fn coordinator_config(port: u16, worker_count: usize) -> CoordinatorConfig {
    let initial = Linear::of(&rice_farms())[0].parameters.clone();
    CoordinatorConfig {
        listen: (Ipv4Addr::LOCALHOST, port).into(),
        key: key(100),
        plan: plan(),
        workers: (0..worker_count).map(|index| key(index).public_key()).collect(),
        quorum: CoordinatorConfig::two_thirds(worker_count),
        open_wait: Duration::from_secs(20),
        round_wait: Duration::from_secs(5),
        initial,
        observer: None,
    }
}

fn worker_config(coordinator: SocketAddr, index: usize) -> WorkerConfig {
    WorkerConfig {
        coordinator,
        coordinator_key: key(100).public_key(),
        key: key(index),
        run: plan().run,
        layout: plan().layout,
        reconnect_wait: Duration::from_millis(200),
        attempts_max: 10,
    }
}

type Report = Result<WorkerReport<Linear>, ServiceError>;

/// A coordinator for four workers, and workers `0..started`.
async fn begin<E: Runtime>(
    context: &E,
    port: u16,
    started: usize,
) -> (SocketAddr, Handle<Result<Served, ServiceError>>, Vec<Handle<Report>>) {
    let service = CoordinatorService::bind(context.child("coordinator"), coordinator_config(port, 4))
        .await
        .unwrap();
    let address = service.address();
    let serving = context.child("serving").spawn(move |_| service.serve());
    let learners = Linear::of(&rice_farms()).into_iter().take(started).enumerate();
    let workers = learners.map(|(index, learner)| {
        let config = worker_config(address, index);
        context
            .child("worker")
            .spawn(move |context| run_worker(context, config, learner))
    });
    (address, serving, workers.collect())
}

async fn check_all_finish<E: Runtime>(context: E, port: u16) {
    let (_, serving, workers) = begin(&context, port, 4).await;
    let served = serving.await.unwrap().unwrap();
    assert_eq!(served.outcome.rounds.len(), ROUNDS as usize);
    assert!(served.outcome.rounds.iter().all(|round| round.accepted.len() == 4));
    assert_eq!(served.closed_after.len(), ROUNDS as usize);
    for (index, worker) in workers.into_iter().enumerate() {
        let report = worker.await.unwrap().unwrap();
        assert_eq!(report.learner.parameters(), served.outcome.parameters);
        assert_eq!(report.trained.len(), ROUNDS as usize);
        // Neither end counts a byte that the other did not send; what is under way when a connection closes only its sender counts.
        // They are few: six updates, and six of three others.
        let ours = served.traffic[&key(index).public_key()];
        assert!(
            ours.received_bytes <= report.traffic.sent_bytes,
            "{ours:?} {:?}",
            report.traffic
        );
        assert!(
            report.traffic.received_bytes <= ours.sent_bytes,
            "{ours:?} {:?}",
            report.traffic
        );
        // The simulated network, the one with a fixed port, delivers everything first: there both ends count the same.
        if port != 0 {
            assert_eq!(report.traffic.sent_bytes, ours.received_bytes);
            assert_eq!(report.traffic.received_bytes, ours.sent_bytes);
        }
        assert!((1..4000).contains(&ours.received_bytes), "{ours:?}");
    }
}

#[test]
fn four_workers_finish_a_run_with_the_same_bits_over_a_simulated_network() {
    deterministic::Runner::seeded(1).start(|context| check_all_finish(context, 4000));
}

#[test]
fn four_workers_finish_a_run_over_real_sockets() {
    tokio::Runner::default().start(|context| check_all_finish(context, 0));
}

#[test]
fn one_seed_gives_one_history() {
    let histories = [3, 3, 4].map(|seed| {
        deterministic::Runner::seeded(seed).start(|context| async move {
            check_all_finish(context.child("run"), 4000).await;
            context.auditor().state()
        })
    });
    assert_eq!(histories[0], histories[1]);
    assert_ne!(histories[0], histories[2]);
}

/// Says when it begins a round.
struct Telling(Linear, mpsc::UnboundedSender<u32>);

impl Learner for Telling {
    fn parameters(&self) -> &[f32] {
        self.0.parameters()
    }
    fn set_parameters(&mut self, parameters: &[f32]) {
        self.0.set_parameters(parameters);
    }
    fn train(&mut self, round: u32, steps: u32) -> TrainSummary {
        let _ = self.1.unbounded_send(round);
        self.0.train(round, steps)
    }
    fn loss_of(&mut self, parameters: &[f32]) -> f64 {
        self.0.loss_of(parameters)
    }
}

#[test]
fn a_worker_that_dies_in_the_middle_of_a_round_does_not_stop_the_others() {
    deterministic::Runner::seeded(5).start(|context| async move {
        let (address, serving, workers) = begin(&context, 4000, 3).await;
        let (begins, mut begun) = mpsc::unbounded();
        let learner = Telling(Linear::of(&rice_farms()).swap_remove(3), begins);
        let config = worker_config(address, 3);
        let dying = context
            .child("dying")
            .spawn(move |context| run_worker(context, config, learner));
        while begun.next().await.is_some_and(|round| round < 2) {}
        dying.abort();
        let served = serving.await.unwrap().unwrap();
        assert_eq!(served.outcome.rounds.len(), ROUNDS as usize);
        assert_eq!(served.outcome.rounds[0].accepted.len(), 4);
        assert_eq!(served.outcome.rounds[5].accepted.len(), 3);
        for worker in workers {
            assert_eq!(
                worker.await.unwrap().unwrap().learner.parameters(),
                served.outcome.parameters
            );
        }
    });
}

#[test]
fn a_worker_that_is_always_late_costs_a_deadline_a_round_and_ends_with_the_same_bits() {
    deterministic::Runner::seeded(6).start(|context| async move {
        let (address, serving, workers) = begin(&context, 4000, 3).await;
        let late = context.child("late").spawn(move |context| async move {
            let config = worker_config(address, 3);
            let learner = Linear::of(&rice_farms()).swap_remove(3);
            let mut connection = Connection::open(&context, &config, learner.parameters.len())
                .await
                .unwrap();
            let mut worker = Worker::new(learner, config.key, config.run, config.layout);
            while let Some(message) = connection.inbox.next().await {
                worker.receive(message).unwrap();
                if worker.is_finished() {
                    break;
                }
                if let Some(trained) = worker.train().unwrap() {
                    context.sleep(Duration::from_secs(7)).await;
                    let _ = connection.outbox.send(trained.update).await;
                }
            }
            worker.finish().unwrap();
            worker.into_learner().parameters
        });
        let served = serving.await.unwrap().unwrap();
        assert_eq!(served.outcome.rounds[0].accepted.len(), 3);
        assert!(served.closed_after[0] >= Duration::from_secs(5));
        assert_eq!(late.await.unwrap(), served.outcome.parameters);
        for worker in workers {
            assert_eq!(
                worker.await.unwrap().unwrap().learner.parameters(),
                served.outcome.parameters
            );
        }
    });
}

#[test]
fn garbage_and_corrupted_updates_are_refused_over_the_wire_too() {
    deterministic::Runner::seeded(7).start(|context| async move {
        let (address, serving, _workers) = begin(&context, 4000, 3).await;
        let config = worker_config(address, 3);
        let learner = Linear::of(&rice_farms()).swap_remove(3);
        let count = learner.parameters.len();
        let mut connection = Connection::open(&context, &config, count).await.unwrap();
        let mut worker = Worker::new(learner, config.key, config.run, config.layout);
        worker.receive(connection.inbox.next().await.unwrap()).unwrap();
        let mut update = worker.train().unwrap().unwrap().update.to_vec();
        let last = update.len() - 1;
        update[last] ^= 1;
        for bad in [update, vec![], vec![0xff; 4000]] {
            connection.outbox.send(bad.into()).await.unwrap();
            let answer = connection.inbox.next().await.unwrap();
            let answer = FromCoordinator::decode_cfg(answer, &MessageConfig { parameter_count: count }).unwrap();
            assert!(
                matches!(
                    answer,
                    FromCoordinator::Refused {
                        reason: Refusal::Malformed,
                        ..
                    }
                ),
                "{answer:?}"
            );
        }
        drop(connection);
        let served = serving.await.unwrap().unwrap();
        assert!(served.outcome.rounds.iter().all(|round| round.accepted.len() == 3));
    });
}

#[test]
fn a_stranger_is_not_let_in_and_an_absent_quorum_is_reported() {
    deterministic::Runner::seeded(8).start(|context| async move {
        let (address, serving, _workers) = begin(&context, 4000, 2).await;
        let stranger = run_worker(
            context.child("stranger"),
            worker_config(address, 9),
            Linear::of(&rice_farms()).swap_remove(0),
        );
        assert!(matches!(
            stranger.await,
            Err(ServiceError::Unreachable { attempts: 10, .. })
        ));
        let error = serving.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "2 of the 3 workers needed came within 20s");
    });
}

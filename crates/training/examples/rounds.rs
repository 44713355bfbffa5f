//! Seconds and bytes of rounds over real sockets on this machine, beside the bytes fp32 all-reduce would send for the same steps.
//!
//! The learner is a stand-in of a million parameters that costs next to nothing to train: what is measured is compression,
//! exchange and merging. Prints one JSON object. `cargo run --release -p training --example rounds -- [rounds]`

use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
use commonware_runtime::{Runner as _, Spawner as _, Supervisor as _, tokio};
use primitives::Digest;
use std::{net::Ipv4Addr, time::Duration};
use training::{
    Learner, TrainSummary,
    compress::{Decay, Density},
    round::Plan,
    service::{CoordinatorConfig, CoordinatorService, WorkerConfig, run_worker},
};

const PARAMETERS: usize = 1 << 20;
const WORKERS: u64 = 4;
const LOCAL_STEPS: u32 = 30;
const K_OF_4096: u16 = 64;

/// Walks towards a point of its own, a little and with chance in every coordinate.
struct Walker {
    parameters: Vec<f32>,
    state: u64,
}

impl Walker {
    fn chance(&mut self) -> f32 {
        // SplitMix64: chance enough for a stand-in.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits >> 40) as f32 / (1u64 << 23) as f32) - 1.0
    }
}

impl Learner for Walker {
    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn set_parameters(&mut self, parameters: &[f32]) {
        self.parameters.copy_from_slice(parameters);
    }

    fn train(&mut self, _round: u32, steps: u32) -> TrainSummary {
        for at in 0..self.parameters.len() {
            let step = self.chance().powi(5) * 1e-3 * steps as f32;
            self.parameters[at] += step - 0.01 * self.parameters[at];
        }
        TrainSummary {
            first_loss: 1.0,
            last_loss: 1.0,
            examples: u64::from(steps),
        }
    }

    fn loss_of(&mut self, parameters: &[f32]) -> f64 {
        parameters.iter().map(|parameter| f64::from(*parameter).powi(2)).sum()
    }
}

fn main() {
    let rounds = std::env::args()
        .nth(1)
        .map_or(10, |text| text.parse().expect("a number of rounds"));
    let plan = Plan {
        run: Digest::of(b"bench"),
        layout: Digest::of(b"walker"),
        rounds,
        local_steps: LOCAL_STEPS,
        density: Density::new(K_OF_4096).expect("a density"),
        decay: Decay::DEFAULT,
    };
    let keys: Vec<PrivateKey> = (0..WORKERS).map(PrivateKey::from_seed).collect();
    let coordinator = PrivateKey::from_seed(WORKERS);
    let (served, traffic) = tokio::Runner::default().start(|context| async move {
        let config = CoordinatorConfig {
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            key: coordinator.clone(),
            plan,
            workers: keys.iter().map(|key| key.public_key()).collect(),
            quorum: WORKERS as usize,
            open_wait: Duration::from_secs(60),
            round_wait: Duration::from_secs(60),
            initial: vec![0.0; PARAMETERS],
            observer: None,
        };
        let service = CoordinatorService::bind(context.child("coordinator"), config)
            .await
            .expect("a free port");
        let address = service.address();
        let workers: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(index, key)| {
                let config = WorkerConfig {
                    coordinator: address,
                    coordinator_key: coordinator.public_key(),
                    key: key.clone(),
                    run: plan.run,
                    layout: plan.layout,
                    reconnect_wait: Duration::from_millis(100),
                    attempts_max: 10,
                };
                let learner = Walker {
                    parameters: vec![0.0; PARAMETERS],
                    state: index as u64,
                };
                context
                    .child("worker")
                    .spawn(move |context| run_worker(context, config, learner))
            })
            .collect();
        let served = service.serve().await.expect("the run");
        let mut traffic = vec![];
        for worker in workers {
            traffic.push(worker.await.expect("a worker").expect("its run").traffic);
        }
        (served, traffic)
    });

    let seconds = |at: usize| served.closed_after[at].as_secs_f64();
    let (first, last) = (seconds(0), seconds(rounds as usize - 1));
    let update: usize = served
        .outcome
        .rounds
        .iter()
        .flat_map(|round| &round.accepted)
        .map(|part| part.update_bytes)
        .sum();
    let update = update as f64 / f64::from(rounds) / WORKERS as f64;
    let mean = |bytes: u64| bytes as f64 / WORKERS as f64 / f64::from(rounds);
    let sent = mean(traffic.iter().map(|traffic| traffic.sent_bytes).sum());
    // A worker is sent the parameters once, when it is let in.
    let received = mean(
        traffic
            .iter()
            .map(|traffic| traffic.received_bytes - 4 * PARAMETERS as u64)
            .sum(),
    );
    let ring = 2.0 * (WORKERS - 1) as f64 / WORKERS as f64 * 4.0 * PARAMETERS as f64 * f64::from(LOCAL_STEPS);
    let json = serde_json::json!({
        "workers": WORKERS,
        "parameters": PARAMETERS,
        "local_steps_per_round": LOCAL_STEPS,
        "sent_of_4096": K_OF_4096,
        "rounds": rounds,
        "seconds_per_round": (last - first) / f64::from((rounds - 1).max(1)),
        "update_bytes": update,
        "update_bits_per_parameter": 8.0 * update / PARAMETERS as f64,
        "sent_bytes_per_worker_per_round": sent,
        "received_bytes_per_worker_per_round": received,
        "all_reduce_fp32_sent_bytes_per_worker_same_steps": ring,
        "all_reduce_over_sent": ring / sent,
        "all_reduce_over_sent_and_received": 2.0 * ring / (sent + received),
    });
    println!("{json}");
}

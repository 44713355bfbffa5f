//! The worker's role: keeps the connection, trains while messages travel, comes back after a loss.

use super::{
    Runtime, ServiceError, message_bytes_max,
    meter::{Meter, Traffic},
    namespace, upgrader,
};
use crate::{
    Learner, TrainSummary,
    round::{MAX_WORKERS, RunId, Worker, WorkerError},
};
use bytes::Bytes;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_runtime::Handle;
use commonware_stream::Upgrader;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _, channel::mpsc};
use primitives::Digest;
use std::{net::SocketAddr, time::Duration};
use tracing::{debug, info, warn};

/// Messages waiting to be sent or to be looked at; a round has one of each.
const QUEUE: usize = 64;

/// A run to take part in.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Where the coordinator listens.
    pub coordinator: SocketAddr,
    /// The coordinator's identity.
    pub coordinator_key: PublicKey,
    /// This worker's identity.
    pub key: PrivateKey,
    /// The run.
    pub run: RunId,
    /// Order and meaning of the learner's parameters.
    pub layout: Digest,
    /// How long to wait before connecting again.
    pub reconnect_wait: Duration,
    /// Connections in a row that may fail before giving up.
    pub attempts_max: u32,
}

/// A finished worker.
pub struct WorkerReport<L> {
    /// The learner, with the shared parameters of the end of the run.
    pub learner: L,
    /// Rounds trained, and what training reported.
    pub trained: Vec<(u32, TrainSummary)>,
    /// Bytes to and from the coordinator, as counted at this worker's sockets.
    pub traffic: Traffic,
}

/// Takes part in a run until it is over.
///
/// # Errors
///
/// [`ServiceError`]: the coordinator is not reached, runs something else, or training failed.
pub async fn run_worker<E: Runtime, L: Learner + 'static>(
    context: E,
    config: WorkerConfig,
    learner: L,
) -> Result<WorkerReport<L>, ServiceError> {
    let parameter_count = learner.parameters().len();
    let mut worker = Worker::new(learner, config.key.clone(), config.run, config.layout);
    let mut trained = vec![];
    let mut traffic = Traffic::default();
    let mut attempts = 0;
    while attempts < config.attempts_max {
        if attempts > 0 {
            context.sleep(config.reconnect_wait).await;
        }
        attempts += 1;
        let Some(connection) = Connection::open(&context, &config, parameter_count).await else {
            continue;
        };
        let (back, end) = converse(&context, worker, connection, &mut trained, &mut traffic).await?;
        worker = back;
        match end {
            End::Finished => {
                return Ok(WorkerReport {
                    learner: worker.into_learner(),
                    trained,
                    traffic,
                });
            }
            End::Lost { progressed: true } => attempts = 1,
            End::Lost { progressed: false } => {}
        }
    }
    Err(ServiceError::Unreachable {
        address: config.coordinator,
        attempts,
    })
}

/// How a connection ended.
enum End {
    /// All rounds are closed, and the learner has the result.
    Finished,
    /// The connection broke, or what came over it did not fit; `progressed` tells whether a welcome or close came.
    Lost { progressed: bool },
}

/// An authenticated connection and the tasks that read and write it.
pub(super) struct Connection {
    pub(super) inbox: mpsc::Receiver<Bytes>,
    pub(super) outbox: mpsc::Sender<Bytes>,
    meter: Meter,
    tasks: [Handle<()>; 2],
}

impl Connection {
    /// Dials the coordinator and authenticates; `None` when that fails.
    pub(super) async fn open<E: Runtime>(context: &E, config: &WorkerConfig, parameter_count: usize) -> Option<Self> {
        let (sink, stream) = match context.dial(config.coordinator).await {
            Ok(halves) => halves,
            Err(error) => {
                debug!(%error, "the coordinator is not reached");
                return None;
            }
        };
        let meter = Meter::default();
        let (sink, stream) = meter.wrap(sink, stream);
        let bytes_max = message_bytes_max(parameter_count, MAX_WORKERS);
        let namespace = namespace(&config.run);
        let handshake = upgrader(&config.key);
        let peer = config.coordinator_key.clone();
        let upgraded = handshake
            .dial(context.child("handshake"), &namespace, bytes_max, peer, stream, sink)
            .await;
        let (mut sender, mut receiver) = match upgraded {
            Ok(halves) => halves,
            Err(error) => {
                debug!(%error, "the handshake failed");
                return None;
            }
        };
        let (mut received, inbox) = mpsc::channel(QUEUE);
        let (outbox, mut waiting) = mpsc::channel::<Bytes>(QUEUE);
        let reader = context.child("reader").spawn(move |_| async move {
            while let Ok(message) = receiver.recv().await {
                if received.send(message.coalesce().into()).await.is_err() {
                    return;
                }
            }
        });
        let writer = context.child("writer").spawn(move |_| async move {
            while let Some(message) = waiting.next().await {
                if sender.send(message).await.is_err() {
                    return;
                }
            }
        });
        Some(Self {
            inbox,
            outbox,
            meter,
            tasks: [reader, writer],
        })
    }
}

/// Trains and merges over one connection until it ends. Messages travel meanwhile, in tasks of their own.
async fn converse<E: Runtime, L: Learner + 'static>(
    context: &E,
    mut worker: Worker<L>,
    mut connection: Connection,
    trained: &mut Vec<(u32, TrainSummary)>,
    traffic: &mut Traffic,
) -> Result<(Worker<L>, End), ServiceError> {
    let mut progressed = false;
    let mut wait = true;
    let end = loop {
        // What has come is looked at before training; when there is nothing to train, the next message is waited for.
        let message = if wait {
            Some(connection.inbox.next().await)
        } else {
            connection.inbox.next().now_or_never()
        };
        if let Some(message) = message {
            let Some(message) = message else {
                break End::Lost { progressed };
            };
            wait = false;
            match worker
                .receive(message)
                .and_then(|()| if worker.is_finished() { worker.finish() } else { Ok(()) })
            {
                Ok(()) if worker.is_finished() => break End::Finished,
                Ok(()) => progressed = true,
                Err(error @ WorkerError::OtherRun { .. }) => return Err(ServiceError::Worker(error)),
                Err(error) => {
                    warn!(%error, "the connection is begun anew");
                    break End::Lost { progressed };
                }
            }
            continue;
        }
        let training = context.child("train").shared(true).spawn(move |_| async move {
            let mut worker = worker;
            let result = worker.train();
            (worker, result)
        });
        let result;
        (worker, result) = training.await.map_err(ServiceError::Training)?;
        match result {
            Ok(Some(round)) => {
                info!(
                    round = round.round,
                    loss = round.summary.last_loss,
                    "a round is trained"
                );
                trained.push((round.round, round.summary));
                if connection.outbox.send(round.update).await.is_err() {
                    break End::Lost { progressed };
                }
            }
            Ok(None) => wait = true,
            Err(error) => {
                warn!(%error, "the connection is begun anew");
                break End::Lost { progressed };
            }
        }
    };
    connection.tasks.iter().for_each(Handle::abort);
    let crossed = connection.meter.traffic();
    traffic.sent_bytes += crossed.sent_bytes;
    traffic.received_bytes += crossed.received_bytes;
    Ok((worker, end))
}

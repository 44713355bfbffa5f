//! The coordinator's role: accepts workers, carries messages, keeps the deadlines.

use super::{
    Runtime, ServiceError, message_bytes_max,
    meter::{Meter, Traffic},
    namespace, upgrader,
};
use crate::round::{Action, Coordinator, Outcome, Plan, RoundRecord};
use bytes::Bytes;
use commonware_codec::Encode;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_macros::select;
use commonware_runtime::{Listener as _, ListenerOf, SinkOf, StreamOf};
use commonware_stream::Upgrader;
use futures::{SinkExt as _, StreamExt as _, channel::mpsc};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tracing::{debug, info, warn};

/// Messages waiting for one worker: one that reads no more is dropped, and may come back.
const OUT_QUEUE: usize = 64;

/// Messages waiting for the coordinator: senders wait when it is full.
const EVENT_QUEUE: usize = 256;

/// Connections at a time beyond one a worker: strangers in their handshake, workers that come back before they are missed.
const SPARE_CONNECTIONS: usize = 64;

/// How long the last messages may take to reach the workers.
const FLUSH_TIME: Duration = Duration::from_secs(10);

/// A run to coordinate.
pub struct CoordinatorConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The coordinator's identity.
    pub key: PrivateKey,
    /// The plan of the run.
    pub plan: Plan,
    /// Who may take part.
    pub workers: Vec<PublicKey>,
    /// Updates that a round needs, at least; [`CoordinatorConfig::two_thirds`] of the workers is usual.
    pub quorum: usize,
    /// How long to wait for all workers before starting with a quorum.
    pub open_wait: Duration,
    /// How long a round waits for all before it closes with a quorum.
    pub round_wait: Duration,
    /// Parameters to start from.
    pub initial: Vec<f32>,
    /// Told of every round as it closes; nobody need listen.
    pub observer: Option<mpsc::UnboundedSender<RoundRecord>>,
}

impl CoordinatorConfig {
    /// The usual quorum: two thirds of `worker_count`, rounded up.
    pub fn two_thirds(worker_count: usize) -> usize {
        (2 * worker_count).div_ceil(3)
    }
}

/// A finished run, and what it cost.
#[derive(Clone, Debug)]
pub struct Served {
    /// What came of it.
    pub outcome: Outcome,
    /// Bytes to and from each worker, as counted at the coordinator's sockets.
    pub traffic: BTreeMap<PublicKey, Traffic>,
    /// Time from the start of the run to the close of each round.
    pub closed_after: Vec<Duration>,
}

/// All that can happen to a coordinator, but time passing.
enum Event {
    Connected {
        worker: PublicKey,
        connection: u64,
        out: mpsc::Sender<Bytes>,
        meter: Meter,
    },
    Message {
        worker: PublicKey,
        connection: u64,
        bytes: Bytes,
    },
    Gone {
        worker: PublicKey,
        connection: u64,
    },
}

/// A coordinator that listens and has not begun.
pub struct CoordinatorService<E: Runtime> {
    context: E,
    config: CoordinatorConfig,
    listener: ListenerOf<E>,
    address: SocketAddr,
}

/// Listens, runs the plan, and returns what came of it.
///
/// # Errors
///
/// [`ServiceError`]: it cannot listen, or a quorum is not there.
pub async fn serve_coordinator<E: Runtime>(context: E, config: CoordinatorConfig) -> Result<Served, ServiceError> {
    CoordinatorService::bind(context, config).await?.serve().await
}

impl<E: Runtime> CoordinatorService<E> {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Bind`].
    pub async fn bind(context: E, config: CoordinatorConfig) -> Result<Self, ServiceError> {
        let address = config.listen;
        let listener = context
            .bind(address)
            .await
            .map_err(|source| ServiceError::Bind { address, source })?;
        let address = listener.local_addr().unwrap_or(address);
        Ok(Self {
            context,
            config,
            listener,
            address,
        })
    }

    /// Where it listens: the port that was chosen when port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs the plan to its end.
    ///
    /// # Errors
    ///
    /// [`ServiceError`]: a quorum is not there.
    pub async fn serve(self) -> Result<Served, ServiceError> {
        let Self {
            context,
            config,
            listener,
            ..
        } = self;
        let (events_in, events) = mpsc::channel(EVENT_QUEUE);
        let gate = Arc::new(Gate {
            key: config.key.clone(),
            namespace: namespace(&config.plan.run),
            allowed: config.workers.iter().cloned().collect(),
            message_bytes_max: message_bytes_max(config.initial.len(), config.workers.len()),
        });
        let accepting = context
            .child("accept")
            .spawn(move |context| accept(context, listener, gate, events_in));
        let started = context.current();
        let run = Run {
            coordinator: Coordinator::new(config.plan, config.workers, config.quorum, config.initial),
            context,
            events,
            quorum: config.quorum,
            open_wait: config.open_wait,
            round_wait: config.round_wait,
            observer: config.observer,
            peers: BTreeMap::new(),
            meters: vec![],
            deadline: None,
            started,
            closed_after: vec![],
        };
        let served = run.run().await;
        accepting.abort();
        served
    }
}

/// Who gets in.
struct Gate {
    key: PrivateKey,
    namespace: Vec<u8>,
    allowed: BTreeSet<PublicKey>,
    message_bytes_max: u32,
}

/// Accepts connections, each in its own task.
async fn accept<E: Runtime>(context: E, mut listener: ListenerOf<E>, gate: Arc<Gate>, events: mpsc::Sender<Event>) {
    let present = Arc::new(());
    let connections_max = gate.allowed.len() + SPARE_CONNECTIONS;
    for connection in 0u64.. {
        let (address, sink, stream) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "the listener failed");
                return;
            }
        };
        // Every conversation holds a clone of `present` as long as it lasts.
        if Arc::strong_count(&present) > connections_max {
            warn!(%address, "a connection is refused: there are too many");
            continue;
        }
        let (gate, events, present) = (Arc::clone(&gate), events.clone(), Arc::clone(&present));
        context.child("connection").spawn(move |context| async move {
            converse::<E>(context, connection, gate, events, sink, stream).await;
            drop(present);
        });
    }
}

/// One connection from its handshake to its end.
async fn converse<E: Runtime>(
    context: E,
    connection: u64,
    gate: Arc<Gate>,
    mut events: mpsc::Sender<Event>,
    sink: SinkOf<E>,
    stream: StreamOf<E>,
) {
    let meter = Meter::default();
    let (sink, stream) = meter.wrap(sink, stream);
    let allowed = |peer: PublicKey| {
        let allowed = gate.allowed.contains(&peer);
        async move { allowed }
    };
    let handshake = upgrader(&gate.key);
    let upgraded = handshake
        .listen(
            context.child("handshake"),
            &gate.namespace,
            gate.message_bytes_max,
            allowed,
            stream,
            sink,
        )
        .await;
    let (worker, mut sender, mut receiver) = match upgraded {
        Ok(upgraded) => upgraded,
        Err(error) => {
            debug!(%error, "a handshake failed");
            return;
        }
    };
    let (out, mut queue) = mpsc::channel::<Bytes>(OUT_QUEUE);
    let writer = context.child("writer").spawn(move |_| async move {
        while let Some(message) = queue.next().await {
            if let Err(error) = sender.send(message).await {
                debug!(%error, "a message was not sent");
                return;
            }
        }
    });
    if events
        .send(Event::Connected {
            worker: worker.clone(),
            connection,
            out,
            meter,
        })
        .await
        .is_err()
    {
        return;
    }
    loop {
        let bytes = match receiver.recv().await {
            Ok(bytes) => bytes.coalesce().into(),
            Err(error) => {
                debug!(%error, %worker, "a worker is gone");
                break;
            }
        };
        if events
            .send(Event::Message {
                worker: worker.clone(),
                connection,
                bytes,
            })
            .await
            .is_err()
        {
            break;
        }
    }
    writer.abort();
    // The coordinator may have ended meanwhile: then nobody needs to know.
    let _ = events.send(Event::Gone { worker, connection }).await;
}

/// A run as it goes.
struct Run<E: Runtime> {
    coordinator: Coordinator,
    context: E,
    events: mpsc::Receiver<Event>,
    quorum: usize,
    open_wait: Duration,
    round_wait: Duration,
    observer: Option<mpsc::UnboundedSender<RoundRecord>>,
    peers: BTreeMap<PublicKey, Peer>,
    meters: Vec<(PublicKey, Meter)>,
    deadline: Option<(SystemTime, u32)>,
    started: SystemTime,
    closed_after: Vec<Duration>,
}

/// A worker's present connection.
struct Peer {
    connection: u64,
    /// `None` once everything was said.
    out: Option<mpsc::Sender<Bytes>>,
}

impl<E: Runtime> Run<E> {
    async fn run(mut self) -> Result<Served, ServiceError> {
        let plan = *self.coordinator.plan();
        let opens_at = self.started + self.open_wait;
        loop {
            let wake_at = if self.coordinator.is_started() {
                self.deadline.map(|(at, _)| at)
            } else {
                Some(opens_at)
            };
            let context = &self.context;
            let timer = async {
                match wake_at {
                    Some(at) => context.sleep_until(at).await,
                    None => pending().await,
                }
            };
            let actions = select! {
                event = self.events.next() => match event {
                    Some(event) => self.on_event(event),
                    None => unreachable!("the accepting task holds a sender while we run"),
                },
                _ = timer => match self.deadline.take() {
                    Some((_, round)) => self.coordinator.deadline(round),
                    None => {
                        let actions = self.coordinator.open_deadline();
                        if actions.is_empty() {
                            let (joined, quorum) = (self.peers.len(), self.quorum);
                            return Err(ServiceError::NoQuorum { joined, quorum, waited: self.open_wait });
                        }
                        actions
                    }
                },
            };
            if self.perform(actions) {
                break;
            }
        }
        self.flush().await;
        let closed = self.coordinator.closed().len() as u32;
        if closed < plan.rounds {
            return Err(ServiceError::QuorumLost {
                run: plan.run,
                round: closed,
            });
        }
        let mut traffic: BTreeMap<PublicKey, Traffic> = BTreeMap::new();
        for (worker, meter) in &self.meters {
            let total = traffic.entry(worker.clone()).or_default();
            total.sent_bytes += meter.traffic().sent_bytes;
            total.received_bytes += meter.traffic().received_bytes;
        }
        Ok(Served {
            outcome: self.coordinator.into_outcome(),
            traffic,
            closed_after: self.closed_after,
        })
    }

    fn on_event(&mut self, event: Event) -> Vec<Action> {
        match event {
            Event::Connected {
                worker,
                connection,
                out,
                meter,
            } => {
                self.meters.push((worker.clone(), meter));
                match self.coordinator.join(&worker) {
                    Ok(actions) => {
                        info!(%worker, "a worker joined");
                        self.peers.insert(
                            worker,
                            Peer {
                                connection,
                                out: Some(out),
                            },
                        );
                        actions
                    }
                    Err(error) => {
                        info!(%error, "a worker is turned away");
                        vec![]
                    }
                }
            }
            Event::Message {
                worker,
                connection,
                bytes,
            } if self.is_present(&worker, connection) => self.coordinator.receive(&worker, bytes),
            Event::Gone { worker, connection } if self.is_present(&worker, connection) => {
                self.peers.remove(&worker);
                self.coordinator.leave(&worker)
            }
            // Of a connection that a newer one of the same worker replaced.
            Event::Message { .. } | Event::Gone { .. } => vec![],
        }
    }

    fn is_present(&self, worker: &PublicKey, connection: u64) -> bool {
        self.peers.get(worker).is_some_and(|peer| peer.connection == connection)
    }

    /// Does what the state machine wants; whether the run is over.
    fn perform(&mut self, actions: Vec<Action>) -> bool {
        let mut finished = false;
        for action in actions {
            match action {
                Action::Send { to, message } => {
                    let out = self.peers.get_mut(&to).and_then(|peer| peer.out.as_mut());
                    if out.is_some_and(|out| out.try_send(message.encode()).is_err()) {
                        // Its reader will report that it is gone.
                        warn!(worker = %to, "a worker does not read what it is sent");
                        self.peers.entry(to).and_modify(|peer| peer.out = None);
                    }
                }
                Action::SetDeadline { round } => {
                    self.deadline = Some((self.context.current() + self.round_wait, round));
                }
                Action::Finished => finished = true,
            }
        }
        for record in &self.coordinator.closed()[self.closed_after.len()..] {
            let after = self.context.current().duration_since(self.started).unwrap_or_default();
            info!(round = record.round, accepted = record.accepted.len(), "a round closed");
            self.closed_after.push(after);
            if let Some(observer) = &self.observer {
                // An observer that went away misses nothing it wants.
                let _ = observer.unbounded_send(record.clone());
            }
        }
        finished
    }

    /// Waits until the workers have read their last messages and hung up, or for [`FLUSH_TIME`].
    async fn flush(&mut self) {
        self.peers.values_mut().for_each(|peer| peer.out = None);
        let until = self.context.current() + FLUSH_TIME;
        while !self.peers.is_empty() {
            let timer = self.context.sleep_until(until);
            select! {
                event = self.events.next() => match event {
                    Some(Event::Gone { worker, connection }) if self.is_present(&worker, connection) => {
                        self.peers.remove(&worker);
                    }
                    Some(_) => {}
                    None => return,
                },
                _ = timer => return,
            }
        }
    }
}

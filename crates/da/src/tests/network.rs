//! Four operators behind links that can be slow, cut or black holes.

use super::chain::{SimChain, config, partition};
use crate::{
    Certificate, CodedBlob, Committee, Domain, Record, Service, VerifiedHead,
    disperse::{self, DisperseError, Peer},
    retrieve::{self, RetrieveError, Retrieved},
    sample::{self, Sampled},
    service::Config,
};
use commonware_cryptography::Signer;
use commonware_runtime::{
    Clock, Listener as _, Network as _, Sink, Spawner, Storage, Stream, Supervisor, deterministic::Context,
};
use commonware_utils::sync::Mutex;
use futures::{StreamExt, channel::mpsc};
use primitives::{CHAIN_ID, MIB};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub(super) const OPERATORS: u32 = 4;

/// What a link does to what passes through it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// Passes everything on, after this long.
    Up { latency: Duration },
    /// Takes connections and bytes, and passes nothing on.
    BlackHole,
    /// Ends every connection.
    Cut,
    /// Ends a connection when this many bytes went one way: a node that dies in the middle.
    CutAfter { bytes: usize },
}

struct Node {
    service: Option<Service<Context>>,
    /// Where it listens behind its link: another port each time it starts.
    listen: Arc<Mutex<SocketAddr>>,
    link: Arc<Mutex<Link>>,
    starts: u16,
}

pub(super) struct Network {
    pub(super) context: Context,
    pub(super) chain: SimChain,
    /// What operators take a second that start from now on.
    pub(super) ingest_bytes_per_s: Option<u64>,
    /// Room for rows of operators that start from now on.
    pub(super) capacity_bytes: u64,
    nodes: Vec<Node>,
    /// Bytes that passed through all links, both ways, as they are on the wire.
    passed_bytes: Arc<AtomicU64>,
    /// Connections that were made through all links.
    connections: Arc<AtomicU64>,
}

/// A peer that is no operator.
pub(super) fn guest() -> Peer {
    Peer {
        stream_key: Signer::from_seed(7),
        domain: Domain::of_chain(CHAIN_ID),
    }
}

fn listen(operator: u32, starts: u16) -> SocketAddr {
    ([10, 0, 1, operator as u8], 9000 + starts).into()
}

impl Network {
    /// Starts all operators.
    pub(super) async fn start(context: Context) -> Self {
        let endpoints: Vec<SocketAddr> = (0..OPERATORS)
            .map(|operator| ([10, 0, 0, operator as u8], 9000).into())
            .collect();
        let mut network = Self {
            context,
            chain: SimChain::new(endpoints.clone()),
            ingest_bytes_per_s: None,
            capacity_bytes: 64 * MIB,
            nodes: Vec::new(),
            passed_bytes: Arc::default(),
            connections: Arc::default(),
        };
        for operator in 0..OPERATORS {
            let address = Arc::new(Mutex::new(listen(operator, 0)));
            let link = Arc::new(Mutex::new(Link::Up {
                latency: Duration::from_millis(5),
            }));
            let mut listener = network.context.bind(endpoints[operator as usize]).await.unwrap();
            network.context.child("link").spawn({
                let (address, link) = (address.clone(), link.clone());
                let (passed_bytes, connections) = (network.passed_bytes.clone(), network.connections.clone());
                move |context| async move {
                    while let Ok((_, sink, stream)) = listener.accept().await {
                        connections.fetch_add(1, Ordering::Relaxed);
                        if *link.lock() == Link::Cut {
                            continue;
                        }
                        let to = *address.lock();
                        let Ok((far_sink, far_stream)) = context.dial(to).await else {
                            continue;
                        };
                        for (stream, sink) in [(stream, far_sink), (far_stream, sink)] {
                            let (link, passed_bytes) = (link.clone(), passed_bytes.clone());
                            context
                                .child("pump")
                                .spawn(move |context| pump(context, link, passed_bytes, stream, sink));
                        }
                    }
                }
            });
            network.nodes.push(Node {
                service: None,
                listen: address,
                link,
                starts: 0,
            });
            network.restart(operator).await;
        }
        network
    }

    /// Starts an operator that is down, on the disk it had.
    pub(super) async fn restart(&mut self, operator: u32) {
        let node = &mut self.nodes[operator as usize];
        let address = listen(operator, node.starts);
        node.starts += 1;
        *node.listen.lock() = address;
        let config = Config {
            capacity_bytes: self.capacity_bytes,
            ingest_bytes_per_s: self.ingest_bytes_per_s,
            ..config(operator, address)
        };
        let context = self.context.child("operator").with_attribute("index", operator);
        node.service = Some(Service::start(context, config, self.chain.clone()).await.unwrap());
    }

    /// Ends an operator's tasks where they stand; what was not synced may be lost.
    pub(super) async fn kill(&mut self, operator: u32) {
        self.nodes[operator as usize].service.take().expect("it runs").stop();
        // Aborted tasks are dropped when they are next scheduled.
        self.context.sleep(Duration::from_millis(10)).await;
    }

    /// Empties the disk of an operator that is down.
    pub(super) async fn lose_disk(&self, operator: u32) {
        Storage::remove(&self.context, &partition(operator), None)
            .await
            .unwrap();
    }

    pub(super) fn set_link(&self, operator: u32, link: Link) {
        *self.nodes[operator as usize].link.lock() = link;
    }

    pub(super) fn runs(&self, operator: u32) -> bool {
        self.nodes[operator as usize].service.is_some()
    }

    pub(super) fn service(&self, operator: u32) -> &Service<Context> {
        self.nodes[operator as usize].service.as_ref().expect("it runs")
    }

    pub(super) fn service_mut(&mut self, operator: u32) -> &mut Service<Context> {
        self.nodes[operator as usize].service.as_mut().expect("it runs")
    }

    /// Disperses `blob` as a guest and records the certificate on chain.
    pub(super) async fn publish(&self, blob: &CodedBlob) -> Result<Record, DisperseError> {
        let committee = self.chain.committee_at(blob.head().header().params.committee);
        let certificate = self.disperse(&committee, blob, |_| {}).await?;
        self.chain.submit(&certificate);
        Ok(Record::of_header(blob.head().header()))
    }

    /// Disperses `blob` as a guest, on a promise of who has the money.
    pub(super) async fn disperse(
        &self,
        committee: &Committee,
        blob: &CodedBlob,
        progress: impl FnMut(disperse::Progress<'_>),
    ) -> Result<Certificate, DisperseError> {
        let permit = self.chain.permit(blob.head().header());
        disperse::disperse(&self.context, &guest(), committee, blob, &permit, progress).await
    }

    pub(super) async fn read(&self, record: &Record) -> Result<Retrieved, RetrieveError> {
        self.read_with(record, &[]).await
    }

    /// Reads a blob that cosets were added to.
    pub(super) async fn read_with(&self, record: &Record, added: &[Record]) -> Result<Retrieved, RetrieveError> {
        let committee = self.chain.committee_at(record.committee());
        retrieve::retrieve(&self.context, &guest(), &committee, record, added, |_| {}).await
    }

    /// The head of a certified blob, as a guest finds it.
    pub(super) async fn head(&self, record: &Record) -> VerifiedHead {
        retrieve::fetch_head(
            &self.context,
            &guest(),
            &self.chain.committee_at(record.committee()),
            record,
        )
        .await
        .unwrap()
    }

    /// Samples `count` pieces as a guest that knows only the record.
    pub(super) async fn sample(&mut self, record: &Record, count: u32) -> Sampled {
        self.sample_with(record, &[], count).await
    }

    /// Samples a blob that cosets were added to.
    pub(super) async fn sample_with(&mut self, record: &Record, added: &[Record], count: u32) -> Sampled {
        let committee = self.chain.committee_at(record.committee());
        sample::ask(&mut self.context, &guest(), &committee, record, added, count)
            .await
            .unwrap()
    }

    /// Bytes that passed through all links so far.
    pub(super) fn passed_bytes(&self) -> u64 {
        self.passed_bytes.load(Ordering::Relaxed)
    }

    /// Connections that were made through all links so far.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Waits until `done`, at most two simulated minutes.
    pub(super) async fn wait(&self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..1200 {
            if done(self) {
                return;
            }
            self.context.sleep(Duration::from_millis(100)).await;
        }
        panic!("{what}: not in two minutes");
    }
}

/// Passes bytes on as the link says, until one end hangs up.
///
/// The simulated socket blocks a writer of more than 64 KiB until the reader has taken them, and a reader of a longer message
/// until it is all there. So bytes are passed on when the sender pauses: whole messages, never a part that blocks both.
async fn pump(
    context: Context,
    link: Arc<Mutex<Link>>,
    passed_bytes: Arc<AtomicU64>,
    mut stream: impl Stream,
    mut sink: impl Sink,
) {
    const PAUSE: Duration = Duration::from_millis(5);
    let (chunks, mut incoming) = mpsc::unbounded();
    context.child("intake").spawn(move |_| async move {
        while let Ok(mut chunk) = stream.recv(1).await {
            let more = stream.peek(64 * 1024).len();
            if more > 0 {
                let Ok(rest) = stream.recv(more).await else { return };
                chunk.append(rest.coalesce());
            }
            if chunks.unbounded_send(chunk).is_err() {
                return;
            }
        }
    });
    let mut passed = 0;
    while let Some(mut bytes) = incoming.next().await {
        loop {
            context.sleep(PAUSE).await;
            let before = bytes.len();
            while let Ok(chunk) = incoming.try_recv() {
                bytes.append(chunk.coalesce());
            }
            if bytes.len() == before {
                break;
            }
        }
        passed += bytes.len();
        passed_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let link = *link.lock();
        match link {
            Link::Up { latency } => context.sleep(latency).await,
            Link::CutAfter { bytes } if passed <= bytes => {}
            Link::BlackHole => std::future::pending().await,
            Link::Cut | Link::CutAfter { .. } => return,
        }
        if sink.send(bytes).await.is_err() {
            return;
        }
    }
}

//! One node: every role in one process, from its folder and the network's file to listeners on loopback.

use crate::{
    allocator::keep_freed_memory,
    beacon::{self, ContractBeacon},
    blobs::{Heads, Interop, NetworkBlobs, SPARE_PAYLOADS},
    damage::{self, DamageError},
    descriptors,
    genesis::{GenesisError, genesis},
    keys::{KeyFileError, NodeKeys},
    layout::{Layout, LayoutError, NodeEntry, Ports},
    metrics::{NodeMetrics, Reading},
    provider::LedgerProvider,
    release_key,
    release_member::{MemberKeys, Membership},
    services::{self, ModelCatalogue},
    shards::ShardFileError,
    validators::{self, StakedCommittees},
};
use api::{
    eth::{self, EthConfig, EthMetrics},
    http::{self, Api, Limits},
};
use chain::{
    Ledger, LedgerError, PoolLimits, StateHistory, Store, StoreError,
    consensus::{self, BeaconConfig, Certificates, Halt, Pace, TcpConfig},
};
use commonware_cryptography::Signer as _;
use commonware_runtime::{Metrics as _, Runner as _, Supervisor as _, tokio as runtime};
use compute::till::{JournalError, Till, TillLimits};
use contracts::ReleaseKey;
use da::{
    Domain,
    disperse::Peer,
    release::{Keepers, KeepersError},
    service::StartError,
};
use evm::Genesis;
use primitives::{GIB, U256};
use serde_json::json;
use std::{
    fs,
    future::pending,
    io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    time::timeout,
};

/// Threads of a node's runtime: a local network's nodes share one machine.
pub(crate) const WORKER_THREADS: usize = 2;

/// Bytes a local node gives to rows.
pub(crate) const ROWS_CAPACITY_BYTES: u64 = 16 * GIB;

/// Smallest prize of the lottery that a local node claims, wei: a hundredth of a coin, some times what a claim's gas costs at one gwei.
pub(crate) const PRIZE_MIN_WEI: u64 = 10_000_000_000_000_000;

/// What a local node takes a unit of gas to cost when it weighs whether a promise that was not kept is worth collecting, wei: its tip, and a base fee of as much.
pub(crate) const GAS_PRICE_WEI: u64 = 2_000_000_000;
/// Offences of other validators that wait to be reported: each takes a block or two.
pub(crate) const OFFENCES_WAITING: usize = 64;
/// Logs of own seats that wait to be posted, of two rounds of posting.
pub(crate) const POSTS_WAITING: usize = 2 * chain::keys::MAX_SEATS;

/// How long open requests may take to end when the node stops.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// What `web3_clientVersion` answers.
pub(crate) const CLIENT_VERSION: &str = concat!("aloft/", env!("CARGO_PKG_VERSION"));

/// Why a node did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The network's folder.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The network has fewer nodes.
    #[error("the network has nodes 0 to {last}, not {index}")]
    Index {
        /// The index asked for.
        index: usize,
        /// The last there is.
        last: usize,
    },
    /// The node's secrets.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The first block.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The chain's file.
    #[error("open the chain in {path}")]
    Store {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: StoreError,
    },
    /// The chain.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file is damaged or could not be written.
    #[error(transparent)]
    Damage(Box<DamageError>),
    /// The till's file.
    #[error(
        "open the till in {path}; if the file is damaged, move it away: vouchers that were not settled are lost with it"
    )]
    Till {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: JournalError,
    },
    /// A shard's file.
    #[error(transparent)]
    Shard(#[from] ShardFileError),
    /// The role that keeps rows.
    #[error(transparent)]
    Availability(Box<StartError>),
    /// The role that releases keys.
    #[error(transparent)]
    Release(#[from] KeepersError),
    /// What is kept of the release committee's ceremonies.
    #[error("open what is kept of the release committee's ceremonies")]
    ReleaseVault(#[source] io::Error),
    /// A port is taken, or a signal cannot be listened for.
    #[error("{what}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Consensus stopped.
    #[error("consensus stopped")]
    Halted(#[from] Halt),
}

/// Runs node `index` of the network in `dir` until it is told to stop: by a signal, or, when `supervised`, by the end of standard input.
///
/// # Errors
///
/// [`NodeError`], when it could not start or could not go on.
pub fn run(dir: &Path, index: usize, supervised: bool) -> Result<(), NodeError> {
    let layout = Layout::open(dir)?;
    let last = layout.network.nodes.len() - 1;
    if index > last {
        return Err(NodeError::Index { index, last });
    }
    let folder = layout.node_dir(index).join("runtime");
    run_in(&folder, |context| serve(context, layout, index, supervised))
}

/// Makes this process a node's: runs `serve` to its end, with journals in `folder`.
///
/// # Errors
///
/// What `serve` ends with; [`NodeError::System`] if the folder cannot be had, [`NodeError::Damage`] if the engine stopped at what is in it.
pub(crate) fn run_in<E: From<NodeError>, S: Future<Output = Result<(), E>>>(
    folder: &Path,
    serve: impl FnOnce(runtime::Context) -> S,
) -> Result<(), E> {
    descriptors::ask_for_more();
    keep_freed_memory();
    private(folder)?;
    let config = runtime::Config::new()
        .with_worker_threads(WORKER_THREADS)
        .with_tcp_nodelay(Some(true))
        .with_storage_directory(folder);
    let runner = runtime::Runner::new(config);
    // The engine asserts where its disk fails it. The process ends either way; its operator is told what to do.
    let ended = catch_unwind(AssertUnwindSafe(|| runner.start(serve)));
    ended.unwrap_or_else(|payload| {
        let damage = damage::of_panic(folder, &*payload);
        Err(NodeError::Damage(Box::new(damage)).into())
    })
}

/// Makes the folder of the journals, among which are shares of keys, its owner's alone.
fn private(folder: &Path) -> Result<(), NodeError> {
    let made = fs::create_dir_all(folder).and_then(|()| fs::set_permissions(folder, fs::Permissions::from_mode(0o700)));
    made.map_err(|source| NodeError::System {
        what: format!("make {} private", folder.display()),
        source,
    })
}

/// Opens the chain of `genesis` in a node's folder, or begins it there.
pub(crate) fn open_ledger(dir: &Path, genesis: &Genesis, history: StateHistory) -> Result<Ledger, NodeError> {
    let store = open_store(dir)?;
    Ledger::open_with_history(genesis, store, PoolLimits::default(), history).map_err(|error| unusable(dir, error))
}

/// Opens the database in a node's folder, or makes it there.
pub(crate) fn open_store(dir: &Path) -> Result<Store, NodeError> {
    Store::open(dir.join("chain.redb")).map_err(|source| unusable(dir, source.into()))
}

/// What is wrong with the chain in a node's folder.
fn unusable(dir: &Path, error: LedgerError) -> NodeError {
    let (path, runtime_dir) = (dir.join("chain.redb"), dir.join("runtime"));
    match damage::of_chain(&path, &runtime_dir, error) {
        Ok(damage) => NodeError::Damage(Box::new(damage)),
        Err(LedgerError::Store(source)) => NodeError::Store { path, source },
        Err(error) => NodeError::Ledger(error),
    }
}

async fn serve(context: runtime::Context, layout: Layout, index: usize, supervised: bool) -> Result<(), NodeError> {
    let entry = layout.network.nodes[index].clone();
    let dir = layout.node_dir(index);
    let keys = NodeKeys::open(&dir.join("seed"))?;
    let network = &layout.network;

    let (chain_path, runtime_dir) = (dir.join("chain.redb"), dir.join("runtime"));
    let history = entry.state_history.map(Into::into).unwrap_or_default();
    let ledger = open_ledger(&dir, &genesis(network)?, history)?;
    ledger.keep_checkpoints(network.epoch_blocks);
    let tcp = TcpConfig {
        listen: Ports::loopback(entry.ports.p2p),
        namespace: ledger.genesis().hash_slow().to_vec(),
    };
    let (offences, seen) = mpsc::channel(OFFENCES_WAITING);
    let certificates = Certificates::default();
    let (posts, posted) = mpsc::channel(POSTS_WAITING);
    let validator = consensus::Config {
        keys: keys.validator.clone(),
        committees: Arc::new(StakedCommittees::new(ledger.clone())),
        epoch_blocks: network.epoch_blocks,
        ledger: ledger.clone(),
        beneficiary: entry.account,
        partition_prefix: damage::CONSENSUS.into(),
        pace: Pace::default(),
        offences: Some(offences),
        certificates: certificates.clone(),
        beacon: Some(BeaconConfig {
            state: Arc::new(ContractBeacon::new(ledger.clone())),
            posts,
        }),
        floor: None,
    };
    let mut validator = consensus::start_on_tcp(context.child("validator"), validator, tcp);

    let request_key = keys.request_key();
    let member = MemberKeys::of(&keys);
    let began_block = ledger.latest().header.number;
    let wallet = Arc::new(keys.wallet);
    let provider = LedgerProvider::new(ledger.clone(), wallet.clone());
    let reporting = tokio::spawn(validators::report(seen, provider.clone()));
    let posting = tokio::spawn(beacon::post(posted, entry.account, provider.clone()));
    let peer = Peer {
        stream_key: keys.validator.ed25519.clone(),
        domain: Domain::of_chain(network.chain_id),
    };
    let availability = da::service::Config {
        listen: Ports::loopback(entry.ports.da),
        peer: peer.clone(),
        bls_key: keys.availability,
        partition: "rows".into(),
        capacity_bytes: ROWS_CAPACITY_BYTES,
        unpaid_bytes_max: da::service::Config::UNPAID_BYTES_MAX,
        ingest_bytes_per_s: entry.ingest_bytes_per_s,
        poll_ms: da::service::Config::POLL_MS,
    };
    let mut availability = da::Service::start(context.child("availability"), availability, provider.clone())
        .await
        .map_err(|error| NodeError::Availability(Box::new(error)))?;
    let mut membership = None;
    if network.release_key() == ReleaseKey::Generated {
        let begun = Membership::begin(
            context.child("membership"),
            &dir,
            &member,
            provider.clone(),
            peer.domain,
            network.epoch_blocks,
            availability.releasing(),
        );
        membership = Some(begun.map_err(NodeError::ReleaseVault)?);
    } else if network.dealt_release_committee.is_some() {
        let share = release_key::open(&layout.release_share_path(index))?;
        let keepers = Keepers::read(&provider).await?;
        keepers.check(&share, &peer.stream_key.public_key())?;
        availability.release(context.child("release"), provider.clone(), share);
    }
    availability.play(context.child("lottery"), provider.clone(), U256::from(PRIZE_MIN_WEI));
    availability.collect_lapsed(context.child("lapses"), provider.clone(), U256::from(GAS_PRICE_WEI));

    let path = dir.join("till.redb");
    let till = Till::open(&path, TillLimits::default()).map_err(|source| NodeError::Till { path, source })?;
    let signer = wallet.secret().clone();
    let limits = Limits::default();
    let eth_metrics = EthMetrics::default();
    let metrics = NodeMetrics::new(&eth_metrics, &chain_path);
    let counting = tokio::spawn(metrics.follow(ledger.clone()));
    let status = NodeStatus {
        entry: entry.clone(),
        ledger: ledger.clone(),
        availability: Arc::new(availability),
        metrics,
        context: context.child("metrics"),
    };
    let api = Api::new(provider.clone(), till, signer, Arc::new(status), limits);
    let catalogue = ModelCatalogue {
        api: api.clone(),
        provider: provider.clone(),
        peer: peer.clone(),
    };
    let blobs = NetworkBlobs {
        context: context.child("blobs"),
        provider: provider.clone(),
        publisher: Arc::new(da::Publisher::new(
            &context,
            provider.clone(),
            peer.clone(),
            SPARE_PAYLOADS,
        )),
        peer,
        heads: Heads::default(),
        began_block,
    }
    .gateway();
    let models = tokio::spawn(services::follow_models(context.child("models"), catalogue));
    let settling = tokio::spawn(services::settle_regularly(api.till().clone(), provider));

    let listen = Ports::loopback(entry.ports.rpc);
    let eth = EthConfig {
        listen,
        client_version: CLIENT_VERSION.into(),
        peer_count: network.nodes.len() as u32 - 1,
        metrics: eth_metrics,
        certificates,
        network: Some(network.public()),
    };
    let eth = eth::serve(eth, ledger)
        .await
        .map_err(|source| system("listen for JSON-RPC on", listen, source))?;
    let listen = Ports::loopback(entry.ports.http);
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|source| system("listen for HTTP on", listen, source))?;
    // The HTTP server ends with the process: what it acknowledged is on disk already.
    let router = api.router_beside(http::blobs(blobs.clone()));
    let http = tokio::spawn(http::serve(listener, router, limits.connections_max, pending()));
    let interop = Interop::start(blobs, entry.ports, request_key)
        .await
        .map_err(|(what, port, source)| system(what, Ports::loopback(port), source))?;
    tracing::info!(name = entry.name, rpc = %eth.address(), http = %listen, "the node is up");

    let ended = tokio::select! {
        halt = validator.halted() => Err(match damage::of_halt(&chain_path, &runtime_dir, halt) {
            Ok(damage) => NodeError::Damage(Box::new(damage)),
            Err(halt) => NodeError::Halted(halt),
        }),
        stop = told_to_stop(supervised) => stop,
    };
    drop(membership);
    http.abort();
    counting.abort();
    models.abort();
    settling.abort();
    reporting.abort();
    posting.abort();
    // Clients that keep a connection open are not waited for longer than this.
    let _ = timeout(CLOSE_GRACE, async { tokio::join!(eth.stop(), interop.stop()) }).await;
    tracing::info!(name = entry.name, "the node stops");
    ended
}

pub(crate) fn system(what: &str, listen: SocketAddr, source: io::Error) -> NodeError {
    NodeError::System {
        what: format!("{what} {listen}"),
        source,
    }
}

/// Waits for SIGINT, SIGTERM or, under a supervisor, the end of standard input, which comes also when the supervisor was killed.
pub(crate) async fn told_to_stop(supervised: bool) -> Result<(), NodeError> {
    let listen = |kind| {
        signal(kind).map_err(|source| NodeError::System {
            what: "listen for signals".into(),
            source,
        })
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let abandoned = async {
        if !supervised {
            return pending().await;
        }
        // A thread of its own, because a blocking read of the runtime's would keep the runtime from ending.
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            let _ = ended.send(());
        });
        let _ = end.await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = abandoned => {}
    }
    Ok(())
}

/// What the node says of itself.
struct NodeStatus {
    entry: NodeEntry,
    ledger: Ledger,
    availability: Arc<da::Service<runtime::Context>>,
    metrics: NodeMetrics,
    /// Shows what the engine counts.
    context: runtime::Context,
}

impl http::Node for NodeStatus {
    fn is_ready(&self) -> bool {
        self.ledger.latest().header.number > 0
    }

    fn status(&self) -> serde_json::Value {
        let latest = self.ledger.latest();
        let rows = self.availability.status();
        let url = |port: Option<u16>| port.map(|port| format!("http://{}", Ports::loopback(port)));
        json!({
            "name": self.entry.name,
            "account": self.entry.account,
            "chain_id": self.ledger.chain_id(),
            "height": latest.header.number,
            "block_hash": latest.hash,
            "waiting_transactions": self.ledger.pool().len(),
            "alt_da_url": url(self.entry.ports.alt_da),
            "disperser_url": url(self.entry.ports.disperser),
            "rows": {
                "epoch": rows.epoch,
                "seen_height": rows.height,
                "blobs": rows.blobs,
                "stored_bytes": rows.stored_bytes,
                "capacity_bytes": rows.capacity_bytes,
                "missing": self.availability.missing_rows(),
            },
        })
    }

    fn metrics(&self) -> String {
        let reading = Reading {
            pool_transactions: self.ledger.pool().len(),
            rows: self.availability.status(),
            rows_missing: self.availability.missing_rows(),
            disputes: self.availability.disputes(),
            work: self.availability.work(),
            beacon: beacon::reading(&self.ledger),
        };
        self.metrics.page(&reading, &self.context.encode())
    }
}

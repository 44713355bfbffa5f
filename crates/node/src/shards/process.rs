//! One validator of a shard in a process of its own: its chain, its part in consensus, its JSON-RPC, and what carries messages.

use super::{
    LocalPort, Relayer, ShardFile, ShardFileError, carrier,
    metrics::{ShardMetrics, Way},
    offences,
};
use crate::{
    damage,
    keys::NodeKeys,
    layout::{Layout, Ports},
    process::{CLIENT_VERSION, CLOSE_GRACE, NodeError, OFFENCES_WAITING, open_ledger, run_in, system, told_to_stop},
    provider::LedgerProvider,
    status::ChainStatus,
    validators::StakedCommittees,
};
use api::{
    eth::{self, EthConfig, EthMetrics},
    http::{self, Limits},
};
use chain::{
    StateHistory,
    consensus::{self, Certificates, TcpConfig},
};
use client::{HttpProvider, Rpc, Wallet};
use commonware_runtime::{Supervisor as _, tokio as runtime};
use contracts::ProviderError;
use serde_json::json;
use std::{future::pending, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

/// Pause between two tries to reach the root chain's node at the start.
const ROOT_PAUSE: Duration = Duration::from_secs(1);

/// Runs node `index`'s validator of shard `chain` of the network in `dir` until it is told to stop: by a signal, or, when `supervised`, by the end of
/// standard input.
///
/// It shares nothing with the node's own process but its keys: either runs on while the other is down.
///
/// # Errors
///
/// [`NodeError`], when it could not start or could not go on.
pub fn run_shard(dir: &Path, chain: u64, index: usize, supervised: bool) -> Result<(), NodeError> {
    let layout = Layout::open(dir)?;
    let shard = ShardFile::open(dir, chain)?;
    let last = layout.network.nodes.len() - 1;
    if index > last || shard.node(index).is_none() {
        return Err(ShardFileError::Index { chain, index, last }.into());
    }
    let folder = layout.shard_dir(index, chain).join("runtime");
    run_in(&folder, |context| serve(context, layout, shard, index, supervised))
}

async fn serve(
    context: runtime::Context,
    layout: Layout,
    shard: ShardFile,
    index: usize,
    supervised: bool,
) -> Result<(), NodeError> {
    let chain = shard.chain_id;
    let dir = layout.shard_dir(index, chain);
    let keys = NodeKeys::open(&layout.node_dir(index).join("seed"))?;
    let node = *shard.node(index).expect("it was looked for before");

    let (chain_path, runtime_dir) = (dir.join("chain.redb"), dir.join("runtime"));
    let ledger = open_ledger(&dir, &shard.genesis(&layout.network)?, StateHistory::default())?;
    let tcp = TcpConfig {
        listen: Ports::loopback(node.ports.p2p),
        namespace: ledger.genesis().hash_slow().to_vec(),
    };
    let (offences, seen) = mpsc::channel(OFFENCES_WAITING);
    let certificates = Certificates::default();
    let validator = consensus::Config {
        keys: keys.validator.clone(),
        committees: Arc::new(StakedCommittees::new(ledger.clone())),
        epoch_blocks: shard.epoch_blocks,
        ledger: ledger.clone(),
        beneficiary: keys.wallet.address(),
        partition_prefix: damage::CONSENSUS.into(),
        pace: shard.pace(),
        offences: Some(offences),
        certificates: certificates.clone(),
        beacon: None,
        floor: None,
    };
    let mut validator = consensus::start_on_tcp(context.child("validator"), validator, tcp);

    let eth_metrics = EthMetrics::default();
    let ShardMetrics {
        chain: metrics,
        carried,
    } = ShardMetrics::new(&eth_metrics);
    let name = format!("shard-{chain}/node-{index}");
    let status = ChainStatus::new(
        chain,
        metrics,
        context.child("metrics"),
        move || json!({ "name": name }),
    );
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(status.open(ledger.clone()));

    let carrier = Arc::new(keys.carrier(chain));
    let own = LocalPort::new(
        LedgerProvider::new(ledger.clone(), carrier.clone()),
        certificates.clone(),
    );
    let root = RootNode {
        url: format!("http://{}", Ports::loopback(layout.network.nodes[index].ports.rpc)),
        wallet: carrier,
    };
    let place = shard.nodes.iter().position(|other| other.index == index).unwrap_or(0) as u32;
    tasks.spawn(offences::report(chain, seen, root.clone(), carried.clone()));
    tasks.spawn(async move {
        let root = root.wait().await;
        let down = Relayer::to_shard(root.clone(), own.clone());
        let up = Relayer::to_root(own, root);
        tokio::join!(
            carrier::carry(Way::ToShard, place, down, carried.clone()),
            carrier::carry(Way::ToRoot, place, up, carried),
        );
    });

    let listen = Ports::loopback(node.ports.rpc);
    let eth = EthConfig {
        listen,
        client_version: CLIENT_VERSION.into(),
        peer_count: shard.nodes.len() as u32 - 1,
        metrics: eth_metrics,
        certificates,
        // Nobody joins a shard by its own address: its validators are the root chain's operators.
        network: None,
    };
    let eth = eth::serve(eth, ledger).await;
    let eth = eth.map_err(|source| system("listen for JSON-RPC on", listen, source))?;
    let listen = Ports::loopback(node.ports.http);
    let listener = TcpListener::bind(listen).await;
    let listener = listener.map_err(|source| system("listen for HTTP on", listen, source))?;
    let router = http::observe(status);
    tasks.spawn(async move {
        let _ = http::serve(listener, router, Limits::default().connections_max, pending()).await;
    });
    tracing::info!(chain, rpc = %eth.address(), http = %listen, "the shard's validator is up");

    let ended = tokio::select! {
        halt = validator.halted() => Err(match damage::of_halt(&chain_path, &runtime_dir, halt) {
            Ok(damage) => NodeError::Damage(Box::new(damage)),
            Err(halt) => NodeError::Halted(halt),
        }),
        stop = told_to_stop(supervised) => stop,
    };
    tasks.abort_all();
    // Clients that keep a connection open are not waited for longer than this.
    let _ = timeout(CLOSE_GRACE, eth.stop()).await;
    tracing::info!(chain, "the shard's validator stops");
    ended
}

/// The same operator's node of the root chain, which may be down for a while.
#[derive(Clone)]
pub(super) struct RootNode {
    url: String,
    wallet: Arc<Wallet>,
}

impl RootNode {
    /// Connects on behalf of the carrier.
    pub(super) async fn connect(&self) -> Result<HttpProvider, ProviderError> {
        HttpProvider::connect(Rpc::new(&self.url), self.wallet.clone()).await
    }

    async fn wait(&self) -> HttpProvider {
        loop {
            match self.connect().await {
                Ok(root) => return root,
                Err(error) => tracing::debug!(url = self.url, %error, "the root chain's node does not answer yet"),
            }
            tokio::time::sleep(ROOT_PAUSE).await;
        }
    }
}

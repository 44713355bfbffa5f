//! A node that joined, as a process: the state that it begins with, if it is another than the first block's; then JSON-RPC and metrics, rows of blobs once its operator is registered, and blocks as its operator's stake says.

use super::{
    arrival::{ArrivalError, Arrived, arrive},
    folder::{FolderError, Joined},
    follower::{FollowError, Follower},
    progress::{Progress, Stage},
    registration::registered,
    standing::Standing,
};
use crate::{
    beacon::{self, ContractBeacon},
    damage::{self, DamageError},
    metrics::ChainMetrics,
    process::{
        CLIENT_VERSION, CLOSE_GRACE, GAS_PRICE_WEI, NodeError, OFFENCES_WAITING, POSTS_WAITING, PRIZE_MIN_WEI,
        ROWS_CAPACITY_BYTES, open_ledger, open_store, run_in, system, told_to_stop,
    },
    provider::LedgerProvider,
    release_member::{MemberKeys, Membership},
    status::ChainStatus,
    validators::{self, StakedCommittees},
};
use api::{
    eth::{self, EthConfig, EthMetrics},
    http::{self, Limits},
};
use chain::{
    Ledger, StateHistory,
    consensus::{self, BeaconConfig, Certificates, Pace, TcpConfig},
};
use commonware_cryptography::Signer as _;
use commonware_runtime::{Supervisor as _, tokio as runtime};
use contracts::ReleaseKey;
use crypto::bls;
use da::{Domain, disperse::Peer, service::StartError};
use evm::Genesis;
use primitives::{B256, U256};
use serde_json::json;
use std::{
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    num::NonZeroU64,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet, time::timeout};

/// Why a node that joined did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum JoinedError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What it has in common with any node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// It cannot take the state that it begins with.
    #[error(transparent)]
    Arrival(#[from] ArrivalError),
    /// It cannot follow the chain.
    #[error(transparent)]
    Follow(#[from] FollowError),
}

impl From<DamageError> for JoinedError {
    fn from(damage: DamageError) -> Self {
        Self::Node(NodeError::Damage(Box::new(damage)))
    }
}

/// Runs the node in `dir` until it is told to stop: by a signal, or, when `supervised`, by the end of standard input.
///
/// # Errors
///
/// [`JoinedError`], when it could not start or could not go on.
pub fn run(dir: &Path, supervised: bool) -> Result<(), JoinedError> {
    let joined = Joined::open(dir)?;
    let folder = dir.join("runtime");
    run_in(&folder, |context| serve(context, joined, supervised))
}

async fn serve(context: runtime::Context, mut joined: Joined, supervised: bool) -> Result<(), JoinedError> {
    let keys = joined.keys().map_err(FolderError::from)?;
    let genesis = joined.genesis()?;
    let account = keys.wallet.address();
    let (eth_metrics, progress) = (EthMetrics::default(), Progress::default());
    let mut observing = JoinSet::new();
    let metrics = ChainMetrics::new(&eth_metrics, |_| {});
    let stage = progress.clone();
    let own = move || json!({ "account": account, "sync": stage.stage() });
    let status = ChainStatus::new(genesis.chain_id, metrics, context.child("metrics"), own);
    if let Some(listen) = joined.addresses().http {
        let failed = |source| system("listen for HTTP on", listen, source);
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let router = http::observe(status.clone());
        observing.spawn(async move {
            let _ = http::serve(listener, router, Limits::default().connections_max, pending()).await;
        });
    }
    let stop = told_to_stop(supervised);
    tokio::pin!(stop);
    tokio::select! {
        begun = take_state(&mut joined, &genesis, &progress) => begun?,
        stopped = &mut stop => return stopped.map_err(JoinedError::from),
    }
    let (network, addresses) = (joined.network(), joined.addresses());
    let ledger = open_ledger(joined.dir(), &genesis, StateHistory::default())?;
    ledger.keep_checkpoints(network.epoch_blocks);
    let member = MemberKeys::of(&keys);
    observing.spawn(status.open(ledger.clone()));
    let provider = LedgerProvider::new(ledger.clone(), Arc::new(keys.wallet));
    let stream_key = keys.validator.ed25519.clone();

    let (offences, seen) = mpsc::channel(OFFENCES_WAITING);
    let (posts, posted) = mpsc::channel(POSTS_WAITING);
    let reporting = tokio::spawn(validators::report(seen, provider.clone()));
    let posting = tokio::spawn(beacon::post(posted, account, provider.clone()));
    let certificates = Certificates::default();
    let part = Part {
        name: B256::from_slice(stream_key.public_key().as_ref()),
        sources: joined.sources().to_vec(),
        progress,
        tcp: TcpConfig {
            listen: addresses.p2p,
            namespace: ledger.genesis().hash_slow().to_vec(),
        },
        config: consensus::Config {
            keys: keys.validator,
            committees: Arc::new(StakedCommittees::new(ledger.clone())),
            epoch_blocks: network.epoch_blocks,
            ledger: ledger.clone(),
            beneficiary: account,
            partition_prefix: damage::CONSENSUS.into(),
            pace: Pace::default(),
            offences: Some(offences),
            certificates: certificates.clone(),
            beacon: Some(BeaconConfig {
                state: Arc::new(ContractBeacon::new(ledger.clone())),
                posts,
            }),
            floor: None,
        },
    };
    let rows = Rows {
        listen: addresses.da,
        bls_key: keys.availability,
        peer: Peer {
            stream_key,
            domain: Domain::of_chain(network.chain_id),
        },
        provider,
        member: (network.release_key() == ReleaseKey::Generated).then_some(member),
        epoch_blocks: network.epoch_blocks,
        folder: joined.dir().to_owned(),
    };
    let eth = EthConfig {
        listen: addresses.rpc,
        client_version: CLIENT_VERSION.into(),
        peer_count: network.nodes.len() as u32,
        metrics: eth_metrics,
        certificates,
        network: Some(network.public()),
    };
    let eth = eth::serve(eth, ledger)
        .await
        .map_err(|source| system("listen for JSON-RPC on", addresses.rpc, source))?;
    tracing::info!(%account, rpc = %eth.address(), "the node is up");

    let ended = tokio::select! {
        Err(error) = part.take(context.child("part"), joined.dir()) => Err(error),
        Err(error) = rows.keep(context.child("rows")) => Err(error),
        stopped = stop => stopped.map_err(JoinedError::from),
    };
    reporting.abort();
    posting.abort();
    observing.abort_all();
    // Clients that keep a connection open are not waited for longer than this.
    let _ = timeout(CLOSE_GRACE, eth.stop()).await;
    tracing::info!(%account, "the node stops");
    ended
}

/// Takes the state that the node begins with, if it is another than the first block's and no chain is here; that of a later block when nobody keeps the
/// one after the block that was named, as often as that happens.
async fn take_state(joined: &mut Joined, genesis: &Genesis, progress: &Progress) -> Result<(), JoinedError> {
    if joined.checkpoint().is_none() {
        return Ok(());
    }
    let store = open_store(joined.dir())?;
    let epoch_blocks = joined.network().epoch_blocks;
    while let Some(checkpoint) = joined.checkpoint() {
        match arrive(&store, genesis, epoch_blocks, checkpoint, joined.sources(), progress).await? {
            Arrived::Here => break,
            Arrived::Later(later) => {
                tracing::info!(%checkpoint, %later, "nobody keeps the state any longer: going on with that of a later block");
                joined.go_on_with(later)?;
            }
        }
    }
    Ok(())
}

/// The node's part in agreeing on blocks.
struct Part {
    /// Its stream key.
    name: B256,
    sources: Vec<String>,
    progress: Progress,
    tcp: TcpConfig,
    config: consensus::Config,
}

impl Part {
    /// Follows while the validators do not let the node in, takes part while they do.
    async fn take(self, context: runtime::Context, dir: &Path) -> Result<Infallible, JoinedError> {
        let (ledger, epoch_blocks) = (self.config.ledger.clone(), self.config.epoch_blocks);
        let mut follower = Follower::new(
            ledger.clone(),
            epoch_blocks,
            self.name,
            &self.sources,
            self.progress.clone(),
        );
        for turn in 0u64.. {
            let floor = follower.until_let_in().await?;
            tracing::info!(
                height = ledger.latest().header.number,
                "the validators let this node in"
            );
            self.progress.set(Stage::Validating);
            let context = context.child("validator").with_attribute("turn", turn);
            let config = consensus::Config {
                floor,
                ..self.config.clone()
            };
            let mut validator = consensus::start_on_tcp(context, config, self.tcp.clone());
            tokio::select! {
                halt = validator.halted() => {
                    let damage = damage::of_halt(&dir.join("chain.redb"), &dir.join("runtime"), halt);
                    return Err(damage.map_or_else(|halt| NodeError::Halted(halt).into(), JoinedError::from));
                }
                left = until_outside(&ledger, self.name) => left?,
            }
            tracing::info!(
                height = ledger.latest().header.number,
                "the operator has left: the node follows"
            );
            validator.abort();
            // Its port and its journals are free when it has ended.
            validator.halted().await;
        }
        unreachable!("nobody joins and leaves 2^64 times")
    }
}

/// Waits for a final block after which the operator has neither a seat nor a place in the service.
async fn until_outside(ledger: &Ledger, name: B256) -> Result<(), FollowError> {
    let mut finals = ledger.subscribe();
    while Standing::of(ledger, name)? != Standing::Outside {
        // Blocks that were missed are none that matter: the state is always the last one's.
        let _ = finals.recv().await;
    }
    Ok(())
}

/// The node's part in keeping blobs.
struct Rows {
    listen: SocketAddr,
    bls_key: bls::SecretKey,
    peer: Peer,
    provider: LedgerProvider,
    /// Its part in releasing keys, where members make the key.
    member: Option<MemberKeys>,
    epoch_blocks: NonZeroU64,
    folder: PathBuf,
}

impl Rows {
    /// Takes and gives rows from the moment that the operator is registered: which are its own, committees say.
    async fn keep(self, context: runtime::Context) -> Result<Infallible, JoinedError> {
        let failed = |error| NodeError::Availability(Box::new(error));
        let stream_key = B256::from_slice(self.peer.stream_key.public_key().as_ref());
        registered(&self.provider, stream_key, &self.bls_key.public_key())
            .await
            .map_err(|error| failed(StartError::from(error)))?;
        let domain = self.peer.domain;
        let config = da::service::Config {
            listen: self.listen,
            peer: self.peer,
            bls_key: self.bls_key,
            partition: "rows".into(),
            capacity_bytes: ROWS_CAPACITY_BYTES,
            unpaid_bytes_max: da::service::Config::UNPAID_BYTES_MAX,
            ingest_bytes_per_s: None,
            poll_ms: da::service::Config::POLL_MS,
        };
        let mut service = da::Service::start(context.child("availability"), config, self.provider.clone())
            .await
            .map_err(failed)?;
        let membership = self.member.map(|member| {
            Membership::begin(
                context.child("membership"),
                &self.folder,
                &member,
                self.provider.clone(),
                domain,
                self.epoch_blocks,
                service.releasing(),
            )
        });
        let _membership = membership.transpose().map_err(NodeError::ReleaseVault)?;
        service.play(
            context.child("lottery"),
            self.provider.clone(),
            U256::from(PRIZE_MIN_WEI),
        );
        service.collect_lapsed(context.child("lapses"), self.provider, U256::from(GAS_PRICE_WEI));
        tracing::info!(listen = %self.listen, "the operator is registered: the node takes rows");
        pending().await
    }
}

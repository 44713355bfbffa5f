//! The role of an operator: keep its rows of every blob of its quorums and epochs, sign for them, serve them, and repair them.
//!
//! Three tasks: one accepts streams (each then has its own, [`session`]); one follows the chain ([`follow`]): it learns which
//! blobs are certified, deletes those that expired or that nobody paid for, and repairs rows that are missing; one answers
//! what the operator is challenged for on chain ([`defend`]).

mod defend;
mod epochs;
mod escrow;
mod follow;
mod ingest;
mod lapse;
mod local;
mod mend;
mod play;
mod release;
pub mod repair;
mod session;
mod show;
mod tally;
mod unpaid;

#[cfg(test)]
pub(crate) use lapse::{LAPSE_GAS, LAPSE_GAS_PER_MEMBER};
pub use tally::Work;

use crate::{
    Committee, CommitteeId, Domain, RowSet, Runtime, Shape, VerifiedHead,
    committee::{CommitteeError, bls_key},
    disperse::Peer,
    permit, quorum,
    record::Record,
    release::Member,
    sample::Prover,
    store::{Opened, Store, StoreError},
    wire::Status,
};
use commonware_cryptography::{Signer, ed25519};
use commonware_runtime::{Handle, Listener};
use commonware_utils::sync::Mutex;
use contracts::{
    CallError, Provider, ProviderError,
    abi::{DAEntrance, NetworkRegistry, OperatorRegistry},
    addresses,
};
use crypto::{bls, threshold::SecretShare};
use epochs::Epochs;
use ingest::Ingest;
use primitives::{Address, B256, BlobRoot, MIB, U256};
use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tally::Tally;
use unpaid::{Promise, Unpaid};

/// Most streams served at a time. Each may hold a message of 512 KiB three times (as received, decoded, as written).
pub const MAX_STREAMS: u32 = 64;
/// Most of those for who is not an operator, so that operators can always repair.
pub const MAX_GUEST_STREAMS: u32 = 48;
/// Latest expiry that the chain takes, in blocks from now: `DAEntrance.MAX_RETENTION_BLOCKS`.
pub const MAX_RETENTION_BLOCKS: u64 = 126_144_000;
/// Blocks that an operator lets a permit last beyond [`PERMIT_BLOCKS`](crate::permit::PERMIT_BLOCKS): payers may be ahead of what it has seen
/// of the chain.
pub const PERMIT_SLACK_BLOCKS: u64 = 100;

/// Blobs whose provers are kept: 40 KiB each.
const PROVERS_MAX: usize = 32;

/// What an operator needs to know of itself.
#[derive(Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Key and chain of its streams.
    pub peer: Peer,
    /// Key that signs for its rows.
    pub bls_key: bls::SecretKey,
    /// Folder of its rows, within the runtime's.
    pub partition: String,
    /// Bytes that its rows may take on disk.
    pub capacity_bytes: u64,
    /// Bytes of those that rows may take whose blob nobody has paid for yet.
    pub unpaid_bytes_max: u64,
    /// Bytes of rows that it takes a second from all streams together; none: as fast as it can. For a link that others use
    /// too. Dispersers give up on an operator that takes no message in ten seconds ([`STALL_TIMEOUT`](crate::disperse::STALL_TIMEOUT)):
    /// below 4 MB/s, those of a full house of streams do.
    pub ingest_bytes_per_s: Option<u64>,
    /// How often it looks at the chain, milliseconds.
    pub poll_ms: u64,
}

impl Config {
    /// Bytes for rows that nobody has paid for, when the operator says nothing: four of the largest blobs.
    pub const UNPAID_BYTES_MAX: u64 = 4 * 3 * 128 * MIB;
    /// How often to look at the chain, when the operator says nothing.
    pub const POLL_MS: u64 = 500;
}

/// Why an operator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no committee.
    #[error("read the committee")]
    Committee(#[from] CommitteeError),
    /// The operator's stream key is not in the registry.
    #[error("stream key {stream_key} is not registered")]
    NotAnOperator {
        /// Its key.
        stream_key: ed25519::PublicKey,
    },
    /// The chain did not answer.
    #[error("ask the chain who the operator is")]
    Chain(#[from] CallError),
    /// Epochs have no block: no contract of ours is there.
    #[error("an epoch of {blocks} blocks")]
    EpochBlocks {
        /// How many the contract says.
        blocks: u64,
    },
    /// The operator's BLS key is not the one in the registry: nothing it signs would count.
    #[error("the BLS key is not the one registered for operator {operator}")]
    WrongBlsKey {
        /// Its number.
        operator: u32,
    },
    /// Its rows cannot be read.
    #[error("open the store of rows")]
    Store(#[from] StoreError),
    /// Its port is taken.
    #[error("listen on {listen}")]
    Bind {
        /// Where.
        listen: SocketAddr,
        /// What the runtime says.
        source: commonware_runtime::Error,
    },
}

/// A running operator.
pub struct Service<E: Runtime> {
    shared: Arc<Shared<E>>,
    opened: Opened,
    listen: SocketAddr,
    tasks: Vec<Handle<()>>,
}

/// What the tasks of one operator share.
struct Shared<E: Runtime> {
    config: Config,
    /// Account of this operator.
    account: Address,
    /// Blocks of an epoch.
    epoch_blocks: u64,
    /// What the chain charges for a byte and block, wei.
    price: U256,
    store: Store<E>,
    /// Endpoints and epochs change, so the tasks take a copy of a committee when they begin something.
    epochs: Mutex<Epochs>,
    chain: Mutex<ChainView>,
    streams: AtomicU32,
    ingest: Ingest,
    /// Where it is asked what payers have.
    escrows: escrow::Desk,
    tally: Tally,
    /// Where requests for releases go, if this operator is a member of the committee.
    releases: Mutex<Option<release::Desk>>,
    /// Promises that are over and were not kept, if this operator collects them.
    lapses: Mutex<Option<lapse::Lapses>>,
    /// Local rows that are to be made again.
    missed: Mutex<mend::Missed>,
    /// Challenges on chain that wait for this operator's answer.
    disputes: AtomicU32,
    /// Provers of the blobs sampled last, the latest at the end: each keeps the openings that it made.
    provers: Mutex<VecDeque<Arc<Prover>>>,
}

/// What was seen of the chain.
#[derive(Default)]
struct ChainView {
    height: u64,
    /// Certified blobs that did not expire.
    certified: BTreeMap<BlobRoot, Record>,
    /// Blobs that are kept and not certified. None of them is in `certified`.
    unpaid: Unpaid,
}

impl<E: Runtime> Shared<E> {
    /// A committee, where it is known, and the index of this operator in it, if it has one.
    fn seat(&self, id: CommitteeId) -> Option<(Arc<Committee>, Option<u32>)> {
        let committee = self.epochs.lock().of(id)?;
        let index = committee.index_of(&self.config.peer.stream_key.public_key());
        Some((committee, index))
    }

    /// The rows of `shape` that this operator owns of the blob `root`; none when its committee is not known.
    fn owned(&self, id: CommitteeId, root: &BlobRoot, shape: Shape) -> Option<RowSet> {
        let (committee, index) = self.seat(id)?;
        Some(index.map_or_else(RowSet::default, |index| committee.rows_of(index, root, shape)))
    }

    fn set_disputes(&self, waiting: usize) {
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        self.disputes.store(waiting, Ordering::Relaxed);
    }

    fn height(&self) -> u64 {
        self.chain.lock().height
    }

    /// Count of rows that this operator owns of any blob of `shape` and this committee, as far as is known.
    fn rows_owned(&self, id: CommitteeId, shape: Shape) -> u32 {
        match self.seat(id) {
            Some((committee, Some(index))) => committee.row_count(index, shape),
            _ => 0,
        }
    }

    /// The record of a certified blob, and those of cosets that were added to it.
    fn certified(&self, root: BlobRoot) -> Option<(Record, Vec<Record>)> {
        let chain = self.chain.lock();
        let record = chain.certified.get(&root)?.clone();
        let added = chain.certified.values().filter(|part| part.base() == Some(root));
        Some((record, added.cloned().collect()))
    }

    /// The prover of the blob of `head`.
    fn prover(&self, head: VerifiedHead) -> Arc<Prover> {
        let mut provers = self.provers.lock();
        let known = provers.iter().position(|prover| prover.head().root() == head.root());
        let prover = match known.and_then(|place| provers.remove(place)) {
            Some(prover) => prover,
            None => Arc::new(Prover::new(head)),
        };
        if provers.len() == PROVERS_MAX {
            provers.pop_front();
        }
        provers.push_back(prover.clone());
        prover
    }

    /// Certified blobs of which rows that this operator owns are missing, and how many.
    fn missing(&self) -> Vec<(Record, u32)> {
        let chain = self.chain.lock();
        chain
            .certified
            .iter()
            .map(|(root, record)| {
                let owned = self.rows_owned(record.committee(), record.shape());
                (record.clone(), owned.saturating_sub(self.store.held(*root).len()))
            })
            .filter(|(_, missing)| *missing > 0)
            .collect()
    }

    fn status(&self) -> Status {
        Status {
            epoch: self.epochs.lock().current(),
            height: self.height(),
            blobs: self.store.blobs().len() as u64,
            stored_bytes: self.store.used_bytes(),
            capacity_bytes: self.store.capacity_bytes(),
        }
    }
}

impl<E: Runtime> Service<E> {
    /// Opens the operator's rows, begins to listen and to follow the chain.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub async fn start(context: E, config: Config, provider: impl Provider) -> Result<Self, StartError> {
        let account = registered(&config, &provider).await?;
        let call = NetworkRegistry::epochBlocksCall {};
        let epoch_blocks = contracts::read(&provider, addresses::NETWORK_REGISTRY, &call).await?;
        if epoch_blocks == 0 {
            return Err(StartError::EpochBlocks { blocks: epoch_blocks });
        }
        let entrance = config.peer.domain.entrance;
        let price = contracts::read(&provider, entrance, &DAEntrance::pricePerByteBlockCall {}).await?;
        let committees = quorum::committees(&provider, &config.peer.domain).await?;
        let mut epochs = Epochs::new(committees[0].id().epoch);
        committees.into_iter().for_each(|committee| epochs.insert(committee));
        let (store, opened) =
            Store::open(context.child("store"), config.partition.clone(), config.capacity_bytes).await?;
        if opened.bad_records > 0 || opened.dropped_files > 0 {
            tracing::warn!(?opened, "rows were lost; they will be repaired");
        }
        let mut listener = context.bind(config.listen).await.map_err(|source| StartError::Bind {
            listen: config.listen,
            source,
        })?;
        let listen = listener.local_addr().unwrap_or(config.listen);
        let chain = ChainView {
            unpaid: promised(&store, &config.peer.domain, price),
            ..ChainView::default()
        };
        let (escrows, teller) = escrow::Teller::new(provider.clone(), entrance);
        let shared = Arc::new(Shared {
            account,
            epoch_blocks,
            price,
            store,
            escrows,
            epochs: Mutex::new(epochs),
            chain: Mutex::new(chain),
            streams: AtomicU32::new(0),
            ingest: Ingest::new(config.ingest_bytes_per_s),
            tally: Tally::default(),
            releases: Mutex::default(),
            lapses: Mutex::default(),
            missed: Mutex::default(),
            disputes: AtomicU32::new(0),
            provers: Mutex::default(),
            config,
        });
        let telling = context.child("escrows").spawn(move |_| teller.run());
        let defending = context.child("defend").spawn({
            let (shared, provider) = (shared.clone(), provider.clone());
            move |context| defend::Defender::new(shared, provider).run(context)
        });
        let following = context.child("follow").spawn({
            let shared = shared.clone();
            move |context| follow::Follower::new(shared, provider).run(context)
        });
        let accepting = context.child("accept").spawn({
            let shared = shared.clone();
            move |context| async move {
                loop {
                    match listener.accept().await {
                        Ok((_, sink, stream)) => {
                            let Some(slot) = Slot::take(&shared) else {
                                tracing::debug!("too many streams: one refused");
                                continue;
                            };
                            context
                                .child("session")
                                .spawn(move |context| session::run(context, slot, sink, stream));
                        }
                        // Out of descriptors, or a peer that hung up early: neither is for ever.
                        Err(error) => {
                            tracing::warn!(?error, "accept a stream");
                            context.sleep(ACCEPT_PAUSE).await;
                        }
                    }
                }
            }
        });
        Ok(Self {
            shared,
            opened,
            listen,
            tasks: vec![telling, following, defending, accepting],
        })
    }

    /// Where it listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// What it found on its disk when it started.
    pub fn opened(&self) -> Opened {
        self.opened
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Rows that it owns of certified blobs and does not have (yet).
    pub fn missing_rows(&self) -> u64 {
        self.shared.missing().iter().map(|(_, rows)| u64::from(*rows)).sum()
    }

    /// What it did since it started.
    pub fn work(&self) -> Work {
        self.shared.tally.work()
    }

    /// Challenges on chain that wait for its answer.
    pub fn disputes(&self) -> u32 {
        self.shared.disputes.load(Ordering::Relaxed)
    }

    /// Begins to play the lottery on behalf of `provider`, which pays the gas: only draws whose prize is at least `prize_min`, wei, which
    /// should be more than the 0.75 to 1.7 million gas of a claim cost.
    pub fn play(&mut self, context: E, provider: impl Provider, prize_min: U256) {
        let player = play::Player::new(self.shared.clone(), provider, prize_min);
        self.tasks.push(context.spawn(move |context| player.run(context)));
    }

    /// Begins to collect, on behalf of `provider`, which pays the gas, what promises cost that were not kept: in turn with the other operators, and where
    /// the charge is more than the gas at `gas_price_wei`.
    pub fn collect_lapsed(&mut self, context: E, provider: impl Provider, gas_price_wei: U256) {
        *self.shared.lapses.lock() = Some(lapse::Lapses::default());
        let collector = lapse::Collector::new(self.shared.clone(), provider, gas_price_wei);
        self.tasks.push(context.spawn(move |context| collector.run(context)));
    }

    /// Begins to release keys with `share` to whom policies allow it, as `provider`'s latest final state has them. Until then, who asks
    /// is told that no share is here.
    pub fn release(&mut self, context: E, provider: impl Provider, share: SecretShare) {
        self.releasing().serve(context, provider, vec![share]);
    }

    /// Where shares go that change while it runs.
    pub fn releasing(&self) -> Releasing<E> {
        Releasing(self.shared.clone())
    }

    /// Stops its tasks. What was signed for is on disk.
    pub fn stop(self) {
        self.tasks.iter().for_each(|task| task.abort());
    }
}

/// Says with which shares a [`Service`] releases keys.
pub struct Releasing<E: Runtime>(Arc<Shared<E>>);

impl<E: Runtime> Releasing<E> {
    /// Releases with `shares` from now on, and with those before no more; with none, who asks is told that none is here. What was asked before is still
    /// answered with what was held then.
    pub fn serve(&self, context: E, provider: impl Provider, shares: Vec<SecretShare>) {
        let desk = (!shares.is_empty()).then(|| {
            let (desk, keeper) = release::Keeper::new(Member::new(provider, self.0.config.peer.domain, shares));
            // Ends when nobody holds its desk any more.
            drop(context.spawn(move |context| keeper.run(context)));
            desk
        });
        *self.0.releases.lock() = desk;
    }
}

/// What the blobs on disk are kept on. Those that were certified meanwhile are found out by following the chain; those with no promise, by
/// what follows it too.
fn promised<E: Runtime>(store: &Store<E>, domain: &Domain, price: U256) -> Unpaid {
    let mut unpaid = Unpaid::default();
    for (head, bytes) in store.blobs() {
        let Some(permit) = store.permit(head.root()) else {
            continue;
        };
        // Damaged on disk, if it is nobody's.
        let Ok(payer) = permit.payer(domain, head.header()) else {
            continue;
        };
        let promise = Promise {
            payer,
            // At which height it was made is not known: as if it was at its deadline, which is at most the longest promise too little.
            fee_wei: permit::fee_wei(head.header(), price, permit.deadline),
            bytes,
            deadline: permit.deadline,
        };
        unpaid.hold(head.root(), promise);
    }
    unpaid
}

/// The account of the operator with the keys of `config`. It need not have a seat: it may have one in a later epoch.
async fn registered(config: &Config, provider: &impl Provider) -> Result<Address, StartError> {
    let registry = addresses::OPERATOR_REGISTRY;
    let stream_key = config.peer.stream_key.public_key();
    let call = OperatorRegistry::numberOfKeyCall {
        streamKey: B256::from_slice(stream_key.as_ref()),
    };
    let operator = match contracts::read(provider, registry, &call).await {
        Err(CallError::Provider(ProviderError::Reverted { .. })) => {
            return Err(StartError::NotAnOperator { stream_key });
        }
        answer => answer?,
    };
    let entry = contracts::read(provider, registry, &OperatorRegistry::operatorOfCall { operator }).await?;
    if bls_key(&entry.blsKey) != Some(config.bls_key.public_key()) {
        return Err(StartError::WrongBlsKey { operator });
    }
    Ok(entry.account)
}

/// How long to wait before accepting again when that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One of the [`MAX_STREAMS`]; given back when dropped.
struct Slot<E: Runtime> {
    shared: Arc<Shared<E>>,
}

impl<E: Runtime> Slot<E> {
    fn take(shared: &Arc<Shared<E>>) -> Option<Self> {
        let before = shared.streams.fetch_add(1, Ordering::Relaxed);
        // Gives the place back at once when there was none.
        let slot = Self { shared: shared.clone() };
        (before < MAX_STREAMS).then_some(slot)
    }
}

impl<E: Runtime> Drop for Slot<E> {
    fn drop(&mut self) {
        self.shared.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

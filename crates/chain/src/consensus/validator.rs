//! A validator: all parts of consensus, wired together.

use super::{
    Blocks, Runtime, Scheme, Transport,
    application::Application,
    attendance::Attendance,
    certificates::Certificates,
    committees::{Committees, RosterError, Schemes},
    epochs::{self, Epochs, FETCH_RETRY, FETCH_TIMEOUT, VIEW_RETENTION},
    finalizer::{self, Finals},
    gossip,
    offences::{self, Offence, Witness},
    storage::{self, LastVoted},
};
use crate::{
    beacon::{self, Beacon, BeaconState, Post},
    block::Block,
    finality::FinalityProof,
    keys::{Identity, ValidatorKeys},
    ledger::{Ledger, LedgerError},
};
use alloy_primitives::{Address, B256};
use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{self, Start, core::Actor, resolver::p2p as backfill, standard::Deferred},
    types::{Epoch, Epocher as _, FixedEpocher, Height},
};
use commonware_cryptography::{Digested, Digestible as _};
use commonware_macros::select;
use commonware_p2p::{
    AddressableManager, Blocker, Receiver, Sender,
    utils::mux::{Builder as _, Muxer},
};
use commonware_parallel::Sequential;
use commonware_runtime::Handle;
use commonware_utils::{NZU64, NZUsize, NonZeroDuration, channel::mpsc};
use std::{
    convert::Infallible,
    fmt,
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

/// Messages queued between the parts.
const MAILBOX_MESSAGES: NonZeroUsize = NZUsize!(256);
/// Blocks kept of each proposer until they are asked for.
const BLOCKS_PER_PROPOSER: usize = 16;
/// Final blocks handed to the ledger before it acknowledged the first.
const PENDING_ACKNOWLEDGEMENTS: NonZeroUsize = NZUsize!(8);
/// Missed blocks fetched at a time.
const BACKFILL_BLOCKS: NonZeroUsize = NZUsize!(16);
/// Entries of a section of marshal's cache, pruned at a time.
const CACHE_SECTION_ITEMS: NonZeroU64 = NZU64!(256);
/// Time for a proposal to travel, on top of the longest wait a proposer may make.
const PROPOSAL_TRAVEL: Duration = Duration::from_millis(750);
/// Fewest blocks of an epoch: what marshal has handed out and not yet heard of is never more than the epoch before.
pub const EPOCH_BLOCKS_MIN: NonZeroU64 = NZU64!(8);
const _: () = assert!(PENDING_ACKNOWLEDGEMENTS.get() as u64 <= EPOCH_BLOCKS_MIN.get());

/// How often blocks come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Least time from a block to its successor.
    pub block_interval: Duration,
    /// Time after which a block comes although no transaction waits. Not below `block_interval`.
    pub idle_interval: Duration,
    /// Time to execute transactions in when making a block; what is not reached goes into the next.
    pub build_budget: Duration,
}

impl Default for Pace {
    /// Six or seven blocks a second under load, one a second otherwise.
    fn default() -> Self {
        Self {
            block_interval: Duration::from_millis(150),
            idle_interval: Duration::from_secs(1),
            build_budget: Duration::from_millis(200),
        }
    }
}

impl Pace {
    /// How long others wait for a leader's proposal before they vote to skip it.
    pub(super) fn leader_timeout(&self) -> Duration {
        self.idle_interval.max(self.block_interval) + self.build_budget + PROPOSAL_TRAVEL
    }
}

/// A node's part in consensus.
#[derive(Clone)]
pub struct Config {
    /// Sign votes, in epochs in which they are of the committee.
    pub keys: ValidatorKeys,
    /// Who votes when.
    pub committees: Arc<dyn Committees>,
    /// Blocks of an epoch, at least [`EPOCH_BLOCKS_MIN`]; the same for all.
    pub epoch_blocks: NonZeroU64,
    /// The chain.
    pub ledger: Ledger,
    /// Who receives the tips of the blocks this validator makes.
    pub beneficiary: Address,
    /// Name of this validator's journals in the runtime's storage.
    pub partition_prefix: String,
    /// How often blocks come; the same for all.
    pub pace: Pace,
    /// Where evidence against others goes, if anywhere. What does not fit is lost: others saw it, too.
    pub offences: Option<mpsc::Sender<Offence>>,
    /// Where others find the certificates of final blocks while it runs.
    pub certificates: Certificates,
    /// The randomness beacon, on a chain that has its contract; the same for all.
    pub beacon: Option<BeaconConfig>,
    /// The certificate of an epoch's last block that the ledger has: where the journals end before it, or are new, they begin with that block, and the other
    /// validators are asked for none before it.
    pub floor: Option<FinalityProof>,
}

/// What a validator's randomness beacon needs of its node.
#[derive(Clone)]
pub struct BeaconConfig {
    /// Reads the beacon's contract.
    pub state: Arc<dyn BeaconState>,
    /// Where logs go that this validator's seats post to the contract. What does not fit, or does not come into a block, goes there again.
    pub posts: mpsc::Sender<Post>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("keys", &self.keys)
            .field("epoch_blocks", &self.epoch_blocks)
            .field("partition_prefix", &self.partition_prefix)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

/// What every vote of a network signs first: `aloft-chain | chain id (8, big endian) | prevRandao of the genesis block (32)`.
///
/// That value is drawn when a network is made, so votes of one network say nothing in another. It is not the genesis hash, because a contract of
/// the genesis block checks votes.
pub fn namespace(chain_id: u64, prev_randao: B256) -> Vec<u8> {
    [b"aloft-chain".as_slice(), &chain_id.to_be_bytes(), &prev_randao.0].concat()
}

/// Why a validator stopped.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// An epoch has fewer blocks than [`EPOCH_BLOCKS_MIN`].
    #[error("an epoch of {blocks} blocks is shorter than {EPOCH_BLOCKS_MIN}")]
    EpochTooShort {
        /// Its blocks.
        blocks: u64,
    },
    /// The final state does not say who votes.
    #[error(transparent)]
    Roster(RosterError),
    /// The journals lack a final block that an epoch begins on top of.
    #[error("the journals lack final block {height}")]
    BlockMissing {
        /// Its height.
        height: u64,
    },
    /// A final block could not be made durable.
    #[error("finalize block {height}")]
    Ledger {
        /// The block.
        height: u64,
        /// Why.
        source: Box<LedgerError>,
    },
    /// The record of the last epoch voted in could not be read or written.
    #[error("use the record of the last epoch voted in")]
    Votes(#[source] commonware_storage::metadata::Error),
    /// The journals could not be opened.
    #[error("open the journals")]
    Journals(#[source] Box<commonware_storage::archive::Error>),
    /// The ledger lacks blocks that consensus knows it had: its file was replaced by an older one.
    #[error("the ledger ends at block {ledger}, but had block {consensus}: its file is older than the journals")]
    LedgerBehind {
        /// Last block of the ledger.
        ledger: u64,
        /// Last block that it acknowledged.
        consensus: u64,
    },
    /// The certificate to begin with is not of an epoch's last block, or not of the epoch's committee.
    #[error("the certificate of block {height} is none to begin with")]
    Floor {
        /// The block.
        height: u64,
    },
    /// A part of consensus stopped, or the runtime did.
    #[error("consensus stopped")]
    Stopped,
}

/// A running validator. It stops when this is dropped.
pub struct Validator {
    task: Handle<Result<Infallible, Halt>>,
}

impl Validator {
    pub(super) fn of(task: Handle<Result<Infallible, Halt>>) -> Self {
        Self { task }
    }

    /// Waits until the validator stops, and says why.
    pub async fn halted(&mut self) -> Halt {
        match (&mut self.task).await {
            Ok(Ok(never)) => match never {},
            Ok(Err(halt)) => halt,
            Err(_) => Halt::Stopped,
        }
    }

    /// Stops at once, as a crash does.
    pub fn abort(&self) {
        self.task.abort();
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        self.abort();
    }
}

/// Starts a validator on `transport`. Journals and ledger may be new, or those of an earlier run.
pub fn start<E, S, R, B, P>(context: E, config: Config, transport: Transport<S, R, B, P>) -> Validator
where
    E: Runtime,
    S: Sender<PublicKey = Identity>,
    R: Receiver<PublicKey = Identity>,
    B: Blocker<PublicKey = Identity>,
    P: AddressableManager<PublicKey = Identity>,
{
    // Everything below is a child of this task: when it ends, for whatever reason, all ends.
    Validator::of(context.spawn(move |context| run(context, config, transport)))
}

pub(super) async fn run<E, S, R, B, P>(
    context: E,
    config: Config,
    transport: Transport<S, R, B, P>,
) -> Result<Infallible, Halt>
where
    E: Runtime,
    S: Sender<PublicKey = Identity>,
    R: Receiver<PublicKey = Identity>,
    B: Blocker<PublicKey = Identity>,
    P: AddressableManager<PublicKey = Identity>,
{
    let Config {
        keys,
        committees,
        epoch_blocks,
        ledger,
        beneficiary,
        partition_prefix: prefix,
        pace,
        offences,
        certificates: served,
        beacon,
        floor,
    } = config;
    if epoch_blocks < EPOCH_BLOCKS_MIN {
        let blocks = epoch_blocks.get();
        return Err(Halt::EpochTooShort { blocks });
    }
    let Transport {
        channels,
        blocker,
        peers,
    } = transport;
    let identity = keys.identity();
    let first = committees.roster(0).map_err(Halt::Roster)?.committee.first();
    let genesis = Block::genesis(ledger.genesis().clone(), first);
    let genesis_digest = genesis.digest();
    let epocher = FixedEpocher::new(epoch_blocks);
    let schemes = Schemes::default();
    let cache = storage::page_cache();

    let journals = |error| Halt::Journals(Box::new(error));
    let blocks = storage::finalized_blocks(context.child("final_blocks"), &prefix, &cache)
        .await
        .map_err(journals)?;
    let finalizations = storage::finalizations(context.child("finalizations"), &prefix, &cache)
        .await
        .map_err(journals)?;
    let last_voted = LastVoted::open(context.child("last_voted"), &prefix)
        .await
        .map_err(Halt::Votes)?;
    let (start, floor) = match floor {
        Some(proof) => {
            let epoch = Epoch::new(proof.epoch);
            let height = Height::new(proof.summary.header().number);
            let committee = committees.roster(proof.epoch).map_err(Halt::Roster)?.committee;
            let finalization = proof
                .finalization(&committee)
                .filter(|_| epocher.last(epoch) == Some(height));
            let finalization = finalization.ok_or(Halt::Floor { height: height.get() })?;
            let namespace = namespace(ledger.chain_id(), ledger.genesis().mix_hash);
            schemes.insert(epoch, Scheme::verifier(&namespace, committee.seat_keys()), committee);
            let digest = finalization.proposal.payload;
            (Start::Floor(finalization), Some((height, digest)))
        }
        None => (Start::Genesis(Digested::precomputed(genesis, genesis_digest)), None),
    };
    let (marshal, marshal_mailbox, found) = Actor::<_, Blocks, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: schemes.clone(),
            epocher: epocher.clone(),
            start,
            partition_prefix: format!("{prefix}-marshal"),
            mailbox_size: MAILBOX_MESSAGES,
            view_retention: VIEW_RETENTION,
            prunable_items_per_section: CACHE_SECTION_ITEMS,
            page_cache: cache.clone(),
            replay_buffer: storage::REPLAY_BUFFER_BYTES,
            key_write_buffer: storage::WRITE_BUFFER_BYTES,
            value_write_buffer: storage::WRITE_BUFFER_BYTES,
            block_codec_config: (),
            max_repair: BACKFILL_BLOCKS,
            max_pending_acks: PENDING_ACKNOWLEDGEMENTS,
            strategy: Sequential,
        },
    )
    .await;
    served.serve(marshal_mailbox.clone(), committees.clone());
    // Where a floor was installed and not yet handed out, the ledger has its block: it was asked for by the ledger's own certificate.
    let processed = found.processed().map(|processed| processed.anchor());
    if let Some(processed) = processed {
        let (ledger, consensus) = (ledger.latest().header.number, processed.get());
        if ledger < consensus {
            return Err(Halt::LedgerBehind { ledger, consensus });
        }
    }

    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: identity.clone(),
            mailbox_size: MAILBOX_MESSAGES,
            deque_size: BLOCKS_PER_PROPOSER,
            priority: false,
            codec_config: (),
            peer_provider: peers.clone(),
            strategy: Sequential,
        },
    );
    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: identity,
            peer_provider: peers.clone(),
            blocker: blocker.clone(),
            mailbox_size: MAILBOX_MESSAGES,
            fetch_timeout: NonZeroDuration::new_panic(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );
    let (sender, receiver) = channels.votes;
    let (mux, votes, elsewhere) = Muxer::builder(context.child("votes"), sender, receiver)
        .with_backup()
        .build();
    let routing_votes = mux.start();
    let (sender, receiver) = channels.certificates;
    let (mux, certificates) = Muxer::new(context.child("certificates"), sender, receiver);
    let routing_certificates = mux.start();
    let (sender, receiver) = channels.resolver;
    let (mux, requests) = Muxer::new(context.child("requests"), sender, receiver);
    let routing_requests = mux.start();

    let (beacon, posts) = beacon
        .map(|BeaconConfig { state, posts }| {
            let namespace = beacon::namespace(ledger.chain_id(), ledger.genesis().mix_hash);
            (Beacon::new(state, namespace, epoch_blocks), posts)
        })
        .unzip();
    let application = Application::new(ledger.clone(), beneficiary, pace, beacon.clone());
    let automaton = Deferred::new(
        context.child("application"),
        application,
        marshal_mailbox.clone(),
        epocher.clone(),
    );
    let (reporter, seen) = Witness::new(automaton.clone());
    let judging = context.child("judge").spawn({
        let schemes = schemes.clone();
        move |context| offences::judge(context, seen, schemes, offences)
    });
    let (sender, mut receiver) = channels.beacon;
    let shining = context.child("beacon").spawn({
        let setup = beacon.zip(posts).map(|(beacon, posts)| beacon::Setup {
            keys: keys.clone(),
            ledger: ledger.clone(),
            epoch_blocks,
            beacon,
            posts,
            prefix: prefix.clone(),
        });
        let blocker = blocker.clone();
        move |context| async move {
            match setup {
                Some(setup) => beacon::run(context, setup, sender, receiver, blocker).await,
                // Whoever speaks on the channel is not answered.
                None => while receiver.recv().await.is_ok() {},
            }
        }
    });
    let resumed = processed.max(floor.map(|(height, _)| height));
    let epoch = epochs::resumed(&epocher, resumed);
    let epochs = Epochs {
        context: context.child("epochs"),
        keys,
        committees,
        namespace: namespace(ledger.chain_id(), ledger.genesis().mix_hash),
        pace,
        prefix,
        epocher,
        epoch_blocks,
        schemes,
        marshal: marshal_mailbox,
        automaton,
        reporter,
        votes,
        certificates,
        requests,
        blocker: blocker.clone(),
        peers,
        cache,
        genesis: genesis_digest,
        floor,
        tracked: None,
        last_voted: Some(last_voted),
        early: Vec::new(),
        attendance: Attendance::default(),
    };

    let (updates_sender, updates) = Finals::new();
    let (durable, finals) = mpsc::unbounded_channel();
    let broadcasting = broadcast.start(channels.blocks);
    let marshalling = marshal.start(updates_sender, buffer, resolver);
    let voting = context
        .child("voting")
        .spawn(move |_| epochs.run(epoch, finals, elsewhere));
    let (sender, receiver) = channels.transactions;
    let telling = context.child("tell").spawn({
        let ledger = ledger.clone();
        move |context| gossip::tell(context, ledger, sender)
    });
    let hearing = context.child("hear").spawn({
        let ledger = ledger.clone();
        move |context| gossip::hear(context, ledger, receiver, blocker)
    });
    let finalizing = context
        .child("finalizer")
        .spawn(move |context| finalizer::run(context, ledger, updates, durable));
    let parts = Handle::select([broadcasting, marshalling, telling, hearing, judging, shining]);
    select! {
        halted = finalizing => halted.unwrap_or(Err(Halt::Stopped)),
        halted = voting => halted.unwrap_or(Err(Halt::Stopped)),
        _ = parts => Err(Halt::Stopped),
        _ = routing_votes => Err(Halt::Stopped),
        _ = routing_certificates => Err(Halt::Stopped),
        _ = routing_requests => Err(Halt::Stopped),
    }
}

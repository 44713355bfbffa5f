//! A validator: all parts of consensus, wired together.

use super::{
    Blocks, Runtime, Scheme, Transport,
    application::Application,
    finalizer::{self, Finals},
    gossip, storage,
};
use crate::{
    block::Block,
    keys::{Committee, Identity, ValidatorKeys},
    ledger::{Ledger, LedgerError},
};
use alloy_primitives::Address;
use commonware_broadcast::buffered;
use commonware_codec::Encode as _;
use commonware_consensus::{
    marshal::{self, Start, core::Actor, resolver::p2p as backfill, standard::Deferred},
    simplex::{self, Floor, ForwardPolicy, SkipBudget, SkipPolicy, elector::RoundRobin},
    types::{Epoch, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{Digested, Digestible as _, Sha256, certificate::ConstantProvider};
use commonware_macros::select;
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::Handle;
use commonware_utils::{NZU64, NZUsize, NonZeroDuration, union};
use std::{
    convert::Infallible,
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

/// Heights of the one epoch there is so far: two million years at four blocks a second. Committees will change at its ends.
const EPOCH_BLOCKS: NonZeroU64 = NZU64!(1 << 48);
/// Views behind the last final one whose votes and candidate blocks are kept, for peers that are behind.
const VIEW_RETENTION: ViewDelta = ViewDelta::new(128);
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
/// How long a peer has to answer a request before another is asked.
const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before a request is repeated.
const FETCH_RETRY: Duration = Duration::from_millis(100);
/// Time for a proposal to travel, on top of the longest wait a proposer may make.
const PROPOSAL_TRAVEL: Duration = Duration::from_millis(750);
/// Time for a proposal to be executed and voted on everywhere.
const VOTING: Duration = Duration::from_secs(1);

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
    /// Four blocks a second under load, one a second otherwise.
    fn default() -> Self {
        Self {
            block_interval: Duration::from_millis(250),
            idle_interval: Duration::from_secs(1),
            build_budget: Duration::from_millis(200),
        }
    }
}

impl Pace {
    /// How long others wait for a leader's proposal before they vote to skip it.
    fn leader_timeout(&self) -> Duration {
        self.idle_interval.max(self.block_interval) + self.build_budget + PROPOSAL_TRAVEL
    }
}

/// A validator's part in consensus.
#[derive(Clone, Debug)]
pub struct Config {
    /// Signs votes.
    pub keys: ValidatorKeys,
    /// Who votes.
    pub committee: Committee,
    /// The chain.
    pub ledger: Ledger,
    /// Who receives the tips of the blocks this validator makes.
    pub beneficiary: Address,
    /// Name of this validator's journals in the runtime's storage.
    pub partition_prefix: String,
    /// How often blocks come; the same for all.
    pub pace: Pace,
}

/// Why a validator stopped.
#[derive(Debug, thiserror::Error)]
pub enum Halt {
    /// The keys belong to no member of the committee.
    #[error("validator {identity} is not in the committee")]
    NotInCommittee {
        /// Whose keys they are.
        identity: Box<Identity>,
    },
    /// A final block could not be made durable.
    #[error("finalize block {height}")]
    Ledger {
        /// The block.
        height: u64,
        /// Why.
        source: Box<LedgerError>,
    },
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
    P: Provider<PublicKey = Identity>,
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
    P: Provider<PublicKey = Identity>,
{
    let Config {
        keys,
        committee,
        ledger,
        beneficiary,
        partition_prefix: prefix,
        pace,
    } = config;
    let Transport {
        channels,
        blocker,
        peers,
    } = transport;
    let identity = keys.identity();
    let first = committee
        .identities()
        .iter()
        .next()
        .expect("a committee has a member")
        .clone();
    let genesis = Block::genesis(ledger.genesis().clone(), first);
    let genesis_digest = genesis.digest();
    // Votes of another network, or of another committee, never verify here.
    let namespace = union(b"aloft-chain", &genesis_digest.encode());
    let scheme = Scheme::signer(&namespace, committee.votes(), keys.bls.clone());
    let scheme = scheme.filter(|_| committee.contains(&identity));
    let scheme = scheme.ok_or_else(|| Halt::NotInCommittee {
        identity: Box::new(identity.clone()),
    })?;
    let epocher = FixedEpocher::new(EPOCH_BLOCKS);
    let cache = storage::page_cache();

    let journals = |error| Halt::Journals(Box::new(error));
    let blocks = storage::finalized_blocks(context.child("final_blocks"), &prefix, &cache)
        .await
        .map_err(journals)?;
    let finalizations = storage::finalizations(context.child("finalizations"), &prefix, &cache)
        .await
        .map_err(journals)?;
    let (marshal, marshal_mailbox, floor) = Actor::<_, Blocks, _, _, _, _, _>::init(
        context.child("marshal"),
        finalizations,
        blocks,
        marshal::Config {
            provider: ConstantProvider::new(scheme.clone()),
            epocher: epocher.clone(),
            start: Start::Genesis(Digested::precomputed(genesis, genesis_digest)),
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
    if let Some(processed) = floor.processed() {
        let (ledger, consensus) = (ledger.latest().header.number, processed.height().get());
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
            peer_provider: peers,
            blocker: blocker.clone(),
            mailbox_size: MAILBOX_MESSAGES,
            fetch_timeout: NonZeroDuration::new_panic(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );
    let application = Application::new(ledger.clone(), beneficiary, pace);
    let deferred = Deferred::new(context.child("application"), application, marshal_mailbox, epocher);
    let leader_timeout = pace.leader_timeout();
    let engine = simplex::Engine::new(
        context.child("simplex"),
        simplex::Config {
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            blocker: blocker.clone(),
            automaton: deferred.clone(),
            relay: deferred.clone(),
            reporter: deferred,
            track_historical_votes: false,
            strategy: Sequential,
            partition: format!("{prefix}-simplex"),
            mailbox_size: MAILBOX_MESSAGES,
            epoch: Epoch::zero(),
            floor: Floor::Genesis(genesis_digest),
            replay_buffer: storage::REPLAY_BUFFER_BYTES,
            write_buffer: storage::WRITE_BUFFER_BYTES,
            page_cache: cache,
            leader_timeout,
            certification_timeout: leader_timeout + VOTING,
            timeout_retry: leader_timeout + VOTING,
            view_retention: VIEW_RETENTION,
            // A validator that is away for long costs the others no more waiting.
            skip: SkipPolicy::Enabled {
                timeout: leader_timeout * 3,
                budget: SkipBudget::Participants,
            },
            fetch_timeout: NonZeroDuration::new_panic(FETCH_TIMEOUT),
            fetch_retry_delay: FETCH_RETRY,
            // A validator that did not vote may lack the block: it can ask for it, so we need not send it again.
            forward: ForwardPolicy::Disabled,
        },
    );

    let (finals, updates) = Finals::new();
    let broadcasting = broadcast.start(channels.blocks);
    let marshalling = marshal.start(finals, buffer, resolver);
    let voting = engine.start(channels.votes, channels.certificates, channels.resolver);
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
        .spawn(move |context| finalizer::run(context, ledger, updates));
    let parts = Handle::select([broadcasting, marshalling, voting, telling, hearing]);
    select! {
        halted = finalizing => halted.unwrap_or(Err(Halt::Stopped)),
        _ = parts => Err(Halt::Stopped),
    }
}

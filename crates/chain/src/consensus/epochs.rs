//! One engine an epoch: when an epoch's last block is final, its engine stops and the next epoch's begins on top of that block.
//!
//! Marshal, ledger, pool and connections go on. Engines of different epochs do not hear each other: on the channels of votes, certificates
//! and requests for certificates each epoch has a subchannel of its own. A node without a vote runs the engine, too, only that it signs
//! nothing: it follows the certificates. A node that hears votes of an epoch it has not come to asks their sender for the last block of
//! its own, which brings it there, one epoch after another.

use super::{
    Blocks, Runtime, Scheme,
    application::Application,
    attendance::Attendance,
    committees::{Committees, Peer, Roster, Schemes},
    finalizer::Final,
    network::PEERS_MAX,
    offences::Witness,
    seats::{self, Ballots, FirstSeats, SeatBlocker, Turns},
    storage::{self, LastVoted},
    validator::{Halt, Pace},
};
use crate::{
    block::{Block, BlockDigest},
    keys::{Committee, Identity, ValidatorKeys},
};
use commonware_consensus::{
    marshal::{core::Mailbox, standard::Deferred},
    simplex::{self, Floor, ForwardPolicy, SkipBudget, SkipPolicy},
    types::{Epoch, Epocher as _, FixedEpocher, Height, ViewDelta},
};
use commonware_cryptography::Digestible as _;
use commonware_macros::select;
use commonware_p2p::{
    Address, AddressableManager, AddressableTrackedPeers, Blocker, Channel, Message, Sender,
    utils::mux::{MuxHandle, SubReceiver, SubSender},
};
use commonware_parallel::Sequential;
use commonware_runtime::{Handle, buffer::paged::CacheRef};
use commonware_utils::{NZUsize, NonZeroDuration, TryCollect as _, channel::mpsc, ordered::Map, vec::NonEmptyVec};
use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    num::{NonZeroU64, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

/// Views behind the last final one whose votes and candidate blocks are kept, for peers that are behind and as evidence.
pub(super) const VIEW_RETENTION: ViewDelta = ViewDelta::new(128);
/// Messages queued between the parts.
const MAILBOX_MESSAGES: NonZeroUsize = NZUsize!(256);
/// How long a peer has to answer a request before another is asked.
pub(super) const FETCH_TIMEOUT: Duration = Duration::from_secs(1);
/// Pause before a request is repeated.
pub(super) const FETCH_RETRY: Duration = Duration::from_millis(100);
/// Time for a proposal to be executed and voted on everywhere.
const VOTING: Duration = Duration::from_secs(1);
/// Votes of the next epoch kept of one peer until its engine runs here: the leader's first must not be lost, or its turn is.
const EARLY_VOTES: usize = 8;
/// Past epochs whose votes stay on disk. Those of the last one are needed if the machine stops before marshal knows its last block.
const JOURNALS_KEPT: u64 = 2;

/// What engines are made of.
pub(super) struct Epochs<E, S, B, P>
where
    E: Runtime,
    S: Sender<PublicKey = Identity>,
    B: Blocker<PublicKey = Identity>,
    P: AddressableManager<PublicKey = Identity>,
{
    pub(super) context: E,
    pub(super) keys: ValidatorKeys,
    pub(super) committees: Arc<dyn Committees>,
    pub(super) namespace: Vec<u8>,
    pub(super) pace: Pace,
    /// Begins the names of the engines' journals.
    pub(super) prefix: String,
    pub(super) epocher: FixedEpocher,
    pub(super) epoch_blocks: NonZeroU64,
    pub(super) schemes: Schemes,
    pub(super) marshal: Mailbox<Scheme, Blocks>,
    pub(super) automaton: Deferred<E, Scheme, Application, Block, FixedEpocher>,
    pub(super) reporter: Witness<Deferred<E, Scheme, Application, Block, FixedEpocher>>,
    pub(super) votes: MuxHandle<S>,
    pub(super) certificates: MuxHandle<S>,
    pub(super) requests: MuxHandle<S>,
    pub(super) blocker: B,
    pub(super) peers: P,
    pub(super) cache: CacheRef,
    pub(super) genesis: BlockDigest,
    /// The block that marshal begins with, if not with the first: it has it only when peers have sent it.
    pub(super) floor: Option<(Height, BlockDigest)>,
    /// The last epoch whose peers were let in.
    pub(super) tracked: Option<Epoch>,
    /// Taken out while it is written.
    pub(super) last_voted: Option<LastVoted<E>>,
    /// Votes of the next epoch by peers that came to it before us.
    pub(super) early: Vec<Message<Identity>>,
    /// Who was heard of late.
    pub(super) attendance: Attendance,
}

/// The running engine. It ends with this.
struct Engine {
    epoch: Epoch,
    task: Handle<()>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The epoch of the block after `processed`, the last one that marshal knows to be durable.
pub(super) fn resumed(epocher: &FixedEpocher, processed: Option<Height>) -> Epoch {
    let next = processed.map_or_else(Height::zero, |height| height.next());
    let bounds = epocher.containing(next).expect("every height has an epoch");
    bounds.epoch()
}

impl<E, S, B, P> Epochs<E, S, B, P>
where
    E: Runtime,
    S: Sender<PublicKey = Identity>,
    B: Blocker<PublicKey = Identity>,
    P: AddressableManager<PublicKey = Identity>,
{
    /// Runs an engine after another, from `epoch` on. `finals` says which blocks are durable, `elsewhere` brings votes of epochs that
    /// have no engine here.
    pub(super) async fn run(
        mut self,
        epoch: Epoch,
        mut finals: mpsc::UnboundedReceiver<Final>,
        mut elsewhere: mpsc::Receiver<(Channel, Message<Identity>)>,
    ) -> Result<Infallible, Halt> {
        let parent = self.parent_of(epoch).await?;
        let mut engine = self.enter(epoch, parent).await?;
        loop {
            select! {
                block = finals.recv() => {
                    let Some(Final { height, digest }) = block else {
                        return Err(Halt::Stopped);
                    };
                    // Blocks that were final before a restart come again.
                    if self.last_of(engine.epoch) == height {
                        let next = engine.epoch.next();
                        drop(engine);
                        engine = self.enter(next, digest).await?;
                        self.forget(next).await;
                    }
                },
                heard = elsewhere.recv() => {
                    let Some((epoch, vote)) = heard else {
                        return Err(Halt::Stopped);
                    };
                    self.overheard(engine.epoch, Epoch::new(epoch), vote);
                },
                _ = &mut engine.task => return Err(Halt::Stopped),
            }
        }
    }

    /// Somebody voted in `epoch`, while the engine here is of `present`.
    fn overheard(&mut self, present: Epoch, epoch: Epoch, vote: Message<Identity>) {
        if epoch <= present {
            return;
        }
        let last = self.last_of(present);
        self.marshal.hint_finalized(last, NonEmptyVec::new(vote.0.clone()));
        let of_peer = self.early.iter().filter(|(peer, _)| *peer == vote.0).count();
        if epoch == present.next() && of_peer < EARLY_VOTES {
            self.early.push(vote);
        }
    }

    fn last_of(&self, epoch: Epoch) -> Height {
        self.epocher.last(epoch).expect("every epoch has a last block")
    }

    /// The block that an epoch begins on top of.
    async fn parent_of(&mut self, epoch: Epoch) -> Result<BlockDigest, Halt> {
        let Some(previous) = epoch.previous() else {
            return Ok(self.genesis);
        };
        let height = self.last_of(previous);
        if let Some((_, digest)) = self.floor.filter(|(floor, _)| *floor == height) {
            return Ok(digest);
        }
        let block = self.marshal.get_block(height).await;
        let block = block.ok_or(Halt::BlockMissing { height: height.get() })?;
        Ok(block.digest())
    }

    fn roster(&self, epoch: Epoch) -> Result<Roster, Halt> {
        self.committees.roster(epoch.get()).map_err(Halt::Roster)
    }

    /// Starts the engine of `epoch` on top of `parent`.
    async fn enter(&mut self, epoch: Epoch, parent: BlockDigest) -> Result<Engine, Halt> {
        let (now, next) = (self.roster(epoch)?, self.roster(epoch.next())?);
        self.track(epoch, &now, &[]);
        // Who joins in the next epoch is connected before it has to vote.
        self.track(epoch.next(), &next, &now.peers);

        let committee = now.committee;
        let own = self.keys.identity();
        let signers = self.signers(epoch, &committee).await?;
        let seats = signers.as_ref().map_or(0, |(_, further)| 1 + further.len());
        let (scheme, further) =
            signers.unwrap_or_else(|| (Scheme::verifier(&self.namespace, committee.seat_keys()), Vec::new()));
        self.schemes.insert(epoch, scheme.clone(), committee.clone());
        let present = self.attendance.begin(&committee, &own);
        // Who does not vote passes nobody over.
        let first = if seats == 0 {
            Vec::new()
        } else {
            let sign = seats::sign_of_life(&scheme, epoch);
            present.into_iter().map(|validator| (validator, sign.clone())).collect()
        };

        let blocker = SeatBlocker {
            inner: self.blocker.clone(),
            committee: committee.clone(),
            own,
        };
        let leader_timeout = self.pace.leader_timeout();
        let context = self.context.child("simplex").with_attribute("epoch", epoch);
        let engine = simplex::Engine::new(
            context,
            simplex::Config {
                scheme,
                elector: Turns::new(&committee, self.epoch_blocks),
                blocker,
                automaton: self.automaton.clone(),
                relay: self.automaton.clone(),
                reporter: self.reporter.clone(),
                track_historical_votes: true,
                strategy: Sequential,
                partition: self.journal(epoch),
                mailbox_size: MAILBOX_MESSAGES,
                epoch,
                floor: Floor::Genesis(parent),
                replay_buffer: storage::REPLAY_BUFFER_BYTES,
                write_buffer: storage::WRITE_BUFFER_BYTES,
                page_cache: self.cache.clone(),
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
        let votes = register(&mut self.votes, epoch).await?;
        let certificates = register(&mut self.certificates, epoch).await?;
        let (requester, requests) = register(&mut self.requests, epoch).await?;
        let requester = FirstSeats {
            inner: requester,
            committee: committee.clone(),
        };
        let ballots = Ballots {
            further,
            blocker: self.blocker.clone(),
            attendance: self.attendance.clone(),
            first,
            early: std::mem::take(&mut self.early),
        };
        let votes = seats::votes(votes, &committee, ballots);
        tracing::info!(
            epoch = epoch.get(),
            validators = committee.validators().len(),
            votes = committee.votes(),
            seats,
            "an epoch begins"
        );
        Ok(Engine {
            epoch,
            task: engine.start(votes, certificates, (requester, requests)),
        })
    }

    /// What signs in `epoch`, if this node may.
    async fn signers(&mut self, epoch: Epoch, committee: &Committee) -> Result<Option<(Scheme, Vec<Scheme>)>, Halt> {
        if committee.validator(&self.keys.identity()).is_none() {
            return Ok(None);
        }
        let signers = seats::signers(&self.namespace, committee, &self.keys);
        if signers.is_none() {
            tracing::error!(
                epoch = epoch.get(),
                "this node does not hold the vote keys that its operator registered"
            );
            return Ok(None);
        }
        let last_voted = self.last_voted.take().ok_or(Halt::Stopped)?;
        let may = last_voted.allows(epoch);
        self.last_voted = Some(if may {
            last_voted.record(epoch).await.map_err(Halt::Votes)?
        } else {
            last_voted
        });
        Ok(signers.filter(|_| may))
    }

    /// Lets the peers of an epoch in: its committee, and after it, as far as there is room, `others` and those that follow.
    fn track(&mut self, epoch: Epoch, roster: &Roster, others: &[Peer]) {
        if self.tracked >= Some(epoch) {
            return;
        }
        self.tracked = Some(epoch);
        let mut voting = BTreeMap::new();
        let mut following = VecDeque::new();
        for peer in roster.peers.iter().chain(others) {
            let entry = (peer.identity.clone(), Address::from(peer.address));
            if roster.committee.validator(&peer.identity).is_some() {
                voting.entry(entry.0).or_insert(entry.1);
            } else {
                following.push_back(entry);
            }
        }
        let mut rest = BTreeMap::new();
        for (identity, address) in following {
            if voting.len() + rest.len() < PEERS_MAX.get() {
                rest.entry(identity).or_insert(address);
            }
        }
        let map = |peers: BTreeMap<Identity, Address>| -> Map<Identity, Address> {
            let peers = peers.into_iter().take(PEERS_MAX.get());
            peers.try_collect().expect("an identity has one address")
        };
        let peers = AddressableTrackedPeers::new(map(voting), map(rest));
        let _ = self.peers.track(epoch.get(), peers);
    }

    /// Name of an epoch's own votes.
    fn journal(&self, epoch: Epoch) -> String {
        format!("{}-simplex-{epoch}", self.prefix)
    }

    /// Deletes own votes of an epoch long past. Marshal knows durably that it is over, so its engine never starts again.
    async fn forget(&mut self, epoch: Epoch) {
        let Some(past) = epoch.get().checked_sub(JOURNALS_KEPT) else {
            return;
        };
        let journal = self.journal(Epoch::new(past));
        // An error says that there was none.
        let _ = self.context.remove(&journal, None).await;
    }
}

async fn register<S: Sender<PublicKey = Identity>>(
    mux: &mut MuxHandle<S>,
    epoch: Epoch,
) -> Result<(SubSender<S>, SubReceiver<Identity>), Halt> {
    mux.register(epoch.get()).await.map_err(|_| Halt::Stopped)
}

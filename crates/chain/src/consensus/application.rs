//! What consensus asks of the chain: make a block, check a block.

use super::{Pace, Runtime, Scheme};
use crate::{
    beacon::{self, Beacon},
    block::{Block, Context},
    ledger::{Ledger, LedgerError},
};
use alloy_primitives::{Address, B256};
use commonware_consensus::marshal::ancestry::Ancestry;
use commonware_cryptography::Digested;
use commonware_macros::select;
use commonware_parallel::Sequential;
use evm::BeaconNews;
use futures::{FutureExt as _, StreamExt as _};
use std::{
    collections::VecDeque,
    future::pending,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use tokio::sync::broadcast::error::RecvError;

/// How far ahead of our clock a block's timestamp may be before we wait with our vote.
const CLOCK_AHEAD_MAX: Duration = Duration::from_millis(500);
/// How far above the last final block a block is executed at once. What is further is most likely one of many that became final
/// while we were away, and those come in bounded portions by way of finality.
const NEAR_BLOCKS: u64 = 16;
/// How long to wait for the last final block to come near. After that the blocks in between may be candidates that the vote itself
/// waits for: were nobody to execute more than some number of them, a run of unlucky rounds could stop the chain for ever.
const NEAR_PATIENCE: Duration = Duration::from_secs(5);
/// Beyond this many there is no doubt: we were away.
const FAR_BLOCKS: u64 = 512;
/// Blocks whose arrival is remembered, to pace their successors.
const ARRIVALS_MAX: usize = 64;

/// Proposes and verifies blocks on a ledger.
#[derive(Clone)]
pub(super) struct Application {
    ledger: Ledger,
    beneficiary: Address,
    pace: Pace,
    /// None on a chain without its contract.
    beacon: Option<Beacon>,
    arrivals: Arc<Mutex<Arrivals>>,
}

/// When recent blocks were first seen here.
#[derive(Default)]
struct Arrivals(VecDeque<(B256, SystemTime)>);

impl Arrivals {
    /// When `hash` was first seen: `now`, if it is new.
    fn first_seen(&mut self, hash: B256, now: SystemTime) -> SystemTime {
        if let Some((_, seen)) = self.0.iter().find(|(known, _)| *known == hash) {
            return *seen;
        }
        if self.0.len() == ARRIVALS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((hash, now));
        now
    }
}

impl Application {
    pub(super) fn new(ledger: Ledger, beneficiary: Address, pace: Pace, beacon: Option<Beacon>) -> Self {
        Self {
            ledger,
            beneficiary,
            pace,
            beacon,
            arrivals: Arc::default(),
        }
    }

    fn first_seen(&self, hash: B256, now: SystemTime) -> SystemTime {
        self.arrivals
            .lock()
            .expect("no holder of the arrivals' lock panics")
            .first_seen(hash, now)
    }

    /// Waits until a successor of `parent` is due: not before the block interval, and then as soon as a transaction waits, but at
    /// the idle interval in any case.
    async fn wait_until_due<E: Runtime>(&self, runtime: &E, parent: B256) {
        let seen = self.first_seen(parent, runtime.current());
        runtime.sleep_until(seen + self.pace.block_interval).await;
        let idle = runtime.sleep_until(seen + self.pace.idle_interval);
        futures::pin_mut!(idle);
        let mut arrivals = self.ledger.pool().arrivals();
        loop {
            arrivals.forget();
            if self.ledger.any_ready(&parent) {
                return;
            }
            select! {
                _ = &mut idle => return,
                () = arrivals.changed() => {}
            }
        }
    }

    /// Executes `block` after those of its ancestors that were not executed yet. Whether it is valid; never returns where that
    /// cannot be known.
    async fn execute<E: Runtime>(&self, runtime: &E, block: Arc<Block>, mut ancestry: impl Ancestry<Block>) -> bool {
        self.wait_until_near(runtime, block.header().number).await;
        let mut missing = Vec::new();
        let mut cursor = block;
        loop {
            let parent = cursor.header().parent_hash;
            let complete = self.ledger.knows(&parent) || self.ledger.knows(&cursor.hash());
            missing.push(cursor);
            if complete {
                break;
            }
            match ancestry.next().await {
                // A parent in the vote that is not the parent in the header: no honest proposer makes such a block.
                Some(next) if next.inner().hash() != parent => return false,
                Some(next) => cursor = next.inner_shared(),
                None => return pending().await,
            }
        }
        let ledger = self.ledger.clone();
        let work = runtime.child("execute").shared(true);
        let executed = work.spawn(move |_| async move {
            missing
                .iter()
                .rev()
                .try_for_each(|block| ledger.verify_with(block.ethereum(), block.beacon()).map(drop))
        });
        match executed.await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => verdict(&error).await,
            Err(_) => pending().await,
        }
    }

    /// Whether `block` is valid in its place.
    async fn approve<E: Runtime>(
        &self,
        runtime: &E,
        place: Context,
        block: Arc<Block>,
        ancestry: impl Ancestry<Block>,
    ) -> bool {
        self.execute(runtime, block.clone(), ancestry).await && self.check_beacon(runtime, place, block).await
    }

    /// Whether what `block`, which was executed, says of the beacon is so, and its `PREVRANDAO` what follows; never returns where that cannot
    /// be known.
    async fn check_beacon<E: Runtime>(&self, runtime: &E, place: Context, block: Arc<Block>) -> bool {
        let (number, hash, claimed) = (block.header().number, block.hash(), block.header().mix_hash);
        let Some(beacon) = self.beacon.clone() else {
            return block.beacon().is_empty() && claimed == beacon::without_beacon(&place, number);
        };
        // Signatures and ceremonies take their time.
        let work = runtime.child("beacon").shared(true);
        let checked = work
            .spawn(move |_| async move { beacon.check(&place, &block.header().parent_hash, number, block.beacon()) });
        match checked.await {
            Ok(Ok(randao)) if randao == claimed => true,
            Ok(Ok(randao)) => {
                tracing::warn!(number, %randao, %claimed, "refused a block: its prevRandao is another");
                false
            }
            Ok(Err(error)) if error.condemns_block() => {
                tracing::warn!(number, %error, "refused a block for what it says of the beacon");
                false
            }
            // Of a block that is final already the parent's state may be gone.
            Ok(Err(_)) if matches!(self.ledger.by_hash(hash), Ok(Some(_))) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "could not check what a block says of the beacon");
                pending().await
            }
            Err(_) => pending().await,
        }
    }

    /// Waits until the last final block is not far below `number`, but not for ever unless it is very far.
    async fn wait_until_near<E: Runtime>(&self, runtime: &E, number: u64) {
        let mut finals = self.ledger.subscribe();
        let patience = runtime.sleep(NEAR_PATIENCE).fuse();
        futures::pin_mut!(patience);
        let mut patient = true;
        loop {
            let ahead = number.saturating_sub(self.ledger.latest().header.number);
            if ahead <= NEAR_BLOCKS || (!patient && ahead <= FAR_BLOCKS) {
                return;
            }
            select! {
                // Falling behind is no harm: only the latest matters, and it is looked up above.
                final_block = finals.recv() => if let Err(RecvError::Closed) = final_block {
                    return pending().await;
                },
                _ = &mut patience => patient = false,
            }
        }
    }
}

/// Whether an error condemns the block. If it does not, the block may well be valid, and we say nothing: the vote goes on without
/// us.
async fn verdict(error: &LedgerError) -> bool {
    if error.condemns_block() {
        tracing::warn!(%error, source = ?std::error::Error::source(error), "refused a block");
        return false;
    }
    tracing::error!(%error, source = ?std::error::Error::source(error), "could not check a block");
    pending().await
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

impl<E: Runtime> commonware_consensus::Application<E> for Application {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = Block;
    type Input = ();

    async fn propose(
        &mut self,
        (runtime, place): (E, Context),
        mut ancestry: impl Ancestry<Block>,
        (): (),
    ) -> Option<Digested<Block>> {
        let parent = ancestry.next().await?.inner_shared();
        if !self.execute(&runtime, parent.clone(), ancestry).await {
            return None;
        }
        self.wait_until_due(&runtime, parent.hash()).await;
        let timestamp = seconds(runtime.current()).max(parent.header().timestamp);
        let (ledger, beneficiary, budget) = (self.ledger.clone(), self.beneficiary, self.pace.build_budget);
        let (parent, number) = (parent.hash(), parent.header().number + 1);
        let news = match &self.beacon {
            Some(beacon) => beacon.news(&place, &parent, number),
            None => Ok((BeaconNews::default(), beacon::without_beacon(&place, number))),
        };
        let (news, randao) = match news {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "could not make a block");
                return None;
            }
        };
        let built = runtime.child("build").shared(true).spawn(move |clock| async move {
            let deadline = clock.current() + budget;
            let stop = &mut || clock.current() >= deadline;
            ledger.propose_with(parent, timestamp, beneficiary, randao, news, stop)
        });
        match built.await {
            Ok(Ok(sealed)) => {
                self.first_seen(sealed.hash, runtime.current());
                let transactions = sealed
                    .transactions
                    .iter()
                    .map(|transaction| transaction.inner().clone())
                    .collect();
                let block = Block::new(place, sealed.header.clone(), transactions).with_beacon(sealed.beacon.clone());
                Some(Digested::compute(block, &Sequential).await)
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "could not make a block");
                None
            }
            Err(_) => None,
        }
    }

    async fn verify(&mut self, (runtime, place): (E, Context), mut ancestry: impl Ancestry<Block>) -> bool {
        let Some(block) = ancestry.next().await else {
            return pending().await;
        };
        let block = block.inner_shared();
        self.first_seen(block.hash(), runtime.current());
        let due = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(block.header().timestamp));
        let Some(due) = due.and_then(|due| due.checked_sub(CLOCK_AHEAD_MAX)) else {
            return self.approve(&runtime, place, block, ancestry).await;
        };
        runtime.sleep_until(due).await;
        self.approve(&runtime, place, block, ancestry).await
    }
}

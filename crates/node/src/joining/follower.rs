//! Follows the chain without a vote: final blocks from nodes that need not be trusted.

use super::{
    progress::{Progress, Stage},
    source::{Source, SourceError},
    standing::Standing,
};
use crate::validators::{StakedCommittees, StateError};
use chain::{
    FinalityProof, Ledger, LedgerError, StoreError,
    consensus::{Committees as _, RosterError, namespace},
    sync::{FinalRun, RUN_BLOCKS_MAX, RunError},
};
use primitives::B256;
use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};

/// Pause before a node that had nothing new is asked again, a little more than a block takes under load.
const POLL: Duration = Duration::from_millis(200);
/// Pause after no node answered.
const RETRY: Duration = Duration::from_secs(1);
/// Blocks asked for at a time, each up to 4 MiB.
const BLOCKS_AT_A_TIME: u64 = 16;
/// Bytes of waiting transactions handed over at a time.
const TRANSACTIONS_BYTES: usize = 256 << 10;
/// Least time between two rounds of what is handed over again.
const AGAIN_INTERVAL: Duration = Duration::from_secs(1);
/// Blocks between two lines of the log while the node catches up.
const PROGRESS_BLOCKS: u64 = 1_000;

/// Why a node cannot follow the chain any longer.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The state does not say who votes.
    #[error("read who votes")]
    Roster(#[from] RosterError),
    /// The certificate of the first block that is here cannot be read.
    #[error("read the certificate of the first block")]
    Store(#[from] StoreError),
    /// The state does not say what the operator is.
    #[error("read what the operator is")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A block is final by its certificate and does not execute to what its header says, or could not be written. If it is valid elsewhere this node has
    /// a bug or a broken disk; if not, two thirds of the committee agreed on an invalid block.
    #[error("block {height} is final by its certificate, and cannot be made this chain's")]
    Block {
        /// Its height.
        height: u64,
        /// Why not.
        source: Box<LedgerError>,
    },
    /// Every node that was named to be followed lied.
    #[error("every node to follow sent blocks that are not final: start again with others")]
    Liars,
    /// A task was cut off, as the runtime stopped.
    #[error("the node stops")]
    Stopped,
}

impl From<StateError> for FollowError {
    fn from(source: StateError) -> Self {
        Self::State(source.into())
    }
}

/// What is wrong with one answer of one source.
#[derive(Debug, thiserror::Error)]
enum AnswerError {
    /// It may be well the next time.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It proved to be wrong: nothing that it says later is asked for.
    #[error(transparent)]
    Lie(#[from] RunError),
    /// The node itself fails.
    #[error(transparent)]
    Own(#[from] FollowError),
}

/// Follows the chain into a ledger.
pub(super) struct Follower {
    ledger: Ledger,
    committees: StakedCommittees,
    epoch_blocks: NonZeroU64,
    namespace: Vec<u8>,
    stream_key: B256,
    /// Told of the height up to which there is something to take.
    progress: Progress,
    /// Whom to ask, the one that answered last first. Who lied is taken out.
    sources: Vec<Source>,
    /// The last block's.
    certificate: Option<FinalityProof>,
    /// Height told of last in the log.
    told: u64,
    /// When transactions were handed over again last.
    handed_again: Instant,
}

impl Follower {
    /// Follows the nodes at `sources` into `ledger`, on behalf of the node with this stream key.
    pub(super) fn new(
        ledger: Ledger,
        epoch_blocks: NonZeroU64,
        stream_key: B256,
        sources: &[String],
        progress: Progress,
    ) -> Self {
        Self {
            committees: StakedCommittees::new(ledger.clone()),
            namespace: namespace(ledger.chain_id(), ledger.genesis().mix_hash),
            told: ledger.latest().header.number,
            epoch_blocks,
            stream_key,
            progress,
            certificate: None,
            sources: sources.iter().map(|url| Source::new(url)).collect(),
            handed_again: Instant::now(),
            ledger,
        }
    }

    /// Takes final blocks until the validators let the node in. Returns the certificate of the last block then, an epoch's last; where the node was let
    /// in before, that of the first block that is here, or none if that is the genesis block.
    ///
    /// # Errors
    ///
    /// [`FollowError`], when it cannot go on. Nodes that do not answer, or lie, are no reason.
    pub(super) async fn until_let_in(&mut self) -> Result<Option<FinalityProof>, FollowError> {
        self.certificate = None;
        let known_height = self.ledger.latest().header.number;
        self.progress.set(Stage::Following { known_height });
        loop {
            if Standing::of(&self.ledger, self.stream_key)? == Standing::Inside {
                let certificate = self.certificate.take();
                return match certificate {
                    Some(certificate) => Ok(Some(certificate)),
                    // Journals that are new would begin with the genesis block, which such a node does not have.
                    None => Ok(self.ledger.first_certificate()?),
                };
            }
            // Blocks in which nothing changes of who is let in: to the end of the epoch.
            let next = self.ledger.latest().header.number + 1;
            let last = last_of_epoch(next, self.epoch_blocks);
            while self.ledger.latest().header.number < last {
                self.advance(last).await?;
                self.hand_over().await;
            }
        }
    }

    /// Takes the next final blocks, none after `last`, from the first node that has any; waits a moment where none has.
    async fn advance(&mut self, last: u64) -> Result<(), FollowError> {
        let mut pause = RETRY;
        for index in 0..self.sources.len() {
            let source = self.sources[index].clone();
            match self.take(&source, last).await {
                Ok(0) => pause = POLL,
                Ok(_) => {
                    self.sources.swap(0, index);
                    self.tell();
                    return Ok(());
                }
                Err(AnswerError::Own(error)) => return Err(error),
                Err(AnswerError::Lie(lie)) => {
                    tracing::warn!(url = source.url(), %lie, source = ?std::error::Error::source(&lie), "a node that lied is asked no more");
                    self.sources.remove(index);
                    break;
                }
                Err(AnswerError::Source(error)) => tracing::debug!(url = source.url(), %error, "a node did not help"),
            }
        }
        if self.sources.is_empty() {
            return Err(FollowError::Liars);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Takes the next run of final blocks from `source`; how many blocks it was.
    async fn take(&mut self, source: &Source, last: u64) -> Result<u64, AnswerError> {
        let latest = self.ledger.latest();
        let next = latest.header.number + 1;
        let height = source.height().await?;
        self.progress.set(Stage::Following { known_height: height });
        if height < next {
            return Ok(0);
        }
        let wanted = height.min(last).min(next + BLOCKS_AT_A_TIME - 1);
        let mut proof = source.finality(wanted).await?;
        if proof.is_none() {
            proof = source.finality(next).await?;
        }
        let Some(proof) = proof else { return Ok(0) };
        let certified = proof.summary.header().number;
        // Of another epoch the committee may not be known yet.
        if !(next..=last).contains(&certified) || certified - next >= RUN_BLOCKS_MAX as u64 {
            return Ok(0);
        }
        let blocks = source.blocks(next, certified).await?;
        let roster = self
            .committees
            .roster(next / self.epoch_blocks)
            .map_err(FollowError::Roster)?;
        let (epoch_blocks, namespace) = (self.epoch_blocks, &self.namespace);
        let run = FinalRun::check(latest.hash, blocks, &proof, &roster.committee, epoch_blocks, namespace)?;
        let ledger = self.ledger.clone();
        let executed = tokio::task::spawn_blocking(move || append(&ledger, &run)).await;
        executed.map_err(|_| FollowError::Stopped)??;
        self.certificate = Some(proof);
        Ok(certified + 1 - next)
    }

    /// Gives the transactions of this node's users to a node that validators hear, and again those that still wait.
    async fn hand_over(&mut self) {
        let pool = self.ledger.pool();
        let mut transactions = pool.take_untold(TRANSACTIONS_BYTES);
        if self.handed_again.elapsed() >= AGAIN_INTERVAL {
            self.handed_again = Instant::now();
            transactions.extend(pool.take_told(TRANSACTIONS_BYTES));
        }
        let Some(source) = self.sources.first() else { return };
        for transaction in transactions {
            // Another may be first among the nodes to ask when it is given again.
            if let Err(error) = source.submit(&transaction).await {
                tracing::debug!(url = source.url(), %error, "a transaction was not taken");
            }
        }
    }

    /// Says how far it is while it catches up.
    fn tell(&mut self) {
        let height = self.ledger.latest().header.number;
        if height >= self.told + PROGRESS_BLOCKS {
            self.told = height;
            tracing::info!(height, "following the chain");
        }
    }
}

/// Executes the blocks of a run and makes them durable, in order.
fn append(ledger: &Ledger, run: &FinalRun) -> Result<(), FollowError> {
    for block in run.blocks() {
        let appended = ledger.verify_with(block.ethereum(), block.beacon());
        let appended = appended.and_then(|_| ledger.finalize(block.hash()));
        appended.map_err(|source| FollowError::Block {
            height: block.header().number,
            source: Box::new(source),
        })?;
    }
    Ok(())
}

/// Last block of the epoch that `height` is of.
fn last_of_epoch(height: u64, epoch_blocks: NonZeroU64) -> u64 {
    (height / epoch_blocks + 1).saturating_mul(epoch_blocks.get()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_ends_before_the_next_multiple_of_its_length() {
        let eight = NonZeroU64::new(8).unwrap();
        for (height, last) in [(0, 7), (1, 7), (7, 7), (8, 15)] {
            assert_eq!(last_of_epoch(height, eight), last, "of {height}");
        }
    }
}

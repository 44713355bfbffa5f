//! The nodes that a state is taken from, none of which is believed.

use super::{ArrivalError, CheckpointName, Network};
use crate::joining::{
    progress::{Progress, Stage},
    source::{Served, Source, SourceError},
};
use chain::sync::{Arriving, Successor, TakeError, Wanted, WrongAnswer, check_later};
use primitives::{B256, Bytes};
use std::time::Duration;
use tokio::task::block_in_place;

/// Pause after no node answered.
const RETRY: Duration = Duration::from_secs(1);
/// Rounds of asking between two in which who does not help is told of.
const ROUNDS_TOLD: u64 = 30;
/// Percents of the state between two lines of the log.
const PROGRESS_PERCENT: u64 = 5;

/// What is wrong with what a node says of a later block.
#[derive(Debug, thiserror::Error)]
enum LaterError {
    /// It may be well the next time.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It proved to be wrong.
    #[error(transparent)]
    Lie(#[from] WrongAnswer),
}

/// Whom to ask, the one that answered last first. Who lied is taken out.
pub(super) struct Others {
    checkpoint: CheckpointName,
    progress: Progress,
    sources: Vec<Source>,
}

impl Others {
    pub(super) fn new(checkpoint: CheckpointName, sources: &[String], progress: Progress) -> Self {
        Self {
            checkpoint,
            progress,
            sources: sources.iter().map(|url| Source::new(url)).collect(),
        }
    }

    /// Asks for all that `arriving` wants, and for `accounts` in a page; the bytes that came.
    pub(super) async fn take(&mut self, arriving: &mut Arriving, accounts: usize) -> Result<usize, ArrivalError> {
        let (hash, mut bytes, mut told) = (self.checkpoint.hash, 0, arriving.percent());
        loop {
            self.progress.set(Stage::Arriving {
                checkpoint: self.checkpoint,
                percent: arriving.percent(),
            });
            bytes += match arriving.wanted() {
                Wanted::Accounts(first) => {
                    let question = async |source: &Source| source.accounts(hash, first, accounts).await;
                    let take = |page: Bytes| arriving.take_accounts(&page).map(|()| page.len());
                    self.ask(question, take).await?
                }
                Wanted::Slots(storages) => {
                    let question = async |source: &Source| source.slots(hash, &storages).await;
                    let take = |pages: Vec<Bytes>| arriving.take_slots(&pages).map(|()| bytes_of(&pages));
                    self.ask(question, take).await?
                }
                Wanted::Codes(hashes) => {
                    let question = async |source: &Source| source.codes(hash, &hashes).await;
                    let take = |codes: Vec<Bytes>| {
                        let bytes = bytes_of(&codes);
                        arriving.take_codes(codes).map(|()| bytes)
                    };
                    self.ask(question, take).await?
                }
                Wanted::Nothing => return Ok(bytes),
            };
            if arriving.percent() >= told + PROGRESS_PERCENT {
                told = arriving.percent();
                tracing::info!(percent = told, bytes, "the state is coming");
            }
        }
    }

    /// The latest block with whose state a node can begin in place of the one that was named, as `known` committees certify it: those of epochs after it. `None`
    /// where no node has one.
    pub(super) async fn later(&mut self, network: &Network, known: &[Successor]) -> Option<CheckpointName> {
        let mut latest: Option<(u64, B256)> = None;
        let mut index = 0;
        while !known.is_empty() && index < self.sources.len() {
            match latest_known(&self.sources[index], network, known).await {
                Ok(Some(found)) => latest = latest.max(Some(found)),
                Ok(None) => {}
                Err(LaterError::Source(error)) => {
                    tracing::warn!(url = self.sources[index].url(), %error, "a node does not help");
                }
                Err(LaterError::Lie(lie)) => {
                    self.leave(index, &lie);
                    continue;
                }
            }
            index += 1;
        }
        latest.map(|(height, hash)| CheckpointName {
            height: Some(height),
            hash,
        })
    }

    /// What `take` makes of the first answer to `question` that is right.
    pub(super) async fn ask<T, U>(
        &mut self,
        question: impl AsyncFn(&Source) -> Result<T, SourceError>,
        mut take: impl FnMut(T) -> Result<U, TakeError>,
    ) -> Result<U, ArrivalError> {
        for round in 0u64.. {
            let (mut index, mut without) = (0, 0);
            while index < self.sources.len() {
                let source = &self.sources[index];
                match question(source).await {
                    Ok(answer) => match block_in_place(|| take(answer)) {
                        Ok(taken) => {
                            self.sources.swap(0, index);
                            return Ok(taken);
                        }
                        Err(TakeError::Store(error)) => return Err(error.into()),
                        Err(TakeError::Wrong(lie)) => {
                            self.leave(index, &lie);
                            continue;
                        }
                    },
                    Err(SourceError::NoCheckpoint { .. }) => without += 1,
                    Err(error) if round.is_multiple_of(ROUNDS_TOLD) => {
                        tracing::warn!(url = source.url(), %error, "a node does not help");
                    }
                    Err(_) => {}
                }
                index += 1;
            }
            let checkpoint = self.checkpoint;
            if self.sources.is_empty() {
                return Err(ArrivalError::Liars { checkpoint });
            }
            if without == self.sources.len() {
                let served = self.served().await;
                return Err(ArrivalError::NotServed { checkpoint, served });
            }
            tokio::time::sleep(RETRY).await;
        }
        unreachable!("nobody waits for 2^64 rounds")
    }

    fn leave(&mut self, index: usize, lie: &WrongAnswer) {
        let source = self.sources.remove(index);
        tracing::warn!(url = source.url(), %lie, source = ?std::error::Error::source(lie), "a node that lied is asked no more");
    }

    /// What the nodes keep, for people.
    async fn served(&self) -> String {
        let mut kept: Vec<String> = Vec::new();
        for source in &self.sources {
            for Served { number, hash } in source.checkpoints().await.unwrap_or_default() {
                let name = format!("{number}:{hash}");
                if !kept.contains(&name) {
                    kept.push(name);
                }
            }
        }
        match kept.is_empty() {
            true => "they keep none, as after a start until the next epoch ends".into(),
            false => format!("they say that they keep {}", kept.join(" and ")),
        }
    }
}

/// The latest block of which `source` keeps the state, and of whose epoch the committee is known: its height and hash, which that committee certified.
async fn latest_known(
    source: &Source,
    network: &Network,
    known: &[Successor],
) -> Result<Option<(u64, B256)>, LaterError> {
    for Served { number, hash } in source.checkpoints().await?.into_iter().rev() {
        let height = u64::try_from(number).unwrap_or(u64::MAX);
        let epoch = height / network.epoch_blocks;
        if !known.iter().any(|successor| successor.epoch == epoch) {
            continue;
        }
        // Who lost its journals has the state and no certificate.
        let Some(proof) = source.finality(height).await? else {
            continue;
        };
        let checked = || check_later(hash, &proof, known, network.epoch_blocks, &network.namespace);
        let header = block_in_place(checked)?;
        return Ok(Some((header.number, hash)));
    }
    Ok(None)
}

fn bytes_of(parts: &[Bytes]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

//! Takes the state that a node begins with from others, before it follows: what [`chain::sync::Arriving`] asks for, from whoever answers.
//!
//! Nothing that a node says is believed, and what came is durable: a node that is killed goes on after the last page.

#[cfg(test)]
mod tests;

use super::{
    folder::CheckpointName,
    source::{Served, Source, SourceError},
};
use crate::validators::{StateError, StateReader};
use chain::{
    Store, StoreError,
    consensus::namespace,
    sync::{Arriving, TakeError, Wanted, WrongAnswer, ancestors_of, check_ancestors, check_block, check_header},
};
use evm::{BlockContext, BlockHashes, Genesis};
use primitives::{Address, B256};
use std::{
    num::NonZeroU64,
    time::{Duration, Instant},
};
use tokio::task::block_in_place;

/// Pause after no node answered.
const RETRY: Duration = Duration::from_secs(1);
/// Rounds of asking between two in which who does not help is told of.
const ROUNDS_TOLD: u64 = 30;
/// Percents of the state between two lines of the log.
const PROGRESS_PERCENT: u64 = 5;

/// Why a node cannot begin with a state of others.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalError {
    /// No node keeps that state any longer.
    #[error(
        "no node to follow keeps the state after block {checkpoint}; {served}: have the height and hash of an epoch's last block, two epochs old at \
         most, from somebody you trust, and start again with --checkpoint HEIGHT:HASH"
    )]
    NotServed {
        /// The block.
        checkpoint: CheckpointName,
        /// What they keep, for people.
        served: String,
    },
    /// Every node that was named to be followed lied.
    #[error("every node to follow sent what is not of the state after block {checkpoint}: start again with others")]
    Liars {
        /// The block.
        checkpoint: CheckpointName,
    },
    /// The block is not at the height that was named.
    #[error("block {checkpoint} is at height {height}")]
    Height {
        /// The block as it was named.
        checkpoint: CheckpointName,
        /// Its height.
        height: u64,
    },
    /// Validators begin with an epoch's last block, and so does a node that may become one.
    #[error("block {height} is not the last of an epoch of {epoch_blocks} blocks, with which a node can begin")]
    NotLast {
        /// Its height.
        height: u64,
        /// Blocks of an epoch.
        epoch_blocks: NonZeroU64,
    },
    /// The first block cannot be built.
    #[error("build the first block of the network")]
    Build(#[from] evm::GenesisError),
    /// What came could not be written, or is not what was written.
    #[error("write the state that others send")]
    Store(#[from] StoreError),
    /// The state does not say who voted.
    #[error("read who voted from the state that came")]
    Roster(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StateError> for ArrivalError {
    fn from(source: StateError) -> Self {
        Self::Roster(source.into())
    }
}

/// Takes the state after the block `checkpoint` from the nodes at `sources` into `store`; nothing where a chain is there already.
///
/// # Errors
///
/// [`ArrivalError`], when it cannot go on. Nodes that do not answer, or lie, are no reason as long as one is left.
///
/// # Panics
///
/// On a runtime of one thread.
pub(super) async fn arrive(
    store: &Store,
    genesis: &Genesis,
    epoch_blocks: NonZeroU64,
    checkpoint: CheckpointName,
    sources: &[String],
) -> Result<(), ArrivalError> {
    if store.height()?.is_some() {
        return Ok(());
    }
    let (first, ..) = genesis.build()?;
    let hash = checkpoint.hash;
    let mut others = Others {
        checkpoint,
        sources: sources.iter().map(|url| Source::new(url)).collect(),
    };
    let header = others
        .ask(
            async |source| source.header(hash).await,
            |bytes| Ok(check_header(hash, &bytes)?),
        )
        .await?;
    let height = header.number;
    if checkpoint.height.is_some_and(|named| named != height) {
        return Err(ArrivalError::Height { checkpoint, height });
    }
    if !(height + 1).is_multiple_of(epoch_blocks.get()) {
        return Err(ArrivalError::NotLast { height, epoch_blocks });
    }
    let arrival = store.begin_arrival(first.hash_slow(), &header)?;
    let mut arriving = Arriving::new(store.clone(), arrival);
    tracing::info!(height, %hash, percent = arriving.percent(), "taking the state from others");
    let (begun, mut bytes, mut told) = (Instant::now(), 0, arriving.percent());
    loop {
        bytes += match arriving.wanted() {
            Wanted::Accounts(first) => {
                let question = async |source: &Source| source.accounts(hash, first).await;
                let take = |page: primitives::Bytes| arriving.take_accounts(&page).map(|()| page.len());
                others.ask(question, take).await?
            }
            Wanted::Slots(storages) => {
                let question = async |source: &Source| source.slots(hash, &storages).await;
                let take = |pages: Vec<primitives::Bytes>| arriving.take_slots(&pages).map(|()| bytes_of(&pages));
                others.ask(question, take).await?
            }
            Wanted::Codes(hashes) => {
                let question = async |source: &Source| source.codes(hash, &hashes).await;
                let take = |codes: Vec<primitives::Bytes>| {
                    let bytes = bytes_of(&codes);
                    arriving.take_codes(codes).map(|()| bytes)
                };
                others.ask(question, take).await?
            }
            Wanted::Nothing => break,
        };
        if arriving.percent() >= told + PROGRESS_PERCENT {
            told = arriving.percent();
            tracing::info!(percent = told, bytes, "the state is coming");
        }
    }
    let (from, count) = ancestors_of(height);
    let ancestors = others
        .ask(
            async |source| source.headers(from, count).await,
            |headers| Ok(check_ancestors(&header, &headers)?),
        )
        .await?;

    let state = block_in_place(|| store.state())?;
    let found = block_in_place(|| state.root());
    if found != header.state_root {
        let expected = header.state_root;
        return Err(StoreError::StateRoot {
            height,
            found,
            expected,
        }
        .into());
    }
    let context = BlockContext::after(&header, hash, header.timestamp, Address::ZERO, header.mix_hash);
    let reader = StateReader {
        chain_id: genesis.chain_id,
        state: &(context, state),
        hashes: &Ancestors {
            height,
            hash,
            before: &ancestors,
        },
    };
    let committee = reader.roster(height / epoch_blocks)?.committee;
    let namespace = namespace(genesis.chain_id, first.mix_hash);
    let (block, certificate) = others
        .ask(
            async |source| source.certified(height, hash).await,
            |(block, receipts, proof)| {
                let block = check_block(&header, block, receipts, &proof, &committee, epoch_blocks, &namespace)?;
                Ok((block, proof))
            },
        )
        .await?;
    block_in_place(|| store.finish_arrival(&block, &ancestors, &certificate))?;
    let counts = arriving.counts();
    tracing::info!(
        height,
        accounts = counts.accounts,
        slots = counts.slots,
        codes = counts.codes,
        bytes,
        seconds = begun.elapsed().as_secs_f64(),
        "the state is here"
    );
    Ok(())
}

fn bytes_of(parts: &[primitives::Bytes]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

/// Whom to ask, the one that answered last first. Who lied is taken out.
struct Others {
    checkpoint: CheckpointName,
    sources: Vec<Source>,
}

impl Others {
    /// What `take` makes of the first answer to `question` that is right.
    async fn ask<T, U>(
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

/// The blocks before the next one, as the `BLOCKHASH` instruction sees them.
struct Ancestors<'a> {
    height: u64,
    hash: B256,
    /// Hashes of the blocks before that, the nearest first.
    before: &'a [B256],
}

impl BlockHashes for Ancestors<'_> {
    fn block_hash(&self, number: u64) -> Option<B256> {
        match self.height.checked_sub(number)? {
            0 => Some(self.hash),
            back => self.before.get(usize::try_from(back - 1).ok()?).copied(),
        }
    }
}

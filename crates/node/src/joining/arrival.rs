//! Takes the state that a node begins with from others, before it follows: what [`chain::sync::Arriving`] asks for, from whoever answers.
//!
//! Nothing that a node says is believed, and what came is durable: a node that is killed goes on after the last page. When nobody keeps the state any
//! longer, the node begins again with that of a later block, if the committees that the first one names certified it.

mod others;
mod successors;
#[cfg(test)]
mod tests;

use super::{folder::CheckpointName, progress::Progress};
use crate::validators::{StateError, StateReader};
use alloy_consensus::Header;
use chain::{
    Store, StoreError,
    consensus::namespace,
    sync::{ACCOUNTS_WANTED, Arriving, ancestors_of, check_ancestors, check_block, check_header},
};
use evm::{BlockContext, BlockHashes, Genesis, State};
use others::Others;
use primitives::{Address, B256};
use std::{num::NonZeroU64, time::Instant};
use tokio::task::block_in_place;

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

/// How taking a state ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// It is here, or a chain was already.
    Here,
    /// Nobody keeps it any longer. This later block is as good as the one that was named, and some node keeps the state after it.
    Later(CheckpointName),
}

/// What all nodes of the network agree on, as far as a state is checked by it.
struct Network {
    chain_id: u64,
    /// Hash of the first block.
    genesis: B256,
    epoch_blocks: NonZeroU64,
    /// Of votes.
    namespace: Vec<u8>,
}

/// Takes the state after the block `checkpoint` from the nodes at `sources` into `store`, and tells `progress` how far it is; nothing where a chain is there
/// already.
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
    progress: &Progress,
) -> Result<Arrived, ArrivalError> {
    if store.height()?.is_some() {
        return Ok(Arrived::Here);
    }
    let (first, ..) = genesis.build()?;
    let network = Network {
        chain_id: genesis.chain_id,
        genesis: first.hash_slow(),
        epoch_blocks,
        namespace: namespace(genesis.chain_id, first.mix_hash),
    };
    let mut others = Others::new(checkpoint, sources, progress.clone());
    match take(store, &network, checkpoint, &mut others).await {
        Ok(()) => Ok(Arrived::Here),
        Err(ArrivalError::NotServed { checkpoint, served }) => {
            let begun = store
                .arrival()?
                .filter(|begun| begun.header.hash_slow() == checkpoint.hash);
            let known = if begun.is_some() {
                store.successors()?
            } else {
                Vec::new()
            };
            let later = others.later(&network, &known).await;
            later
                .map(Arrived::Later)
                .ok_or(ArrivalError::NotServed { checkpoint, served })
        }
        Err(error) => Err(error),
    }
}

async fn take(
    store: &Store,
    network: &Network,
    checkpoint: CheckpointName,
    others: &mut Others,
) -> Result<(), ArrivalError> {
    let (hash, epoch_blocks) = (checkpoint.hash, network.epoch_blocks);
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
    let arrival = store.begin_arrival(network.genesis, &header)?;
    if store.successors()?.is_empty() {
        successors::learn(store, network, &header, others).await?;
    }
    let mut arriving = Arriving::new(store.clone(), arrival);
    tracing::info!(height, %hash, percent = arriving.percent(), "taking the state from others");
    let begun = Instant::now();
    let bytes = others.take(&mut arriving, ACCOUNTS_WANTED).await?;
    tracing::info!(bytes, "all of the state came; comparing it with the block's");
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
    let after = After::new(&header, state, &ancestors);
    let committee = after.reader(network.chain_id).committee(height / epoch_blocks)?;
    let (block, certificate) = others
        .ask(
            async |source| source.certified(height, hash).await,
            |(block, receipts, proof)| {
                let namespace = &network.namespace;
                let block = check_block(&header, block, receipts, &proof, &committee, epoch_blocks, namespace)?;
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

/// What contracts answer in the block after one whose state came.
struct After<'a> {
    state: (BlockContext, State),
    ancestors: Ancestors<'a>,
}

impl<'a> After<'a> {
    /// After the block with this header; `before` are the hashes of the blocks before it, the nearest first.
    fn new(header: &Header, state: State, before: &'a [B256]) -> Self {
        let hash = header.hash_slow();
        let context = BlockContext::after(header, hash, header.timestamp, Address::ZERO, header.mix_hash);
        Self {
            state: (context, state),
            ancestors: Ancestors {
                height: header.number,
                hash,
                before,
            },
        }
    }

    fn reader(&self, chain_id: u64) -> StateReader<'_> {
        StateReader {
            chain_id,
            state: &self.state,
            hashes: &self.ancestors,
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

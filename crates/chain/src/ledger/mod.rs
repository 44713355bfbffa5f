//! Everything a node knows of the chain.
//!
//! A block comes in executed and unvoted ([`Ledger::propose`], [`Ledger::verify`]): it waits with its state among other
//! candidates, some of which will never be final. [`Ledger::finalize`] makes one durable and part of the chain for ever. The ledger
//! itself has no clock, no socket and no task: who calls it decides when.

mod archive;
mod blocks;
mod candidates;
mod checkpoints;
mod development;
mod error;
mod foreign;
mod history;
mod lineage;
mod reading;
#[cfg(test)]
mod tests;
mod waiting;

use crate::{
    finality::FinalityProof,
    pool::{Pool, PoolLimits},
    store::{Store, StoreError},
};
use alloy_consensus::Header;
use alloy_primitives::B256;
use candidates::Candidates;
use checkpoints::Checkpoints;
use evm::{BeaconNews, State, Transaction};
use history::History;
use std::{
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, atomic::AtomicU64},
};
use tokio::sync::broadcast;

pub use checkpoints::{CHECKPOINTS_KEPT, Checkpoint};
pub use development::{AccountChange, Development, Image, Terms, WholeAccount};
pub use error::LedgerError;
pub use history::{STATE_HISTORY_BLOCKS, STATE_HISTORY_BLOCKS_MIN, STATE_HISTORY_CHANGES, StateHistory};

/// Final blocks a subscriber may fall behind before it misses some: 16 s at the default pace.
const SUBSCRIPTION_BLOCKS: usize = 64;

/// A block that was executed, with what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Ethereum hash of the header.
    pub hash: B256,
    /// The header.
    pub header: Header,
    /// What the block says of the randomness beacon. The header commits to it by its effect on the state alone.
    pub beacon: BeaconNews,
    /// The transactions with their senders.
    pub transactions: Vec<Transaction>,
    /// One receipt for each transaction.
    pub receipts: Vec<evm::Receipt>,
}

/// Everything a node knows of the chain. Clones share it.
#[derive(Clone)]
pub struct Ledger {
    shared: Arc<Shared>,
}

struct Shared {
    chain_id: u64,
    genesis: Header,
    /// Height of the first block that is here.
    first: u64,
    checkpoints: Mutex<Checkpoints>,
    store: Store,
    pool: Pool,
    chain: Mutex<Chain>,
    finals: broadcast::Sender<Arc<Sealed>>,
    /// One block at a time is written, in order.
    writing: Mutex<()>,
    /// Earliest time of the next block in seconds, where whoever seals has said so: a development chain alone.
    next_timestamp: AtomicU64,
}

/// What changes with every block: cheap to look at, and locked only for moments.
struct Chain {
    history: History,
    candidates: Candidates,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ledger({})", self.latest().header.number)
    }
}

impl Ledger {
    /// Opens the chain of `genesis` in `store`, or begins it there; keeps the states that [`StateHistory::default`] says.
    ///
    /// # Errors
    ///
    /// [`StoreError::Genesis`] where the store holds another network; [`StoreError::StateRoot`] and [`StoreError::Corrupt`] where
    /// it was damaged.
    pub fn open(genesis: &evm::Genesis, store: Store, limits: PoolLimits) -> Result<Self, LedgerError> {
        Self::open_with_history(genesis, store, limits, StateHistory::default())
    }

    /// As [`Ledger::open`], keeping as many states as `kept` says. An archive of a long chain takes its time: every stored block is
    /// executed again.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`]; for an archive also [`LedgerError::Invalid`] where a stored block does not execute to its own header.
    pub fn open_with_history(
        genesis: &evm::Genesis,
        store: Store,
        limits: PoolLimits,
        kept: StateHistory,
    ) -> Result<Self, LedgerError> {
        let (genesis_header, genesis_state, genesis_diff) = genesis.build()?;
        let hash = genesis_header.hash_slow();
        if let Some(arrival) = store.arrival()? {
            let height = arrival.header.number;
            return Err(StoreError::Unfinished { height }.into());
        }
        let (latest, state) = match (store.genesis()?, store.height()?) {
            (Some(found), Some(height)) => {
                if found != hash {
                    return Err(StoreError::Genesis { found, expected: hash }.into());
                }
                let latest = store.block(height)?.ok_or(StoreError::Corrupt { what: "last block" })?;
                let state = store.state()?;
                let (found, expected) = (state.root(), latest.header.state_root);
                if found != expected {
                    return Err(StoreError::StateRoot {
                        height,
                        found,
                        expected,
                    }
                    .into());
                }
                (latest, state)
            }
            _ => {
                let (transactions, receipts) = (Vec::new(), Vec::new());
                let block = Sealed {
                    hash,
                    header: genesis_header.clone(),
                    beacon: BeaconNews::default(),
                    transactions,
                    receipts,
                };
                store.append(&block, &genesis_diff.hashed())?;
                (block, genesis_state.clone())
            }
        };
        let first = store.first()?.unwrap_or_default();
        if kept == StateHistory::All && first > 0 {
            return Err(LedgerError::NoArchive { first });
        }
        let history = if kept == StateHistory::All {
            archive::replay(&genesis_header, genesis_state, &latest, &store, genesis.chain_id)?
        } else {
            History::new(Arc::new(latest), state, kept)
        };
        Ok(Self::assemble(
            genesis.chain_id,
            genesis_header,
            first,
            history,
            store,
            PoolLimits {
                block_gas: limits.block_gas.min(genesis.gas_limit),
                ..limits
            },
        ))
    }

    fn assemble(
        chain_id: u64,
        genesis: Header,
        first: u64,
        history: History,
        store: Store,
        limits: PoolLimits,
    ) -> Self {
        let shared = Shared {
            chain_id,
            genesis,
            first,
            checkpoints: Mutex::default(),
            store,
            pool: Pool::new(chain_id, limits),
            chain: Mutex::new(Chain {
                history,
                candidates: Candidates::default(),
            }),
            finals: broadcast::Sender::new(SUBSCRIPTION_BLOCKS),
            writing: Mutex::default(),
            next_timestamp: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.shared.chain.lock().expect("no holder of the chain's lock panics")
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.shared.chain_id
    }

    /// Header of the block at height zero.
    pub fn genesis(&self) -> &Header {
        &self.shared.genesis
    }

    /// Height of the first block that is here: zero but where the state came from others ([`crate::store::arrival`]).
    pub fn first(&self) -> u64 {
        self.shared.first
    }

    /// The certificate of the first block that is here; `None` where that is the genesis block.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store fails.
    pub fn first_certificate(&self) -> Result<Option<FinalityProof>, StoreError> {
        self.shared.store.checkpoint()
    }

    /// Keeps from now on the states that nodes which join can begin with, in a chain with epochs of so many blocks: see [`Checkpoint`].
    pub fn keep_checkpoints(&self, epoch_blocks: NonZeroU64) {
        let (block, state) = {
            let chain = self.chain();
            (chain.history.latest().clone(), chain.history.latest_state().clone())
        };
        let mut checkpoints = self.checkpoints_kept();
        checkpoints.keep(epoch_blocks);
        checkpoints.note(&block, &state);
    }

    /// The states that are kept for nodes that join, the oldest first.
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        self.checkpoints_kept().kept()
    }

    fn checkpoints_kept(&self) -> MutexGuard<'_, Checkpoints> {
        self.shared.checkpoints.lock().expect("no holder of the lock panics")
    }
}

impl Chain {
    /// Header and state of a block that can be built on: a candidate or a recent final one.
    fn executed(&self, hash: &B256) -> Option<(Header, State)> {
        if let Some(candidate) = self.candidates.get(hash) {
            return Some((candidate.block.header.clone(), candidate.state.clone()));
        }
        let (block, state) = self.history.find(hash)?;
        Some((block.header.clone(), state.clone()))
    }
}

//! Everything a node knows of the chain.
//!
//! A block comes in executed and unvoted ([`Ledger::propose`], [`Ledger::verify`]): it waits with its state among other
//! candidates, some of which will never be final. [`Ledger::finalize`] makes one durable and part of the chain for ever. The ledger
//! itself has no clock, no socket and no task: who calls it decides when.

mod archive;
mod candidates;
mod checkpoints;
mod development;
mod foreign;
mod history;
#[cfg(test)]
mod tests;

use crate::{
    block::{EthereumBlock, MAX_BODY_BYTES, TRANSACTION_OVERHEAD_BYTES},
    finality::FinalityProof,
    pool::{AccountFunds, Origin, Pool, PoolError, PoolLimits, Selection},
    senders,
    store::{Store, StoreError},
};
use alloy_consensus::{Header, TxEnvelope};
use alloy_primitives::{Address, B256};
use candidates::{Candidate, Candidates};
use checkpoints::Checkpoints;
use evm::{
    BeaconNews, BlockContext, BlockHashes, Diff, GenesisError, InvalidBlock, Packer, PushError, State, Transaction,
};
use history::History;
use std::{
    num::NonZeroU64,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::broadcast;

pub use checkpoints::{CHECKPOINTS_KEPT, Checkpoint};
pub use development::{AccountChange, Development, Image, Terms, WholeAccount};
pub use history::{STATE_HISTORY_BLOCKS, STATE_HISTORY_BLOCKS_MIN, STATE_HISTORY_CHANGES, StateHistory};

/// Final blocks a subscriber may fall behind before it misses some: 16 s at the default pace.
const SUBSCRIPTION_BLOCKS: usize = 64;
/// How many transactions in a row may not fit into what is left of a block before the proposer stops trying.
const MISFITS_MAX: u32 = 16;
/// Gas of the cheapest transaction: with less left, a block is full.
const TRANSACTION_GAS: u64 = 21_000;

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

/// Why the ledger could not do something.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The genesis cannot be executed.
    #[error("build the genesis block")]
    Genesis(#[from] GenesisError),
    /// The store failed. The ledger's state is as before.
    #[error("store")]
    Store(#[from] StoreError),
    /// A block's parent was not executed here.
    #[error("block {hash} builds on {parent}, which is not known")]
    UnknownParent {
        /// The block.
        hash: B256,
        /// Its parent.
        parent: B256,
    },
    /// No execution of the block can be found.
    #[error("block {hash} was not executed")]
    Unknown {
        /// The block.
        hash: B256,
    },
    /// The block breaks a rule: it will never be valid.
    #[error("block {hash} is not valid")]
    Invalid {
        /// The block.
        hash: B256,
        /// The rule.
        source: Box<InvalidBlock>,
    },
    /// A block of another network does not execute to what its header says.
    #[error("foreign block {hash}")]
    Foreign {
        /// The block.
        hash: B256,
        /// What differs.
        source: Box<evm::foreign::ReplayError>,
    },
    /// The blocks of an image are no chain.
    #[error("block {number} of the image: {reason}")]
    Image {
        /// Its place in the image.
        number: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A development chain keeps as many snapshots as it may.
    #[error("a development chain keeps at most {max} snapshots")]
    Snapshots {
        /// The limit.
        max: usize,
    },
    /// A transaction of the block has no signer.
    #[error("transaction {index} of block {hash} has an invalid signature")]
    InvalidSignature {
        /// The block.
        hash: B256,
        /// Which transaction.
        index: usize,
    },
    /// The transactions are not those that the header commits to, or there are ommers or withdrawals.
    #[error("the body of block {hash} is not that of its header")]
    WrongBody {
        /// The block.
        hash: B256,
    },
    /// An archive needs all blocks.
    #[error("the first block here is {first}: an archive needs all of them")]
    NoArchive {
        /// Height of the first block.
        first: u64,
    },
    /// A block that does not follow the last final one was to become final.
    #[error("block {hash} does not follow final block {latest}")]
    NotNext {
        /// The block.
        hash: B256,
        /// The last final block.
        latest: B256,
    },
}

impl LedgerError {
    /// Whether the block itself is at fault, so that no retry and no other node could find it valid.
    pub fn condemns_block(&self) -> bool {
        matches!(
            self,
            Self::Invalid { .. } | Self::InvalidSignature { .. } | Self::WrongBody { .. }
        )
    }
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

    /// Makes a block on top of `parent` out of waiting transactions, best tip first, until it is full, none is left, or `stop`
    /// says so (asked before each transaction). The block is a candidate then, as if verified.
    ///
    /// `timestamp` is in seconds and not before the parent's.
    ///
    /// # Errors
    ///
    /// [`LedgerError::UnknownParent`] where `parent` was not executed here, or is so old that its state is gone.
    pub fn propose(
        &self,
        parent: B256,
        timestamp: u64,
        beneficiary: Address,
        prev_randao: B256,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Arc<Sealed>, LedgerError> {
        let beacon = BeaconNews::default();
        self.propose_with(parent, timestamp, beneficiary, prev_randao, beacon, stop)
    }

    /// As [`Ledger::propose`], a block that brings `beacon` for the randomness beacon. The caller answers for what that says.
    ///
    /// # Errors
    ///
    /// As [`Ledger::propose`].
    pub fn propose_with(
        &self,
        parent: B256,
        timestamp: u64,
        beneficiary: Address,
        prev_randao: B256,
        beacon: BeaconNews,
        stop: &mut dyn FnMut() -> bool,
    ) -> Result<Arc<Sealed>, LedgerError> {
        let unknown = LedgerError::UnknownParent {
            hash: B256::ZERO,
            parent,
        };
        let (parent_header, state) = self.chain().executed(&parent).ok_or(unknown)?;
        let context = BlockContext {
            beacon: beacon.clone(),
            ..BlockContext::after(&parent_header, parent, timestamp, beneficiary, prev_randao)
        };
        let nonce = |sender: &Address| state.account(sender).map_or(0, |account| account.nonce);
        let selection = self.pool().select(context.base_fee, nonce);
        let lineage = Lineage { ledger: self, parent };
        let mut packer = Packer::new(&state, context, self.chain_id(), &lineage);
        let fits = usize::try_from(packer.gas_left() / TRANSACTION_GAS).unwrap_or(usize::MAX);
        packer.reserve(self.pool().len().min(fits));
        let (candidate, _) = fill(packer, beacon, selection, stop);
        Ok(self.chain().candidates.insert(candidate))
    }

    /// Executes a block that another proposed, on top of its parent, and keeps it as a candidate. Again for a block already
    /// executed costs nothing. Senders the pool knows are not recovered again.
    ///
    /// # Errors
    ///
    /// Those for which [`LedgerError::condemns_block`] are final; [`LedgerError::UnknownParent`] calls for the parent first.
    pub fn verify(&self, block: &EthereumBlock) -> Result<Arc<Sealed>, LedgerError> {
        self.verify_with(block, &BeaconNews::default())
    }

    /// As [`Ledger::verify`], a block that brings `beacon` for the randomness beacon. The caller answers for what that says.
    ///
    /// # Errors
    ///
    /// As [`Ledger::verify`].
    pub fn verify_with(&self, block: &EthereumBlock, beacon: &BeaconNews) -> Result<Arc<Sealed>, LedgerError> {
        let hash = block.header.hash_slow();
        let parent = block.header.parent_hash;
        if let Some(known) = self.known(hash, block.header.number)? {
            // A header says which body is meant only to who compares them: another body under a known header is a lie.
            return if is_body_of(block, &known) && known.beacon == *beacon {
                Ok(known)
            } else {
                Err(LedgerError::WrongBody { hash })
            };
        }
        let executed = self.chain().executed(&parent);
        let (parent_header, state) = executed.ok_or(LedgerError::UnknownParent { hash, parent })?;
        let transactions = self.with_senders(hash, &block.body.transactions)?;
        let senders: Vec<Address> = transactions.iter().map(Transaction::signer).collect();
        let lineage = Lineage { ledger: self, parent };
        let executed = evm::execute(
            &parent_header,
            &state,
            block,
            &senders,
            self.chain_id(),
            &lineage,
            beacon,
        )
        .map_err(|source| LedgerError::Invalid {
            hash,
            source: Box::new(source),
        })?;
        let block = Sealed {
            hash,
            header: executed.header,
            beacon: beacon.clone(),
            transactions,
            receipts: executed.receipts,
        };
        Ok(self.chain().candidates.insert(Candidate {
            block: Arc::new(block),
            state: executed.state,
            diff: Arc::new(executed.hashed),
        }))
    }

    /// The candidate or recent final block with this hash.
    fn known(&self, hash: B256, number: u64) -> Result<Option<Arc<Sealed>>, StoreError> {
        {
            let chain = self.chain();
            if let Some(known) = chain.candidates.get(&hash) {
                return Ok(Some(known.block.clone()));
            }
            if chain.history.hash(number) != Some(hash) {
                return Ok(None);
            }
        }
        self.by_number(number)
    }

    /// Whether the block was executed here: then [`Ledger::propose`] can build on it.
    pub fn knows(&self, hash: &B256) -> bool {
        self.chain().executed(hash).is_some()
    }

    /// Makes an executed block part of the chain for ever. It and the state after it are durable when this returns. Blocks become
    /// final in order; doing it again changes nothing.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unknown`] where the block was not executed, [`LedgerError::NotNext`] where it does not follow the last final
    /// block, [`LedgerError::Store`] where it could not be written. The ledger is as before then.
    pub fn finalize(&self, hash: B256) -> Result<Arc<Sealed>, LedgerError> {
        let _in_order = self.shared.writing.lock().expect("no writer panics");
        let candidate = self.chain().candidates.get(&hash).cloned();
        let Some(Candidate { block, state, diff }) = candidate else {
            let done = self.by_hash(hash)?;
            return done.ok_or(LedgerError::Unknown { hash });
        };
        let latest = self.latest().hash;
        if block.header.parent_hash != latest {
            return Err(LedgerError::NotNext { hash, latest });
        }
        self.shared.store.append(&block, &diff)?;
        // Dropped without the lock, which everybody wants.
        let _gone = {
            let mut chain = self.chain();
            let old = chain.history.push(block.clone(), state.clone(), diff.rows());
            (old, chain.candidates.settle(block.header.number))
        };
        self.checkpoints_kept().note(&block, &state);
        self.pool().settle(&block.transactions, |sender| funds(&state, sender));
        // An error only says that nobody listens.
        let _ = self.shared.finals.send(block.clone());
        Ok(block)
    }

    /// The last final block.
    pub fn latest(&self) -> Arc<Sealed> {
        self.chain().history.latest().clone()
    }

    /// The final block at a height.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store fails.
    pub fn by_number(&self, number: u64) -> Result<Option<Arc<Sealed>>, StoreError> {
        if let Some(recent) = self.chain().history.block(number) {
            return Ok(Some(recent.clone()));
        }
        Ok(self.shared.store.block(number)?.map(Arc::new))
    }

    /// The final block with this hash.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store fails.
    pub fn by_hash(&self, hash: B256) -> Result<Option<Arc<Sealed>>, StoreError> {
        let Some(number) = self.shared.store.height_of(&hash)? else {
            return Ok(None);
        };
        self.by_number(number)
    }

    /// The final block that holds a transaction, and the transaction's index in it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the store fails.
    pub fn transaction(&self, hash: B256) -> Result<Option<(Arc<Sealed>, usize)>, StoreError> {
        let Some((number, index)) = self.shared.store.transaction(&hash)? else {
            return Ok(None);
        };
        Ok(self.by_number(number)?.map(|block| (block, index as usize)))
    }

    /// Which states this node keeps.
    pub fn state_history(&self) -> StateHistory {
        self.chain().history.kept()
    }

    /// Height of the lowest block whose state this node has now.
    pub fn oldest_state(&self) -> u64 {
        self.chain().history.oldest()
    }

    /// The state after the final block at `number`, if it is one that [`Ledger::state_history`] says this node keeps.
    pub fn state_at(&self, number: u64) -> Option<State> {
        self.chain().history.state(number).cloned()
    }

    /// What a transaction sent now would run in: a block after the latest, at its timestamp unless a later one is known, paid to nobody.
    pub fn pending(&self) -> (BlockContext, State) {
        let chain = self.chain();
        let (latest, state) = (chain.history.latest(), chain.history.latest_state());
        let context = BlockContext::after(
            &latest.header,
            latest.hash,
            latest
                .header
                .timestamp
                .max(self.shared.next_timestamp.load(Ordering::Relaxed)),
            Address::ZERO,
            latest.header.mix_hash,
        );
        (context, state.clone())
    }

    /// As [`Ledger::pending`], on top of any block that was executed here and whose state is not gone.
    pub fn pending_on(&self, hash: &B256) -> Option<(BlockContext, State)> {
        let (header, state) = self.chain().executed(hash)?;
        let context = BlockContext::after(&header, *hash, header.timestamp, Address::ZERO, header.mix_hash);
        Some((context, state))
    }

    /// Hashes of the final blocks, for executing calls on top of the latest.
    pub fn hashes(&self) -> impl BlockHashes + '_ {
        Lineage {
            ledger: self,
            parent: self.latest().hash,
        }
    }

    /// Takes a transaction from a user: it waits here, and the other validators are told.
    ///
    /// # Errors
    ///
    /// [`PoolError`], in the words wallets expect.
    pub fn submit(&self, raw: &[u8]) -> Result<B256, PoolError> {
        let transaction = self.pool().admit(raw)?;
        self.insert(transaction, &self.latest_state(), Origin::User)
    }

    /// As [`Self::submit`], of many: their senders are recovered side by side, which is several times as fast.
    pub fn submit_all(&self, batch: &[impl AsRef<[u8]> + Sync]) -> Vec<Result<B256, PoolError>> {
        self.take(batch, Origin::User)
    }

    /// Takes transactions that another validator told us of. Says of each whether it waits here now.
    pub fn receive(&self, batch: &[impl AsRef<[u8]> + Sync]) -> Vec<Result<B256, PoolError>> {
        self.take(batch, Origin::Validator)
    }

    fn take(&self, batch: &[impl AsRef<[u8]> + Sync], origin: Origin) -> Vec<Result<B256, PoolError>> {
        let admitted = self.pool().admit_all(batch).into_iter();
        let state = self.latest_state();
        let insert = |transaction| self.insert(transaction, &state, origin);
        admitted.map(|transaction| transaction.and_then(insert)).collect()
    }

    fn insert(&self, transaction: Transaction, state: &State, origin: Origin) -> Result<B256, PoolError> {
        let funds = funds(state, &transaction.signer());
        self.pool().insert(transaction, funds, origin)
    }

    /// The state after the last final block.
    fn latest_state(&self) -> State {
        self.chain().history.latest_state().clone()
    }

    /// The waiting transactions.
    pub fn pool(&self) -> &Pool {
        &self.shared.pool
    }

    /// Whether a transaction waits that could go into a block on top of `parent`.
    pub fn any_ready(&self, parent: &B256) -> bool {
        let Some((header, state)) = self.chain().executed(parent) else {
            return false;
        };
        let nonce = |sender: &Address| state.account(sender).map_or(0, |account| account.nonce);
        self.pool().any_ready(evm::next_base_fee(&header), nonce)
    }

    /// Final blocks from now on. A receiver that falls 64 behind misses the oldest, and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Sealed>> {
        self.shared.finals.subscribe()
    }

    /// The block's transactions with their senders: those the pool knows, and the others recovered together.
    fn with_senders(&self, block: B256, transactions: &[TxEnvelope]) -> Result<Vec<Transaction>, LedgerError> {
        let hashes: Vec<B256> = transactions.iter().map(|transaction| *transaction.tx_hash()).collect();
        let known = self.pool().senders(&hashes);
        let unknown: Vec<&TxEnvelope> = transactions
            .iter()
            .zip(&known)
            .filter(|(_, known)| known.is_none())
            .map(|(transaction, _)| transaction)
            .collect();
        let mut recovered = senders::recover(&unknown).into_iter();
        // Not collected: a collector that may fail does not know how many come, and these are megabytes in a full block.
        let mut found = Vec::with_capacity(transactions.len());
        for (index, (transaction, known)) in transactions.iter().zip(known).enumerate() {
            let sender = known.or_else(|| recovered.next().expect("one for each that was not known"));
            let sender = sender.ok_or(LedgerError::InvalidSignature { hash: block, index })?;
            found.push(Transaction::new_unchecked(transaction.clone(), sender));
        }
        Ok(found)
    }
}

/// Puts what was selected into the block, until it is full, none is left, or `stop` says so. Gives also what it changes by its own names.
fn fill(
    mut packer: Packer<'_>,
    beacon: BeaconNews,
    mut selection: Selection,
    stop: &mut dyn FnMut() -> bool,
) -> (Candidate, Diff) {
    let (mut transactions, mut body_bytes, mut misfits) = (Vec::new(), 0, 0);
    while packer.gas_left() >= TRANSACTION_GAS && misfits < MISFITS_MAX && !stop() {
        let Some(next) = selection.next_best() else { break };
        let bytes = next.bytes + TRANSACTION_OVERHEAD_BYTES;
        if body_bytes + bytes > MAX_BODY_BYTES {
            misfits += 1;
            continue;
        }
        match packer.push(&next.transaction) {
            Ok(()) => {
                body_bytes += bytes;
                transactions.push(next.transaction.clone());
                selection.accept();
            }
            Err(PushError::Full { .. }) => misfits += 1,
            Err(PushError::Skip(refusal)) => {
                tracing::debug!(hash = %next.transaction.tx_hash(), %refusal, "transaction left out of the block");
            }
        }
    }
    let executed = packer.finish();
    let hash = executed.header.hash_slow();
    let block = Sealed {
        hash,
        header: executed.header,
        beacon,
        transactions,
        receipts: executed.receipts,
    };
    let candidate = Candidate {
        block: Arc::new(block),
        state: executed.state,
        diff: Arc::new(executed.hashed),
    };
    (candidate, executed.diff)
}

fn is_body_of(block: &EthereumBlock, sealed: &Sealed) -> bool {
    let body = &block.body;
    let transactions = sealed.transactions.iter().map(Transaction::inner);
    body.ommers.is_empty()
        && body
            .withdrawals
            .as_ref()
            .is_some_and(|withdrawals| withdrawals.is_empty())
        && body.transactions.iter().eq(transactions)
}

fn funds(state: &State, sender: &Address) -> AccountFunds {
    let account = state.account(sender);
    account.map_or_else(AccountFunds::default, |account| AccountFunds {
        nonce: account.nonce,
        balance_wei: account.balance,
    })
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

/// The ancestors of a block under execution, as the `BLOCKHASH` instruction sees them.
struct Lineage<'a> {
    ledger: &'a Ledger,
    parent: B256,
}

impl BlockHashes for Lineage<'_> {
    fn block_hash(&self, number: u64) -> Option<B256> {
        {
            let chain = self.ledger.chain();
            let mut cursor = self.parent;
            while let Some(candidate) = chain.candidates.get(&cursor) {
                match candidate.block.header.number {
                    found if found == number => return Some(cursor),
                    _ => cursor = candidate.block.header.parent_hash,
                }
            }
            if let Some(hash) = chain.history.hash(number) {
                return Some(hash);
            }
        }
        match self.ledger.by_number(number).ok()? {
            Some(block) => Some(block.hash),
            None => self.ledger.shared.store.ancestor(number).ok()?,
        }
    }
}

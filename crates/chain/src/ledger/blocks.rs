//! From what waits, or what another proposed, to a final block.

use super::{Ledger, LedgerError, Sealed, candidates::Candidate, lineage::Lineage, waiting::funds};
use crate::{
    block::{EthereumBlock, MAX_BODY_BYTES, TRANSACTION_OVERHEAD_BYTES},
    pool::Selection,
    senders,
    store::StoreError,
};
use alloy_consensus::TxEnvelope;
use alloy_primitives::{Address, B256};
use evm::{BeaconNews, BlockContext, Diff, Packer, PushError, Transaction};
use std::sync::Arc;

/// How many transactions in a row may not fit into what is left of a block before the proposer stops trying.
const MISFITS_MAX: u32 = 16;
/// Gas of the cheapest transaction: with less left, a block is full.
const TRANSACTION_GAS: u64 = 21_000;

impl Ledger {
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
pub(super) fn fill(
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

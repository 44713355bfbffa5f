//! What the chain says: its final blocks, the states after them, and what a transaction would meet now.

use super::{Ledger, Sealed, StateHistory, lineage::Lineage};
use crate::store::StoreError;
use alloy_primitives::{Address, B256};
use evm::{BlockContext, BlockHashes, State};
use std::sync::{Arc, atomic::Ordering};
use tokio::sync::broadcast;

impl Ledger {
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

    /// The state after the last final block.
    pub(super) fn latest_state(&self) -> State {
        self.chain().history.latest_state().clone()
    }

    /// Final blocks from now on. A receiver that falls 64 behind misses the oldest, and is told how many.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Sealed>> {
        self.shared.finals.subscribe()
    }
}

//! The blocks before one that is being executed.

use super::Ledger;
use alloy_primitives::B256;
use evm::BlockHashes;

/// The ancestors of a block under execution, as the `BLOCKHASH` instruction sees them.
pub(super) struct Lineage<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) parent: B256,
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

//! Consecutive blocks that one certificate makes final.

#[cfg(test)]
mod tests;

use crate::{
    block::{Block, BlockDigest},
    finality::{FinalityError, FinalityProof},
    keys::Committee,
};
use alloy_primitives::B256;
use commonware_cryptography::Digestible as _;
use std::num::NonZeroU64;

/// Blocks of a run at most: a certificate is looked for at 64 heights ([`crate::consensus::Certificates::at_or_after`]), and up to 16 blocks are asked for
/// together.
pub const RUN_BLOCKS_MAX: usize = 80;

/// Blocks that follow one another, all of which are final. Their execution is another matter: that is for [`crate::Ledger::verify`].
#[derive(Clone, Debug)]
pub struct FinalRun(Vec<Block>);

/// Why blocks are not what a certificate makes final.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// There are none, or more than [`RUN_BLOCKS_MAX`].
    #[error("{count} blocks are no run: it has 1 to {RUN_BLOCKS_MAX}")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// The first block does not follow the one that is known.
    #[error("block {height} builds on {found}, not on {expected}")]
    Parent {
        /// Height of the block.
        height: u64,
        /// Its parent.
        found: B256,
        /// The block that is known.
        expected: B256,
    },
    /// A block is not the one that the next block, or the certificate, names.
    #[error("block {height} is not the one that what follows it names")]
    Digest {
        /// Height that it says it has.
        height: u64,
    },
    /// The certificate is of an epoch that its block is not of.
    #[error("block {height} is of epoch {expected}, and voted on in epoch {found}")]
    Epoch {
        /// Height of the block.
        height: u64,
        /// Epoch in which was voted.
        found: u64,
        /// Epoch of the height.
        expected: u64,
    },
    /// The certificate is none.
    #[error("the last block of the run is not final")]
    Finality(#[from] FinalityError),
}

impl FinalRun {
    /// Checks that `blocks` follow `parent`, the hash of the last block that is known, one another, and that `proof` makes the last one final.
    ///
    /// `committee` is that of the epoch of the proof, in a chain with epochs of `epoch_blocks`; `namespace` is
    /// [`crate::consensus::namespace`] of the chain. The signature is checked first, then each block against the digest that is signed or that the block
    /// after it names.
    ///
    /// # Errors
    ///
    /// [`RunError`]: whoever sent the blocks or the proof lied, or is damaged.
    pub fn check(
        parent: B256,
        blocks: Vec<Block>,
        proof: &FinalityProof,
        committee: &Committee,
        epoch_blocks: NonZeroU64,
        namespace: &[u8],
    ) -> Result<Self, RunError> {
        let count = blocks.len();
        if !(1..=RUN_BLOCKS_MAX).contains(&count) {
            return Err(RunError::Count { count });
        }
        let height = proof.summary.header().number;
        let expected = height / epoch_blocks;
        if proof.epoch != expected {
            let found = proof.epoch;
            return Err(RunError::Epoch {
                height,
                found,
                expected,
            });
        }
        proof.verify(namespace, committee)?;
        let mut named: BlockDigest = proof.summary.digest();
        for block in blocks.iter().rev() {
            if block.digest() != named {
                let height = block.header().number;
                return Err(RunError::Digest { height });
            }
            named = commonware_consensus::Block::parent(block);
        }
        let first = blocks[0].header();
        if first.parent_hash != parent {
            return Err(RunError::Parent {
                height: first.number,
                found: first.parent_hash,
                expected: parent,
            });
        }
        Ok(Self(blocks))
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[Block] {
        &self.0
    }
}

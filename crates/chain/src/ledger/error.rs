//! Why a ledger could not do something.

use crate::store::StoreError;
use alloy_primitives::B256;
use evm::{GenesisError, InvalidBlock};

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

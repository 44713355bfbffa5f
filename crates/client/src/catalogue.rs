//! What the chain knows of stored files: certificates, prices, expiry. Nothing here needs a node that keeps rows.

use alloy_sol_types::SolEvent;
use contracts::{CallError, Event, EventFilter, Provider, ProviderError, abi::DAEntrance, addresses, read};
use da::Shape;
use primitives::{Address, B256, BlobRoot, U256};
use serde::Serialize;

/// Blocks asked for at once when events are read: within what nodes answer.
const EVENT_SPAN_BLOCKS: u64 = 10_000;

/// A certificate on chain.
#[derive(Clone, Debug, Serialize)]
pub struct Certified {
    /// The file's name on the network.
    pub root: BlobRoot,
    /// Who paid.
    pub payer: Address,
    /// Length as coded, in bytes: the file's, with the tags of its encryption.
    pub length: u64,
    /// Length of each of its rows, in bytes.
    pub row_bytes: u32,
    /// Rows after coding.
    pub total_rows: u32,
    /// Block that recorded it.
    pub certified_block: u64,
    /// Nodes may forget it after this block.
    pub expiry_block: u64,
    /// Transaction that recorded it.
    pub transaction: B256,
    /// Operators that signed for their rows, by index.
    pub signers: Vec<u32>,
}

/// What storing costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cost {
    /// Length as coded, in bytes.
    pub length: u64,
    /// Bytes the network keeps in all: every row.
    pub kept_bytes: u64,
    /// Blocks it is kept for.
    pub blocks: u64,
    /// Fee, wei.
    pub fee_wei: U256,
}

/// Why the catalogue gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The chain.
    #[error(transparent)]
    Call(Box<CallError>),
    /// The chain.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// An event that the entrance contract does not emit.
    #[error("event {log_index} of block {block} is not a certificate")]
    Event {
        /// Its block.
        block: u64,
        /// Its place in the block.
        log_index: u64,
    },
    /// The file does not fit.
    #[error("{bytes} bytes are more than the {limit} that one blob holds: split the file")]
    TooLarge {
        /// Its length, as coded.
        bytes: u64,
        /// The most that a blob of this shape holds.
        limit: u64,
    },
}

impl From<CallError> for CatalogueError {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

/// Every certificate since block `from`, oldest first; only those that `payer` paid for when given.
///
/// # Errors
///
/// [`CatalogueError`] when the chain does not answer, or answers what the contract cannot have emitted.
pub async fn list(
    provider: &impl Provider,
    from: u64,
    payer: Option<Address>,
) -> Result<Vec<Certified>, CatalogueError> {
    let latest = provider.height().await?;
    let mut found = Vec::new();
    let mut from_block = from;
    while from_block <= latest {
        let to_block = latest.min(from_block.saturating_add(EVENT_SPAN_BLOCKS - 1));
        let filter = EventFilter {
            addresses: vec![addresses::DA_ENTRANCE],
            topic0: vec![DAEntrance::BlobCertified::SIGNATURE_HASH],
            from_block,
            to_block: Some(to_block),
        };
        for event in provider.events(filter).await? {
            let Some(certified) = certified(&event)? else {
                continue;
            };
            if payer.is_none_or(|payer| payer == certified.payer) {
                found.push(certified);
            }
        }
        from_block = to_block + 1;
    }
    Ok(found)
}

/// The certificate of one file; `None` when the chain has none.
///
/// # Errors
///
/// [`CatalogueError`] when the chain does not answer.
pub async fn find(provider: &impl Provider, root: BlobRoot) -> Result<Option<Certified>, CatalogueError> {
    let record = read(provider, addresses::DA_ENTRANCE, &DAEntrance::blobCall { root: root.0 }).await?;
    if record.certifiedBlock == 0 {
        return Ok(None);
    }
    let filter = EventFilter {
        addresses: vec![addresses::DA_ENTRANCE],
        topic0: vec![DAEntrance::BlobCertified::SIGNATURE_HASH],
        from_block: record.certifiedBlock,
        to_block: Some(record.certifiedBlock),
    };
    for event in provider.events(filter).await? {
        if let Some(certified) = certified(&event)?.filter(|certified| certified.root == root) {
            return Ok(Some(certified));
        }
    }
    Ok(None)
}

/// What rows of `shape` of a file of `length` bytes as coded cost for so many blocks.
///
/// # Errors
///
/// [`CatalogueError::TooLarge`] for what no blob holds; otherwise when the chain does not answer.
pub async fn cost(provider: &impl Provider, shape: Shape, length: u64, blocks: u64) -> Result<Cost, CatalogueError> {
    let limit = shape.max_bytes();
    if length > limit {
        return Err(CatalogueError::TooLarge { bytes: length, limit });
    }
    let row_bytes = shape.row_bytes(length);
    let quote = DAEntrance::quoteCall {
        rowCount: shape.row_count(),
        rowBytes: row_bytes,
        blocks,
    };
    let fee_wei = read(provider, addresses::DA_ENTRANCE, &quote).await?;
    Ok(Cost {
        length,
        kept_bytes: u64::from(shape.row_count()) * u64::from(row_bytes),
        blocks,
        fee_wei,
    })
}

/// The file that an event certifies; `None` when it certifies rows added to one.
fn certified(event: &Event) -> Result<Option<Certified>, CatalogueError> {
    let unknown = || CatalogueError::Event {
        block: event.block,
        log_index: event.log_index,
    };
    let DAEntrance::BlobCertified {
        root,
        payer,
        header,
        signersBitmap,
    } = event.decode().map_err(|_| unknown())?;
    if header.base != B256::ZERO {
        return Ok(None);
    }
    let bit = |index: usize| {
        signersBitmap
            .get(index / 8)
            .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    };
    Ok(Some(Certified {
        root: BlobRoot(root),
        payer,
        length: header.length,
        row_bytes: header.rowBytes,
        total_rows: header.rowCount,
        certified_block: event.block,
        expiry_block: header.expiryBlock,
        transaction: event.transaction,
        signers: (0..8 * signersBitmap.len())
            .filter(|index| bit(*index))
            .map(|index| index as u32)
            .collect(),
    }))
}

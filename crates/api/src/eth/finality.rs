//! Blocks with the proofs that they are final, for contracts of other chains and for nodes that follow this one.

use super::error::EthError;
use alloy_primitives::{B256, Bytes, U64};
use chain::consensus::Certificates;
use commonware_codec::Encode as _;
use serde::Serialize;

/// A final block's header with its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finality {
    /// Its height.
    number: U64,
    /// Its hash.
    hash: B256,
    /// `chain::FinalityProof`, encoded: docs/spec/shards.md has the bytes.
    proof: Bytes,
}

/// Blocks of one answer at most.
const BLOCKS_MAX: u64 = 64;

/// Bytes of blocks after which an answer has no more: with the last one, twelve megabytes, twice that in hexadecimal.
const BLOCKS_BYTES_MAX: usize = 8 << 20;

/// Final blocks from `first` on, for nodes that follow the chain without a vote.
pub(crate) async fn blocks(certificates: &Certificates, first: u64, count: u64) -> Vec<Bytes> {
    let count = count.min(BLOCKS_MAX) as usize;
    certificates.blocks(first, count, BLOCKS_BYTES_MAX).await
}

/// The proof for the first block from `block` on that has a certificate; `None` while there is none.
pub(crate) async fn finality(certificates: &Certificates, block: u64) -> Result<Option<Finality>, EthError> {
    let found = certificates.at_or_after(block).await;
    let found = found.map_err(|error| EthError::Internal(error.into()))?;
    Ok(found.map(|proof| Finality {
        number: U64::from(proof.summary.header().number),
        hash: proof.summary.header().hash_slow(),
        proof: Bytes::from(proof.encode()),
    }))
}

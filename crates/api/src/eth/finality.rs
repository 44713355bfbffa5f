//! Proofs that blocks are final, for contracts of other chains and for light clients.

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

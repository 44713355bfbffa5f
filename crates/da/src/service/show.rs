//! Show a piece of a row on chain: a sample that was checked against the chain's record before it is sent.

use super::Shared;
use crate::{
    Record, Runtime,
    record::RecordError,
    sample::{self, Answer, Challenge, Sample},
    store::StoreError,
};
use contracts::Provider;
use primitives::BlobRoot;

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShowError {
    /// The chain has no record of the blob, or did not answer.
    #[error("read the blob's record")]
    Record(#[from] RecordError),
    /// The row is not on disk (any more).
    #[error("row {row} of blob {root} is not here")]
    RowMissing { root: BlobRoot, row: u32 },
    /// The disk failed.
    #[error("read the row")]
    Store(#[from] StoreError),
    /// What is on disk does not prove the piece: sending it would be worse than sending nothing.
    #[error("the sample of row {row} of blob {root} does not hold")]
    WrongSample { root: BlobRoot, row: u32 },
}

/// The sample of a piece of `root`, from the rows on disk.
pub(super) async fn show<E: Runtime>(
    shared: &Shared<E>,
    provider: &impl Provider,
    root: BlobRoot,
    challenge: Challenge,
) -> Result<Sample, ShowError> {
    let row = challenge.row;
    let missing = ShowError::RowMissing { root, row };
    let Some(head) = shared.store.head(root) else {
        return Err(missing);
    };
    let record = Record::read(provider, &shared.config.peer.domain, root).await?;
    let samples = shared.prover(head).serve(&shared.store, &[challenge]).await?;
    let verdict = sample::verify(&[Answer {
        commitment: record.commitment(),
        shape: record.shape(),
        row_bytes: record.row_bytes(),
        challenges: &[challenge],
        samples: &samples,
    }]);
    match samples.into_iter().next().flatten() {
        None => Err(missing),
        Some(sample) if verdict[0].all_found() => Ok(sample),
        Some(_) => Err(ShowError::WrongSample { root, row }),
    }
}

//! Answering challenges, from what an operator keeps: the head of a blob and some of its rows.

use super::{Challenge, Sample, chunk};
use crate::{Row, Store, VerifiedHead, head, store::StoreError};
use commonware_runtime::Storage;
use crypto::{
    digest::GROUP_ROWS,
    kzg::{self, LEAVES_MAX, Opening},
};
use std::sync::OnceLock;

/// Why a row does not answer a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// The row is not one of the blob's.
    #[error("row {index} of {bytes} bytes: the blob has none such, of {expected}")]
    WrongRow {
        /// Which row it says it is.
        index: u32,
        /// Its length.
        bytes: usize,
        /// The length of the blob's rows.
        expected: u32,
    },
    /// The row has no such piece.
    #[error("chunk {chunk} of a row of {count}")]
    NoChunk {
        /// Which piece was asked for.
        chunk: u32,
        /// How many there are.
        count: u32,
    },
}

/// Makes samples of one blob. Keeps each KZG opening that it made, at most 128 of 48 bytes: a row's group is opened once.
pub struct Prover {
    head: VerifiedHead,
    /// What the commitment lists.
    leaves: [[u8; 32]; LEAVES_MAX],
    openings: [OnceLock<Opening>; LEAVES_MAX],
}

impl Prover {
    /// A prover for the blob of `head`; opens nothing yet.
    pub fn new(head: VerifiedHead) -> Self {
        Self {
            leaves: head::leaves(head.shape(), &head.head().group_roots),
            head,
            openings: [const { OnceLock::new() }; LEAVES_MAX],
        }
    }

    /// The head of the blob.
    pub fn head(&self) -> &VerifiedHead {
        &self.head
    }

    /// Opens every group now, for a third of what opening each when it is asked for takes: for who holds rows of most.
    pub fn open_all(&self) {
        for (opening, made) in self.openings.iter().zip(kzg::open_all(&self.leaves)) {
            opening.get_or_init(|| made);
        }
    }

    /// The sample of piece `chunk` of `row`. Hashes the row; the first of each group takes 2 ms more, for its opening.
    ///
    /// # Errors
    ///
    /// [`ProveError`]. The row's bytes and path are not checked here: they are when they are read from a [`Store`].
    pub fn prove(&self, row: &Row, chunk: u32) -> Result<Sample, ProveError> {
        let row_bytes = self.head.row_bytes();
        if !self.head.shape().rows().contains(&row.index) || row.bytes.len() != row_bytes as usize {
            return Err(ProveError::WrongRow {
                index: row.index,
                bytes: row.bytes.len(),
                expected: row_bytes,
            });
        }
        let count = chunk::chunks(row_bytes);
        if chunk >= count {
            return Err(ProveError::NoChunk { chunk, count });
        }
        Ok(Sample {
            chunk: row.bytes.slice(chunk::range(row_bytes, chunk)),
            row_path: chunk::path(&row.bytes, chunk),
            group_path: row.path,
            opening: self.opening(row.index as usize / GROUP_ROWS),
        })
    }

    /// Answers `challenges` from the rows in `store`, in order: nothing for a row that is not there or for a piece that the
    /// blob does not have.
    ///
    /// # Errors
    ///
    /// As [`Store::read`].
    pub async fn serve<E: Storage>(
        &self,
        store: &Store<E>,
        challenges: &[Challenge],
    ) -> Result<Vec<Option<Sample>>, StoreError> {
        let mut samples = Vec::with_capacity(challenges.len());
        for challenge in challenges {
            let row = store.read(self.head.root(), challenge.row).await?;
            samples.push(row.and_then(|row| self.prove(&row, challenge.chunk).ok()));
        }
        Ok(samples)
    }

    fn opening(&self, group: usize) -> Opening {
        *self.openings[group].get_or_init(|| kzg::open(&self.leaves, group))
    }
}

//! Classic mode: EIP-4844 and EIP-7594 exactly, for bridges and for data that must be provable in Ethereum's own terms.
//!
//! A blob is 4,096 field elements under one KZG commitment; extended to twice as many it is 128 cells of 64 elements, any half of
//! which give it back, each with a proof of 48 bytes. All of it is c-kzg's, the library that Ethereum's clients run, and
//! [`Classic`] is its ceremony's setup, once loaded. The conformance test runs the standard's vectors through here.
//!
//! The data lane does not use this mode, since it commits to a few megabytes a second where a row's hash takes gigabytes. The
//! commitments of [`kzg`](crate::kzg) are of the same kind and verify here too.

mod blob;
#[cfg(test)]
mod tests;

pub use blob::{BLOB_BYTES, Blob, PACKED_BYTES_MAX, PackError, UnpackError};

use crate::kzg::{Commitment, Opening};
use c_kzg::{Bytes32, Bytes48, KzgSettings, ethereum_kzg_settings};

/// Cells of a blob: twice as many as carry its bytes.
pub const CELLS: usize = c_kzg::CELLS_PER_EXT_BLOB;
/// Bytes of a cell: 64 field elements.
pub const CELL_BYTES: usize = c_kzg::BYTES_PER_CELL;
/// c-kzg's tables for proofs of cells: none. Those of its width 8 take 96 MiB and save a third of a proof's time.
const PRECOMPUTE: u64 = 0;

/// One cell's bytes.
pub type Cell = [u8; CELL_BYTES];

/// The setup of Ethereum's ceremony, loaded. Copies share it.
#[derive(Clone, Copy)]
pub struct Classic(&'static KzgSettings);

/// A blob's cells and the proof of each.
#[derive(Clone, PartialEq, Eq)]
pub struct ProvedCells {
    /// The 128 cells; the first 64 are the blob.
    pub cells: Vec<Cell>,
    /// The proof of each.
    pub proofs: Vec<Opening>,
}

/// What the standard calls an invalid argument: something is no field element, no point of the group, no cell's index, or there
/// are fewer of one thing than of another. A proof that is only wrong is no error.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: an argument is malformed")]
pub struct ClassicError {
    /// What was tried.
    pub operation: &'static str,
    /// What c-kzg says.
    #[source]
    pub source: c_kzg::Error,
}

impl Classic {
    /// Loads and checks the setup: seconds of CPU time the first time in a process, nothing after. Not for a path on which
    /// somebody waits.
    pub fn load() -> Self {
        Self(ethereum_kzg_settings(PRECOMPUTE))
    }

    /// Commits to `blob`: EIP-4844's `blob_to_kzg_commitment`.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when an element of the blob is not below the field's order.
    pub fn commit(&self, blob: &Blob) -> Result<Commitment, ClassicError> {
        let commitment = self
            .0
            .blob_to_kzg_commitment(blob.inner())
            .map_err(during("commit to a blob"))?;
        Ok(Commitment(*commitment.to_bytes()))
    }

    /// Proves that `commitment` is to `blob`: `compute_blob_kzg_proof`. It is not checked that it is; a proof of a wrong
    /// commitment verifies nowhere.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when the blob or the commitment is malformed.
    pub fn prove(&self, blob: &Blob, commitment: &Commitment) -> Result<Opening, ClassicError> {
        let proof = self
            .0
            .compute_blob_kzg_proof(blob.inner(), &Bytes48::new(commitment.0))
            .map_err(during("prove a blob"))?;
        Ok(Opening(*proof.to_bytes()))
    }

    /// The proof of `blob`'s value at `z`, and the value, both field elements big endian: `compute_kzg_proof`.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when the blob or `z` is malformed.
    pub fn open(&self, blob: &Blob, z: &[u8; 32]) -> Result<(Opening, [u8; 32]), ClassicError> {
        let (proof, y) = self
            .0
            .compute_kzg_proof(blob.inner(), &Bytes32::new(*z))
            .map_err(during("open a blob"))?;
        Ok((Opening(*proof.to_bytes()), *y))
    }

    /// Whether the blob under `commitment` has the value `y` at `z`: `verify_kzg_proof`, the point evaluation that the EVM has as
    /// a precompile.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when an argument is malformed, where [`kzg::verify_at`](crate::kzg::verify_at) answers false.
    pub fn verify_at(
        &self,
        commitment: &Commitment,
        z: &[u8; 32],
        y: &[u8; 32],
        proof: &Opening,
    ) -> Result<bool, ClassicError> {
        self.0
            .verify_kzg_proof(
                &Bytes48::new(commitment.0),
                &Bytes32::new(*z),
                &Bytes32::new(*y),
                &Bytes48::new(proof.0),
            )
            .map_err(during("verify an evaluation"))
    }

    /// Whether `commitment` is to `blob`: `verify_blob_kzg_proof`.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when an argument is malformed.
    pub fn verify(&self, blob: &Blob, commitment: &Commitment, proof: &Opening) -> Result<bool, ClassicError> {
        self.0
            .verify_blob_kzg_proof(blob.inner(), &Bytes48::new(commitment.0), &Bytes48::new(proof.0))
            .map_err(during("verify a blob"))
    }

    /// Whether each commitment is to the blob in its place: `verify_blob_kzg_proof_batch`. Copies the blobs.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when an argument is malformed, or there are not as many of each.
    pub fn verify_batch(
        &self,
        blobs: &[Blob],
        commitments: &[Commitment],
        proofs: &[Opening],
    ) -> Result<bool, ClassicError> {
        let blobs: Vec<c_kzg::Blob> = blobs.iter().map(|blob| blob.inner().clone()).collect();
        self.0
            .verify_blob_kzg_proof_batch(&blobs, &commitment_points(commitments), &opening_points(proofs))
            .map_err(during("verify blobs"))
    }

    /// The cells of `blob`: `compute_cells`. A hundredth of what their proofs take.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when the blob is malformed.
    pub fn cells(&self, blob: &Blob) -> Result<Vec<Cell>, ClassicError> {
        let cells = self
            .0
            .compute_cells(blob.inner())
            .map_err(during("extend a blob to cells"))?;
        Ok(cells.iter().map(c_kzg::Cell::to_bytes).collect())
    }

    /// The cells of `blob` and their proofs: `compute_cells_and_kzg_proofs`.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when the blob is malformed.
    pub fn cells_and_proofs(&self, blob: &Blob) -> Result<ProvedCells, ClassicError> {
        let (cells, proofs) = self
            .0
            .compute_cells_and_kzg_proofs(blob.inner())
            .map_err(during("prove a blob's cells"))?;
        Ok(ProvedCells::of(&*cells, &*proofs))
    }

    /// Whether each of `cells` is cell `indices[i]` of the blob under `commitments[i]`, by one equation:
    /// `verify_cell_kzg_proof_batch`. True of no cells.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when an argument is malformed, an index is not below [`CELLS`], or there are not as many of each.
    pub fn verify_cells(
        &self,
        commitments: &[Commitment],
        indices: &[u64],
        cells: &[Cell],
        proofs: &[Opening],
    ) -> Result<bool, ClassicError> {
        self.0
            .verify_cell_kzg_proof_batch(
                &commitment_points(commitments),
                indices,
                &inner_cells(cells),
                &opening_points(proofs),
            )
            .map_err(during("verify cells"))
    }

    /// All cells and proofs of the blob of which `cells` are those at `indices`, at least half: `recover_cells_and_kzg_proofs`.
    /// The cells are not checked; wrong ones give a wrong blob or an error.
    ///
    /// # Errors
    ///
    /// [`ClassicError`] when there are fewer than half, an index is not below [`CELLS`] or not above the one before, or a cell is
    /// malformed.
    pub fn recover(&self, indices: &[u64], cells: &[Cell]) -> Result<ProvedCells, ClassicError> {
        let (cells, proofs) = self
            .0
            .recover_cells_and_kzg_proofs(indices, &inner_cells(cells))
            .map_err(during("recover a blob from cells"))?;
        Ok(ProvedCells::of(&*cells, &*proofs))
    }
}

impl ProvedCells {
    fn of(cells: &[c_kzg::Cell], proofs: &[c_kzg::KzgProof]) -> Self {
        Self {
            cells: cells.iter().map(c_kzg::Cell::to_bytes).collect(),
            proofs: proofs.iter().map(|proof| Opening(*proof.to_bytes())).collect(),
        }
    }
}

impl std::fmt::Debug for ProvedCells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProvedCells({} cells)", self.cells.len())
    }
}

impl std::fmt::Debug for Classic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Classic")
    }
}

fn during(operation: &'static str) -> impl FnOnce(c_kzg::Error) -> ClassicError {
    move |source| ClassicError { operation, source }
}

fn commitment_points(commitments: &[Commitment]) -> Vec<Bytes48> {
    commitments
        .iter()
        .map(|commitment| Bytes48::new(commitment.0))
        .collect()
}

fn opening_points(openings: &[Opening]) -> Vec<Bytes48> {
    openings.iter().map(|opening| Bytes48::new(opening.0)).collect()
}

fn inner_cells(cells: &[Cell]) -> Vec<c_kzg::Cell> {
    cells.iter().map(|cell| c_kzg::Cell::new(*cell)).collect()
}

//! What the chain says of a blob: the word against which everything read from operators is checked.

use crate::{Domain, Header, certificate};
use contracts::{CallError, Event, Provider, abi::DAEntrance, typed_data::BlobHeader};
use crypto::kzg::{self, Commitment};
use primitives::{BlobRoot, Epoch};

/// A certified blob, as `DAEntrance` recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    header: BlobHeader,
}

/// Why the chain has no record of a blob.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The chain did not answer.
    #[error("ask the chain for blob {root}")]
    Chain {
        /// Which blob.
        root: BlobRoot,
        /// What went wrong.
        source: Box<CallError>,
    },
    /// No certificate of the blob was submitted.
    #[error("blob {root} is not certified on chain")]
    NotCertified {
        /// Which blob.
        root: BlobRoot,
    },
}

impl Record {
    /// Asks the chain for blob `root`.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub async fn read(provider: &impl Provider, domain: &Domain, root: BlobRoot) -> Result<Self, RecordError> {
        let blob = contracts::read(provider, domain.entrance, &DAEntrance::blobCall { root: root.0 })
            .await
            .map_err(|source| RecordError::Chain {
                root,
                source: source.into(),
            })?;
        if blob.certifiedBlock == 0 {
            return Err(RecordError::NotCertified { root });
        }
        Ok(Self {
            header: BlobHeader {
                root: root.0,
                groupsRoot: blob.groupsRoot,
                commitmentHead: blob.commitmentHead,
                commitmentTail: blob.commitmentTail,
                epoch: blob.epoch,
                length: blob.length,
                expiryBlock: blob.expiryBlock,
                totalRows: blob.totalRows,
                rowBytes: blob.rowBytes,
            },
        })
    }

    /// The record that a `BlobCertified` event announces; `None` for any other event.
    pub fn of_event(event: &Event) -> Option<Self> {
        event
            .decode::<DAEntrance::BlobCertified>()
            .ok()
            .map(|event| Self { header: event.header })
    }

    /// The record that the chain makes of `header`.
    pub fn of_header(header: &Header) -> Self {
        Self {
            header: certificate::on_chain(header),
        }
    }

    /// The blob's name.
    pub fn root(&self) -> BlobRoot {
        BlobRoot(self.header.root)
    }

    /// Epoch whose committee holds it.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.header.epoch)
    }

    /// Block after which operators may delete it.
    pub fn expiry_block(&self) -> u64 {
        self.header.expiryBlock
    }

    /// The KZG commitment to its group roots.
    pub fn commitment(&self) -> Commitment {
        let mut bytes = [0; kzg::POINT_BYTES];
        bytes[..32].copy_from_slice(self.header.commitmentHead.as_slice());
        bytes[32..].copy_from_slice(self.header.commitmentTail.as_slice());
        Commitment(bytes)
    }

    /// Length of each of its rows, in bytes.
    pub fn row_bytes(&self) -> u32 {
        self.header.rowBytes
    }

    /// Length as coded, in bytes.
    pub fn length(&self) -> u64 {
        self.header.length
    }

    /// Whether `header` says of the blob what the chain does. The root alone would do; comparing the rest too leaves nothing
    /// to the signers' having computed it.
    pub fn matches(&self, header: &Header) -> bool {
        certificate::on_chain(header) == self.header
    }
}

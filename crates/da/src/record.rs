//! What the chain says of a blob: the word against which everything read from operators is checked.

use crate::{
    CommitteeId, Domain, Header, Shape, certificate,
    shape::{MAX_COSETS, ShapeError},
};
use contracts::{CallError, Event, Provider, abi::DAEntrance, typed_data::BlobHeader};
use crypto::kzg::{self, Commitment};
use primitives::{B256, BlobRoot, Epoch};

/// A certified blob, as `DAEntrance` recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    header: BlobHeader,
    shape: Shape,
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
    /// What was recorded is no blob's: another kind of entrance, or another chain.
    #[error("blob {root} is recorded with rows that no blob has")]
    Shape {
        /// Which blob.
        root: BlobRoot,
        /// Which rows.
        source: ShapeError,
    },
}

impl Record {
    /// Asks the chain for blob `root`.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub async fn read(provider: &impl Provider, domain: &Domain, root: BlobRoot) -> Result<Self, RecordError> {
        Self::read_part(provider, domain, root, None).await
    }

    /// Asks the chain for the cosets that were added to this blob, in order.
    ///
    /// # Errors
    ///
    /// [`RecordError`]; [`RecordError::NotCertified`] when one is dropped meanwhile.
    pub async fn read_added(&self, provider: &impl Provider, domain: &Domain) -> Result<Vec<Self>, RecordError> {
        let root = self.root();
        let roots = contracts::read(provider, domain.entrance, &DAEntrance::addedCall { base: root.0 })
            .await
            .map_err(|source| RecordError::Chain {
                root,
                source: source.into(),
            })?;
        let mut added = Vec::new();
        // Four cosets at most: the contract adds no more, and nobody else is believed.
        for part in roots.into_iter().take(MAX_COSETS as usize) {
            added.push(Self::read_part(provider, domain, BlobRoot(part), Some(root)).await?);
        }
        Ok(added)
    }

    async fn read_part(
        provider: &impl Provider,
        domain: &Domain,
        root: BlobRoot,
        base: Option<BlobRoot>,
    ) -> Result<Self, RecordError> {
        let blob = contracts::read(provider, domain.entrance, &DAEntrance::blobCall { root: root.0 })
            .await
            .map_err(|source| RecordError::Chain {
                root,
                source: source.into(),
            })?;
        if blob.certifiedBlock == 0 {
            return Err(RecordError::NotCertified { root });
        }
        Self::new(BlobHeader {
            root: root.0,
            groupsRoot: blob.groupsRoot,
            commitmentHead: blob.commitmentHead,
            commitmentTail: blob.commitmentTail,
            quorum: blob.quorum,
            epoch: blob.epoch,
            length: blob.length,
            expiryBlock: blob.expiryBlock,
            dataRows: blob.dataRows.into(),
            firstRow: blob.firstRow.into(),
            rowCount: blob.rowCount.into(),
            rowBytes: blob.rowBytes,
            base: base.map_or(B256::ZERO, |base| base.0),
        })
        .map_err(|source| RecordError::Shape { root, source })
    }

    fn new(header: BlobHeader) -> Result<Self, ShapeError> {
        let shape = Shape::new(header.dataRows, header.firstRow, header.rowCount)?;
        Ok(Self { header, shape })
    }

    /// The record that a `BlobCertified` event announces; `None` for any other event.
    pub fn of_event(event: &Event) -> Option<Self> {
        let event = event.decode::<DAEntrance::BlobCertified>().ok()?;
        Self::new(event.header).ok()
    }

    /// The record that the chain makes of `header`.
    pub fn of_header(header: &Header) -> Self {
        Self {
            header: certificate::on_chain(header),
            shape: header.params.shape,
        }
    }

    /// The blob's name.
    pub fn root(&self) -> BlobRoot {
        BlobRoot(self.header.root)
    }

    /// Which rows it is.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The blob that these rows were added to, if they were.
    pub fn base(&self) -> Option<BlobRoot> {
        self.shape.is_added().then_some(BlobRoot(self.header.base))
    }

    /// Who holds it.
    pub fn committee(&self) -> CommitteeId {
        CommitteeId {
            quorum: self.header.quorum,
            epoch: Epoch(self.header.epoch),
        }
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

//! How widely files are coded: chosen by what the network is measured to be, and changed while they are kept and read.

use super::{FileError, Files, Transfer, large::behind};
use alloy_sol_types::SolCall;
use contracts::{CallError, Mined, Provider, Request, abi::DAEntrance, addresses};
use crypto::stream::sealed_len;
use da::{CodedBlob, Record, Runtime, Shape, object::STRIPE_BYTES, quorum, retrieve, shape::Conditions, wire};
use futures::future::join_all;
use primitives::{B256, BlobRoot, U256};
use serde::Serialize;

/// Why the rows of a file are not changed.
#[derive(Debug, thiserror::Error)]
pub enum CodingError {
    /// The file has four cosets.
    #[error("file {root} has {cosets} cosets: there are no more")]
    Widest {
        /// The file.
        root: BlobRoot,
        /// How many it has.
        cosets: u32,
    },
    /// Nothing was added to the file.
    #[error("file {root} has the rows it was stored with, and those stay")]
    NothingAdded {
        /// The file.
        root: BlobRoot,
    },
    /// The chain did not answer.
    #[error("ask the chain how files may be coded")]
    Chain(#[source] Box<CallError>),
}

/// A coset that was added to a file.
#[derive(Clone, Debug, Serialize)]
pub struct Added {
    /// The file.
    pub root: BlobRoot,
    /// The coset's name as a blob of its own.
    pub added: BlobRoot,
    /// Rows that the file has now.
    pub rows: u32,
    /// What was paid, wei.
    pub fee_wei: U256,
    /// Transaction that recorded the certificate.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
}

/// A coset that was taken away from a file.
#[derive(Clone, Debug, Serialize)]
pub struct Dropped {
    /// The file.
    pub root: BlobRoot,
    /// The coset's name as a blob of its own.
    pub dropped: BlobRoot,
    /// Rows that the file has now.
    pub rows: u32,
    /// Transaction that dropped it.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
}

impl<E: Runtime> Files<E> {
    /// What the committees are like: how many operators the smallest quorum has, how many of the worst answer now, and whether the chain trusts them. Each is asked for its status;
    /// who does not answer within a few seconds counts as away.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the chain does not answer.
    pub async fn conditions(&self, retention_blocks: u64) -> Result<Conditions, FileError> {
        let trusted = contracts::read(
            &self.provider,
            addresses::DA_ENTRANCE,
            &DAEntrance::trustedCommitteeCall {},
        )
        .await
        .map_err(|error| CodingError::Chain(error.into()))?;
        let (mut operators, mut availability) = (u32::MAX, 1f64);
        // Which quorum keeps a file, or a stripe of it, is not known yet: it is to fit in the smallest, and the one most often away.
        for committee in quorum::committees(&self.provider, &self.peer.domain).await? {
            let answers = join_all(committee.operators().iter().map(|operator| {
                let peer = &self.peer;
                wire::ask_status(&self.context, &peer.stream_key, peer.domain.chain_id, operator)
            }))
            .await;
            let answering = answers.iter().filter(|answer| answer.is_ok()).count();
            availability = availability.min(answering as f64 / f64::from(committee.len()));
            operators = operators.min(committee.len());
        }
        Ok(Conditions {
            operators,
            trusted,
            availability,
            retention_blocks,
            longest_bytes: sealed_len(u64::from(STRIPE_BYTES)),
        })
    }

    /// Gives a file another coset of rows: reads it, codes the coset, disperses it and records it beside what is there, which nobody
    /// touches. Anyone who pays may: no key is needed.
    ///
    /// # Errors
    ///
    /// [`FileError`]; [`CodingError::Widest`] when it has all four.
    pub async fn widen(&mut self, root: BlobRoot, mut progress: impl FnMut(Transfer)) -> Result<Added, FileError> {
        let (record, added) = self.records(root).await?;
        let cosets = added.last().unwrap_or(&record).shape().cosets();
        // What is added belongs to the committee of what it is added to, however old.
        let committee = self.committee_of(record.committee()).await?;
        let retrieved = da::retrieve(&self.context, &self.peer, &committee, &record, &added, |step| {
            if let retrieve::Progress::Rows { rows, needed } = step {
                progress(Transfer::Received { rows, needed });
            }
        })
        .await?;
        let head = retrieved.head().clone();
        let coset = CodedBlob::add_coset(&head, cosets, retrieved.data_rows())
            .map_err(|_| CodingError::Widest { root, cosets })?;
        let shape = coset.head().shape();
        progress(Transfer::Coded {
            rows: shape.row_count(),
        });
        let published = self
            .publisher
            .publish(&self.context, &committee, &coset, |step| {
                if let da::disperse::Progress::Sent { rows, .. } = step {
                    progress(Transfer::Sent { rows });
                }
            })
            .await?;
        behind(&self.context, &coset).await;
        Ok(Added {
            root,
            added: coset.head().root(),
            rows: shape.rows().end,
            fee_wei: published.fee_wei,
            transaction: published.transaction,
            block: published.block,
        })
    }

    /// Takes the coset that was added last away from a file again; this wallet paid for it. Operators delete its rows.
    ///
    /// # Errors
    ///
    /// [`FileError`]; [`CodingError::NothingAdded`] when there is none.
    pub async fn narrow(&mut self, root: BlobRoot) -> Result<Dropped, FileError> {
        let (_, added) = self.records(root).await?;
        let last = added.last().ok_or(CodingError::NothingAdded { root })?;
        let request = Request {
            to: Some(self.peer.domain.entrance),
            value: U256::ZERO,
            data: DAEntrance::dropCall { base: root.0 }.abi_encode().into(),
        };
        let Mined { hash, block, .. } = self.provider.send(request).await?;
        Ok(Dropped {
            root,
            dropped: last.root(),
            rows: last.shape().first_row(),
            transaction: hash,
            block,
        })
    }

    /// The rows that a file has: those it was stored with, then those added to it.
    ///
    /// # Errors
    ///
    /// [`FileError`].
    pub async fn shapes(&self, root: BlobRoot) -> Result<Vec<Shape>, FileError> {
        let (record, added) = self.records(root).await?;
        Ok(std::iter::once(&record).chain(&added).map(Record::shape).collect())
    }

    async fn records(&self, root: BlobRoot) -> Result<(Record, Vec<Record>), FileError> {
        let domain = &self.peer.domain;
        let record = Record::read(&self.provider, domain, root).await?;
        let added = record.read_added(&self.provider, domain).await?;
        Ok((record, added))
    }
}

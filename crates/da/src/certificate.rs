//! Availability certificates: proof that a quorum holds its rows of blobs.
//!
//! An operator that holds all its rows of some blobs signs what the chain is to record of them, once for all. Shares add up to one BLS
//! signature; a certificate is that signature and who signed. `DAEntrance` verifies the same bytes on chain.

use crate::{Committee, CommitteeId, Header, Permit, Shape};
use alloy_sol_types::SolCall;
use contracts::{
    Request,
    abi::DAEntrance,
    addresses,
    typed_data::{self, BlobHeader},
};
use crypto::bls;
use primitives::{Address, B256, U256};

#[cfg(test)]
mod tests;

/// Most blobs of one certificate: `DAEntrance.MAX_BATCH`.
pub const MAX_BATCH: usize = 64;

/// Where a certificate counts: a signature for one chain says nothing on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Domain {
    /// EIP-155 id of the chain.
    pub chain_id: u64,
    /// The contract that records certificates.
    pub entrance: Address,
}

impl Domain {
    /// The domain of the contract at its genesis address.
    pub fn of_chain(chain_id: u64) -> Self {
        Self {
            chain_id,
            entrance: addresses::DA_ENTRANCE,
        }
    }

    /// What operators sign for the blobs of `headers`, in this order.
    pub fn message<'a>(&self, headers: impl IntoIterator<Item = &'a Header>) -> B256 {
        let headers: Vec<_> = headers.into_iter().map(on_chain).collect();
        typed_data::certificate_message(self.chain_id, self.entrance, &headers)
    }
}

/// What the chain records of a blob.
pub fn on_chain(header: &Header) -> BlobHeader {
    let (commitment_head, commitment_tail) = typed_data::commitment_words(&header.commitment.0);
    BlobHeader {
        root: header.root().0,
        groupsRoot: header.groups_root.0,
        commitmentHead: commitment_head,
        commitmentTail: commitment_tail,
        quorum: header.params.committee.quorum,
        epoch: header.params.committee.epoch.0,
        length: header.params.length,
        expiryBlock: header.params.expiry_block,
        dataRows: header.params.shape.data_rows(),
        firstRow: header.params.shape.first_row(),
        rowCount: header.params.shape.row_count(),
        rowBytes: header.params.row_bytes(),
        base: header.params.base.map_or(B256::ZERO, |base| base.root.0),
    }
}

/// One operator's signature for its rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Index of the operator.
    pub operator: u32,
    /// Its signature of [`Domain::message`].
    pub signature: bls::Signature,
}

/// Why a share does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// There is no such operator.
    #[error("operator {operator} is not in the committee")]
    Unknown {
        /// The index claimed.
        operator: u32,
    },
    /// The signature is not the operator's.
    #[error("operator {operator} did not sign this")]
    WrongSignature {
        /// Whose it should be.
        operator: u32,
    },
}

/// Collects shares for blobs of one committee until they are a certificate.
pub struct Quorum<'a> {
    committee: &'a Committee,
    headers: Vec<Header>,
    message: B256,
    shares: Vec<Option<bls::Signature>>,
}

impl<'a> Quorum<'a> {
    /// Awaits shares of `committee` for the blobs of `headers`: 1 to [`MAX_BATCH`], in the order in which they are signed.
    pub fn new(domain: &Domain, committee: &'a Committee, headers: Vec<Header>) -> Self {
        let shares = vec![None; committee.operators().len()];
        Self {
            committee,
            message: domain.message(&headers),
            headers,
            shares,
        }
    }

    /// Adds a share; returns the certificate when the signers now own a quorum of the rows of each blob. Shares beyond those
    /// make a certificate with more signers.
    ///
    /// # Errors
    ///
    /// [`ShareError`]. A wrong share changes nothing.
    pub fn record(&mut self, share: Share) -> Result<Option<Certificate>, ShareError> {
        let operator = share.operator;
        let member = self
            .committee
            .operators()
            .get(operator as usize)
            .ok_or(ShareError::Unknown { operator })?;
        if !member.bls_key.verify(self.message.as_slice(), &share.signature) {
            return Err(ShareError::WrongSignature { operator });
        }
        self.shares[operator as usize] = Some(share.signature);
        Ok(self.certificate())
    }

    /// Rows of the first blob that those who signed own.
    pub fn rows_signed(&self) -> u32 {
        let Some(first) = self.headers.first() else { return 0 };
        rows_of(self.committee, self.signers(), first.params.shape)
    }

    fn signers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.committee.len()).filter(|&index| self.shares[index as usize].is_some())
    }

    fn certificate(&self) -> Option<Certificate> {
        let signers: Vec<u32> = self.signers().collect();
        if (self.headers.iter()).any(|header| quorum_missed(self.committee, &signers, header).is_some()) {
            return None;
        }
        let signatures: Vec<_> = self.shares.iter().flatten().copied().collect();
        let signature = bls::Signature::aggregate(&signatures).expect("a quorum has a signature");
        Some(Certificate {
            headers: self.headers.clone(),
            signers,
            signature,
        })
    }
}

/// How many rows of `shape` these members own together.
pub(crate) fn rows_of(committee: &Committee, members: impl IntoIterator<Item = u32>, shape: Shape) -> u32 {
    let members = members.into_iter();
    members.map(|index| committee.row_count(index, shape)).sum()
}

/// The shape of which `members` own too few rows for the blob of `header`, and how many they own.
pub(crate) fn quorum_missed(committee: &Committee, members: &[u32], header: &Header) -> Option<(Shape, u32)> {
    (header.params.quorums())
        .map(|shape| (shape, rows_of(committee, members.iter().copied(), shape)))
        .find(|(shape, rows)| *rows < shape.quorum_rows())
}

/// Headers of blobs of one committee, signed by operators that own a quorum of the rows of each.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    headers: Vec<Header>,
    /// Indices of who signed, ascending.
    signers: Vec<u32>,
    signature: bls::Signature,
}

/// Why a certificate does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There are not 1 to [`MAX_BATCH`] blobs.
    #[error("a certificate of {blobs} blobs: 1 to {MAX_BATCH} are signed for together")]
    Batch {
        /// How many there are.
        blobs: usize,
    },
    /// The signers are not ascending indices of the committee.
    #[error("signers are not ascending indices of {operators} operators")]
    Signers {
        /// Size of the committee.
        operators: u32,
    },
    /// The blob is another committee's.
    #[error("the blob is of {found}, the committee of {expected}")]
    WrongCommittee {
        /// The blob's.
        found: CommitteeId,
        /// The one at hand.
        expected: CommitteeId,
    },
    /// The signers own too few rows.
    #[error("signers own {rows} rows: {needed} are a quorum")]
    BelowQuorum {
        /// How many they own.
        rows: u32,
        /// How many are needed.
        needed: u32,
    },
    /// The sum of signatures is not the signers'.
    #[error("the aggregate signature is not the signers'")]
    WrongSignature,
}

impl Certificate {
    /// A certificate as claimed by whoever sent it: [`verify`](Self::verify) it.
    pub fn new(headers: Vec<Header>, signers: Vec<u32>, signature: bls::Signature) -> Self {
        Self {
            headers,
            signers,
            signature,
        }
    }

    /// The blobs' headers, in the order in which they were signed.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Indices of the operators that signed, ascending.
    pub fn signers(&self) -> &[u32] {
        &self.signers
    }

    /// Checks the signature and that the signers own a quorum of the rows: about 1 ms.
    ///
    /// # Errors
    ///
    /// [`CertificateError`].
    pub fn verify(&self, domain: &Domain, committee: &Committee) -> Result<(), CertificateError> {
        let blobs = self.headers.len();
        if !(1..=MAX_BATCH).contains(&blobs) {
            return Err(CertificateError::Batch { blobs });
        }
        let operators = committee.len();
        let ascending = self.signers.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || self.signers.last().is_some_and(|&last| last >= operators) {
            return Err(CertificateError::Signers { operators });
        }
        for header in &self.headers {
            let (found, expected) = (header.params.committee, committee.id());
            if found != expected {
                return Err(CertificateError::WrongCommittee { found, expected });
            }
            if let Some((shape, rows)) = quorum_missed(committee, &self.signers, header) {
                let needed = shape.quorum_rows();
                return Err(CertificateError::BelowQuorum { rows, needed });
            }
        }
        let keys: Vec<_> = self
            .signers
            .iter()
            .map(|&index| committee.operators()[index as usize].bls_key)
            .collect();
        match self
            .signature
            .fast_aggregate_verify(&keys, domain.message(&self.headers).as_slice())
        {
            true => Ok(()),
            false => Err(CertificateError::WrongSignature),
        }
    }

    /// The transaction that records the blobs, each on the promise of `permits` at its place. Anybody may send it.
    pub fn submission(&self, domain: &Domain, committee: &Committee, permits: &[Permit]) -> Request {
        let call = DAEntrance::submitCall {
            headers: self.headers.iter().map(on_chain).collect(),
            permits: permits.iter().map(Permit::on_chain).collect(),
            signersBitmap: typed_data::signers_bitmap(self.signers.iter().copied(), committee.len()),
            signature: self.signature.to_eip2537().to_vec().into(),
        };
        Request {
            to: Some(domain.entrance),
            value: U256::ZERO,
            data: call.abi_encode().into(),
        }
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let roots: Vec<_> = self.headers.iter().map(Header::root).collect();
        write!(f, "Certificate({roots:?}, signers {:?})", self.signers)
    }
}

//! Availability certificates: proof that a quorum holds its rows of a blob.
//!
//! An operator that holds all its rows signs what the chain is to record of the blob. Shares add up to one BLS signature; a
//! certificate is that signature and who signed. `DAEntrance` verifies the same bytes on chain.

use crate::{Committee, Header, Shape};
use alloy_sol_types::SolCall;
use contracts::{
    Request,
    abi::DAEntrance,
    addresses,
    typed_data::{self, BlobHeader},
};
use crypto::bls;
use primitives::{Address, B256, BlobRoot, U256};

#[cfg(test)]
mod tests;

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

    /// What operators sign for the blob of `header`.
    pub fn message(&self, header: &Header) -> B256 {
        typed_data::certificate_message(self.chain_id, self.entrance, &on_chain(header))
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
        epoch: header.params.epoch.0,
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

/// Collects shares for one blob until they are a certificate.
pub struct Quorum<'a> {
    committee: &'a Committee,
    header: &'a Header,
    message: B256,
    shares: Vec<Option<bls::Signature>>,
}

impl<'a> Quorum<'a> {
    /// Awaits shares of `committee` for the blob of `header`.
    pub fn new(domain: &Domain, committee: &'a Committee, header: &'a Header) -> Self {
        let shares = vec![None; committee.operators().len()];
        Self {
            committee,
            header,
            message: domain.message(header),
            shares,
        }
    }

    /// Adds a share; returns the certificate when the signers now own a quorum of the rows. Shares beyond those
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

    /// Rows that those who signed own.
    pub fn rows_signed(&self) -> u32 {
        let shape = self.header.params.shape;
        self.signers().map(|index| self.committee.row_count(index, shape)).sum()
    }

    fn signers(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.committee.len()).filter(|&index| self.shares[index as usize].is_some())
    }

    fn certificate(&self) -> Option<Certificate> {
        let signers: Vec<u32> = self.signers().collect();
        if !self
            .header
            .params
            .quorums()
            .all(|shape| is_quorum(self.committee, &signers, shape))
        {
            return None;
        }
        let signatures: Vec<_> = self.shares.iter().flatten().copied().collect();
        let signature = bls::Signature::aggregate(&signatures).expect("a quorum has a signature");
        Some(Certificate {
            header: self.header.clone(),
            signers,
            signature,
        })
    }
}

/// Whether `signers` own a quorum of the rows of `shape`.
fn is_quorum(committee: &Committee, signers: &[u32], shape: Shape) -> bool {
    let rows: u32 = signers.iter().map(|&index| committee.row_count(index, shape)).sum();
    rows >= shape.quorum_rows()
}

/// A blob's header, signed by operators that own a quorum of its rows.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    header: Header,
    /// Indices of who signed, ascending.
    signers: Vec<u32>,
    signature: bls::Signature,
}

/// Why a certificate does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The signers are not ascending indices of the committee.
    #[error("signers are not ascending indices of {operators} operators")]
    Signers {
        /// Size of the committee.
        operators: u32,
    },
    /// The blob belongs to another epoch.
    #[error("the blob is of epoch {found}, the committee of epoch {expected}")]
    WrongEpoch {
        /// The blob's.
        found: primitives::Epoch,
        /// The committee's.
        expected: primitives::Epoch,
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
    pub fn new(header: Header, signers: Vec<u32>, signature: bls::Signature) -> Self {
        Self {
            header,
            signers,
            signature,
        }
    }

    /// The blob's name.
    pub fn root(&self) -> BlobRoot {
        self.header.root()
    }

    /// The blob's header.
    pub fn header(&self) -> &Header {
        &self.header
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
        let operators = committee.len();
        let ascending = self.signers.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || self.signers.last().is_some_and(|&last| last >= operators) {
            return Err(CertificateError::Signers { operators });
        }
        let (found, expected) = (self.header.params.epoch, committee.epoch());
        if found != expected {
            return Err(CertificateError::WrongEpoch { found, expected });
        }
        if let Some(shape) = (self.header.params.quorums()).find(|shape| !is_quorum(committee, &self.signers, *shape)) {
            let rows = (self.signers.iter())
                .map(|&index| committee.row_count(index, shape))
                .sum();
            let needed = shape.quorum_rows();
            return Err(CertificateError::BelowQuorum { rows, needed });
        }
        let keys: Vec<_> = self
            .signers
            .iter()
            .map(|&index| committee.operators()[index as usize].bls_key)
            .collect();
        match self
            .signature
            .fast_aggregate_verify(&keys, domain.message(&self.header).as_slice())
        {
            true => Ok(()),
            false => Err(CertificateError::WrongSignature),
        }
    }

    /// The transaction that records the blob on chain with `fee_wei`: what `DAEntrance.quote` asks for, or more (the rest is
    /// the sender's to withdraw).
    pub fn submission(&self, domain: &Domain, committee: &Committee, fee_wei: U256) -> Request {
        let call = DAEntrance::submitCall {
            header: on_chain(&self.header),
            signersBitmap: typed_data::signers_bitmap(self.signers.iter().copied(), committee.len()),
            signature: self.signature.to_eip2537().to_vec().into(),
        };
        Request {
            to: Some(domain.entrance),
            value: fee_wei,
            data: call.abi_encode().into(),
        }
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({}, signers {:?})", self.root(), self.signers)
    }
}

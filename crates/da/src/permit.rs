//! Permits: a payer's promise to pay for a blob, which operators see before they take a byte of it.
//!
//! A payer sets money aside in the entrance's escrow and signs an EIP-712 permit a blob. An operator takes the blob's rows when that money
//! covers what the payer promised it and has not paid; the chain charges the payer when the certificate is recorded, or for the time that
//! disks waited in vain when none is. `PaymentPermits.sol` has the other half.

use crate::{Domain, Header, certificate::on_chain};
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use contracts::{abi::DAEntrance, typed_data};
use crypto::ecdsa::{self, SIGNATURE_BYTES, SignatureError};
use primitives::{Address, B256, Digest, U256};

#[cfg(test)]
mod tests;

/// Longest that operators let a promise last, in blocks: `PaymentPermits.PERMIT_BLOCKS`.
pub const PERMIT_BLOCKS: u64 = 1_200;

/// How long a promise lasts that we make, in blocks: less than operators let it, for they may be some blocks behind us.
pub const LIFETIME_BLOCKS: u64 = 1_000;

/// A promise with fewer blocks left is made again while rows still go out: signatures and the transaction need some, too.
pub const RENEWAL_BLOCKS: u64 = 400;
const _: () = assert!(RENEWAL_BLOCKS < LIFETIME_BLOCKS, "a promise is not renewed at once");

/// What a payer pays for once, whichever quorum keeps it: the name of a blob but for its committee ([`CodedBlob::purchase`](crate::CodedBlob::purchase)).
///
/// An idempotency key: of all promises of one payer with one purchase, the chain charges the first whose certificate comes. So who offers a payload to
/// another quorum, because one did not answer, need not fear that both are paid in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Purchase(pub Digest);

/// A payer's promise to pay for a blob that is certified by a block. What it pays for is in the blob's header.
///
/// Encoding: `purchase 32, or zeros | deadline 8 | signature 65`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// What is paid for once; none where the blob can only be in one quorum.
    pub purchase: Option<Purchase>,
    /// Last block in which the chain takes the certificate.
    pub deadline: u64,
    /// The payer's, of [`Domain::permit_digest`].
    pub signature: ecdsa::Signature,
}

impl Domain {
    /// What a payer signs to promise the fee of the blob of `header`, if it is certified by block `deadline` and no other blob of `purchase` was.
    pub fn permit_digest(&self, header: &Header, purchase: Option<Purchase>, deadline: u64) -> B256 {
        let header = on_chain(header);
        typed_data::permit_digest(self.chain_id, self.entrance, &header, word(purchase), deadline)
    }
}

impl Permit {
    /// The promise of `payer` to pay for the blob of `header`, unless it pays for another of the same purchase.
    pub fn sign(
        payer: &ecdsa::Secret,
        domain: &Domain,
        header: &Header,
        purchase: Option<Purchase>,
        deadline: u64,
    ) -> Self {
        Self {
            purchase,
            deadline,
            signature: payer.sign(&domain.permit_digest(header, purchase, deadline)),
        }
    }

    /// The promise as the entrance takes it.
    pub(crate) fn on_chain(&self) -> DAEntrance::Permit {
        DAEntrance::Permit {
            purchase: word(self.purchase),
            deadline: self.deadline,
            signature: self.signature.to_vec().into(),
        }
    }

    /// Whose promise it is: an account that may have nothing, when the permit is of another blob.
    ///
    /// # Errors
    ///
    /// [`SignatureError`] when it is nobody's.
    pub fn payer(&self, domain: &Domain, header: &Header) -> Result<Address, SignatureError> {
        ecdsa::recover(
            &domain.permit_digest(header, self.purchase, self.deadline),
            &self.signature,
        )
    }
}

/// Fee of keeping the blob of `header` from block `height` to its expiry, wei: what the chain charges for it if it is recorded then.
pub fn fee_wei(header: &Header, price_per_byte_block: U256, height: u64) -> U256 {
    let params = &header.params;
    let bytes = u64::from(params.shape.row_count()) * u64::from(params.row_bytes());
    let blocks = params.expiry_block.saturating_sub(height);
    U256::from(bytes) * U256::from(blocks) * price_per_byte_block
}

/// A purchase as the entrance has it: 0 is none.
pub(crate) fn word(purchase: Option<Purchase>) -> B256 {
    purchase.map_or(B256::ZERO, |Purchase(name)| name.0)
}

impl FixedSize for Permit {
    const SIZE: usize = 32 + 8 + SIGNATURE_BYTES;
}

impl Write for Permit {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_slice(word(self.purchase).as_slice());
        self.deadline.write(buf);
        buf.put_slice(&self.signature);
    }
}

impl Read for Permit {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let purchase = Digest::read(buf)?;
        Ok(Self {
            purchase: (!purchase.0.is_zero()).then_some(Purchase(purchase)),
            deadline: u64::read(buf)?,
            signature: <[u8; SIGNATURE_BYTES]>::read(buf)?,
        })
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Permit(until block {})", self.deadline)
    }
}

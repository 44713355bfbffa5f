//! Proof that a block's header is final, for who has neither the block nor the chain.
//!
//! ```text
//! epoch, view, parent's view (varints) | seats (1) | bitmap of who signed (⌈seats / 8⌉) | signature (96, compressed G2) | summary
//! ```
//!
//! The signature is the sum of the votes to finalize the digest of the [`Summary`], under the namespace of the chain. Seats are counted as the
//! chain's registry lists them: the validators in its order, the seats of each in theirs; seat `i` is bit `i % 8` (least significant first) of byte
//! `i / 8`. The engine counts them by names that no contract can compute, hence this order. `ChainClient` checks the same. See
//! docs/spec/shards.md.

#[cfg(test)]
mod tests;

use crate::{
    block::{BlockDigest, Summary},
    consensus::Scheme,
    keys::{Committee, MAX_VOTES, VoteKey},
};
use bytes::{BufMut, Bytes};
use commonware_codec::{
    Buf, DecodeExt as _, Encode as _, EncodeSize, Error as CodecError, FixedSize as _, Read, ReadExt as _, Write,
    types::lazy::Lazy, varint::UInt,
};
use commonware_consensus::{
    simplex::types::{Finalization, Proposal},
    types::{Epoch, Round, View},
};
use commonware_cryptography::{
    bls12381::{
        certificate::multisig::Certificate,
        primitives::{ops::aggregate, variant::MinPk},
    },
    certificate::Signers,
};
use commonware_utils::{Participant, union_unique};
use crypto::bls;

const _: () = assert!(MAX_VOTES <= u8::MAX as usize, "the count of seats is one byte");

/// Who of a committee signed, by its seats in the order of the registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seats {
    count: u8,
    bitmap: Vec<u8>,
}

impl Seats {
    /// No seat of `count`, of which there are 1 to [`MAX_VOTES`].
    ///
    /// # Panics
    ///
    /// For another count.
    pub fn none(count: usize) -> Self {
        assert!(
            (1..=MAX_VOTES).contains(&count),
            "a committee has 1 to {MAX_VOTES} seats"
        );
        Self {
            count: count as u8,
            bitmap: vec![0; count.div_ceil(8)],
        }
    }

    /// Adds a seat.
    ///
    /// # Panics
    ///
    /// When there is none of that number.
    pub fn insert(&mut self, seat: usize) {
        assert!(seat < usize::from(self.count), "seat {seat} of {}", self.count);
        self.bitmap[seat / 8] |= 1 << (seat % 8);
    }

    /// Whether the seat is among them; not when there is none of that number.
    pub fn contains(&self, seat: usize) -> bool {
        self.bitmap
            .get(seat / 8)
            .is_some_and(|byte| byte >> (seat % 8) & 1 == 1)
    }

    /// How many seats there are in all.
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// How many are among them.
    pub fn signed(&self) -> usize {
        self.bitmap.iter().map(|byte| byte.count_ones() as usize).sum()
    }
}

/// A header, with the certificate that it is final. What is read from bytes is not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinalityProof {
    /// Epoch in which was voted.
    pub epoch: u64,
    /// View in which was voted: the block's own, or a later one in which the last block of an epoch was proposed again.
    pub view: u64,
    /// View of the proposal's parent.
    pub parent_view: u64,
    /// Who signed.
    pub signers: Seats,
    /// Sum of their signatures.
    pub signature: bls::Signature,
    /// The header, bound to what was signed.
    pub summary: Summary,
}

/// Why a header is not shown to be final.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinalityError {
    /// The proof counts other seats than the committee has.
    #[error("the proof is of {found} seats, the committee has {expected}")]
    Seats {
        /// Seats that the proof counts.
        found: usize,
        /// Seats of the committee.
        expected: usize,
    },
    /// Too few signed.
    #[error("{signed} of {seats} seats signed, {quorum} must")]
    Quorum {
        /// How many signed.
        signed: usize,
        /// How many seats there are.
        seats: usize,
        /// How many have to.
        quorum: usize,
    },
    /// The signature is not the sum of the signers' votes for this block.
    #[error("the signature is not that of the signers for block {number} in view {view} of epoch {epoch}")]
    Signature {
        /// Height of the block.
        number: u64,
        /// The view.
        view: u64,
        /// The epoch.
        epoch: u64,
    },
}

/// Votes that make a certificate out of `seats`: all but fewer than a third.
pub fn quorum(seats: usize) -> usize {
    seats - seats.saturating_sub(1) / 3
}

/// The bytes that a vote to finalize signs, before they are hashed to the curve. `namespace` is [`crate::consensus::namespace`].
pub fn finalize_message(namespace: &[u8], epoch: u64, view: u64, parent_view: u64, digest: &BlockDigest) -> Vec<u8> {
    let mut proposal = Vec::new();
    for number in [epoch, view, parent_view] {
        UInt(number).write(&mut proposal);
    }
    digest.write(&mut proposal);
    union_unique(&[namespace, b"_FINALIZE"].concat(), &proposal)
}

impl FinalityProof {
    /// The proof that `finalization`, by `committee`, is for the block of `summary`; `None` when it is for another block, or by seats that
    /// the committee has not.
    pub(crate) fn new(
        finalization: &Finalization<Scheme, BlockDigest>,
        committee: &Committee,
        summary: Summary,
    ) -> Option<Self> {
        let proposal = &finalization.proposal;
        if proposal.payload != summary.digest() {
            return None;
        }
        let mut signers = Seats::none(committee.votes());
        for participant in finalization.certificate.signers.iter() {
            signers.insert(committee.place(participant)?);
        }
        let signature = finalization.certificate.signature.get()?.encode();
        Some(Self {
            epoch: proposal.round.epoch().get(),
            view: proposal.round.view().get(),
            parent_view: proposal.parent.get(),
            signers,
            signature: bls::Signature::from_bytes(signature.as_ref().try_into().ok()?).ok()?,
            summary,
        })
    }

    /// The engine's own certificate, of which this is another form; `None` when it is not of a committee with as many seats.
    pub(crate) fn finalization(&self, committee: &Committee) -> Option<Finalization<Scheme, BlockDigest>> {
        let count = committee.votes();
        if self.signers.count() != count {
            return None;
        }
        let count = u32::try_from(count).ok()?;
        let participants = (0..count).map(Participant::new);
        let signed =
            participants.filter(|seat| committee.place(*seat).is_some_and(|place| self.signers.contains(place)));
        let round = Round::new(Epoch::new(self.epoch), View::new(self.view));
        let signature = Bytes::copy_from_slice(&self.signature.to_bytes());
        Some(Finalization {
            proposal: Proposal::new(round, View::new(self.parent_view), self.summary.digest()),
            certificate: Certificate {
                signers: Signers::new(count, signed).ok()?,
                signature: Lazy::from(aggregate::Signature::<MinPk>::decode(signature).ok()?),
            },
        })
    }

    /// Checks that a quorum of `committee` voted to finalize this header on the chain of `namespace`.
    ///
    /// Who calls knows that the committee is that of the epoch: see docs/spec/shards.md for why it matters.
    ///
    /// # Errors
    ///
    /// [`FinalityError`].
    pub fn verify(&self, namespace: &[u8], committee: &Committee) -> Result<(), FinalityError> {
        let (found, expected) = (self.signers.count(), committee.votes());
        if found != expected {
            return Err(FinalityError::Seats { found, expected });
        }
        let (signed, quorum) = (self.signers.signed(), quorum(expected));
        if signed < quorum {
            return Err(FinalityError::Quorum {
                signed,
                seats: expected,
                quorum,
            });
        }
        let digest = self.summary.digest();
        let message = finalize_message(namespace, self.epoch, self.view, self.parent_view, &digest);
        let keys: Option<Vec<_>> = self.signer_keys(committee).iter().map(public_key).collect();
        if keys.is_some_and(|keys| self.signature.fast_aggregate_verify(&keys, &message)) {
            return Ok(());
        }
        Err(FinalityError::Signature {
            number: self.summary.header().number,
            view: self.view,
            epoch: self.epoch,
        })
    }

    /// The vote keys of who signed, in the order of their seats.
    pub fn signer_keys(&self, committee: &Committee) -> Vec<VoteKey> {
        let keys = committee.validators().iter().flat_map(|validator| &validator.vote_keys);
        let signed = keys.enumerate().filter(|(seat, _)| self.signers.contains(*seat));
        signed.map(|(_, key)| *key).collect()
    }
}

fn public_key(key: &VoteKey) -> Option<bls::PublicKey> {
    bls::PublicKey::from_bytes(key.encode().as_ref().try_into().ok()?).ok()
}

impl Write for FinalityProof {
    fn write(&self, buf: &mut impl BufMut) {
        for number in [self.epoch, self.view, self.parent_view] {
            UInt(number).write(buf);
        }
        self.signers.count.write(buf);
        buf.put_slice(&self.signers.bitmap);
        self.signature.write(buf);
        self.summary.write(buf);
    }
}

impl EncodeSize for FinalityProof {
    fn encode_size(&self) -> usize {
        let numbers = [self.epoch, self.view, self.parent_view];
        let numbers: usize = numbers.iter().map(|number| UInt(*number).encode_size()).sum();
        numbers + 1 + self.signers.bitmap.len() + bls::Signature::SIZE + self.summary.encode_size()
    }
}

impl Read for FinalityProof {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            epoch: UInt::<u64>::read(buf)?.into(),
            view: UInt::<u64>::read(buf)?.into(),
            parent_view: UInt::<u64>::read(buf)?.into(),
            signers: Seats::read(buf)?,
            signature: bls::Signature::read(buf)?,
            summary: Summary::read(buf)?,
        })
    }
}

impl Read for Seats {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        let count = u8::read(buf)?;
        if !(1..=MAX_VOTES).contains(&usize::from(count)) {
            return Err(CodecError::InvalidLength(count.into()));
        }
        let mut bitmap = vec![0; usize::from(count).div_ceil(8)];
        if buf.remaining() < bitmap.len() {
            return Err(CodecError::EndOfBuffer);
        }
        buf.copy_to_slice(&mut bitmap);
        // Bits beyond the last seat would be a second encoding of the same proof.
        let last = bitmap[bitmap.len() - 1];
        if !count.is_multiple_of(8) && last >> (count % 8) != 0 {
            return Err(CodecError::Invalid("seats", "a bit beyond the last seat"));
        }
        Ok(Self { count, bitmap })
    }
}

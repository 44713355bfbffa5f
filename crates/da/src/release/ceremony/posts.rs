//! What posts look like, and what is recorded in the end. Every length is known before anything is read.

use super::{SEATS_MAX, SeatKey};
use alloy_sol_types::SolValue;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use commonware_codec::{Encode, Error, FixedSize, Read, ReadExt, Write};
use commonware_cryptography::{Verifier, ed25519};
use crypto::{
    ceremony::{self, DealerPublic, PlayerAck},
    envelope::{ENVELOPE_BYTES, RecipientPublic},
};
use primitives::{B256, keccak256};

/// What a ceremony comes to.
pub type Outcome = ceremony::Outcome<SeatKey>;

/// A seat wants a share.
pub(super) struct Enrolment {
    pub(super) sealing: RecipientPublic,
    pub(super) key: SeatKey,
    pub(super) signature: ed25519::Signature,
}

impl Enrolment {
    /// What the seat's key signs: without it, who is faster could enrol another's key.
    pub(super) fn said(epoch: u64, operator: u32, seat: u32, sealing: &RecipientPublic) -> Vec<u8> {
        let place = [
            epoch.to_be_bytes().as_slice(),
            &operator.to_be_bytes(),
            &seat.to_be_bytes(),
        ]
        .concat();
        [&place[..], &sealing.to_bytes()].concat()
    }

    pub(super) fn is_signed(&self, label: &[u8], epoch: u64, operator: u32, seat: u32) -> bool {
        let said = Self::said(epoch, operator, seat, &self.sealing);
        self.key.verify(label, &said, &self.signature)
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        self.sealing.write(&mut bytes);
        self.key.write(&mut bytes);
        self.signature.write(&mut bytes);
        bytes.freeze()
    }

    pub(super) fn decode(mut bytes: Bytes) -> Result<Self, Error> {
        let read = Self {
            sealing: ReadExt::read(&mut bytes)?,
            key: ReadExt::read(&mut bytes)?,
            signature: ReadExt::read(&mut bytes)?,
        };
        over(&bytes)?;
        Ok(read)
    }
}

/// A seat deals.
pub(super) struct Dealt {
    pub(super) key: SeatKey,
    /// Over all the rest; none before it is made.
    pub(super) signature: Option<ed25519::Signature>,
    pub(super) public: DealerPublic,
    pub(super) envelopes: Vec<[u8; ENVELOPE_BYTES]>,
}

impl Dealt {
    /// What is signed.
    pub(super) fn said(&self, epoch: u64) -> Vec<u8> {
        let mut bytes = epoch.to_be_bytes().to_vec();
        bytes.put_slice(self.public.encode().as_ref());
        self.envelopes.iter().for_each(|envelope| bytes.put_slice(envelope));
        bytes
    }

    pub(super) fn is_signed(&self, label: &[u8], epoch: u64) -> bool {
        let said = self.said(epoch);
        self.signature
            .as_ref()
            .is_some_and(|signature| self.key.verify(label, &said, signature))
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        self.key.write(&mut bytes);
        self.signature.as_ref().expect("it is signed").write(&mut bytes);
        self.public.write(&mut bytes);
        self.envelopes.iter().for_each(|envelope| bytes.put_slice(envelope));
        bytes.freeze()
    }

    /// A dealing to so many players.
    pub(super) fn read(mut bytes: Bytes, players: usize) -> Result<Self, Error> {
        let key = SeatKey::read(&mut bytes)?;
        let signature = Some(ed25519::Signature::read(&mut bytes)?);
        let public = DealerPublic::read_cfg(&mut bytes, &SEATS_MAX)?;
        if bytes.remaining() != players * ENVELOPE_BYTES {
            return Err(Error::InvalidLength(bytes.remaining()));
        }
        let (envelopes, _) = bytes.as_chunks::<ENVELOPE_BYTES>();
        Ok(Self {
            key,
            signature,
            public,
            envelopes: envelopes.to_vec(),
        })
    }
}

/// A seat says which shares it has.
pub(super) struct Acknowledgements {
    pub(super) key: SeatKey,
    /// Each with the place of its dealer among the dealers.
    pub(super) acks: Vec<(u16, PlayerAck<SeatKey>)>,
}

impl Acknowledgements {
    /// Bytes of each.
    const ACK_BYTES: usize = u16::SIZE + PlayerAck::<SeatKey>::SIZE;

    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::new();
        self.key.write(&mut bytes);
        for (place, ack) in &self.acks {
            place.write(&mut bytes);
            ack.write(&mut bytes);
        }
        bytes.freeze()
    }

    /// At most as many as there are dealers.
    pub(super) fn read(mut bytes: Bytes, dealers: usize) -> Result<Self, Error> {
        let key = SeatKey::read(&mut bytes)?;
        let count = bytes.remaining() / Self::ACK_BYTES;
        if count > dealers || !bytes.remaining().is_multiple_of(Self::ACK_BYTES) {
            return Err(Error::InvalidLength(bytes.remaining()));
        }
        let ack = |_| Ok((u16::read(&mut bytes)?, PlayerAck::read(&mut bytes)?));
        let acks = (0..count).map(ack).collect::<Result<_, Error>>()?;
        Ok(Self { key, acks })
    }
}

fn over(rest: &Bytes) -> Result<(), Error> {
    match rest.len() {
        0 => Ok(()),
        extra => Err(Error::ExtraData(extra)),
    }
}

/// What `ReleaseCeremony` records of a ceremony.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Encoding of the `crypto::threshold::Committee`.
    pub keys: primitives::Bytes,
    /// Operator of each member, in their order.
    pub operators: Vec<u32>,
    /// Encoding of the [`Outcome`], from which the next ceremony goes on.
    pub output: primitives::Bytes,
}

impl Recorded {
    /// What operators agree on, as the contract computes it.
    pub fn name(&self, epoch: u64) -> B256 {
        let fields = (epoch, self.keys.clone(), self.operators.clone(), self.output.clone());
        keccak256(fields.abi_encode_params())
    }
}

/// Reads what is recorded.
///
/// # Errors
///
/// When it is no outcome.
pub fn read_outcome(output: &[u8]) -> Result<Outcome, Error> {
    ceremony::read_outcome(Bytes::copy_from_slice(output), SEATS_MAX)
}

//! What validators tell each other for the beacon, on a channel of their own.
//!
//! ```text
//! 0 | epoch (varint) | dealer (48) | commitment | count (1 to 8) | count times: player (48) | share (32)
//! 1 | epoch (varint) | dealer (48) | count (1 to 8) | count times: player (48) | acknowledgement (96)
//! 2 | count (1 to 16) | count times: height (varint) | count (1 to 8) | count times: index (varint) | partial signature (48)
//! ```

use super::{
    DealerPublic, DealerShare, PartialSignature, PlayerAck, SeatKey, news::MAX_SIGNATURES, plan::MAX_PARTICIPANTS,
};
use crate::keys::MAX_SEATS;
use bytes::BufMut;
use commonware_codec::{
    Buf, EncodeSize, Error as CodecError, FixedSize as _, RangeCfg, Read, ReadExt as _, Write, varint::UInt,
};
use std::fmt;

/// Heights of one message of partial signatures at most.
pub(super) const MAX_HEIGHTS: usize = MAX_SIGNATURES;
/// Bytes of the numbers of a message, at most.
const NUMBERS_BYTES: usize = 32;

/// Most bytes of a message: of the largest, a dealing of a committee of 128 seats to eight of them.
pub(crate) fn max_message_bytes() -> usize {
    let pairs = MAX_SEATS * (SeatKey::SIZE + PlayerAck::SIZE);
    let dealing = DealerPublic::max_encode_size(MAX_PARTICIPANTS) + pairs;
    let partials = MAX_HEIGHTS * (NUMBERS_BYTES + MAX_SEATS * (NUMBERS_BYTES + evm::BEACON_SIGNATURE_BYTES));
    NUMBERS_BYTES + SeatKey::SIZE + dealing.max(partials)
}

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    /// What a seat deals to those of the receiver. The channel is encrypted.
    Dealing(Dealing),
    /// What seats of the sender acknowledge to a seat of the receiver.
    Acks(Acks),
    /// Signatures of heights by the sender's shares of the key.
    Partials(Vec<Partials>),
}

/// A seat's dealing to some of the players. Secret: `Debug` shows no share.
#[derive(Clone, PartialEq)]
pub(super) struct Dealing {
    pub(super) epoch: u64,
    pub(super) dealer: SeatKey,
    pub(super) public: DealerPublic,
    pub(super) shares: Vec<(SeatKey, DealerShare)>,
}

impl fmt::Debug for Dealing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dealing")
            .field("epoch", &self.epoch)
            .field("dealer", &self.dealer)
            .finish_non_exhaustive()
    }
}

/// Acknowledgements of a dealer's shares.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Acks {
    pub(super) epoch: u64,
    pub(super) dealer: SeatKey,
    pub(super) acks: Vec<(SeatKey, PlayerAck)>,
}

/// The signatures of one height by one validator's shares.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Partials {
    pub(super) height: u64,
    pub(super) signatures: Vec<PartialSignature>,
}

/// What a list of a validator's seats may have.
fn of_seats<C>(item: C) -> (RangeCfg<usize>, C) {
    (RangeCfg::new(1..=MAX_SEATS), item)
}

impl Write for Dealing {
    fn write(&self, buf: &mut impl BufMut) {
        UInt(self.epoch).write(buf);
        self.dealer.write(buf);
        self.public.write(buf);
        self.shares.write(buf);
    }
}

impl EncodeSize for Dealing {
    fn encode_size(&self) -> usize {
        UInt(self.epoch).encode_size() + SeatKey::SIZE + self.public.encode_size() + self.shares.encode_size()
    }
}

impl Read for Dealing {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            epoch: UInt::read(buf)?.into(),
            dealer: SeatKey::read(buf)?,
            public: DealerPublic::read_cfg(buf, &MAX_PARTICIPANTS)?,
            shares: Vec::read_cfg(buf, &of_seats(((), ())))?,
        })
    }
}

impl Write for Acks {
    fn write(&self, buf: &mut impl BufMut) {
        UInt(self.epoch).write(buf);
        self.dealer.write(buf);
        self.acks.write(buf);
    }
}

impl EncodeSize for Acks {
    fn encode_size(&self) -> usize {
        UInt(self.epoch).encode_size() + SeatKey::SIZE + self.acks.encode_size()
    }
}

impl Read for Acks {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            epoch: UInt::read(buf)?.into(),
            dealer: SeatKey::read(buf)?,
            acks: Vec::read_cfg(buf, &of_seats(((), ())))?,
        })
    }
}

impl Write for Partials {
    fn write(&self, buf: &mut impl BufMut) {
        UInt(self.height).write(buf);
        self.signatures.write(buf);
    }
}

impl EncodeSize for Partials {
    fn encode_size(&self) -> usize {
        UInt(self.height).encode_size() + self.signatures.encode_size()
    }
}

impl Read for Partials {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            height: UInt::read(buf)?.into(),
            signatures: Vec::read_cfg(buf, &of_seats(()))?,
        })
    }
}

impl Write for Message {
    fn write(&self, buf: &mut impl BufMut) {
        match self {
            Self::Dealing(dealing) => {
                0u8.write(buf);
                dealing.write(buf);
            }
            Self::Acks(acks) => {
                1u8.write(buf);
                acks.write(buf);
            }
            Self::Partials(partials) => {
                2u8.write(buf);
                partials.write(buf);
            }
        }
    }
}

impl EncodeSize for Message {
    fn encode_size(&self) -> usize {
        1 + match self {
            Self::Dealing(dealing) => dealing.encode_size(),
            Self::Acks(acks) => acks.encode_size(),
            Self::Partials(partials) => partials.encode_size(),
        }
    }
}

impl Read for Message {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        match u8::read(buf)? {
            0 => Dealing::read(buf).map(Self::Dealing),
            1 => Acks::read(buf).map(Self::Acks),
            2 => Vec::read_cfg(buf, &(RangeCfg::new(1..=MAX_HEIGHTS), ())).map(Self::Partials),
            tag => Err(CodecError::InvalidEnum(tag)),
        }
    }
}

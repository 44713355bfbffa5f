//! What a block says of the beacon, in bytes.
//!
//! ```text
//! 0 | 1, then: epoch (varint) | posted (varint) | counted (varint) | required (varint)
//!             | 0 | 1, then: public key (96) | length (varint) | output
//! count of signatures (varint) | unless 0: first height (varint) | count times: signature (48)
//! ```
//!
//! As canonical as the block that it is part of.

use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize as _, Error as CodecError, ReadExt as _, Write as _, varint::UInt};
use evm::{BEACON_KEY_BYTES, BEACON_SIGNATURE_BYTES, BeaconCeremony, BeaconNews, BeaconSharing};

/// Signatures of a block at most: at the pace of blocks, a backlog shrinks by fifteen heights a block.
pub const MAX_SIGNATURES: usize = 16;
/// Most bytes of a ceremony's output: that of 128 seats takes 27 KiB.
pub const MAX_OUTPUT_BYTES: usize = 32 << 10;
/// Bytes of all of it, at most: seven numbers and two flags in 64 bytes.
pub const MAX_NEWS_BYTES: usize = 64 + BEACON_KEY_BYTES + MAX_OUTPUT_BYTES + MAX_SIGNATURES * BEACON_SIGNATURE_BYTES;

/// Writes `news`.
pub(crate) fn write(news: &BeaconNews, buf: &mut impl BufMut) {
    news.ceremony.is_some().write(buf);
    if let Some(ceremony) = &news.ceremony {
        write_ceremony(ceremony, buf);
    }
    UInt(length(news.signatures.len())).write(buf);
    if !news.signatures.is_empty() {
        UInt(news.first_height).write(buf);
        news.signatures.iter().for_each(|signature| buf.put_slice(signature));
    }
}

fn write_ceremony(ceremony: &BeaconCeremony, buf: &mut impl BufMut) {
    let BeaconCeremony {
        epoch,
        posted,
        counted,
        required,
        made,
    } = ceremony;
    UInt(*epoch).write(buf);
    [posted, counted, required]
        .into_iter()
        .for_each(|count| UInt(*count).write(buf));
    made.is_some().write(buf);
    if let Some(BeaconSharing { key, output }) = made {
        buf.put_slice(key);
        UInt(length(output.len())).write(buf);
        buf.put_slice(output);
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("what a block says of the beacon is at most MAX_NEWS_BYTES")
}

/// Bytes that [`write`] writes.
pub(crate) fn size(news: &BeaconNews) -> usize {
    let ceremony = news.ceremony.as_ref().map_or(0, |ceremony| {
        let counts = [ceremony.posted, ceremony.counted, ceremony.required];
        let made = ceremony.made.as_ref().map_or(0, |made| {
            let output = made.output.len();
            BEACON_KEY_BYTES + UInt(length(output)).encode_size() + output
        });
        UInt(ceremony.epoch).encode_size()
            + counts.map(|count| UInt(count).encode_size()).iter().sum::<usize>()
            + 1
            + made
    });
    let count = news.signatures.len();
    let first = if count == 0 {
        0
    } else {
        UInt(news.first_height).encode_size()
    };
    1 + ceremony + UInt(length(count)).encode_size() + first + count * BEACON_SIGNATURE_BYTES
}

/// Reads what [`write`] wrote, and nothing else.
///
/// # Errors
///
/// [`CodecError`] where the bytes are something else, or more than the limits above allow.
pub(crate) fn read(buf: &mut impl Buf) -> Result<BeaconNews, CodecError> {
    let ceremony = if bool::read(buf)? {
        Some(read_ceremony(buf)?)
    } else {
        None
    };
    let count = u32::from(UInt::<u32>::read(buf)?) as usize;
    if count > MAX_SIGNATURES {
        return Err(CodecError::InvalidLength(count));
    }
    let first_height = if count == 0 { 0 } else { UInt::<u64>::read(buf)?.into() };
    let signatures = (0..count).map(|_| <[u8; BEACON_SIGNATURE_BYTES]>::read(buf));
    Ok(BeaconNews {
        ceremony,
        first_height,
        signatures: signatures.collect::<Result<_, _>>()?,
    })
}

fn read_ceremony(buf: &mut impl Buf) -> Result<BeaconCeremony, CodecError> {
    let epoch = UInt::<u64>::read(buf)?.into();
    let [posted, counted, required] = [(); 3].map(|()| UInt::<u32>::read(buf));
    let (posted, counted, required) = (posted?.into(), counted?.into(), required?.into());
    let made = if bool::read(buf)? {
        let key = <[u8; BEACON_KEY_BYTES]>::read(buf)?;
        let length = u32::from(UInt::<u32>::read(buf)?) as usize;
        if length == 0 || length > MAX_OUTPUT_BYTES {
            return Err(CodecError::InvalidLength(length));
        }
        if buf.remaining() < length {
            return Err(CodecError::EndOfBuffer);
        }
        let output = buf.copy_to_bytes(length).into();
        Some(BeaconSharing { key, output })
    } else {
        None
    };
    Ok(BeaconCeremony {
        epoch,
        posted,
        counted,
        required,
        made,
    })
}

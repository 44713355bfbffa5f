//! How far the upload of a large object is, so that it goes on where it broke off.
//!
//! ```text
//! version 1 = 1 | length 8 | stripe bytes 4 | expiry block 8 | flag 1 | if 1: key 32 | fee 32 | gas 8 | count 4 | count × (root 32 | digest 32)
//! ```
//!
//! Integers are big endian. It holds the object's key, as the file itself would be readable to whoever reads this.

use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use crypto::stream::Key;
use da::object::{MAX_STRIPES, stripe_count};
use primitives::{BlobRoot, Digest, U256};

/// The format this code writes and reads.
const VERSION: u8 = 1;

/// Longest encoded [`Upload`], in bytes.
pub const UPLOAD_BYTES_MAX: u64 = 128 + MAX_STRIPES as u64 * 64;

/// An object being stored.
#[derive(Clone, Debug)]
pub struct Upload {
    pub(super) length: u64,
    pub(super) stripe_bytes: u32,
    pub(super) expiry_block: u64,
    /// None when it is for everybody.
    pub(super) key: Option<Key>,
    /// Paid so far, wei.
    pub(super) fee_wei: U256,
    /// Used so far.
    pub(super) gas_used: u64,
    /// Stripes that are certified, from the first on: the blob, and BLAKE3 of the bytes in the clear.
    pub(super) stripes: Vec<(BlobRoot, Digest)>,
}

impl Upload {
    /// Length of the object, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Block until which it is to be kept.
    pub fn expiry_block(&self) -> u64 {
        self.expiry_block
    }

    /// Whether anybody may read it.
    pub fn is_public(&self) -> bool {
        self.key.is_none()
    }

    /// Count of stripes that are certified.
    pub fn stripes_done(&self) -> u32 {
        self.stripes.len() as u32
    }

    /// Count of stripes in all; one when the object is a single blob.
    pub fn stripes(&self) -> u32 {
        stripe_count(self.length, self.stripe_bytes).unwrap_or(0)
    }
}

impl Write for Upload {
    fn write(&self, buf: &mut impl BufMut) {
        VERSION.write(buf);
        self.length.write(buf);
        self.stripe_bytes.write(buf);
        self.expiry_block.write(buf);
        u8::from(self.key.is_some()).write(buf);
        if let Some(key) = &self.key {
            buf.put_slice(key.as_bytes());
        }
        buf.put_slice(&self.fee_wei.to_be_bytes::<32>());
        self.gas_used.write(buf);
        self.stripes_done().write(buf);
        for (root, digest) in &self.stripes {
            root.write(buf);
            digest.write(buf);
        }
    }
}

impl EncodeSize for Upload {
    fn encode_size(&self) -> usize {
        let key = if self.key.is_some() { 32 } else { 0 };
        1 + 8 + 4 + 8 + 1 + key + 32 + 8 + 4 + self.stripes.len() * (BlobRoot::SIZE + Digest::SIZE)
    }
}

impl Read for Upload {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        if u8::read(buf)? != VERSION {
            return Err(Error::Invalid("Upload", "unknown version"));
        }
        let length = u64::read(buf)?;
        let stripe_bytes = u32::read(buf)?;
        let stripe_count = stripe_count(length, stripe_bytes).ok_or(Error::Invalid("Upload", "no such object"))?;
        let expiry_block = u64::read(buf)?;
        let key = match u8::read(buf)? {
            0 => None,
            1 => Some(Key::from_bytes(<[u8; 32]>::read(buf)?)),
            other => return Err(Error::InvalidEnum(other)),
        };
        let fee_wei = U256::from_be_bytes(<[u8; 32]>::read(buf)?);
        let gas_used = u64::read(buf)?;
        let done = u32::read(buf)?;
        if done > stripe_count || buf.remaining() < done as usize * (BlobRoot::SIZE + Digest::SIZE) {
            return Err(Error::InvalidLength(done as usize));
        }
        let stripes = (0..done)
            .map(|_| Ok((BlobRoot::read(buf)?, Digest::read(buf)?)))
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            length,
            stripe_bytes,
            expiry_block,
            key,
            fee_wei,
            gas_used,
            stripes,
        })
    }
}

//! A block without what follows its header, still bound to its digest.
//!
//! ```text
//! context (first line of a block) | header length (varint) | header (RLP) | SHA-256 of all after the header (32)
//! ```
//!
//! With a certificate of the digest it shows that the header is final: see [`crate::finality`].

use super::{BlockDigest, Context, MAX_HEADER_BYTES, header_bytes, read_header, sized, write_header};
use alloy_consensus::Header;
use alloy_primitives::Bytes;
use alloy_rlp::Encodable as _;
use bytes::BufMut;
use commonware_codec::{
    Buf, Encode as _, EncodeSize, Error as CodecError, FixedSize as _, MaxEncodeSize, Read, ReadExt as _, Write,
};
use commonware_cryptography::{Hasher as _, Sha256, sha256};

/// What of a block its digest needs, without the transactions. The encoding is canonical.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub(super) context: Context,
    pub(super) header: Header,
    pub(super) rest: sha256::Digest,
}

impl Summary {
    /// Digest of the block: `SHA-256(context ‖ SHA-256(header) ‖ SHA-256(all after the header))`. The last two have 32 bytes each, so
    /// no two blocks are one input.
    pub fn digest(&self) -> BlockDigest {
        let header = Sha256::hash(&[&header_bytes(&self.header)]);
        Sha256::hash(&[&self.context.encode(), &header, &self.rest])
    }

    /// The Ethereum header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The header's canonical RLP.
    pub fn header_bytes(&self) -> Bytes {
        header_bytes(&self.header).into()
    }

    /// The place in the vote for which the block was made, encoded.
    pub fn context_bytes(&self) -> Bytes {
        Bytes::from(self.context.encode())
    }

    /// SHA-256 of all after the header.
    pub fn rest(&self) -> [u8; 32] {
        self.rest.0
    }
}

impl Write for Summary {
    fn write(&self, buf: &mut impl BufMut) {
        self.context.write(buf);
        write_header(&self.header, buf);
        self.rest.write(buf);
    }
}

impl EncodeSize for Summary {
    fn encode_size(&self) -> usize {
        self.context.encode_size() + sized(self.header.length()) + sha256::Digest::SIZE
    }
}

impl MaxEncodeSize for Summary {
    const MAX_ENCODE_SIZE: usize = Context::MAX_ENCODE_SIZE + 5 + MAX_HEADER_BYTES + sha256::Digest::SIZE;
}

impl Read for Summary {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, CodecError> {
        Ok(Self {
            context: Context::read(buf)?,
            header: read_header(buf)?,
            rest: sha256::Digest::read(buf)?,
        })
    }
}

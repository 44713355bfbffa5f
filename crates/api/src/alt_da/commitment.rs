//! What a rollup posts to its own chain in place of a batch, and all that a reader of this network needs to find the batch.
//!
//! ```text
//! 1 commitment type = 1 (generic) | 1 DA layer = 0x61 | 1 version | 8 chain id | 8 certified block | 32 blob root | version 1: 4 item
//! ```
//!
//! Integers are big endian. Of version 0 the root alone names the payload: it is the hash of a header that commits to every row. Of
//! version 1 the payload shares the blob with others: it is the item of that number. The chain id says which network to ask, and the
//! block where the blob's `BlobCertified` event is, so that a reader needs no contract's state.

use crate::blobs::Name;
use alloy_primitives::hex;
use bytes::BufMut;
use commonware_codec::{Buf, Copying, DecodeExt, EncodeSize, Error, Read, ReadExt, Write};
use primitives::BlobRoot;

/// OP Stack commitment type: a byte string that only its DA server understands.
const GENERIC: u8 = 1;
/// OP Stack commitment type: the hash of the payload, for servers that keep payloads by it.
const KECCAK256: u8 = 0;

/// The byte that tells DA layers apart: `a`. The specification leaves 0 to 126 to the layers to share out among themselves; this
/// one is not announced yet.
pub const DA_LAYER: u8 = 0x61;

/// The layout above, of a payload that has a blob to itself.
const WHOLE: u8 = 0;
/// The layout above, of an item of a bundle.
const ITEM: u8 = 1;

/// Bytes of the first and of the second layout.
const WHOLE_BYTES: usize = 3 + 8 + 8 + 32;
const ITEM_BYTES: usize = WHOLE_BYTES + 4;

/// Where a certified payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// EIP-155 id of the chain that recorded the certificate.
    pub chain_id: u64,
    /// The block that did.
    pub certified_block: u64,
    /// The payload's name.
    pub name: Name,
}

/// Text that is no commitment of this network.
#[derive(Debug, thiserror::Error)]
pub enum CommitmentError {
    /// It is not hexadecimal, or not of the right length.
    #[error("a commitment is 0x and {} or {} hexadecimal digits", 2 * WHOLE_BYTES, 2 * ITEM_BYTES)]
    Text,
    /// It is the hash of a payload. A certificate names a payload by another hash, so there would be nothing to look it up by.
    #[error("keccak256 commitments are not served: configure the rollup for generic commitments (da-service)")]
    Keccak256,
    /// It is of another DA layer, or of a version that is not known here.
    #[error(
        "commitment begins with 0x{0}: this network's with 0x{GENERIC:02x}{DA_LAYER:02x} and version {WHOLE} or {ITEM}"
    )]
    Foreign(String),
}

impl Commitment {
    /// The commitment of `0x` and hexadecimal digits.
    ///
    /// # Errors
    ///
    /// [`CommitmentError`].
    pub fn from_hex(text: &str) -> Result<Self, CommitmentError> {
        let digits = text.strip_prefix("0x").ok_or(CommitmentError::Text)?;
        // What only begins as a commitment of another kind is told so, whatever its length.
        let mut prefix = [0; 3];
        let begin = digits.get(..2 * prefix.len()).ok_or(CommitmentError::Text)?;
        hex::decode_to_slice(begin, &mut prefix).map_err(|_| CommitmentError::Text)?;
        let length = match prefix {
            [KECCAK256, ..] => return Err(CommitmentError::Keccak256),
            [GENERIC, DA_LAYER, WHOLE] => WHOLE_BYTES,
            [GENERIC, DA_LAYER, ITEM] => ITEM_BYTES,
            _ => return Err(CommitmentError::Foreign(hex::encode(prefix))),
        };
        let mut bytes = [0; ITEM_BYTES];
        let bytes = &mut bytes[..length];
        // The length is checked by the target's.
        hex::decode_to_slice(digits, bytes).map_err(|_| CommitmentError::Text)?;
        Self::decode(Copying(&*bytes)).map_err(|_| CommitmentError::Text)
    }
}

impl Write for Commitment {
    fn write(&self, buf: &mut impl BufMut) {
        let Name { root, item } = self.name;
        GENERIC.write(buf);
        DA_LAYER.write(buf);
        if item.is_some() { ITEM } else { WHOLE }.write(buf);
        self.chain_id.write(buf);
        self.certified_block.write(buf);
        root.write(buf);
        if let Some(item) = item {
            item.write(buf);
        }
    }
}

impl EncodeSize for Commitment {
    fn encode_size(&self) -> usize {
        if self.name.item.is_some() {
            ITEM_BYTES
        } else {
            WHOLE_BYTES
        }
    }
}

impl Read for Commitment {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let has_item = match <[u8; 3]>::read(buf)? {
            [GENERIC, DA_LAYER, WHOLE] => false,
            [GENERIC, DA_LAYER, ITEM] => true,
            _ => return Err(Error::Invalid("Commitment", "of another kind")),
        };
        Ok(Self {
            chain_id: u64::read(buf)?,
            certified_block: u64::read(buf)?,
            name: Name {
                root: BlobRoot::read(buf)?,
                item: if has_item { Some(u32::read(buf)?) } else { None },
            },
        })
    }
}

//! The header of a blob: all that its root names.
//!
//! Canonical encoding, big endian, in this order; its BLAKE3 digest is the [`BlobRoot`]:
//!
//! ```text
//! version 1 | owner 20 | quorum 4 | epoch 8 | expiry block 8 | length 8 | data rows 4 | first row 4 | row count 4 | row bytes 4
//! if the first row is not 0: root of the blob that the rows are added to 32 | its row count 4
//! cipher 1 | if sealed: nonce prefix 7 | key commitment 32 | count 1 | count x (recipient 32 | wrapped key 80)
//! meta length 2 | meta | KZG commitment 48 | groups root 32
//! ```

use crate::{
    CommitteeId,
    shape::{MAX_ROW_BYTES, Shape},
};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, DecodeExt, Encode, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use crypto::{
    envelope::{self, RecipientPublic, RecipientSecret},
    kzg::Commitment,
    stream::Key,
};
use primitives::{Address, BlobRoot, Digest};

#[cfg(test)]
mod tests;

/// Rows that a payload of the standard shape is cut into.
pub const DATA_ROWS: u32 = Shape::STANDARD.data_rows();
/// Rows of the standard shape.
pub const TOTAL_ROWS: u32 = Shape::STANDARD.row_count();
/// Largest payload, as coded (after encryption), in bytes, of the standard shape. Larger files are several blobs.
pub const MAX_BLOB_BYTES: u64 = DATA_ROWS as u64 * MAX_ROW_BYTES as u64;
/// Largest [`Meta`], sealed or not, in bytes: a name and a content type, not a document.
pub const MAX_META_BYTES: usize = 1024;
/// Most recipients of one blob's key. More readers share a key by another way than the header.
pub const MAX_RECIPIENTS: usize = 32;
/// Largest encoded [`Header`], in bytes.
pub const MAX_HEADER_BYTES: usize = 70 + Base::SIZE + 40 + MAX_RECIPIENTS * Envelope::BYTES + 2 + MAX_META_BYTES + 80;

/// The format this code writes and reads.
const VERSION: u8 = 3;
const PUBLIC: u8 = 0;
const AES_256_GCM_STREAM: u8 = 1;

/// What the disperser says of a blob before anything is committed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// Account the disperser claims to publish for. Not authenticated here: the chain's event names who paid.
    pub owner: Address,
    /// Who keeps the blob.
    pub committee: CommitteeId,
    /// Block after which operators may delete the blob.
    pub expiry_block: u64,
    /// Length of the payload as coded, in bytes: 1 to [`Shape::max_bytes`].
    pub length: u64,
    /// Which rows it is coded into.
    pub shape: Shape,
    /// The blob that these rows are added to, if they are; all else is as that blob's header says.
    pub base: Option<Base>,
    /// Who can read it.
    pub secrecy: Secrecy,
    /// Encoded [`Meta`], sealed under the blob's key when the payload is.
    pub meta: Bytes,
}

/// A whole blob that rows are added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// Its name.
    pub root: BlobRoot,
    /// How many rows it was coded into, without any that were added.
    pub row_count: u32,
}

impl Base {
    /// Encoded size.
    const SIZE: usize = BlobRoot::SIZE + 4;
}

/// Whether and how a payload is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// Not encrypted.
    Public,
    /// AES-256-GCM in 64 KiB STREAM segments, under a key of this blob only.
    Sealed {
        /// Random part of every nonce of this blob.
        nonce_prefix: [u8; 7],
        /// Commits to the key: without it two keys may open one ciphertext to two plaintexts.
        key_commitment: Digest,
        /// The key, wrapped once for each recipient.
        envelopes: Vec<Envelope>,
    },
}

/// A blob's key, wrapped by HPKE for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// X25519 public key of who can unwrap it.
    pub recipient: [u8; 32],
    /// `encapsulated key 32 | AES-256-GCM of the key 48`.
    pub wrapped_key: [u8; 80],
}

impl Envelope {
    /// Encoded size.
    const BYTES: usize = 32 + 80;
}

/// A blob's header. See the module's first lines for its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the disperser says of the blob.
    pub params: Params,
    /// KZG commitment to the roots of the rows' groups, each at the group's place among 128. Those of added rows add up with the
    /// blob's.
    pub commitment: Commitment,
    /// BLAKE3 of the group roots and of Z's digest: binds the roots also should the KZG setup be broken.
    pub groups_root: Digest,
}

impl Params {
    /// Length in bytes of each row.
    pub fn row_bytes(&self) -> u32 {
        self.shape.row_bytes(self.length)
    }

    /// The parameters of the rows of `shape` added to the blob of these, whose name is `root`.
    pub(crate) fn added(&self, root: BlobRoot, shape: Shape) -> Self {
        let row_count = self.shape.row_count();
        Self {
            shape,
            base: Some(Base { root, row_count }),
            ..self.clone()
        }
    }

    /// The shapes of which signers must own [`Shape::quorum_rows`]: of added rows, and of the blob that they are added to. Operators that
    /// signed check its rows too, so a quorum of them ties the one to the other.
    pub fn quorums(&self) -> impl Iterator<Item = Shape> {
        let data_rows = self.shape.data_rows();
        let base = self.base.map(|base| {
            Shape::new(data_rows, 0, base.row_count).expect("checked when the header was read, or that of a whole blob")
        });
        std::iter::once(self.shape).chain(base)
    }

    /// Digest that the random combination's coefficients depend on.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("aloft/da/params/v1");
        hasher.update(&self.encode());
        hasher.finalize().into()
    }

    /// Unwraps the blob's key with `secret`; `None` when the blob is public or no envelope is for it.
    pub fn unwrap_key(&self, secret: &RecipientSecret) -> Option<Key> {
        let Secrecy::Sealed {
            nonce_prefix,
            key_commitment,
            envelopes,
        } = &self.secrecy
        else {
            return None;
        };
        let info = envelope_info(&self.owner, nonce_prefix, key_commitment);
        let own = secret.public().to_bytes();
        envelopes
            .iter()
            .filter(|envelope| envelope.recipient == own)
            .find_map(|envelope| envelope::unwrap(secret, &envelope.wrapped_key, &info).ok())
    }
}

/// Wraps `key` for each of `recipients`, bound to the blob it is for.
pub(crate) fn wrap_key(
    rng: &mut impl rand_core::CryptoRng,
    recipients: &[RecipientPublic],
    key: &Key,
    owner: &Address,
    nonce_prefix: &[u8; 7],
    key_commitment: &Digest,
) -> Vec<Envelope> {
    let info = envelope_info(owner, nonce_prefix, key_commitment);
    recipients
        .iter()
        .map(|recipient| Envelope {
            recipient: recipient.to_bytes(),
            wrapped_key: envelope::wrap(rng, recipient, key, &info),
        })
        .collect()
}

/// Domain of a wrapped key: the envelope of one blob says nothing in another.
fn envelope_info(owner: &Address, nonce_prefix: &[u8; 7], key_commitment: &Digest) -> Vec<u8> {
    [
        b"aloft/da/envelope/v1",
        owner.as_slice(),
        nonce_prefix,
        key_commitment.as_ref(),
    ]
    .concat()
}

impl Header {
    /// The name of the blob.
    pub fn root(&self) -> BlobRoot {
        blake3::hash(&self.encode()).into()
    }
}

impl Write for Params {
    fn write(&self, buf: &mut impl BufMut) {
        VERSION.write(buf);
        buf.put_slice(self.owner.as_slice());
        self.committee.write(buf);
        self.expiry_block.write(buf);
        self.length.write(buf);
        self.shape.data_rows().write(buf);
        self.shape.first_row().write(buf);
        self.shape.row_count().write(buf);
        self.row_bytes().write(buf);
        debug_assert_eq!(self.base.is_some(), self.shape.is_added());
        if let Some(base) = &self.base {
            base.root.write(buf);
            base.row_count.write(buf);
        }
        match &self.secrecy {
            Secrecy::Public => PUBLIC.write(buf),
            Secrecy::Sealed {
                nonce_prefix,
                key_commitment,
                envelopes,
            } => {
                AES_256_GCM_STREAM.write(buf);
                nonce_prefix.write(buf);
                key_commitment.write(buf);
                u8::try_from(envelopes.len())
                    .expect("at most MAX_RECIPIENTS")
                    .write(buf);
                for envelope in envelopes {
                    envelope.recipient.write(buf);
                    envelope.wrapped_key.write(buf);
                }
            }
        }
        u16::try_from(self.meta.len())
            .expect("at most MAX_META_BYTES")
            .write(buf);
        buf.put_slice(&self.meta);
    }
}

impl EncodeSize for Params {
    fn encode_size(&self) -> usize {
        let secrecy = match &self.secrecy {
            Secrecy::Public => 1,
            Secrecy::Sealed { envelopes, .. } => 1 + 7 + 32 + 1 + envelopes.len() * Envelope::BYTES,
        };
        let base = if self.base.is_some() { Base::SIZE } else { 0 };
        1 + 20 + CommitteeId::SIZE + 8 + 8 + 4 + 4 + 4 + 4 + base + secrecy + 2 + self.meta.len()
    }
}

impl Read for Params {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        if u8::read(buf)? != VERSION {
            return Err(Error::Invalid("Params", "unknown version"));
        }
        let owner = Address::from(<[u8; 20]>::read(buf)?);
        let committee = CommitteeId::read(buf)?;
        let expiry_block = u64::read(buf)?;
        let length = u64::read(buf)?;
        let shape = Shape::new(u32::read(buf)?, u32::read(buf)?, u32::read(buf)?)
            .map_err(|_| Error::Invalid("Params", "unknown shape"))?;
        if length == 0 || length > shape.max_bytes() {
            return Err(Error::Invalid("Params", "length out of range"));
        }
        if u32::read(buf)? != shape.row_bytes(length) {
            return Err(Error::Invalid("Params", "row length"));
        }
        let base = match shape.is_added() {
            false => None,
            true => {
                let (root, row_count) = (BlobRoot::read(buf)?, u32::read(buf)?);
                if row_count > shape.first_row() || Shape::new(shape.data_rows(), 0, row_count).is_err() {
                    return Err(Error::Invalid("Params", "unknown shape of the base"));
                }
                Some(Base { root, row_count })
            }
        };
        let secrecy = match u8::read(buf)? {
            PUBLIC => Secrecy::Public,
            AES_256_GCM_STREAM => {
                let nonce_prefix = <[u8; 7]>::read(buf)?;
                let key_commitment = Digest::read(buf)?;
                let count = usize::from(u8::read(buf)?);
                if count > MAX_RECIPIENTS {
                    return Err(Error::InvalidLength(count));
                }
                let envelopes = (0..count)
                    .map(|_| {
                        Ok(Envelope {
                            recipient: <[u8; 32]>::read(buf)?,
                            wrapped_key: <[u8; 80]>::read(buf)?,
                        })
                    })
                    .collect::<Result<_, Error>>()?;
                Secrecy::Sealed {
                    nonce_prefix,
                    key_commitment,
                    envelopes,
                }
            }
            other => return Err(Error::InvalidEnum(other)),
        };
        let meta_bytes = usize::from(u16::read(buf)?);
        if meta_bytes > MAX_META_BYTES {
            return Err(Error::InvalidLength(meta_bytes));
        }
        let meta = buf.try_take_owned(meta_bytes).map_err(|_| Error::EndOfBuffer)?;
        Ok(Self {
            owner,
            committee,
            expiry_block,
            length,
            shape,
            base,
            secrecy,
            meta,
        })
    }
}

impl Write for Header {
    fn write(&self, buf: &mut impl BufMut) {
        self.params.write(buf);
        buf.put_slice(&self.commitment.0);
        self.groups_root.write(buf);
    }
}

impl EncodeSize for Header {
    fn encode_size(&self) -> usize {
        self.params.encode_size() + 48 + 32
    }
}

impl Read for Header {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let params = Params::read(buf)?;
        let commitment = Commitment(<[u8; 48]>::read(buf)?);
        let groups_root = Digest::read(buf)?;
        Ok(Self {
            params,
            commitment,
            groups_root,
        })
    }
}

/// What a blob is called and what is in it: for people and browsers, never for rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// File name, at most 255 bytes.
    pub name: String,
    /// Media type, at most 255 bytes.
    pub content_type: String,
}

/// A text of [`Meta`] is longer than 255 bytes.
#[derive(Debug, thiserror::Error)]
#[error("a name or content type of {bytes} bytes: at most 255")]
pub struct MetaTooLong {
    /// Its length.
    pub bytes: usize,
}

impl Meta {
    /// `length 1 | name | length 1 | content type`.
    ///
    /// # Errors
    ///
    /// [`MetaTooLong`] when one of them is.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MetaTooLong> {
        let mut bytes = Vec::with_capacity(2 + self.name.len() + self.content_type.len());
        for text in [&self.name, &self.content_type] {
            bytes.push(u8::try_from(text.len()).map_err(|_| MetaTooLong { bytes: text.len() })?);
            bytes.extend_from_slice(text.as_bytes());
        }
        Ok(bytes)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` for any other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (name, rest) = short_text(bytes)?;
        let (content_type, rest) = short_text(rest)?;
        rest.is_empty().then_some(Self { name, content_type })
    }
}

/// A text after its length of one byte, and what follows it.
fn short_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    let (text, rest) = rest.split_at_checked(usize::from(len))?;
    Some((String::from_utf8(text.to_vec()).ok()?, rest))
}

/// Decodes a header from `bytes`, all of them.
///
/// # Errors
///
/// The codec's, for anything but a canonical header of at most [`MAX_HEADER_BYTES`].
pub fn decode(bytes: Bytes) -> Result<Header, Error> {
    if bytes.len() > MAX_HEADER_BYTES {
        return Err(Error::InvalidLength(bytes.len()));
    }
    Header::decode(bytes)
}

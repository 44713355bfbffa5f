//! From a payload to rows, and back from data rows to the payload.
//!
//! Everything here is a pure function of its arguments. Cost, one core: see `examples/throughput.rs`.

use crate::{
    head::{self, GROUPS, Head, Row, VerifiedHead, VerifiedRow},
    header::{self, DATA_ROWS, Header, MAX_BLOB_BYTES, MAX_META_BYTES, MAX_RECIPIENTS, Params, Secrecy, TOTAL_ROWS},
};
use bytes::Bytes;
use crypto::{
    digest::RowTree,
    envelope::RecipientPublic,
    stream::{self, Key, StreamError, TAG_BYTES},
};
use primitives::{Address, Epoch};
use rand_core::CryptoRng;

#[cfg(test)]
mod tests;

/// Who may read a payload.
pub enum Privacy<'a> {
    /// Anyone: it is coded as it is.
    Public,
    /// Holders of `key`, and `recipients`, who find it wrapped in the header.
    ///
    /// A key is for one blob: reusing it would reuse nothing but would link the blobs.
    Sealed {
        /// Key of this blob.
        key: &'a Key,
        /// Who can unwrap the key, at most [`MAX_RECIPIENTS`].
        recipients: &'a [RecipientPublic],
    },
}

/// What to publish with a payload.
pub struct Request<'a> {
    /// Account that publishes.
    pub owner: Address,
    /// Epoch whose committee is to keep the blob.
    pub epoch: Epoch,
    /// Block after which it may be deleted.
    pub expiry_block: u64,
    /// Encoded [`header::Meta`], in the clear: it is sealed with the payload.
    pub meta: Vec<u8>,
    /// Who may read it.
    pub privacy: Privacy<'a>,
}

/// Why a payload cannot be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// There is nothing to code.
    #[error("payload is empty")]
    Empty,
    /// The payload, once encrypted, does not fit in one blob.
    #[error("payload of {bytes} bytes is over a blob's {MAX_BLOB_BYTES}")]
    TooLong {
        /// Its length as coded.
        bytes: u64,
    },
    /// The meta data, once encrypted, does not fit in the header.
    #[error("meta data of {bytes} bytes is over {MAX_META_BYTES}")]
    MetaTooLong {
        /// Its length as stored.
        bytes: usize,
    },
    /// More recipients than the header holds.
    #[error("{count} recipients: at most {MAX_RECIPIENTS}")]
    TooManyRecipients {
        /// How many there are.
        count: usize,
    },
}

/// A coded blob: its head and all its rows, in memory (three times the payload).
#[derive(Clone)]
pub struct CodedBlob {
    head: VerifiedHead,
    data: Bytes,
    parity: Bytes,
    tree: std::sync::Arc<RowTree>,
}

impl CodedBlob {
    /// Encrypts `payload` if asked to, codes it and commits to it.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], before any work is done.
    pub fn encode(rng: &mut impl CryptoRng, payload: Vec<u8>, request: Request<'_>) -> Result<Self, EncodeError> {
        let plain_bytes = payload.len() as u64;
        if plain_bytes == 0 {
            return Err(EncodeError::Empty);
        }
        let sealed = matches!(request.privacy, Privacy::Sealed { .. });
        // Before `sealed_len`, which is defined up to 2^48 only.
        let length = if sealed && plain_bytes <= MAX_BLOB_BYTES {
            stream::sealed_len(plain_bytes)
        } else {
            plain_bytes
        };
        if length > MAX_BLOB_BYTES {
            return Err(EncodeError::TooLong { bytes: length });
        }
        let meta_bytes = request.meta.len() + if sealed { TAG_BYTES } else { 0 };
        if meta_bytes > MAX_META_BYTES {
            return Err(EncodeError::MetaTooLong { bytes: meta_bytes });
        }
        let (payload, meta, secrecy) = match request.privacy {
            Privacy::Public => (payload, request.meta, Secrecy::Public),
            Privacy::Sealed { key, recipients } => seal(rng, payload, &request.meta, request.owner, key, recipients)?,
        };
        let params = Params {
            owner: request.owner,
            epoch: request.epoch,
            expiry_block: request.expiry_block,
            length,
            secrecy,
            meta: meta.into(),
        };
        Ok(Self::of_payload(params, payload))
    }

    /// Codes and commits to `payload`, as it is.
    fn of_payload(params: Params, mut payload: Vec<u8>) -> Self {
        debug_assert_eq!(payload.len() as u64, params.length);
        payload.resize(DATA_ROWS as usize * params.row_bytes() as usize, 0);
        Self::of_data_rows(params, payload)
    }

    /// Codes and commits to data rows: the payload, padded with zeros. The same rows always give the same blob.
    pub(crate) fn of_data_rows(params: Params, data: Vec<u8>) -> Self {
        let row_bytes = params.row_bytes() as usize;
        assert_eq!(data.len(), DATA_ROWS as usize * row_bytes, "whole data rows");
        let parity = head::code().encode(&data, row_bytes);
        let tree = RowTree::of_rows(data.chunks_exact(row_bytes).chain(parity.chunks_exact(row_bytes)));
        let group_roots = tree.group_roots().to_vec();
        debug_assert_eq!(group_roots.len(), GROUPS);
        let combinations = head::coefficients(&params, &group_roots).combine_rows(&data, row_bytes);
        let z_digest = head::z_digest(&combinations);
        let header = Header {
            commitment: head::commit(&params, &group_roots, &z_digest),
            groups_root: head::groups_root(&group_roots, &z_digest),
            params,
        };
        let head = VerifiedHead::of_own_rows(Head {
            header,
            group_roots,
            combinations,
        });
        Self {
            head,
            data: data.into(),
            parity: parity.into(),
            tree: tree.into(),
        }
    }

    /// The head.
    pub fn head(&self) -> &VerifiedHead {
        &self.head
    }

    /// Row `index`, sharing this blob's memory.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn row(&self, index: u32) -> VerifiedRow {
        assert!(index < TOTAL_ROWS, "row {index} is not in a blob");
        let row_bytes = self.head.row_bytes() as usize;
        let (rows, at) = match index.checked_sub(DATA_ROWS) {
            None => (&self.data, index),
            Some(parity) => (&self.parity, parity),
        };
        let start = at as usize * row_bytes;
        VerifiedRow::of_own(Row {
            index,
            path: self.tree.path(index),
            bytes: rows.slice(start..start + row_bytes),
        })
    }
}

impl std::fmt::Debug for CodedBlob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "CodedBlob({}, {} bytes)",
            self.head.root(),
            self.head.header().params.length
        )
    }
}

/// Encrypts payload and meta data under `key`.
fn seal(
    rng: &mut impl CryptoRng,
    payload: Vec<u8>,
    meta: &[u8],
    owner: Address,
    key: &Key,
    recipients: &[RecipientPublic],
) -> Result<(Vec<u8>, Vec<u8>, Secrecy), EncodeError> {
    if recipients.len() > MAX_RECIPIENTS {
        return Err(EncodeError::TooManyRecipients {
            count: recipients.len(),
        });
    }
    let mut nonce_prefix = [0; 7];
    rng.fill_bytes(&mut nonce_prefix);
    let length = stream::sealed_len(payload.len() as u64);
    let key_commitment = stream::commitment(key, &key_context(&owner, &nonce_prefix, length));
    let envelopes = header::wrap_key(rng, recipients, key, &owner, &nonce_prefix, &key_commitment);
    let sealed_meta = stream::seal(key, meta_prefix(nonce_prefix), &associated(META, &owner, length), meta);
    let sealed = stream::seal(
        key,
        payload_prefix(nonce_prefix),
        &associated(PAYLOAD, &owner, length),
        &payload,
    );
    Ok((
        sealed,
        sealed_meta,
        Secrecy::Sealed {
            nonce_prefix,
            key_commitment,
            envelopes,
        },
    ))
}

const PAYLOAD: &[u8] = b"aloft/da/payload/v1";
const META: &[u8] = b"aloft/da/meta/v1";

/// Data bound to each sealed segment: a segment of one blob opens in no other place.
fn associated(what: &[u8], owner: &Address, length: u64) -> Vec<u8> {
    [what, owner.as_slice(), &length.to_be_bytes()].concat()
}

/// What the key commitment is bound to.
fn key_context(owner: &Address, nonce_prefix: &[u8; 7], length: u64) -> Vec<u8> {
    [
        b"aloft/da/key/v1",
        owner.as_slice(),
        nonce_prefix,
        &length.to_be_bytes(),
    ]
    .concat()
}

/// Payload and meta data share a key, so the first bit of their nonces keeps them apart.
fn payload_prefix(mut prefix: [u8; 7]) -> [u8; 7] {
    prefix[0] &= 0x7f;
    prefix
}

fn meta_prefix(mut prefix: [u8; 7]) -> [u8; 7] {
    prefix[0] |= 0x80;
    prefix
}

/// Why a payload does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The blob is sealed and no key was given.
    #[error("the blob is sealed: a key is needed")]
    KeyNeeded,
    /// The key is not the one that the header commits to.
    #[error("this key is not the blob's")]
    WrongKey,
    /// The ciphertext was not made with the header's key.
    #[error("decrypt the payload")]
    Stream(#[from] StreamError),
}

/// The plain payload of a blob, from its `coded` bytes and its key. A public blob needs no key and ignores one.
///
/// # Errors
///
/// [`OpenError`]. Nothing of the plaintext is returned then.
pub fn open(params: &Params, key: Option<&Key>, coded: Vec<u8>) -> Result<Vec<u8>, OpenError> {
    let Secrecy::Sealed { nonce_prefix, .. } = params.secrecy else {
        return Ok(coded);
    };
    let key = right_key(params, key)?;
    let associated = associated(PAYLOAD, &params.owner, params.length);
    Ok(stream::open(key, &payload_prefix(nonce_prefix), &associated, &coded)?)
}

/// The meta data of a blob, in the clear.
///
/// # Errors
///
/// As [`open`].
pub fn open_meta(params: &Params, key: Option<&Key>) -> Result<Vec<u8>, OpenError> {
    let Secrecy::Sealed { nonce_prefix, .. } = params.secrecy else {
        return Ok(params.meta.to_vec());
    };
    let key = right_key(params, key)?;
    Ok(stream::open(
        key,
        &meta_prefix(nonce_prefix),
        &associated(META, &params.owner, params.length),
        &params.meta,
    )?)
}

/// `key`, if it is the one that `params` commit to. Checked before it decrypts anything: GCM alone does not commit.
fn right_key<'a>(params: &Params, key: Option<&'a Key>) -> Result<&'a Key, OpenError> {
    let key = key.ok_or(OpenError::KeyNeeded)?;
    match &params.secrecy {
        Secrecy::Sealed {
            nonce_prefix,
            key_commitment,
            ..
        } if stream::commitment(key, &key_context(&params.owner, nonce_prefix, params.length)) == *key_commitment => {
            Ok(key)
        }
        _ => Err(OpenError::WrongKey),
    }
}

//! From a payload to rows, and back from data rows to the payload.
//!
//! Everything here is a pure function of its arguments. Cost, one core: see `examples/blobs.rs`.
//!
//! Work per GB of payload, on one core of a machine of today: coding 0.3 s, hashing three GB of rows 0.5 s while each strip of
//! them is in cache, combining 0.15 s, committing 0.04 s at 32 MiB. Memory that was never touched costs as much again, so
//! whoever codes more than one blob keeps an [`Encoder`].

use crate::{
    head::{self, GROUPS, Head, Row, VerifiedHead, VerifiedRow},
    header::{self, DATA_ROWS, Header, MAX_BLOB_BYTES, MAX_META_BYTES, MAX_RECIPIENTS, Params, Secrecy, TOTAL_ROWS},
};
use bytes::Bytes;
use crypto::{
    combination::Coefficients,
    digest::RowTree,
    envelope::RecipientPublic,
    reed_solomon::{Code, CodeError, Instructions},
    stream::{self, Key, StreamError, TAG_BYTES},
};
use primitives::{Address, Epoch};
use rand_core::CryptoRng;

mod memory;
#[cfg(test)]
mod tests;

use memory::{Memory, Pool};

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

/// Codes blobs, one after another or side by side, in memory that it uses again once a blob and all its rows are dropped.
/// Clones share the memory.
#[derive(Clone)]
pub struct Encoder {
    code: Code,
    pool: Pool,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder with the fastest instructions of this processor, and no memory yet.
    pub fn new() -> Self {
        Self {
            code: head::code().clone(),
            pool: Pool::default(),
        }
    }

    /// As [`Self::new`], with instructions named by the caller: for tests and measurements.
    ///
    /// # Errors
    ///
    /// [`CodeError::Unsupported`] where the processor lacks them.
    pub fn with_instructions(instructions: Instructions) -> Result<Self, CodeError> {
        Ok(Self {
            code: Code::with_instructions(DATA_ROWS, TOTAL_ROWS, instructions)?,
            pool: Pool::default(),
        })
    }

    /// Encrypts `payload` if asked to, codes it and commits to it.
    ///
    /// A public payload is not copied when its capacity is that of all data rows: [`header::row_bytes`] times [`DATA_ROWS`].
    ///
    /// # Errors
    ///
    /// [`EncodeError`], before any work is done.
    pub fn encode(
        &self,
        rng: &mut impl CryptoRng,
        payload: Vec<u8>,
        request: Request<'_>,
    ) -> Result<CodedBlob, EncodeError> {
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
        let data_bytes = DATA_ROWS as usize * header::row_bytes(length) as usize;
        let (data, meta, secrecy) = match request.privacy {
            Privacy::Public => (self.pad(payload, data_bytes), request.meta, Secrecy::Public),
            Privacy::Sealed { key, recipients } => {
                let mut memory = self.pool.take(data_bytes);
                let (coded, padding) = memory.as_mut().split_at_mut(length as usize);
                let (meta, secrecy) = seal(rng, &payload, coded, &request.meta, request.owner, key, recipients)?;
                padding.fill(0);
                (Rows::Pooled(memory), meta, secrecy)
            }
        };
        let params = Params {
            owner: request.owner,
            epoch: request.epoch,
            expiry_block: request.expiry_block,
            length,
            secrecy,
            meta: meta.into(),
        };
        Ok(self.code_rows(params, data))
    }

    /// The payload with zeros behind it, `data_bytes` in all.
    fn pad(&self, mut payload: Vec<u8>, data_bytes: usize) -> Rows {
        if payload.capacity() >= data_bytes {
            payload.resize(data_bytes, 0);
            return Rows::Given(payload);
        }
        let mut memory = self.pool.take(data_bytes);
        let (coded, padding) = memory.as_mut().split_at_mut(payload.len());
        coded.copy_from_slice(&payload);
        padding.fill(0);
        Rows::Pooled(memory)
    }

    /// Codes and commits to data rows.
    fn code_rows(&self, params: Params, data: Rows) -> CodedBlob {
        let row_bytes = params.row_bytes() as usize;
        let rows = data.as_ref();
        assert_eq!(rows.len(), DATA_ROWS as usize * row_bytes, "whole data rows");
        let mut parity = self.pool.take((TOTAL_ROWS - DATA_ROWS) as usize * row_bytes);
        let digests = self.code.encode_with_digests(rows, row_bytes, parity.as_mut());
        let tree = RowTree::of_digests(&digests);
        let group_roots = tree.group_roots().to_vec();
        debug_assert_eq!(group_roots.len(), GROUPS);
        let seed = head::seed(&params, &group_roots);
        let coefficients = Coefficients::derive_with_instructions(&seed, row_bytes, self.code.instructions())
            .unwrap_or_else(|_| Coefficients::derive(&seed, row_bytes));
        let combinations = coefficients.combine_rows(rows, row_bytes);
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
        CodedBlob {
            head,
            data: Bytes::from_owner(data),
            parity: Bytes::from_owner(parity),
            tree: tree.into(),
        }
    }
}

/// Data rows, contiguous.
enum Rows {
    /// In memory that the caller gave.
    Given(Vec<u8>),
    /// In the encoder's.
    Pooled(Memory),
}

impl AsRef<[u8]> for Rows {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Given(bytes) => bytes,
            Self::Pooled(memory) => memory.as_ref(),
        }
    }
}

impl CodedBlob {
    /// As [`Encoder::encode`], for one blob: its memory is not used again.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], before any work is done.
    pub fn encode(rng: &mut impl CryptoRng, payload: Vec<u8>, request: Request<'_>) -> Result<Self, EncodeError> {
        Encoder::new().encode(rng, payload, request)
    }

    /// Codes and commits to data rows: the payload, padded with zeros. The same rows always give the same blob.
    pub(crate) fn of_data_rows(params: Params, data: Vec<u8>) -> Self {
        Encoder::new().code_rows(params, Rows::Given(data))
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

/// Encrypts `payload` into `coded`, and the meta data, under `key`.
fn seal(
    rng: &mut impl CryptoRng,
    payload: &[u8],
    coded: &mut [u8],
    meta: &[u8],
    owner: Address,
    key: &Key,
    recipients: &[RecipientPublic],
) -> Result<(Vec<u8>, Secrecy), EncodeError> {
    if recipients.len() > MAX_RECIPIENTS {
        return Err(EncodeError::TooManyRecipients {
            count: recipients.len(),
        });
    }
    let mut nonce_prefix = [0; 7];
    rng.fill_bytes(&mut nonce_prefix);
    let length = coded.len() as u64;
    let key_commitment = stream::commitment(key, &key_context(&owner, &nonce_prefix, length));
    let envelopes = header::wrap_key(rng, recipients, key, &owner, &nonce_prefix, &key_commitment);
    let sealed_meta = stream::seal(key, meta_prefix(nonce_prefix), &associated(META, &owner, length), meta);
    stream::seal_into(
        key,
        payload_prefix(nonce_prefix),
        &associated(PAYLOAD, &owner, length),
        payload,
        coded,
    );
    Ok((
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

//! From a payload to rows, and back from data rows to the payload.
//!
//! Everything here is a pure function of its arguments. Cost, one core: see `examples/blobs.rs`.
//!
//! Work per GB of payload, on one core of a machine of today: coding 0.3 s, hashing three GB of rows 0.5 s while each strip of
//! them is in cache, combining 0.15 s, committing 0.04 s at 32 MiB. Memory that was never touched costs as much again, so
//! whoever codes more than one blob keeps an [`Encoder`].

use crate::{
    CommitteeId, Purchase,
    head::{self, Head, Row, VerifiedHead, VerifiedRow},
    header::{self, Header, MAX_META_BYTES, MAX_RECIPIENTS, Params, Secrecy},
    shape::{MAX_COSETS, Shape, ShapeError},
};
use bytes::Bytes;
use crypto::{
    combination::Coefficients,
    digest::{self, RowTree},
    envelope::RecipientPublic,
    reed_solomon::{Code, CodeError, Instructions},
    stream::{self, Key, StreamError, TAG_BYTES},
};
use primitives::{Address, Epoch};
use rand_core::CryptoRng;
use std::ops::Range;

mod memory;
mod payload;
#[cfg(test)]
mod tests;

use memory::{Memory, Pool};
pub use payload::Payload;

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
    /// Who is to keep the blob: [`crate::quorum::committee_for`] says who.
    pub committee: CommitteeId,
    /// Block after which it may be deleted.
    pub expiry_block: u64,
    /// Encoded [`header::Meta`], in the clear: it is sealed with the payload.
    pub meta: Vec<u8>,
    /// Who may read it.
    pub privacy: Privacy<'a>,
}

impl Request<'_> {
    /// Whether the payload is to be encrypted.
    fn is_sealed(&self) -> bool {
        matches!(self.privacy, Privacy::Sealed { .. })
    }

    /// Whether the header has room for what is asked.
    fn check(&self) -> Result<(), EncodeError> {
        let mut bytes = self.meta.len();
        if let Privacy::Sealed { recipients, .. } = self.privacy {
            let count = recipients.len();
            if count > MAX_RECIPIENTS {
                return Err(EncodeError::TooManyRecipients { count });
            }
            bytes += TAG_BYTES;
        }
        if bytes > MAX_META_BYTES {
            return Err(EncodeError::MetaTooLong { bytes });
        }
        Ok(())
    }
}

/// Why a payload cannot be coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// There is nothing to code.
    #[error("payload is empty")]
    Empty,
    /// The payload, once encrypted, does not fit in one blob.
    #[error("payload of {bytes} bytes is over a blob's {limit}")]
    TooLong {
        /// Its length as coded.
        bytes: u64,
        /// The most that this shape takes.
        limit: u64,
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

/// A coded blob: its head and all its rows, in memory (three times the payload, in the standard shape); or rows added to one.
#[derive(Clone)]
pub struct CodedBlob {
    head: VerifiedHead,
    data: Bytes,
    /// The rows from `data` on; of added rows, all.
    parity: Bytes,
    tree: std::sync::Arc<RowTree>,
}

/// Codes blobs, one after another or side by side, in memory that it uses again once a blob and all its rows are dropped.
/// Clones share the memory.
#[derive(Clone)]
pub struct Encoder {
    shape: Shape,
    code: Code,
    pool: Pool,
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Encoder {
    /// An encoder to the standard shape, with the fastest instructions of this processor, and no memory yet.
    pub fn new() -> Self {
        Self::of_shape(Shape::STANDARD)
    }

    /// An encoder to `shape`.
    ///
    /// # Panics
    ///
    /// When `shape` is of added rows: [`CodedBlob::add_coset`] makes those.
    pub fn of_shape(shape: Shape) -> Self {
        assert!(!shape.is_added(), "an encoder codes whole blobs");
        Self {
            shape,
            code: shape.code().clone(),
            pool: Pool::default(),
        }
    }

    /// What it codes to.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// As [`Self::new`], with instructions named by the caller: for tests and measurements.
    ///
    /// # Errors
    ///
    /// [`CodeError::Unsupported`] where the processor lacks them.
    pub fn with_instructions(instructions: Instructions) -> Result<Self, CodeError> {
        Ok(Self {
            shape: Shape::STANDARD,
            code: Code::with_instructions(Shape::STANDARD.data_rows(), Shape::STANDARD.row_count(), instructions)?,
            pool: Pool::default(),
        })
    }

    /// Room for a payload of `bytes` bytes, which is to be sealed if `sealed`: to be filled, then coded by [`Self::encode_payload`].
    ///
    /// # Errors
    ///
    /// [`EncodeError::Empty`], [`EncodeError::TooLong`].
    pub fn payload(&self, bytes: u64, sealed: bool) -> Result<Payload, EncodeError> {
        if bytes == 0 {
            return Err(EncodeError::Empty);
        }
        // Before `sealed_len`, which is defined up to 2^48 only.
        let limit = self.shape.max_bytes();
        let length = if sealed && bytes <= limit {
            stream::sealed_len(bytes)
        } else {
            bytes
        };
        if length > limit {
            return Err(EncodeError::TooLong { bytes: length, limit });
        }
        let data_bytes = self.shape.data_rows() as usize * self.shape.row_bytes(length) as usize;
        Ok(Payload::new(
            self.pool.take(data_bytes),
            bytes as usize,
            length as usize,
        ))
    }

    /// As [`Self::encode_payload`], of a payload that lies elsewhere: it is copied.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], before any work is done.
    pub fn encode(
        &self,
        rng: &mut impl CryptoRng,
        payload: impl AsRef<[u8]>,
        request: Request<'_>,
    ) -> Result<CodedBlob, EncodeError> {
        let payload = payload.as_ref();
        let mut room = self.payload(payload.len() as u64, request.is_sealed())?;
        request.check()?;
        room.fill(payload);
        self.encode_payload(rng, room, request)
    }

    /// Encrypts `payload` if asked to, codes it and commits to it.
    ///
    /// # Errors
    ///
    /// [`EncodeError`], before any work is done.
    ///
    /// # Panics
    ///
    /// When `payload` is another encoder's of another shape, or has room for tags and `request` is public, or the other way round.
    pub fn encode_payload(
        &self,
        rng: &mut impl CryptoRng,
        mut payload: Payload,
        request: Request<'_>,
    ) -> Result<CodedBlob, EncodeError> {
        request.check()?;
        assert_eq!(
            payload.is_sealed(),
            request.is_sealed(),
            "room for tags where they are needed"
        );
        let coded = payload.coded();
        let length = coded.len() as u64;
        let (meta, secrecy) = match request.privacy {
            Privacy::Public => (request.meta, Secrecy::Public),
            Privacy::Sealed { key, recipients } => seal(rng, coded, &request.meta, request.owner, key, recipients),
        };
        let mut data = payload.memory;
        data.as_mut()[length as usize..].fill(0);
        let params = Params {
            owner: request.owner,
            committee: request.committee,
            expiry_block: request.expiry_block,
            length,
            shape: self.shape,
            base: None,
            secrecy,
            meta: meta.into(),
        };
        Ok(self.code_rows(params, Rows::Pooled(data)))
    }

    /// Codes and commits to data rows.
    fn code_rows(&self, params: Params, data: Rows) -> CodedBlob {
        let (shape, row_bytes) = (params.shape, params.row_bytes() as usize);
        debug_assert_eq!(shape, self.shape);
        let rows = data.as_ref();
        assert_eq!(rows.len(), shape.data_rows() as usize * row_bytes, "whole data rows");
        let mut parity = self
            .pool
            .take((shape.row_count() - shape.data_rows()) as usize * row_bytes);
        let digests = self.code.encode_with_digests(rows, row_bytes, parity.as_mut());
        let tree = RowTree::of_digests(&digests);
        let head = commit(params, rows, &tree, self.code.instructions());
        CodedBlob {
            head,
            data: Bytes::from_owner(data),
            parity: Bytes::from_owner(parity),
            tree: tree.into(),
        }
    }
}

/// The head of a blob whose rows have the digests of `tree`. `data` are the data rows.
fn commit(params: Params, data: &[u8], tree: &RowTree, instructions: Instructions) -> VerifiedHead {
    let row_bytes = params.row_bytes() as usize;
    let group_roots = tree.group_roots().to_vec();
    let seed = head::seed(&params, &group_roots);
    let coefficients = Coefficients::derive_with_instructions(&seed, row_bytes, instructions)
        .unwrap_or_else(|_| Coefficients::derive(&seed, row_bytes));
    let combinations = coefficients.combine_rows(data, row_bytes);
    let header = Header {
        commitment: head::commit(params.shape, &group_roots),
        groups_root: head::groups_root(&group_roots, &head::z_digest(&combinations)),
        params,
    };
    VerifiedHead::of_own_rows(Head {
        header,
        group_roots,
        combinations,
    })
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
    pub fn encode(
        rng: &mut impl CryptoRng,
        payload: impl AsRef<[u8]>,
        request: Request<'_>,
    ) -> Result<Self, EncodeError> {
        Encoder::new().encode(rng, payload, request)
    }

    /// Codes and commits to data rows: the payload, padded with zeros; the rows are those that `params` say, a whole blob's or added ones.
    /// The same data always gives the same rows.
    pub(crate) fn of_data_rows(params: Params, data: Vec<u8>) -> Self {
        let shape = params.shape;
        if !shape.is_added() {
            return Encoder::of_shape(shape).code_rows(params, Rows::Given(data));
        }
        let row_bytes = params.row_bytes() as usize;
        let coset = shape.cosets() - 1;
        let mut rows = vec![0; data.len()];
        shape.code().encode_coset_into(&data, row_bytes, coset, &mut rows);
        let digests = digest::row_digests(&rows.chunks_exact(row_bytes).collect::<Vec<_>>());
        let tree = RowTree::of_digests(&digests);
        let head = commit(params, &data, &tree, shape.code().instructions());
        Self {
            head,
            data: Bytes::new(),
            parity: rows.into(),
            tree: tree.into(),
        }
    }

    /// Another coset for the blob of `base`, which has `cosets` by now: rows that are dispersed and certified as a blob of their own. `data`
    /// are its data rows, as [`crate::retrieve::Retrieved::data_rows`] has them.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] when the blob has all the cosets there are, or is rows added to another.
    ///
    /// # Panics
    ///
    /// When `data` is not as long as the blob's data rows.
    pub fn add_coset(base: &VerifiedHead, cosets: u32, data: Vec<u8>) -> Result<Self, ShapeError> {
        let whole = base.shape();
        let shape = Shape::coset(whole.data_rows(), cosets)?;
        if whole.is_added() || cosets < whole.cosets() || cosets >= MAX_COSETS {
            return Err(ShapeError {
                data_rows: whole.data_rows(),
                first_row: shape.first_row(),
                row_count: shape.row_count(),
            });
        }
        Ok(Self::of_data_rows(base.header().params.added(base.root(), shape), data))
    }

    /// The same rows as a blob for another committee: its header, combinations and commitment are others, and so are its name and the owners of its
    /// rows. Nothing is encrypted or coded again.
    ///
    /// # Panics
    ///
    /// When it is rows that were added to a blob: these belong to that blob's committee.
    pub fn moved_to(self, committee: CommitteeId) -> Self {
        let mut params = self.head.header().params.clone();
        assert!(!params.shape.is_added(), "added rows do not move");
        params.committee = committee;
        let instructions = params.shape.code().instructions();
        let head = commit(params, &self.data, &self.tree, instructions);
        Self { head, ..self }
    }

    /// What its payer pays for once, whichever committee it is [moved to](Self::moved_to).
    pub fn purchase(&self) -> Purchase {
        let params = Params {
            committee: CommitteeId {
                quorum: 0,
                epoch: Epoch(0),
            },
            ..self.head.header().params.clone()
        };
        let mut hasher = blake3::Hasher::new_derive_key("aloft/da/purchase/v1");
        // The parameters, and by the group roots every row.
        hasher.update(head::seed(&params, self.tree.group_roots()).as_ref());
        Purchase(hasher.finalize().into())
    }

    /// The head.
    pub fn head(&self) -> &VerifiedHead {
        &self.head
    }

    /// Whether a clone of it is still there: a delivery that goes on has one.
    pub fn is_shared(&self) -> bool {
        std::sync::Arc::strong_count(&self.tree) > 1
    }

    /// Row `index`, sharing this blob's memory.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn row(&self, index: u32) -> VerifiedRow {
        let rows = self.head.shape().rows();
        assert!(rows.contains(&index), "row {index} is not in the blob");
        let row_bytes = self.head.row_bytes() as usize;
        let place = index - rows.start;
        let start = place as usize * row_bytes;
        let bytes = match start.checked_sub(self.data.len()) {
            None => self.data.slice(start..start + row_bytes),
            Some(start) => self.parity.slice(start..start + row_bytes),
        };
        VerifiedRow::of_own(Row {
            index,
            path: self.tree.path(place),
            bytes,
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

/// Encrypts `content`, with room for its tags, where it lies, and the meta data, under `key`.
fn seal(
    rng: &mut impl CryptoRng,
    content: &mut [u8],
    meta: &[u8],
    owner: Address,
    key: &Key,
    recipients: &[RecipientPublic],
) -> (Vec<u8>, Secrecy) {
    let mut nonce_prefix = [0; 7];
    rng.fill_bytes(&mut nonce_prefix);
    let length = content.len() as u64;
    let key_commitment = stream::commitment(key, &key_context(&owner, &nonce_prefix, length));
    let envelopes = header::wrap_key(rng, recipients, key, &owner, &nonce_prefix, &key_commitment);
    let sealed_meta = stream::seal(key, meta_prefix(nonce_prefix), &associated(META, &owner, length), meta);
    let bound = associated(PAYLOAD, &owner, length);
    stream::seal_in_place(key, payload_prefix(nonce_prefix), &bound, content);
    let secrecy = Secrecy::Sealed {
        nonce_prefix,
        key_commitment,
        envelopes,
    };
    (sealed_meta, secrecy)
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

/// Length of a payload in the clear, in bytes; `None` when nothing seals to the length of a sealed one.
pub fn plain_len(params: &Params) -> Option<u64> {
    match params.secrecy {
        Secrecy::Public => Some(params.length),
        Secrecy::Sealed { .. } => stream::plain_len(params.length),
    }
}

/// Which bytes of the coded payload give bytes `plain` of it in the clear: the same ones, or the segments that cover them. What is
/// beyond the end is left out.
///
/// # Errors
///
/// [`OpenError::Stream`] when nothing seals to the payload's length.
pub fn coded_range(params: &Params, plain: &Range<u64>) -> Result<Range<u64>, OpenError> {
    let bytes = params.length;
    let plain_bytes = plain_len(params).ok_or(StreamError::Length { bytes })?;
    Ok(match params.secrecy {
        Secrecy::Public => plain.start.min(plain_bytes)..plain.end.min(plain_bytes).max(plain.start.min(plain_bytes)),
        Secrecy::Sealed { .. } => stream::sealed_range(plain, plain_bytes),
    })
}

/// Bytes `plain` of a blob's payload in the clear, from their [`coded_range`].
///
/// # Errors
///
/// As [`open`].
pub fn open_range(
    params: &Params,
    key: Option<&Key>,
    plain: &Range<u64>,
    coded: Vec<u8>,
) -> Result<Vec<u8>, OpenError> {
    let Secrecy::Sealed { nonce_prefix, .. } = params.secrecy else {
        return Ok(coded);
    };
    let key = right_key(params, key)?;
    let bytes = params.length;
    let plain_bytes = stream::plain_len(bytes).ok_or(StreamError::Length { bytes })?;
    let associated = associated(PAYLOAD, &params.owner, params.length);
    let prefix = payload_prefix(nonce_prefix);
    Ok(stream::open_range(
        key,
        &prefix,
        &associated,
        plain_bytes,
        plain,
        &coded,
    )?)
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

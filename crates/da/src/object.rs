//! Large objects: a sequence of blobs, one a stripe, and a manifest that names them.
//!
//! Whoever writes or reads an object has a few stripes in memory, whatever its length; stripes that are certified stay so when a
//! transfer breaks off. The manifest is a blob as any other, with media type [`MEDIA_TYPE`]; its root is the object's name:
//!
//! ```text
//! version 1 = 1 | length 8 | stripe bytes 4 | meta length 2 | meta | count 4 | count × root 32
//! ```
//!
//! Integers are big endian; lengths are those in the clear. Stripe `i` is bytes `stripe bytes · i` on, the last one what is left.
//!
//! The stripes of a sealed object have no recipients. Their keys are derived from the manifest's, [`stripe_key`], so that who may
//! read the manifest may read the object, and readers are added and removed at one place; each stripe has a key of its own, and its
//! header commits to it. The manifest is sealed: nobody else sees which stripes belong together.

use crate::header::{MAX_BLOB_BYTES, MAX_META_BYTES, Meta};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use crypto::stream::Key;
use primitives::{BlobRoot, MIB};
use std::ops::Range;

#[cfg(test)]
mod tests;

/// Length of a stripe in the clear, in bytes, and longest object that is one blob: 64 MiB of memory while it is coded, which
/// takes some 30 ms of one core, and rows of 16 KiB, of which their proofs are one per cent.
pub const STRIPE_BYTES: u32 = 16 * MIB as u32;

/// Most stripes of an object: 4 TiB of them, in a manifest of 8 MiB.
pub const MAX_STRIPES: u32 = 1 << 18;

/// Longest object, in bytes.
pub const MAX_OBJECT_BYTES: u64 = STRIPE_BYTES as u64 * MAX_STRIPES as u64;

/// Longest stripe that a reader takes, in the clear: it must fit in a blob when it is sealed.
const MAX_STRIPE_BYTES: u32 = (MAX_BLOB_BYTES - MIB) as u32;

/// Media type of a manifest, in its blob's meta data: it is what tells a large object from a file.
pub const MEDIA_TYPE: &str = "application/vnd.aloft.manifest";

/// The format this code writes and reads.
const VERSION: u8 = 1;

/// What a large object is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    length: u64,
    stripe_bytes: u32,
    meta: Meta,
    roots: Vec<BlobRoot>,
}

/// Part of a stripe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which stripe.
    pub stripe: u32,
    /// Its blob.
    pub root: BlobRoot,
    /// Which bytes of it, in the clear.
    pub range: Range<u64>,
}

/// What is no manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{roots} stripes of {stripe_bytes} bytes do not make an object of {length}")]
pub struct ManifestError {
    /// The object's length, in bytes.
    pub length: u64,
    /// A stripe's.
    pub stripe_bytes: u32,
    /// How many stripes there are.
    pub roots: usize,
}

/// Count of stripes of an object of `length` bytes; `None` where none or too many would be needed.
pub fn stripe_count(length: u64, stripe_bytes: u32) -> Option<u32> {
    if length == 0 || !(1..=MAX_STRIPE_BYTES).contains(&stripe_bytes) {
        return None;
    }
    u32::try_from(length.div_ceil(stripe_bytes.into()))
        .ok()
        .filter(|count| *count <= MAX_STRIPES)
}

/// The key of stripe `stripe` of a sealed object whose manifest has the key `object`.
pub fn stripe_key(object: &Key, stripe: u32) -> Key {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/da/stripe-key/v1");
    hasher.update(object.as_bytes()).update(&stripe.to_be_bytes());
    Key::from_bytes(hasher.finalize().into())
}

impl Manifest {
    /// The manifest of an object of `length` bytes, called `meta`, whose stripes of `stripe_bytes` bytes are the blobs `roots`.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] when there are more or fewer stripes than the length says.
    ///
    /// # Panics
    ///
    /// When `meta` has a text of more than 255 bytes.
    pub fn new(length: u64, stripe_bytes: u32, meta: Meta, roots: Vec<BlobRoot>) -> Result<Self, ManifestError> {
        meta.to_bytes().expect("the caller checked the texts");
        if stripe_count(length, stripe_bytes).is_none_or(|count| count as usize != roots.len()) {
            let roots = roots.len();
            return Err(ManifestError {
                length,
                stripe_bytes,
                roots,
            });
        }
        Ok(Self {
            length,
            stripe_bytes,
            meta,
            roots,
        })
    }

    /// Length of the object in the clear, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Length of each stripe but the last, in the clear, in bytes.
    pub fn stripe_bytes(&self) -> u32 {
        self.stripe_bytes
    }

    /// What the object is called.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The stripes' blobs, in order.
    pub fn roots(&self) -> &[BlobRoot] {
        &self.roots
    }

    /// The parts of stripes that bytes `range` of the object are in, in order. What is beyond its end is left out.
    pub fn parts(&self, range: Range<u64>) -> impl Iterator<Item = Part> + use<> {
        let end = range.end.min(self.length);
        let stripe_bytes = u64::from(self.stripe_bytes);
        let stripes = if range.start >= end {
            0..0
        } else {
            range.start / stripe_bytes..end.div_ceil(stripe_bytes)
        };
        let roots = self.roots[stripes.start as usize..stripes.end as usize].to_vec();
        stripes.zip(roots).map(move |(stripe, root)| {
            let first = stripe * stripe_bytes;
            Part {
                stripe: stripe as u32,
                root,
                range: range.start.saturating_sub(first)..(end - first).min(stripe_bytes),
            }
        })
    }
}

impl Write for Manifest {
    fn write(&self, buf: &mut impl BufMut) {
        let meta = self.meta.to_bytes().expect("checked when it was made");
        VERSION.write(buf);
        self.length.write(buf);
        self.stripe_bytes.write(buf);
        (meta.len() as u16).write(buf);
        buf.put_slice(&meta);
        (self.roots.len() as u32).write(buf);
        self.roots.iter().for_each(|root| root.write(buf));
    }
}

impl EncodeSize for Manifest {
    fn encode_size(&self) -> usize {
        let meta = 2 + self.meta.name.len() + self.meta.content_type.len();
        1 + 8 + 4 + 2 + meta + 4 + self.roots.len() * BlobRoot::SIZE
    }
}

impl Read for Manifest {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        if u8::read(buf)? != VERSION {
            return Err(Error::Invalid("Manifest", "unknown version"));
        }
        let length = u64::read(buf)?;
        let stripe_bytes = u32::read(buf)?;
        let meta_bytes = usize::from(u16::read(buf)?);
        if meta_bytes > MAX_META_BYTES {
            return Err(Error::InvalidLength(meta_bytes));
        }
        let meta: Bytes = buf.try_take_owned(meta_bytes).map_err(|_| Error::EndOfBuffer)?;
        let meta = Meta::from_bytes(&meta).ok_or(Error::Invalid("Manifest", "no name and media type"))?;
        let count = u32::read(buf)?;
        if stripe_count(length, stripe_bytes) != Some(count) {
            return Err(Error::Invalid("Manifest", "stripes and length do not agree"));
        }
        // Nothing is set aside for roots that are not there.
        if buf.remaining() < count as usize * BlobRoot::SIZE {
            return Err(Error::EndOfBuffer);
        }
        let roots = (0..count).map(|_| BlobRoot::read(buf)).collect::<Result<_, _>>()?;
        Ok(Self {
            length,
            stripe_bytes,
            meta,
            roots,
        })
    }
}

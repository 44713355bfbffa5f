//! Many small payloads in one blob: a certificate, a fee's least and the smallest rows are shared among all of them.
//!
//! An index stands in front of the items, which follow one another without gaps:
//!
//! ```text
//! version 1 = 1 | count 4 | count × (length 4 | digest 32) | items
//! ```
//!
//! Integers are big endian; a digest is BLAKE3 of the item, so that one item can be shown to be the one that the index names to
//! whoever has the index alone. A reader fetches the rows that hold the index and the item and no others: see
//! [`retrieve::read_coded`](crate::retrieve::read_coded).

use crate::header::MAX_BLOB_BYTES;
use bytes::BufMut;
use commonware_codec::{Buf, Copying, DecodeExt, Encode, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use primitives::Digest;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// Most items of a bundle: an index of 144 KiB at most, which is read whole for one item.
pub const MAX_ITEMS: u32 = 4096;

/// Media type of a bundle, in its blob's meta data: for people. What names an item names the bundle as one.
pub const MEDIA_TYPE: &str = "application/vnd.aloft.bundle";

/// The format this code writes and reads.
const VERSION: u8 = 1;

/// Encoded bytes before the first entry.
pub const PREFIX_BYTES: usize = 1 + 4;

/// Why items are no bundle, or bytes hold no item.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BundleError {
    /// There are none, or more than an index holds.
    #[error("{count} items: a bundle has 1 to {MAX_ITEMS}")]
    Count {
        /// How many there are.
        count: usize,
    },
    /// Every item has a byte at least.
    #[error("item {item} is empty")]
    EmptyItem {
        /// Its place.
        item: u32,
    },
    /// They do not fit in one blob.
    #[error("items and index have {bytes} bytes: a blob has at most {MAX_BLOB_BYTES}")]
    TooLong {
        /// Their length together.
        bytes: u64,
    },
    /// The index is not one.
    #[error("read the index of a bundle")]
    Index(#[source] std::sync::Arc<Error>),
    /// The index is of a longer or shorter blob.
    #[error("the index describes {expected} bytes, the blob has {found}")]
    Length {
        /// What the index adds up to.
        expected: u64,
        /// The blob's.
        found: u64,
    },
    /// The bundle has fewer items.
    #[error("there is no item {item}: the bundle has {count}")]
    NoItem {
        /// The one asked for.
        item: u32,
        /// How many there are.
        count: u32,
    },
    /// The bytes are not those that the index names.
    #[error("item {item} is not the one that the index names")]
    WrongItem {
        /// Its place.
        item: u32,
    },
}

/// What the index says of one item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    length: u32,
    digest: Digest,
}

/// The items of a bundle: where each one is, and what it is. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    entries: Vec<Entry>,
}

impl Index {
    /// The index of `items`.
    ///
    /// # Errors
    ///
    /// [`BundleError`] when they do not make a bundle.
    pub fn of(items: &[impl AsRef<[u8]>]) -> Result<Self, BundleError> {
        let count = items.len();
        if count == 0 || count > MAX_ITEMS as usize {
            return Err(BundleError::Count { count });
        }
        let bytes: u64 = items.iter().map(|item| item.as_ref().len() as u64).sum();
        let bytes = bytes + encoded_bytes(count as u32);
        if bytes > MAX_BLOB_BYTES {
            return Err(BundleError::TooLong { bytes });
        }
        let entries = (0..).zip(items).map(|(item, bytes)| {
            let bytes = bytes.as_ref();
            let length = u32::try_from(bytes.len()).expect("checked: within a blob");
            let digest = Digest::of(bytes);
            (length != 0)
                .then_some(Entry { length, digest })
                .ok_or(BundleError::EmptyItem { item })
        });
        Ok(Self {
            entries: entries.collect::<Result<_, _>>()?,
        })
    }

    /// How many bytes of a blob its index takes, by the blob's first [`PREFIX_BYTES`].
    ///
    /// # Errors
    ///
    /// [`BundleError::Index`] when no bundle begins so.
    pub fn bytes(prefix: &[u8; PREFIX_BYTES]) -> Result<u64, BundleError> {
        count(&mut Copying(&prefix[..])).map(encoded_bytes).map_err(malformed)
    }

    /// Reads the index that `bytes`, the first bytes of a blob of `blob_bytes` bytes, begin with.
    ///
    /// # Errors
    ///
    /// [`BundleError::Index`] when `bytes` are too few or no index; [`BundleError::Length`] when the blob is not the index and its
    /// items, all of them and nothing else.
    pub fn read(bytes: &[u8], blob_bytes: u64) -> Result<Self, BundleError> {
        let prefix = bytes.first_chunk().ok_or_else(|| malformed(Error::EndOfBuffer))?;
        let index = usize::try_from(Self::bytes(prefix)?)
            .ok()
            .and_then(|length| bytes.get(..length));
        let index = index.ok_or_else(|| malformed(Error::EndOfBuffer))?;
        let index = Self::decode(Copying(index)).map_err(malformed)?;
        let (expected, found) = (index.bundle_bytes(), blob_bytes);
        if expected != found {
            return Err(BundleError::Length { expected, found });
        }
        Ok(index)
    }

    /// Count of items.
    pub fn count(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Length of the whole bundle, in bytes.
    pub fn bundle_bytes(&self) -> u64 {
        encoded_bytes(self.count()) + lengths(&self.entries)
    }

    /// Which bytes of the blob item `item` has.
    ///
    /// # Errors
    ///
    /// [`BundleError::NoItem`].
    pub fn range(&self, item: u32) -> Result<Range<u64>, BundleError> {
        let entry = self.entry(item)?;
        let start = encoded_bytes(self.count()) + lengths(&self.entries[..item as usize]);
        Ok(start..start + u64::from(entry.length))
    }

    /// Checks that `bytes` are item `item`.
    ///
    /// # Errors
    ///
    /// [`BundleError::WrongItem`], and [`BundleError::NoItem`].
    pub fn check(&self, item: u32, bytes: &[u8]) -> Result<(), BundleError> {
        let entry = self.entry(item)?;
        if bytes.len() as u64 != u64::from(entry.length) || Digest::of(bytes) != entry.digest {
            return Err(BundleError::WrongItem { item });
        }
        Ok(())
    }

    fn entry(&self, item: u32) -> Result<&Entry, BundleError> {
        let count = self.count();
        self.entries
            .get(item as usize)
            .ok_or(BundleError::NoItem { item, count })
    }
}

/// Puts `items` into one payload, in their order.
///
/// # Errors
///
/// [`BundleError`] when they are none, too many or too long together, or one is empty.
pub fn pack(items: &[impl AsRef<[u8]>]) -> Result<Vec<u8>, BundleError> {
    let index = Index::of(items)?;
    let bytes = usize::try_from(index.bundle_bytes()).expect("at most a blob's");
    let mut bundle = Vec::with_capacity(bytes);
    bundle.extend_from_slice(&index.encode());
    items.iter().for_each(|item| bundle.extend_from_slice(item.as_ref()));
    Ok(bundle)
}

/// Length in bytes of the index of `count` items.
pub fn encoded_bytes(count: u32) -> u64 {
    PREFIX_BYTES as u64 + u64::from(count) * Entry::SIZE as u64
}

fn lengths(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| u64::from(entry.length)).sum()
}

fn malformed(error: Error) -> BundleError {
    BundleError::Index(error.into())
}

/// Version and count.
fn count(buf: &mut impl Buf) -> Result<u32, Error> {
    if u8::read(buf)? != VERSION {
        return Err(Error::Invalid("Index", "unknown version"));
    }
    let count = u32::read(buf)?;
    if count == 0 || count > MAX_ITEMS {
        return Err(Error::InvalidLength(count as usize));
    }
    Ok(count)
}

impl FixedSize for Entry {
    const SIZE: usize = 4 + 32;
}

impl Write for Index {
    fn write(&self, buf: &mut impl BufMut) {
        VERSION.write(buf);
        self.count().write(buf);
        for entry in &self.entries {
            entry.length.write(buf);
            entry.digest.write(buf);
        }
    }
}

impl EncodeSize for Index {
    fn encode_size(&self) -> usize {
        PREFIX_BYTES + self.entries.len() * Entry::SIZE
    }
}

impl Read for Index {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let count = count(buf)?;
        // Nothing is set aside for entries that are not there.
        if buf.remaining() < count as usize * Entry::SIZE {
            return Err(Error::EndOfBuffer);
        }
        let mut entries = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let length = u32::read(buf)?;
            if length == 0 {
                return Err(Error::Invalid("Index", "an empty item"));
            }
            let digest = Digest::read(buf)?;
            entries.push(Entry { length, digest });
        }
        let index = Self { entries };
        if index.bundle_bytes() > MAX_BLOB_BYTES {
            return Err(Error::Invalid("Index", "longer than a blob"));
        }
        Ok(index)
    }
}

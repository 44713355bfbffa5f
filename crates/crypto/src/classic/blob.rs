//! A blob's bytes, and bytes of any kind packed into one.

/// Bytes of a blob: 4,096 field elements of 32.
pub const BLOB_BYTES: usize = c_kzg::BYTES_PER_BLOB;
/// Bytes of a field element, big endian.
const ELEMENT_BYTES: usize = 32;
/// Bytes that every field element can carry: with a zero byte before them any are below the field's order.
const ELEMENT_CONTENT_BYTES: usize = 31;
/// Bytes of the length before the packed bytes.
const LENGTH_BYTES: usize = 4;
/// Most bytes that [`Blob::pack`] takes.
pub const PACKED_BYTES_MAX: usize = BLOB_BYTES / ELEMENT_BYTES * ELEMENT_CONTENT_BYTES - LENGTH_BYTES;

/// 4,096 field elements, each 32 bytes big endian, as received: they may be at or above the field's order, which only what
/// computes on them finds.
#[derive(Clone, PartialEq, Eq)]
pub struct Blob(Box<c_kzg::Blob>);

/// The bytes do not fit in one blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes do not fit in a blob: at most {PACKED_BYTES_MAX}")]
pub struct PackError {
    /// How many there are.
    pub bytes: usize,
}

/// The blob was not made by [`Blob::pack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// A field element's first byte is not zero.
    #[error("element {index} of the blob carries more than {ELEMENT_CONTENT_BYTES} bytes")]
    WideElement {
        /// Which element.
        index: usize,
    },
    /// The length at the start is of more than a blob carries.
    #[error("the blob says that it carries {bytes} bytes: at most {PACKED_BYTES_MAX}")]
    Length {
        /// What it says.
        bytes: u32,
    },
    /// A byte after the last one is not zero.
    #[error("byte {at} after the packed {bytes} is not zero")]
    Tail {
        /// Which byte of the content, its length included.
        at: usize,
        /// Packed bytes.
        bytes: u32,
    },
}

impl Blob {
    /// The blob that is `bytes`; `None` unless they are [`BLOB_BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        c_kzg::Blob::from_bytes(bytes).ok().map(|blob| Self(Box::new(blob)))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().as_ref()
    }

    /// Packs `bytes` into a blob, 31 in each element: an element is a zero byte and the next 31 bytes of
    /// `length (4, big endian) | bytes | zeros`.
    ///
    /// # Errors
    ///
    /// [`PackError`] when there are more than [`PACKED_BYTES_MAX`].
    pub fn pack(bytes: &[u8]) -> Result<Self, PackError> {
        let length = u32::try_from(bytes.len())
            .ok()
            .filter(|_| bytes.len() <= PACKED_BYTES_MAX)
            .ok_or(PackError { bytes: bytes.len() })?;
        let content = [&length.to_be_bytes(), bytes].concat();
        let mut blob = vec![0; BLOB_BYTES];
        for (element, content) in blob
            .chunks_exact_mut(ELEMENT_BYTES)
            .zip(content.chunks(ELEMENT_CONTENT_BYTES))
        {
            element[1..=content.len()].copy_from_slice(content);
        }
        Ok(Self::from_bytes(&blob).expect("as long as a blob"))
    }

    /// The bytes that [`pack`](Self::pack) packed.
    ///
    /// # Errors
    ///
    /// [`UnpackError`] for any other blob: no two blobs unpack to the same bytes.
    pub fn unpack(&self) -> Result<Vec<u8>, UnpackError> {
        let mut content = Vec::with_capacity(PACKED_BYTES_MAX + LENGTH_BYTES);
        for (index, element) in self.as_bytes().chunks_exact(ELEMENT_BYTES).enumerate() {
            let (first, carried) = element.split_first().expect("32 bytes");
            if *first != 0 {
                return Err(UnpackError::WideElement { index });
            }
            content.extend_from_slice(carried);
        }
        let (length, carried) = content
            .split_first_chunk::<LENGTH_BYTES>()
            .expect("longer than a length");
        let bytes = u32::from_be_bytes(*length);
        let (packed, tail) = carried
            .split_at_checked(bytes as usize)
            .ok_or(UnpackError::Length { bytes })?;
        match tail.iter().position(|&byte| byte != 0) {
            Some(after) => Err(UnpackError::Tail {
                at: LENGTH_BYTES + packed.len() + after,
                bytes,
            }),
            None => Ok(packed.to_vec()),
        }
    }

    /// As c-kzg takes it.
    pub(super) fn inner(&self) -> &c_kzg::Blob {
        &self.0
    }
}

impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Blob({} bytes)", BLOB_BYTES)
    }
}

//! Request ids: all that a node needs to say what became of a request, so that it keeps nothing of it.
//!
//! ```text
//! root 32 | item 4: 0, or one more than its number | payer 20 | purchase 32, or zeros | tag 32
//! ```
//!
//! Integers are big endian. The root is the blob's, if the quorum that it was coded for keeps it; where there are several, the chain says by payer and
//! purchase as which blob another keeps it. The tag is the keyed BLAKE3 hash of what stands before it: the node that took the request knows its own, and
//! can say of one that is not on chain that it failed, and not that there was none.

use crate::blobs::Name;
use bytes::BufMut;
use commonware_codec::{Buf, Copying, DecodeExt, Encode, Error, FixedSize, Read, ReadExt, Write};
use da::Purchase;
use primitives::{Address, BlobRoot, Digest};

/// Bytes of a request id.
pub(super) const REQUEST_ID_BYTES: usize = RequestId::SIZE + TAG_BYTES;

const TAG_BYTES: usize = 32;

/// What a node's request ids are tagged with: the same after a restart, and no other node's.
#[derive(Clone)]
pub struct RequestKey([u8; 32]);

impl RequestKey {
    /// From a secret of this node that is used for nothing else.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    fn tag(&self, id: &RequestId) -> blake3::Hash {
        blake3::keyed_hash(&self.0, &id.encode())
    }
}

/// A request, without its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestId {
    /// The payload, in the blob that was announced.
    pub(super) name: Name,
    /// Whose money it is that the chain knows the purchase by.
    pub(super) payer: Address,
    /// What the payer pays for once; none where the announced blob is the only one that it can be.
    pub(super) purchase: Option<Purchase>,
}

/// Bytes that no node of this version answered as a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request id has {REQUEST_ID_BYTES} bytes, not {bytes}")]
pub(super) struct RequestIdError {
    bytes: usize,
}

impl RequestId {
    /// As clients get it.
    pub(super) fn to_bytes(self, key: &RequestKey) -> Vec<u8> {
        [&self.encode()[..], key.tag(&self).as_bytes()].concat()
    }

    /// What `bytes` ask for, and whether they were tagged with `key`.
    ///
    /// # Errors
    ///
    /// [`RequestIdError`] of another length.
    pub(super) fn from_bytes(bytes: &[u8], key: &RequestKey) -> Result<(Self, bool), RequestIdError> {
        let wrong = RequestIdError { bytes: bytes.len() };
        let (id, tag) = bytes.split_last_chunk::<TAG_BYTES>().ok_or(wrong)?;
        let id = Self::decode(Copying(id)).map_err(|_| wrong)?;
        // Compared in constant time.
        let is_own = key.tag(&id) == blake3::Hash::from_bytes(*tag);
        Ok((id, is_own))
    }
}

impl FixedSize for RequestId {
    const SIZE: usize = 32 + 4 + 20 + 32;
}

impl Write for RequestId {
    fn write(&self, buf: &mut impl BufMut) {
        self.name.root.write(buf);
        // Items are numbered to 4,095.
        self.name.item.map_or(0, |item| item + 1).write(buf);
        buf.put_slice(self.payer.as_slice());
        let none = Digest::from([0; 32]);
        self.purchase.map_or(none, |Purchase(name)| name).write(buf);
    }
}

impl Read for RequestId {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let root = BlobRoot::read(buf)?;
        let item = u32::read(buf)?.checked_sub(1);
        let payer = <[u8; 20]>::read(buf)?.into();
        let purchase = Digest::read(buf)?;
        Ok(Self {
            name: Name { root, item },
            payer,
            purchase: (!purchase.0.is_zero()).then_some(Purchase(purchase)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_read_back_and_known_as_its_nodes_own() {
        let (own, other) = (RequestKey::new([1; 32]), RequestKey::new([2; 32]));
        for (item, purchase) in [(None, None), (Some(0), Some(7)), (Some(4_095), None)] {
            let id = RequestId {
                name: Name {
                    root: BlobRoot::from([3; 32]),
                    item,
                },
                payer: Address::repeat_byte(4),
                purchase: purchase.map(|byte| Purchase(Digest::from([byte; 32]))),
            };
            let bytes = id.to_bytes(&own);
            assert_eq!(bytes.len(), REQUEST_ID_BYTES);
            assert_eq!(RequestId::from_bytes(&bytes, &own), Ok((id, true)));
            assert_eq!(RequestId::from_bytes(&bytes, &other), Ok((id, false)));
            for place in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[place] ^= 1;
                let (_, is_own) = RequestId::from_bytes(&changed, &own).unwrap();
                assert!(!is_own, "byte {place}");
            }
            for length in [0, 31, 32, 36, REQUEST_ID_BYTES - 1] {
                let cut = &bytes[..length];
                assert_eq!(RequestId::from_bytes(cut, &own), Err(RequestIdError { bytes: length }));
            }
            assert!(RequestId::from_bytes(&[&bytes[..], &[0]].concat(), &own).is_err());
        }
    }
}

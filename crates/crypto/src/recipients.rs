//! One content key for many readers: a sorted list of envelopes, to which a reader is added, and from which one is taken out.
//!
//! `list = count (2, big endian) | count × (recipient (32) | envelope (80))`, recipients strictly ascending: a set of readers and
//! their envelopes has one encoding.
//!
//! A list lives apart from the content: whoever holds the key adds a reader by sealing 80 bytes, and not a byte of the content
//! changes. Taking one out ends what the *list* gives: who had the list before, or the key, keeps it. Only a new key ends that.

#[cfg(test)]
mod tests;

use crate::{
    envelope::{self, ENVELOPE_BYTES, RecipientPublic, RecipientSecret},
    stream::Key,
};
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use rand_core::CryptoRng;

/// Most readers of one list: 28 KiB, which a transaction carries. More readers share the key of a group.
pub const RECIPIENTS_MAX: usize = 256;

/// Bytes of one reader in a list.
const ENTRY_BYTES: usize = 32 + ENVELOPE_BYTES;

/// Why a list was not made or gave no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecipientsError {
    /// More readers than a list holds.
    #[error("{count} recipients: at most {RECIPIENTS_MAX}")]
    TooMany {
        /// How many there would be.
        count: usize,
    },
    /// The list has no envelope for this reader.
    #[error("the list has no envelope for this recipient")]
    NotARecipient,
    /// The reader's envelope is of other `info`, or was changed.
    #[error("the recipient's envelope does not open")]
    Unauthentic,
    /// The envelope opens to another key than the one the content was encrypted under.
    #[error("the recipient's envelope holds another key")]
    WrongKey,
}

/// Envelopes of one content key, at most one for each reader, in the order of the readers' keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    recipient: RecipientPublic,
    envelope: [u8; ENVELOPE_BYTES],
}

impl Recipients {
    /// The list of nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Seals `key` to `recipient`, bound to `info`; false when it is in the list already, whose envelope then stays.
    ///
    /// # Errors
    ///
    /// [`RecipientsError::TooMany`].
    pub fn add(
        &mut self,
        rng: &mut impl CryptoRng,
        recipient: &RecipientPublic,
        key: &Key,
        info: &[u8],
    ) -> Result<bool, RecipientsError> {
        let Err(place) = self.find(recipient) else {
            return Ok(false);
        };
        if self.0.len() == RECIPIENTS_MAX {
            return Err(RecipientsError::TooMany {
                count: RECIPIENTS_MAX + 1,
            });
        }
        let entry = Entry {
            recipient: *recipient,
            envelope: envelope::wrap(rng, recipient, key, info),
        };
        self.0.insert(place, entry);
        Ok(true)
    }

    /// Takes `recipient` out; false when it is not in the list. See the module's first lines for what this does not end.
    pub fn remove(&mut self, recipient: &RecipientPublic) -> bool {
        self.find(recipient).map(|place| self.0.remove(place)).is_ok()
    }

    /// Whether there is an envelope for `recipient`.
    pub fn contains(&self, recipient: &RecipientPublic) -> bool {
        self.find(recipient).is_ok()
    }

    /// The readers, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = RecipientPublic> + '_ {
        self.0.iter().map(|entry| entry.recipient)
    }

    /// How many readers there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is in the list.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key, from the envelope for `secret`, if `is_key` says that it is the content's.
    ///
    /// Anyone can seal any key to a reader, and AES-GCM opens one ciphertext under several: `is_key` compares the content's key
    /// commitment ([`crate::stream::commitment`]), and no other key leaves this function.
    ///
    /// # Errors
    ///
    /// [`RecipientsError`]: no envelope, one that does not open, or one of another key.
    pub fn open(
        &self,
        secret: &RecipientSecret,
        info: &[u8],
        is_key: impl FnOnce(&Key) -> bool,
    ) -> Result<Key, RecipientsError> {
        let place = self
            .find(&secret.public())
            .map_err(|_| RecipientsError::NotARecipient)?;
        let key = envelope::unwrap(secret, &self.0[place].envelope, info).map_err(|_| RecipientsError::Unauthentic)?;
        if is_key(&key) {
            Ok(key)
        } else {
            Err(RecipientsError::WrongKey)
        }
    }

    /// Where `recipient` is, or would be.
    fn find(&self, recipient: &RecipientPublic) -> Result<usize, usize> {
        self.0
            .binary_search_by_key(&recipient.to_bytes(), |entry| entry.recipient.to_bytes())
    }
}

impl Write for Recipients {
    fn write(&self, buf: &mut impl BufMut) {
        u16::try_from(self.0.len()).expect("at most RECIPIENTS_MAX").write(buf);
        for entry in &self.0 {
            entry.recipient.write(buf);
            entry.envelope.write(buf);
        }
    }
}

impl EncodeSize for Recipients {
    fn encode_size(&self) -> usize {
        u16::SIZE + self.0.len() * ENTRY_BYTES
    }
}

impl Read for Recipients {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let count = usize::from(u16::read(buf)?);
        if count > RECIPIENTS_MAX {
            return Err(Error::InvalidLength(count));
        }
        let mut entries: Vec<Entry> = Vec::with_capacity(count);
        for _ in 0..count {
            let recipient = RecipientPublic::read(buf)?;
            let after = |last: &Entry| last.recipient.to_bytes() < recipient.to_bytes();
            if !entries.last().is_none_or(after) {
                return Err(Error::Invalid("Recipients", "not strictly ascending"));
            }
            let envelope = <[u8; ENVELOPE_BYTES]>::read(buf)?;
            entries.push(Entry { recipient, envelope });
        }
        Ok(Self(entries))
    }
}

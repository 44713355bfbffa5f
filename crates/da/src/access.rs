//! Who may read a sealed blob: a list of its readers, which its owner keeps beside it.
//!
//! A blob's header holds its key for the readers that were known when it was stored, for good: the header is what the blob's root
//! names. Everybody who comes later is in a [`ReaderList`], an object apart, versioned, signed by the owner that the header names
//! and recorded in the contract `ReaderBook` (its bytes in an event, its hash and version in the state). A new version moves no row.
//!
//! ```text
//! list    format 1 = 1 | root 32 | version 8 | recipients (crypto::recipients) | release flag 1
//!         if 1: committee key 96 | policy 32 | epoch 8 | ciphertext 160 (crypto::threshold)
//! signed  list | signature 65, over keccak256("aloft/da/reader-list/v1" | chain id 8 | ReaderBook 20 | list)
//! ```
//!
//! **What a new version gives, and what it does not take away.** A reader that is added can open the blob from then on. A reader
//! that is taken out finds no envelope in the newest list; it keeps the key if it ever opened one, and it finds the old list, with
//! its envelope, in the chain's log. So taking out stops nobody who wants to read *this* blob and could: it says who should, and
//! it keeps a key that was lost later from finding its envelope in the newest list. Readers whose access must end are given it by
//! [`release`](crate::release), where a committee asks the chain at each release (and even there, what was released stays
//! released), or the content is stored again under a fresh key.

#[cfg(test)]
pub(crate) mod tests;

use crate::{
    Domain, Header,
    encode::{self, OpenError},
    header::Secrecy,
    release::{self, Terms},
};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, DecodeExt, Encode, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use contracts::{CallError, EventFilter, Mined, Provider, ProviderError, abi::ReaderBook, addresses};
use crypto::{
    ecdsa,
    envelope::{RecipientPublic, RecipientSecret},
    recipients::{RECIPIENTS_MAX, Recipients, RecipientsError},
    stream::Key,
    threshold::{Ciphertext, NotOpened, PublicKey, Released},
};
use primitives::{Address, B256, BlobRoot, U256, keccak256};
use rand_core::CryptoRng;

/// Longest list with its signature, in bytes: every reader, and a release.
pub const MAX_LIST_BYTES: usize = 1 + 32 + 8 + 2 + 112 * RECIPIENTS_MAX + 1 + Release::SIZE + ecdsa::SIGNATURE_BYTES;
/// `ReaderBook.MAX_LIST_BYTES`.
const BOOK_LIST_BYTES_MAX: usize = 29_184;
const _: () = assert!(
    MAX_LIST_BYTES <= BOOK_LIST_BYTES_MAX,
    "the contract records the longest list"
);

/// The format this code writes and reads.
const FORMAT: u8 = 1;

/// Why a list was not read, or not made.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The chain did not answer.
    #[error("ask the chain for the readers of blob {root}")]
    Chain {
        /// Which blob.
        root: BlobRoot,
        /// What went wrong.
        source: Box<CallError>,
    },
    /// The node that was asked has no event of the list that the contract says was recorded.
    #[error("the list of readers of blob {root}, version {version}, is not in the log of block {block}")]
    NotInLog {
        /// Which blob.
        root: BlobRoot,
        /// Which list.
        version: u64,
        /// Where it was recorded.
        block: u64,
    },
    /// The recorded bytes are no list.
    #[error("what was recorded as the list of readers of blob {root} is none")]
    Malformed {
        /// Which blob.
        root: BlobRoot,
        /// What the codec says.
        source: Error,
    },
    /// The list is of another blob or version, or not signed by the blob's owner for this chain.
    #[error("the list of readers of blob {root} is not by its owner {owner}, or not of this blob and version")]
    NotByOwner {
        /// Which blob.
        root: BlobRoot,
        /// Who should have signed.
        owner: Address,
    },
    /// The blob is public: it has no key to hand out.
    #[error("blob {root} is public")]
    Public {
        /// Which blob.
        root: BlobRoot,
    },
    /// The key that was to be handed out is not the blob's.
    #[error("this key is not the one of blob {root}")]
    WrongKey {
        /// Which blob.
        root: BlobRoot,
    },
    /// A list holds no more readers.
    #[error(transparent)]
    Recipients(#[from] RecipientsError),
}

/// The key of a blob, encrypted to a policy: opens to whom a committee releases it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Key of the committee to ask.
    pub committee: PublicKey,
    /// Policy and epoch that its members look up.
    pub terms: Terms,
    ciphertext: Ciphertext,
}

/// Who may read one blob, as its owner said last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderList {
    root: BlobRoot,
    version: u64,
    recipients: Recipients,
    release: Option<Release>,
}

impl ReaderList {
    /// The list before the first: of nobody, version 0, never recorded.
    pub fn empty(root: BlobRoot) -> Self {
        Self {
            root,
            version: 0,
            recipients: Recipients::new(),
            release: None,
        }
    }

    /// The blob's name.
    pub fn root(&self) -> BlobRoot {
        self.root
    }

    /// How many lists there were, this one included.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Who finds the key here.
    pub fn recipients(&self) -> &Recipients {
        &self.recipients
    }

    /// The policy under which a committee releases the key.
    pub fn release(&self) -> Option<&Release> {
        self.release.as_ref()
    }

    /// The list that follows this one.
    pub fn next(mut self) -> Self {
        // The contract counts one a transaction: only a forged list is at the end, and the contract refuses what follows it.
        self.version = self.version.saturating_add(1);
        self
    }

    /// Seals `key` to each of `readers`; returns how many were not in the list yet.
    ///
    /// # Errors
    ///
    /// [`AccessError::WrongKey`] and [`AccessError::Public`] before anything is sealed; [`AccessError::Recipients`] when the list
    /// is full, and then it is as it was.
    pub fn add(
        &mut self,
        rng: &mut impl CryptoRng,
        header: &Header,
        key: &Key,
        readers: &[RecipientPublic],
    ) -> Result<usize, AccessError> {
        self.check_key(header, key)?;
        let mut recipients = self.recipients.clone();
        let before = recipients.len();
        for reader in readers {
            recipients.add(rng, reader, key, &info(self.root))?;
        }
        let added = recipients.len() - before;
        self.recipients = recipients;
        Ok(added)
    }

    /// Takes readers out; returns how many were in. See the module's first lines for what this does not end.
    pub fn remove(&mut self, readers: &[RecipientPublic]) -> usize {
        readers.iter().filter(|reader| self.recipients.remove(reader)).count()
    }

    /// Encrypts `key` to a policy and epoch, in place of any before.
    ///
    /// # Errors
    ///
    /// [`AccessError::WrongKey`] and [`AccessError::Public`].
    pub fn set_release(
        &mut self,
        rng: &mut impl CryptoRng,
        domain: &Domain,
        header: &Header,
        key: &Key,
        committee: &PublicKey,
        terms: Terms,
    ) -> Result<(), AccessError> {
        self.check_key(header, key)?;
        let identity = release::identity(domain, &terms);
        self.release = Some(Release {
            committee: *committee,
            terms,
            ciphertext: Ciphertext::seal(rng, committee, &identity, key, &info(self.root)),
        });
        Ok(())
    }

    /// Ends the offer of a release. The old list is in the log: who may have the key released may still use that.
    pub fn clear_release(&mut self) {
        self.release = None;
    }

    /// The key, from the envelope for `secret`, if it is the one that `header` commits to.
    ///
    /// # Errors
    ///
    /// [`RecipientsError`].
    pub fn open(&self, header: &Header, secret: &RecipientSecret) -> Result<Key, RecipientsError> {
        self.recipients
            .open(secret, &info(self.root), |key| is_key(header, key))
    }

    /// The key, from what the committee released, if it is the one that `header` commits to.
    ///
    /// # Errors
    ///
    /// [`NotOpened`] also when the list offers no release.
    pub fn open_released(&self, header: &Header, released: &Released) -> Result<Key, NotOpened> {
        let offered = self.release.as_ref().ok_or(NotOpened)?;
        let key = offered.ciphertext.open(released, &info(self.root))?;
        if is_key(header, &key) { Ok(key) } else { Err(NotOpened) }
    }

    /// The list in the owner's name, ready to be recorded.
    pub fn sign(&self, domain: &Domain, owner: &ecdsa::Secret) -> Bytes {
        let list = self.encode();
        let signature = owner.sign(&message(domain, &list));
        [&list[..], &signature].concat().into()
    }

    /// Reads what [`sign`](Self::sign) wrote, if `owner` signed it for this chain.
    ///
    /// # Errors
    ///
    /// [`AccessError::Malformed`] and [`AccessError::NotByOwner`], which name `root`.
    pub fn verify(domain: &Domain, root: BlobRoot, owner: Address, signed: Bytes) -> Result<Self, AccessError> {
        let malformed = |source| AccessError::Malformed { root, source };
        if signed.len() > MAX_LIST_BYTES {
            return Err(malformed(Error::InvalidLength(signed.len())));
        }
        let (_, signature) = signed
            .split_last_chunk::<{ ecdsa::SIGNATURE_BYTES }>()
            .ok_or_else(|| malformed(Error::EndOfBuffer))?;
        let bytes = signed.slice(..signed.len() - ecdsa::SIGNATURE_BYTES);
        let list = Self::decode(bytes.clone()).map_err(malformed)?;
        let signer = ecdsa::recover(&message(domain, &bytes), signature);
        if list.root != root || signer != Ok(owner) {
            return Err(AccessError::NotByOwner { root, owner });
        }
        Ok(list)
    }

    /// Refuses to hand out anything but the key of the blob of `header`.
    fn check_key(&self, header: &Header, key: &Key) -> Result<(), AccessError> {
        let root = self.root;
        if matches!(header.params.secrecy, Secrecy::Public) {
            return Err(AccessError::Public { root });
        }
        if header.root() != root || !is_key(header, key) {
            return Err(AccessError::WrongKey { root });
        }
        Ok(())
    }
}

/// The newest list that the owner of a blob recorded; `None` when there is none.
///
/// `owner` is the account that the blob's header names.
///
/// # Errors
///
/// [`AccessError`].
pub async fn read(
    provider: &impl Provider,
    domain: &Domain,
    owner: Address,
    root: BlobRoot,
) -> Result<Option<ReaderList>, AccessError> {
    let chain = |source: CallError| AccessError::Chain {
        root,
        source: source.into(),
    };
    let call = ReaderBook::readersCall { owner, root: root.0 };
    let record = contracts::read(provider, addresses::READER_BOOK, &call)
        .await
        .map_err(chain)?;
    if record.version == 0 {
        return Ok(None);
    }
    let filter = EventFilter {
        addresses: vec![addresses::READER_BOOK],
        topic0: vec![<ReaderBook::ReadersPublished as alloy_sol_types::SolEvent>::SIGNATURE_HASH],
        from_block: record.publishedBlock,
        to_block: Some(record.publishedBlock),
    };
    let events = provider.events(filter).await.map_err(|error| chain(error.into()))?;
    let list = events
        .iter()
        .filter_map(|event| event.decode::<ReaderBook::ReadersPublished>().ok())
        .find(|event| event.owner == owner && event.root == root.0 && keccak256(&event.list) == record.listHash)
        .ok_or(AccessError::NotInLog {
            root,
            version: record.version,
            block: record.publishedBlock,
        })?;
    let list = ReaderList::verify(domain, root, owner, list.list.0)?;
    if list.version != record.version {
        return Err(AccessError::NotByOwner { root, owner });
    }
    Ok(Some(list))
}

/// Records a list on chain, on behalf of the provider's account, which must be the owner's: the contract keeps it under its sender.
///
/// # Errors
///
/// As [`Provider::send`]; the contract refuses a version that does not follow the last.
pub async fn publish(
    provider: &impl Provider,
    domain: &Domain,
    list: &ReaderList,
    owner: &ecdsa::Secret,
) -> Result<Mined, ProviderError> {
    let call = ReaderBook::publishCall {
        root: list.root.0,
        version: list.version,
        list: list.sign(domain, owner).into(),
    };
    contracts::write(provider, addresses::READER_BOOK, &call, U256::ZERO).await
}

/// Whether `header` commits to `key`. Opening the meta data compares the commitment before it decrypts anything.
fn is_key(header: &Header, key: &Key) -> bool {
    let sealed = matches!(header.params.secrecy, Secrecy::Sealed { .. });
    let opened = encode::open_meta(&header.params, Some(key));
    sealed && !matches!(opened, Err(OpenError::WrongKey | OpenError::KeyNeeded))
}

/// Binds a wrapped key to its blob: an envelope of one says nothing of another.
fn info(root: BlobRoot) -> Vec<u8> {
    [b"aloft/da/reader/v1", root.as_ref()].concat()
}

/// What the owner signs.
fn message(domain: &Domain, list: &[u8]) -> B256 {
    let tag = b"aloft/da/reader-list/v1";
    keccak256(
        [
            tag,
            &domain.chain_id.to_be_bytes()[..],
            addresses::READER_BOOK.as_slice(),
            list,
        ]
        .concat(),
    )
}

impl Write for Release {
    fn write(&self, buf: &mut impl BufMut) {
        self.committee.write(buf);
        self.terms.write(buf);
        self.ciphertext.write(buf);
    }
}

impl FixedSize for Release {
    const SIZE: usize = PublicKey::SIZE + Terms::SIZE + Ciphertext::SIZE;
}

impl Read for Release {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self {
            committee: PublicKey::read(buf)?,
            terms: Terms::read(buf)?,
            ciphertext: Ciphertext::read(buf)?,
        })
    }
}

impl Write for ReaderList {
    fn write(&self, buf: &mut impl BufMut) {
        FORMAT.write(buf);
        self.root.write(buf);
        self.version.write(buf);
        self.recipients.write(buf);
        u8::from(self.release.is_some()).write(buf);
        if let Some(release) = &self.release {
            release.write(buf);
        }
    }
}

impl EncodeSize for ReaderList {
    fn encode_size(&self) -> usize {
        let release = self.release.as_ref().map_or(0, |_| Release::SIZE);
        1 + 32 + 8 + self.recipients.encode_size() + 1 + release
    }
}

impl Read for ReaderList {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        if u8::read(buf)? != FORMAT {
            return Err(Error::Invalid("ReaderList", "unknown format"));
        }
        let root = BlobRoot::read(buf)?;
        let version = u64::read(buf)?;
        let recipients = Recipients::read(buf)?;
        let release = match u8::read(buf)? {
            0 => None,
            1 => Some(Release::read(buf)?),
            other => return Err(Error::InvalidEnum(other)),
        };
        Ok(Self {
            root,
            version,
            recipients,
            release,
        })
    }
}

//! Files: encrypted here, coded here, kept by the committee, paid for and recorded on chain; read back and checked against that record.

mod coding;
mod large;
mod pipeline;
mod sharing;
#[cfg(test)]
mod tests;
mod upload;

pub use coding::{Added, Dropped};
pub use large::{Object, cost};
pub use sharing::{Shared, Sharing};
pub use upload::{UPLOAD_BYTES_MAX, Upload};

use crate::{catalogue::CatalogueError, policies::PolicyError, provider::HttpProvider, rpc::RpcError};
use commonware_cryptography::ed25519;
use contracts::ProviderError;
use crypto::{envelope::RecipientPublic, recipients::RecipientsError, stream::Key, threshold::Released};
use da::{
    Committee, CommitteeId, Domain, Encoder, Header, Meta, Publisher, Record, Runtime, Shape,
    access::{self, AccessError},
    committee::CommitteeError,
    disperse::Peer,
    encode::EncodeError,
    object,
    publish::PublishError,
    quorum::{self, Lot},
    release::{CollectError, KeepersError},
    retrieve::{RecordError, RetrieveError},
    sample::{self, SampleError, Sampled},
};
use primitives::{Address, B256, BlobRoot, U256};
use serde::Serialize;
use std::sync::Arc;

/// Why a file was not stored or not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The node's JSON-RPC.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The chain.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The price, or the file's size.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The file is longer than any that can be stored.
    #[error("{length} bytes: a file has 1 to {}", object::MAX_OBJECT_BYTES)]
    TooLong {
        /// Its length.
        length: u64,
    },
    /// The file was changed while its upload was broken off.
    #[error("stripe {stripe} of the file is not what was uploaded: begin again")]
    Changed {
        /// Which stripe, from 0.
        stripe: u32,
    },
    /// The upload was begun for everybody, and goes on for some, or the other way round.
    #[error("the upload was begun for other readers: begin again")]
    OtherReaders,
    /// The file could not be read or written here.
    #[error("read or write the file")]
    Local(#[from] std::io::Error),
    /// What should name the blobs of a large file does not.
    #[error("file {root} says that it is large, and does not say of what it is made")]
    Manifest {
        /// The file.
        root: BlobRoot,
    },
    /// The runtime ended while a stripe was under way.
    #[error("the upload was stopped")]
    Stopped,
    /// Who keeps the rows.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
    /// The file's name is longer than a header holds.
    #[error("the file's name has {bytes} bytes, at most 255 are kept")]
    Name {
        /// Its length.
        bytes: usize,
    },
    /// The file cannot be coded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Too few nodes signed for their rows, or the chain does not take what they signed.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The chain does not know the file.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The file has all the rows that there are, or none that were added.
    #[error(transparent)]
    Coding(#[from] coding::CodingError),
    /// Too few rows were found, or the key is another.
    #[error(transparent)]
    Retrieve(#[from] RetrieveError),
    /// The file is encrypted and not to this wallet.
    #[error("file {root} is encrypted, and not to {wallet}")]
    NotARecipient {
        /// The file.
        root: BlobRoot,
        /// Who tried.
        wallet: primitives::Address,
    },
    /// Only a file's owner says who may read it.
    #[error("file {root} is of {owner}, not of {wallet}")]
    NotTheOwner {
        /// The file.
        root: BlobRoot,
        /// Whom its header names.
        owner: primitives::Address,
        /// Who tried.
        wallet: primitives::Address,
    },
    /// A reader was named when the file was stored: the file's name covers it, so it cannot be taken out.
    #[error("a reader of file {root} was named when it was stored, and stays one: store the file again")]
    InHeader {
        /// The file.
        root: BlobRoot,
    },
    /// No policy says who may have the file's key.
    #[error("the key of file {root} is released under no policy")]
    NotOffered {
        /// The file.
        root: BlobRoot,
    },
    /// What was released is not the key of this file.
    #[error("the released key does not open file {root}")]
    NotReleased {
        /// The file.
        root: BlobRoot,
    },
    /// Nobody releases keys on this network.
    #[error(transparent)]
    Keepers(#[from] KeepersError),
    /// The policy under which the key is released.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The committee did not release the key.
    #[error("the key of file {root} is released under policy {policy}, and not to {wallet} now")]
    NotReleasedTo {
        /// The file.
        root: BlobRoot,
        /// The policy.
        policy: B256,
        /// Who tried.
        wallet: primitives::Address,
        /// What the members said.
        source: CollectError,
    },
    /// The owner encrypted the key to another committee than this network's.
    #[error("the key of file {root} is released by another committee than this network's")]
    OtherCommittee {
        /// The file.
        root: BlobRoot,
    },
    /// The file cannot be sampled.
    #[error(transparent)]
    Sample(#[from] SampleError),
    /// The list of the file's readers.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// A stored name that no client of ours wrote.
    #[error("the name kept with file {root} is not one")]
    Meta {
        /// The file.
        root: BlobRoot,
    },
}

/// Who can read a file.
#[derive(Clone, Debug)]
pub enum Readers {
    /// Anybody.
    Everybody,
    /// The wallet that stores it, and these, for good: they are in the header, which the file's name covers. Readers that come
    /// later, or may go, are added with [`Files::share`].
    OwnerAnd(Vec<RecipientPublic>),
}

/// A stored file.
#[derive(Clone, Debug, Serialize)]
pub struct Stored {
    /// Its name on the network.
    pub root: BlobRoot,
    /// Length before encryption, in bytes.
    pub length: u64,
    /// Blobs that hold its bytes; when there are several, one more names them, and they are paid for together.
    pub stripes: u32,
    /// What was paid for keeping it, wei.
    pub fee_wei: U256,
    /// Block after which nodes may forget it.
    pub expiry_block: u64,
    /// Operators that had signed when the certificate of the blob that names it was made, by index.
    pub signers: Vec<u32>,
    /// Transaction that recorded the certificate.
    pub transaction: B256,
    /// Its block.
    pub block: u64,
    /// Gas used, by the transactions of all its blobs.
    pub gas_used: u64,
}

/// A file read back.
#[derive(Clone, Debug)]
pub struct File {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The name and media type it was stored with.
    pub meta: Meta,
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug)]
pub enum Transfer {
    /// The file was coded into rows; this many are to be sent.
    Coded {
        /// Rows, counting each node's.
        rows: u32,
    },
    /// More rows are with nodes.
    Sent {
        /// Rows since the last step.
        rows: u32,
    },
    /// More rows came and checked.
    Received {
        /// Rows so far.
        rows: u32,
        /// Rows needed.
        needed: u32,
    },
    /// More of a large file was written out.
    Written {
        /// Bytes so far.
        bytes: u64,
        /// Bytes in all.
        length: u64,
    },
}

/// Stores and reads files on behalf of one wallet.
pub struct Files<E: Runtime> {
    context: E,
    provider: HttpProvider,
    /// The one that keeps what was stored last, or the first that there was when these were opened.
    committee: Committee,
    peer: Peer,
    publisher: Arc<Publisher<HttpProvider, E>>,
    encoder: Encoder,
    check_code: bool,
}

/// A committee: `known` if it is that, else as the chain has it.
async fn committee_of(
    provider: &HttpProvider,
    known: &Committee,
    id: CommitteeId,
) -> Result<Committee, CommitteeError> {
    if known.id() == id {
        return Ok(known.clone());
    }
    Committee::read(provider, id).await
}

impl<E: Runtime> Files<E> {
    /// Asks the chain who keeps rows now.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the node does not answer, or the registry holds no committee.
    pub async fn open(mut context: E, provider: HttpProvider) -> Result<Self, FileError> {
        let domain = Domain::of_chain(provider.chain_id());
        let committee = quorum::committee_for(&provider, &domain, || Lot::of_payload(Address::ZERO, &[])).await?;
        let stream_key = <ed25519::PrivateKey as commonware_cryptography::Signer>::from_seed(context.next_u64());
        let peer = Peer { stream_key, domain };
        let publisher = Arc::new(Publisher::new(&context, provider.clone(), peer.clone(), 0));
        Ok(Self {
            context,
            provider,
            committee,
            peer,
            publisher,
            encoder: Encoder::new(),
            check_code: false,
        })
    }

    /// Codes files to `shape` from now on.
    ///
    /// # Panics
    ///
    /// When `shape` is of added rows.
    pub fn code_to(&mut self, shape: Shape) {
        self.encoder = Encoder::of_shape(shape);
    }

    /// The provider that pays.
    pub fn provider(&self) -> &HttpProvider {
        &self.provider
    }

    /// Encrypts (unless for everybody), codes, disperses and records a file, to be kept for `blocks` blocks.
    ///
    /// Returns when the certificate is final on chain. The bytes themselves never go there.
    ///
    /// # Errors
    ///
    /// [`FileError`]. Nothing was paid unless the error is of the last transaction; storing again sends only rows that nodes lack.
    pub async fn put(
        &mut self,
        bytes: Vec<u8>,
        meta: &Meta,
        readers: Readers,
        blocks: u64,
        progress: impl FnMut(Transfer),
    ) -> Result<Stored, FileError> {
        let is_public = matches!(readers, Readers::Everybody);
        let mut upload = self.begin_upload(bytes.len() as u64, is_public, blocks).await?;
        let mut source = &bytes[..];
        self.put_stream(&mut source, &mut upload, meta, readers, |_| Ok(()), progress)
            .await
    }

    /// Reads a file, every row checked against what the chain recorded, and decrypts it when it is for this wallet: by its header,
    /// by the list that its owner recorded since, or by what the committee releases to it under the policy that is in that list.
    ///
    /// # Errors
    ///
    /// [`FileError`].
    pub async fn get(&mut self, root: BlobRoot, progress: impl FnMut(Transfer)) -> Result<File, FileError> {
        let object = self.object(root).await?;
        self.whole(&object, progress).await
    }

    /// Reads a file whose key a committee released under the policy that its owner recorded.
    ///
    /// # Errors
    ///
    /// [`FileError`]; [`FileError::NotReleased`] when the owner recorded no policy, or the key is another's.
    pub async fn get_released(
        &mut self,
        root: BlobRoot,
        released: &Released,
        progress: impl FnMut(Transfer),
    ) -> Result<File, FileError> {
        let object = self.object_released(root, released).await?;
        self.whole(&object, progress).await
    }

    /// Asks for `count` random pieces of a stored file, of the rows that were added to it too, as a light client that has the chain's records
    /// of it and nothing else.
    ///
    /// # Errors
    ///
    /// [`FileError`]. Pieces that are not there are no error: see [`Sampled::verdict`](da::sample::Sampled::verdict).
    pub async fn sample(&mut self, root: BlobRoot, count: u32) -> Result<(Record, Sampled), FileError> {
        let record = Record::read(&self.provider, &self.peer.domain, root).await?;
        let added = record.read_added(&self.provider, &self.peer.domain).await?;
        let committee = self.committee_of(record.committee()).await?;
        let context = &mut self.context;
        let sampled = sample::ask(context, &self.peer, &committee, &record, &added, count).await?;
        Ok((record, sampled))
    }

    async fn committee_of(&self, id: CommitteeId) -> Result<Committee, FileError> {
        Ok(committee_of(&self.provider, &self.committee, id).await?)
    }

    /// The key of a sealed blob, from its header, from the list beside it, or from the committee that the list names.
    async fn key(&self, header: &Header) -> Result<Key, FileError> {
        let (root, wallet) = (header.root(), self.provider.wallet());
        let secret = wallet.envelope_secret();
        if let Some(key) = header.params.unwrap_key(&secret) {
            return Ok(key);
        }
        let not_a_recipient = || FileError::NotARecipient {
            root,
            wallet: wallet.address(),
        };
        let list = access::read(&self.provider, &self.peer.domain, header.params.owner, root)
            .await?
            .ok_or_else(not_a_recipient)?;
        match list.open(header, &secret) {
            Err(RecipientsError::NotARecipient) if list.release().is_some() => self.released(header, &list).await,
            Err(RecipientsError::NotARecipient) => Err(not_a_recipient()),
            opened => Ok(opened.map_err(AccessError::from)?),
        }
    }
}

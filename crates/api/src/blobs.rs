//! What the interfaces of other networks need of this one: publish a payload for everybody, and read it back.
//!
//! [`alt_da`](crate::alt_da) and [`disperser`](crate::disperser) speak two foreign protocols over one [`Gateway`]: a [`Blobs`] that
//! does the work (the node supplies it), and the [`Memory`] that all payloads under way may take together. Small payloads that come
//! within a moment of each other share one blob: [`Name`] says which, and which of its items.

mod gather;

use bytes::Bytes;
use contracts::{CallError, ProviderError};
use da::{
    CommitteeId, Meta, Purchase,
    bundle::{self, BundleError, Index},
};
use gather::Gatherer;
use primitives::{Address, BlobRoot, KIB, MIB};
use std::{borrow::Cow, error::Error, fmt, future::Future, ops::Range, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Largest payload that the foreign interfaces take, in bytes: 0G's limit, 31 MiB less the four bytes of its length field.
pub const PAYLOAD_BYTES_MAX: u64 = 31 * MIB - 4;

/// How long a request may wait for memory before its client is told to come back.
const ROOM_TIMEOUT: Duration = Duration::from_secs(5);

/// What the smallest blob takes: 3,072 rows of 128 bytes, their hash tree and a head.
const BLOB_BYTES_MIN: u64 = 640 * KIB;

/// Largest payload that is put into one blob with others, in bytes. One of this length alone fills half of the smallest rows.
pub const BUNDLED_BYTES_MAX: u64 = 64 * KIB;

/// Bytes of a bundle's beginning that are read first: an index of 113 items, which is the whole index of most.
const INDEX_BYTES_FIRST: u64 = 4 * KIB;

/// What a published payload is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The blob that holds it.
    pub root: BlobRoot,
    /// Which item of that blob's, when it shares it with others.
    pub item: Option<u32>,
}

impl Name {
    /// The name in the blob that holds it in the end: another than was announced where another quorum than the first keeps it.
    pub(crate) fn of(self, published: &Published) -> Self {
        let root = published.root;
        Self { root, ..self }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            None => write!(f, "{}", self.root),
            Some(item) => write!(f, "{}#{item}", self.root),
        }
    }
}

/// A blob that the chain has a certificate of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub root: BlobRoot,
    /// Who keeps it.
    pub committee: CommitteeId,
    /// Final block that recorded the certificate.
    pub certified_block: u64,
    /// Block after which operators may delete it.
    pub expiry_block: u64,
    /// Length as coded, in bytes: the payload's, when it is for everybody.
    pub length: u64,
}

/// A payload that is being published. The work goes on whether or not anybody waits for it.
pub struct Publication {
    /// The name that the blob will have, if the quorum that it was coded for takes it; nobody else's payload has it. Where another one keeps it, the
    /// outcome says under which name.
    pub root: BlobRoot,
    /// What is paid for once, whichever quorum keeps it: by that the chain names the blob that it became. None where the root is the only name that it
    /// can have.
    pub purchase: Option<Purchase>,
    /// Resolves when the certificate is final on chain, or will never be.
    pub outcome: Pin<Box<dyn Future<Output = Result<Published, PublishError>> + Send>>,
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publication({})", self.root)
    }
}

/// A failure whose kind nobody decides on: it is only told, to everybody whose payload it concerns.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// The cause that `error`, or a text, is.
pub fn cause(error: impl Into<Box<dyn Error + Send + Sync>>) -> Cause {
    error.into().into()
}

/// Why a payload was not published.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PublishError {
    /// Too few operators signed for their rows.
    #[error("too few operators signed for blob {root}")]
    NoQuorum {
        /// The blob.
        root: BlobRoot,
        /// What was missing.
        source: Cause,
    },
    /// Anything else: the committee could not be read, the fee not be paid, the process is stopping.
    #[error("{what}")]
    Failed {
        /// The step.
        what: &'static str,
        /// How it failed.
        source: Cause,
    },
}

/// The chain was not asked.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// For a blob.
    #[error("ask the chain for blob {root}")]
    Blob {
        /// Which.
        root: BlobRoot,
        /// Why not.
        source: Box<CallError>,
    },
    /// For what a payer paid for.
    #[error("ask the chain for what {payer} purchased")]
    Purchase {
        /// Who.
        payer: Address,
        /// Why not.
        source: Box<CallError>,
    },
    /// How high it is.
    #[error("ask the chain for its height")]
    Height {
        /// Why not.
        source: ProviderError,
    },
}

/// Why a certified blob was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is encrypted: the foreign interfaces are for what everybody may read.
    #[error("blob {root} is not for everybody")]
    Sealed {
        /// Which blob.
        root: BlobRoot,
    },
    /// It does not hold what was asked for.
    #[error("read item {item} of blob {root}")]
    Item {
        /// Which blob.
        root: BlobRoot,
        /// Which of its items.
        item: u32,
        /// Why it has none such.
        source: Box<BundleError>,
    },
    /// Its time is over, and too few operators still have it.
    #[error("blob {root} expired at block {expiry_block}")]
    Expired {
        /// Which blob.
        root: BlobRoot,
        /// Its last block.
        expiry_block: u64,
    },
    /// Too few rows were found now.
    #[error("read blob {root}")]
    Unavailable {
        /// Which blob.
        root: BlobRoot,
        /// What was missing.
        source: Cause,
    },
}

/// Publishes payloads unencrypted, and reads them back.
pub trait Blobs: Send + Sync + 'static {
    /// EIP-155 id of the chain that certificates are recorded on.
    fn chain_id(&self) -> u64;

    /// The account that pays for what is published.
    fn payer(&self) -> Address;

    /// Codes a payload, which names it, and begins to publish it. The same payload, sent again within minutes, gets the same name
    /// and is paid for once.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: nothing was sent or paid then.
    fn publish(&self, payload: Payload) -> impl Future<Output = Result<Publication, PublishError>> + Send;

    /// What the chain says of a blob; `None` when it has no certificate of it.
    ///
    /// # Errors
    ///
    /// [`FindError`].
    fn find(&self, root: BlobRoot) -> impl Future<Output = Result<Option<Published>, FindError>> + Send;

    /// The blob that `payer` has of `purchase`; `None` when the chain has no certificate of any.
    ///
    /// # Errors
    ///
    /// [`FindError`].
    fn purchased(
        &self,
        payer: Address,
        purchase: Purchase,
    ) -> impl Future<Output = Result<Option<BlobRoot>, FindError>> + Send;

    /// Whether what was being published when this process began is on chain by now, or never will be: every promise from before is over.
    ///
    /// # Errors
    ///
    /// [`FindError`].
    fn is_settled(&self) -> impl Future<Output = Result<bool, FindError>> + Send;

    /// Reads a blob, every row checked against what the chain recorded.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    fn read(&self, blob: Published) -> impl Future<Output = Result<Vec<u8>, ReadError>> + Send;

    /// Reads some bytes of a blob from the rows that hold them, every row checked. What is beyond its end is left out.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    fn read_range(&self, blob: Published, range: Range<u64>)
    -> impl Future<Output = Result<Vec<u8>, ReadError>> + Send;

    /// What a blob was called by who published it, and its media type; nothing where it keeps no such names.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    fn meta(&self, blob: Published) -> impl Future<Output = Result<Option<Meta>, ReadError>> + Send;
}

/// What a client sent, and the memory that it takes until its rows have left: whoever lets go of the bytes drops the room.
#[derive(Debug)]
pub struct Payload {
    /// 1 to [`PAYLOAD_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
    /// What they are, as the blob's meta data says it.
    pub media_type: Cow<'static, str>,
    /// The room they take, coded.
    pub room: Room,
}

/// Media type of payloads of which nothing is known.
pub const OCTETS: &str = "application/octet-stream";

/// Memory that payloads may take, all together: as they come, coded, and on their way out.
#[derive(Clone, Debug)]
pub struct Memory {
    /// One permit a KiB: the most that a payload asks for fits in the `u32` that semaphores count in.
    free: Arc<Semaphore>,
    kib: u32,
    patience: Duration,
}

/// There was no memory for one more payload in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many payloads are under way: try again in a moment")]
pub struct Busy;

impl Memory {
    /// 512 MiB: four of the largest payloads, or eight hundred of the smallest.
    pub const DEFAULT_BYTES: u64 = 512 * MIB;

    /// `bytes` of it, at most 4 TiB.
    pub fn new(bytes: u64) -> Self {
        let kib = u32::try_from(bytes / KIB).unwrap_or(u32::MAX);
        Self {
            free: Arc::new(Semaphore::new(kib as usize)),
            kib,
            patience: ROOM_TIMEOUT,
        }
    }

    /// Waits for the room that a payload of `length` bytes takes while it is published.
    ///
    /// # Errors
    ///
    /// [`Busy`] after five seconds.
    pub async fn to_publish(&self, length: u64) -> Result<Room, Busy> {
        self.room(publishing_kib(length)).await
    }

    /// Waits for the room that a blob of `length` bytes takes while it is read.
    ///
    /// # Errors
    ///
    /// [`Busy`] after five seconds.
    pub async fn to_read(&self, length: u64) -> Result<Room, Busy> {
        // The rows as they come, and the payload.
        self.room(kib(2 * length + BLOB_BYTES_MIN)).await
    }

    async fn room(&self, kib: u32) -> Result<Room, Busy> {
        // One that is larger than all of it waits for all of it, not for ever.
        let permits = self.free.clone().acquire_many_owned(kib.min(self.kib));
        match timeout(self.patience, permits).await {
            Ok(permits) => Ok(Room(permits.expect("the semaphore is never closed"))),
            Err(_) => Err(Busy),
        }
    }
}

/// Memory that was set aside; free again when dropped.
#[derive(Debug)]
pub struct Room(OwnedSemaphorePermit);

impl Room {
    /// Takes what `other` holds, of the same memory.
    fn absorb(&mut self, other: Self) {
        self.0.merge(other.0);
    }

    /// Gives back what a payload of `length` bytes does not take: its length was not known when the room was asked for.
    pub fn fit(&mut self, length: u64) {
        let surplus = self.0.num_permits().saturating_sub(publishing_kib(length) as usize);
        drop(self.0.split(surplus));
    }
}

/// `bytes`, whose `room` is free when whoever they are sent to has taken them, or left.
pub(crate) fn held(bytes: Vec<u8>, room: Room) -> Bytes {
    struct Held(Vec<u8>, #[expect(dead_code, reason = "held for its drop")] Room);
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Held(bytes, room))
}

/// The payload, and three times as much in rows, each side padded.
fn publishing_kib(length: u64) -> u32 {
    kib(4 * length + BLOB_BYTES_MIN)
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

/// What the foreign interfaces of a node stand on. Clones share everything.
pub struct Gateway<B>(Arc<Shared<B>>);

struct Shared<B> {
    blobs: B,
    memory: Memory,
    gatherer: Gatherer,
}

impl<B> Clone for Gateway<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Blobs> Gateway<B> {
    /// How long a small payload waits for others: two blocks of a local network, a fraction of what a certificate takes.
    pub const SLOT: Duration = Duration::from_millis(500);

    /// Publishes and reads through `blobs`, within `memory`; small payloads wait for others for as long as `slot`.
    pub fn new(blobs: B, memory: Memory, slot: Duration) -> Self {
        Self(Arc::new(Shared {
            blobs,
            memory,
            gatherer: Gatherer::new(slot),
        }))
    }

    pub(crate) fn blobs(&self) -> &B {
        &self.0.blobs
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// Begins to publish a payload; returns when it has a name, which a small one waits for others for.
    ///
    /// # Errors
    ///
    /// [`PublishError`]: nothing was paid then.
    pub(crate) async fn publish(&self, payload: Payload) -> Result<Naming, PublishError> {
        if payload.bytes.len() as u64 <= BUNDLED_BYTES_MAX {
            return self.gather(payload).await;
        }
        let Publication {
            root,
            purchase,
            outcome,
        } = self.blobs().publish(payload).await?;
        Ok(Naming {
            name: Name { root, item: None },
            purchase,
            outcome,
        })
    }

    /// Reads a payload of `blob`: the item of that number, or all of it.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub(crate) async fn read(&self, blob: Published, item: Option<u32>) -> Result<Vec<u8>, ReadError> {
        match item {
            None => self.blobs().read(blob).await,
            Some(item) => {
                let range = self.locate(blob, item).await?;
                self.blobs().read_range(blob, range).await
            }
        }
    }

    /// Which bytes of `blob` item `item` has, as the index in front says. The index and each row are of the certified blob, so what
    /// stands there is the item.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    pub(crate) async fn locate(&self, blob: Published, item: u32) -> Result<Range<u64>, ReadError> {
        let root = blob.root;
        let wrong = |source: BundleError| ReadError::Item {
            root,
            item,
            source: source.into(),
        };
        let mut begin = self.blobs().read_range(blob, 0..INDEX_BYTES_FIRST).await?;
        if let Some(prefix) = begin.first_chunk() {
            let length = Index::bytes(prefix).map_err(wrong)?;
            if length > begin.len() as u64 {
                begin = self.blobs().read_range(blob, 0..length).await?;
            }
        }
        let index = Index::read(&begin, blob.length).map_err(wrong)?;
        index.range(item).map_err(wrong)
    }
}

/// A payload that has its name and is on its way. The work goes on whether or not anybody waits for it.
pub(crate) struct Naming {
    pub(crate) name: Name,
    /// As [`Publication::purchase`].
    pub(crate) purchase: Option<Purchase>,
    /// As [`Publication::outcome`].
    pub(crate) outcome: Pin<Box<dyn Future<Output = Result<Published, PublishError>> + Send>>,
}

#[cfg(test)]
pub(crate) mod tests;

//! What the interfaces of other networks need of this one: publish a payload for everybody, and read it back.
//!
//! [`alt_da`](crate::alt_da) and [`disperser`](crate::disperser) speak two foreign protocols over one [`Gateway`]: a [`Blobs`] that
//! does the work (the node supplies it), and the [`Memory`] that all payloads under way may take together.

use contracts::CallError;
use primitives::{BlobRoot, Epoch, KIB, MIB};
use std::{error::Error, fmt, future::Future, pin::Pin, sync::Arc, time::Duration};
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

/// A blob that the chain has a certificate of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its name.
    pub root: BlobRoot,
    /// Epoch whose committee keeps it.
    pub epoch: Epoch,
    /// Final block that recorded the certificate.
    pub certified_block: u64,
    /// Block after which operators may delete it.
    pub expiry_block: u64,
    /// Length as coded, in bytes: the payload's, when it is for everybody.
    pub length: u64,
}

/// A payload that is being published. The work goes on whether or not anybody waits for it.
pub struct Publication {
    /// The name that the blob will have; nobody else's payload has it.
    pub root: BlobRoot,
    /// Resolves when the certificate is final on chain, or will never be.
    pub outcome: Pin<Box<dyn Future<Output = Result<Published, PublishError>> + Send>>,
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publication({})", self.root)
    }
}

/// A failure whose kind nobody decides on: it is only told.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a payload was not published.
#[derive(Debug, thiserror::Error)]
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
#[error("ask the chain for blob {root}")]
pub struct FindError {
    /// Which blob.
    pub root: BlobRoot,
    /// Why not.
    pub source: Box<CallError>,
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

    /// Reads a blob, every row checked against what the chain recorded.
    ///
    /// # Errors
    ///
    /// [`ReadError`].
    fn read(&self, blob: Published) -> impl Future<Output = Result<Vec<u8>, ReadError>> + Send;
}

/// What a client sent, and the memory that it takes until its rows have left: whoever lets go of the bytes drops the room.
#[derive(Debug)]
pub struct Payload {
    /// 1 to [`PAYLOAD_BYTES_MAX`] bytes.
    pub bytes: Vec<u8>,
    /// The room they take, coded.
    pub room: Room,
}

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
    /// Gives back what a payload of `length` bytes does not take: its length was not known when the room was asked for.
    pub fn fit(&mut self, length: u64) {
        let surplus = self.0.num_permits().saturating_sub(publishing_kib(length) as usize);
        drop(self.0.split(surplus));
    }
}

/// The payload, and three times as much in rows, each side padded.
fn publishing_kib(length: u64) -> u32 {
    kib(4 * length + BLOB_BYTES_MIN)
}

fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
}

/// What both foreign interfaces of a node stand on. Clones share everything.
pub struct Gateway<B>(Arc<Shared<B>>);

struct Shared<B> {
    blobs: B,
    memory: Memory,
}

impl<B> Clone for Gateway<B> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<B: Blobs> Gateway<B> {
    /// Publishes and reads through `blobs`, within `memory`.
    pub fn new(blobs: B, memory: Memory) -> Self {
        Self(Arc::new(Shared { blobs, memory }))
    }

    pub(crate) fn blobs(&self) -> &B {
        &self.0.blobs
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.0.memory
    }
}

#[cfg(test)]
pub(crate) mod tests;

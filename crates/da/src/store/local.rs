//! Local rows on disk: a second file beside a blob's, named `root 32 | 1`.
//!
//! ```text
//! records of one length, each `group 4 | BLAKE3 of the local row 32 | local row`
//! ```
//!
//! Nothing is promised for them, so a torn or rotten record is as good as none. They are few and seldom asked for: the file is opened for
//! each request and looked through.

use super::{Entry, Store, StoreError};
use crate::{VerifiedHead, local::LocalRow};
use bytes::Bytes;
use commonware_runtime::{Blob, Error, ReadOptions, Storage, WriteOptions};
use primitives::{BlobRoot, Digest};

/// Bytes of a record before the row.
const OVERHEAD_BYTES: usize = 4 + 32;

/// Name of the file.
pub(super) fn name(root: BlobRoot) -> [u8; 33] {
    let mut name = [1; 33];
    name[..32].copy_from_slice(root.as_bytes());
    name
}

/// The blob whose local rows a file of this name holds.
pub(super) fn root_of(name: &[u8]) -> Option<BlobRoot> {
    let root = <[u8; 32]>::try_from(name.strip_suffix(&[1])?).ok()?;
    Some(BlobRoot::from(root))
}

/// Bytes of whole records in a file of `len` bytes, for rows of the blob of `head`.
pub(super) fn whole_bytes(head: &VerifiedHead, len: u64) -> u64 {
    len - len % record_bytes(head)
}

fn record_bytes(head: &VerifiedHead) -> u64 {
    OVERHEAD_BYTES as u64 + u64::from(head.row_bytes())
}

impl<E: Storage> Store<E> {
    /// Writes a local row of blob `root`, in place of the one before, and makes it durable. The caller checked that it is one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] before anything is written; [`StoreError::Unknown`] for a blob that is not stored.
    pub async fn put_local(&self, root: BlobRoot, row: &LocalRow) -> Result<(), StoreError> {
        let entry = self.entry(root)?;
        let mut len = entry.local_bytes.lock().await;
        // A removed entry must not bring its file back.
        self.entry(root)?;
        let needed = record_bytes(&entry.head);
        let found = match *len {
            0 => None,
            len => {
                let blob = self.open_local(&entry).await?;
                find(&blob, len, needed, row.group).await.map_err(entry.disk("read"))?
            }
        };
        let at = match found {
            Some(at) => at,
            None => {
                self.set_aside(needed)?;
                *len
            }
        };
        if let Err(error) = self.write_local(&entry, at, row).await {
            if found.is_none() {
                self.blobs.lock().used_bytes -= needed;
            }
            return Err(error);
        }
        *len = (*len).max(at + needed);
        Ok(())
    }

    /// Counts `needed` more bytes as used.
    fn set_aside(&self, needed: u64) -> Result<(), StoreError> {
        let mut blobs = self.blobs.lock();
        let free = self.capacity_bytes.saturating_sub(blobs.used_bytes);
        if needed > free {
            return Err(StoreError::Full { needed, free });
        }
        blobs.used_bytes += needed;
        Ok(())
    }

    async fn write_local(&self, entry: &Entry<E>, at: u64, row: &LocalRow) -> Result<(), StoreError> {
        let blob = self.open_local(entry).await?;
        let mut record = Vec::with_capacity(OVERHEAD_BYTES + row.bytes.len());
        record.extend_from_slice(&row.group.to_be_bytes());
        record.extend_from_slice(Digest::of(&row.bytes).as_ref());
        record.extend_from_slice(&row.bytes);
        blob.write_at(at, record, WriteOptions::default())
            .await
            .map_err(entry.disk("write"))?;
        blob.sync().await.map_err(entry.disk("sync"))
    }

    /// Reads the local row of `group` of blob `root`; `None` when it is not there or its bytes changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Disk`] when the disk fails, [`StoreError::Unknown`] for a blob that is not stored.
    pub async fn read_local(&self, root: BlobRoot, group: u32) -> Result<Option<LocalRow>, StoreError> {
        let entry = self.entry(root)?;
        let len = entry.local_bytes.lock().await;
        self.entry(root)?;
        if *len == 0 {
            return Ok(None);
        }
        let needed = record_bytes(&entry.head);
        let blob = self.open_local(&entry).await?;
        let read = async {
            let Some(at) = find(&blob, *len, needed, group).await? else {
                return Ok(None);
            };
            let record = blob.read_at(at, needed as usize, ReadOptions::default()).await?;
            Ok(Some(Bytes::from(record.coalesce().freeze())))
        };
        let record: Option<Bytes> = read.await.map_err(entry.disk("read"))?;
        Ok(record.and_then(|record| {
            let (digest, bytes) = (record.slice(4..OVERHEAD_BYTES), record.slice(OVERHEAD_BYTES..));
            (Digest::of(&bytes).as_ref() == &digest[..]).then_some(LocalRow { group, bytes })
        }))
    }

    /// Whether local rows of blob `root` are here.
    pub(crate) async fn has_local(&self, root: BlobRoot) -> bool {
        match self.entry(root) {
            Ok(entry) => *entry.local_bytes.lock().await > 0,
            Err(_) => false,
        }
    }

    async fn open_local(&self, entry: &Entry<E>) -> Result<E::Blob, StoreError> {
        let opened = self.storage.open(&self.partition, &name(entry.root())).await;
        Ok(opened.map_err(entry.disk("open"))?.0)
    }
}

/// Where the record of `group` is.
async fn find(blob: &impl Blob, len: u64, record: u64, group: u32) -> Result<Option<u64>, Error> {
    let whole = len / record;
    for at in (0..whole).map(|number| number * record) {
        let found = blob.read_at(at, 4, ReadOptions::default()).await?.coalesce().freeze();
        if found.as_ref() == group.to_be_bytes() {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

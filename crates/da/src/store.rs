//! An operator's rows on disk: one file a blob.
//!
//! ```text
//! 0       length of the head 4 | head, canonical | zeros up to 32 KiB
//! 32 KiB  records of one length, each `row index 4 | path 160 | row`, in the order they came
//! ```
//!
//! A record needs no checksum: it carries the hash path to a root that the head binds, so a torn write and a flipped bit
//! look the same as a wrong row, and are found when the store is opened and at every read. What is missing then is
//! reported missing, and repaired from the other operators.
//!
//! **Rule:** rows are promised (signed for) only after [`Store::sync`] returned.

mod file;
mod local;
#[cfg(test)]
mod tests;

use crate::{Permit, Row, RowSet, VerifiedHead, VerifiedRow, head::MAX_HEAD_BYTES};
use commonware_runtime::Storage;
use commonware_utils::sync::Mutex;
use file::File;
use primitives::BlobRoot;
use std::{collections::BTreeMap, sync::Arc};

/// Bytes that the head's region takes in each file: whole pages, and room for the largest head.
const HEAD_REGION_BYTES: u64 = 32 * 1024;
const _: () = assert!((file::HEAD_OFFSET + MAX_HEAD_BYTES) as u64 <= HEAD_REGION_BYTES);

/// Most files kept open: a process has 1,024 descriptors, and sockets need some.
const MAX_OPEN_FILES: usize = 256;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The rows would take more than the store's share of the disk, or than the disk has.
    #[error("store {needed} bytes: {free} are free")]
    Full {
        /// Bytes that the blob's rows take.
        needed: u64,
        /// Bytes left.
        free: u64,
    },
    /// The store has no file for the blob: it never had, or the blob expired.
    #[error("blob {root} is not stored")]
    Unknown {
        /// Which blob.
        root: BlobRoot,
    },
    /// The disk failed.
    #[error("{operation} rows of blob {root}")]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// Of which blob.
        root: BlobRoot,
        /// What the runtime says.
        source: commonware_runtime::Error,
    },
    /// The folder of rows cannot be listed.
    #[error("list the stored blobs")]
    Scan(#[source] commonware_runtime::Error),
}

/// What opening a store found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Blobs with a whole head.
    pub blobs: u64,
    /// Rows that check.
    pub rows: u64,
    /// Files dropped because their head was not whole: a crash cut them before anything was promised for them, or they are rotten.
    pub dropped_files: u64,
    /// Records that do not check: writes that a crash cut, or rotten bits.
    pub bad_records: u64,
}

/// The rows of one operator. Share it in an `Arc`.
pub struct Store<E: Storage> {
    storage: E,
    partition: String,
    capacity_bytes: u64,
    blobs: Mutex<Blobs<E>>,
}

/// Every blob of which the store has a file.
struct Blobs<E: Storage> {
    entries: BTreeMap<BlobRoot, Arc<Entry<E>>>,
    /// Bytes set aside for the entries.
    used_bytes: u64,
    /// Entries whose file was opened, oldest first.
    open: std::collections::VecDeque<Arc<Entry<E>>>,
}

/// One blob's file.
struct Entry<E: Storage> {
    head: VerifiedHead,
    /// What it was taken on, when that was a promise.
    permit: Mutex<Option<Permit>>,
    /// Bytes set aside for the file.
    reserved_bytes: Mutex<u64>,
    /// Rows in the file that checked when they were last looked at, and where.
    index: Mutex<Index>,
    /// Bytes of whole records in the file of its local rows; held across its reads and writes.
    local_bytes: futures::lock::Mutex<u64>,
    /// The file; held across reads and writes, so that a blob's are one after the other and its file is open once.
    file: futures::lock::Mutex<Option<File<E::Blob>>>,
}

/// Which record holds which row.
#[derive(Default)]
struct Index {
    held: RowSet,
    record_of: BTreeMap<u32, u32>,
    /// Records that hold nothing of use, to be written over.
    free: Vec<u32>,
    /// Records of the file.
    records: u32,
    /// Rows were written since the last sync.
    dirty: bool,
}

impl<E: Storage> Entry<E> {
    fn root(&self) -> BlobRoot {
        self.head.root()
    }

    fn disk(&self, operation: &'static str) -> impl FnOnce(commonware_runtime::Error) -> StoreError + use<E> {
        let root = self.root();
        move |source| match &source {
            // The quota should keep us from here; the disk may be shared.
            commonware_runtime::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                StoreError::Full { needed: 0, free: 0 }
            }
            _ => StoreError::Disk {
                operation,
                root,
                source,
            },
        }
    }
}

impl<E: Storage> Store<E> {
    /// Opens the store in `partition`, reads and checks every row in it (about 0.2 s a GB), and cuts what a crash tore.
    ///
    /// `capacity_bytes` bounds what rows may take on disk; what is there already counts.
    ///
    /// # Errors
    ///
    /// [`StoreError::Scan`] and [`StoreError::Disk`]. A damaged file is no error.
    pub async fn open(storage: E, partition: String, capacity_bytes: u64) -> Result<(Self, Opened), StoreError> {
        let mut opened = Opened::default();
        let mut entries = BTreeMap::new();
        let mut used_bytes = 0;
        let names = match storage.scan(&partition).await {
            Ok(names) => names,
            Err(commonware_runtime::Error::PartitionMissing(_)) => Vec::new(),
            Err(error) => return Err(StoreError::Scan(error)),
        };
        // Local rows after the blobs that they are of.
        let (local, names): (Vec<_>, Vec<_>) = names.into_iter().partition(|name| local::root_of(name).is_some());
        for name in names {
            // Not a file of ours.
            let Ok(bytes) = <[u8; 32]>::try_from(name.as_slice()) else {
                continue;
            };
            let root = BlobRoot::from(bytes);
            let disk = |operation| {
                move |source| StoreError::Disk {
                    operation,
                    root,
                    source,
                }
            };
            let scan = match storage.open(&partition, &name).await {
                Ok((blob, len)) => file::scan(blob, len, root).await.map_err(disk("read"))?,
                // The runtime's own mark in front is rotten: the rows are missing, and repaired, as if the head were.
                Err(commonware_runtime::Error::BlobCorrupt(..)) => None,
                Err(source) => return Err(disk("open")(source)),
            };
            match scan {
                Some(scan) => {
                    opened.blobs += 1;
                    opened.rows += u64::from(scan.index.held.len());
                    opened.bad_records += u64::from(scan.bad_records);
                    used_bytes += scan.bytes;
                    let entry = Entry {
                        head: scan.head,
                        permit: Mutex::new(scan.permit),
                        reserved_bytes: Mutex::new(scan.bytes),
                        index: Mutex::new(scan.index),
                        local_bytes: futures::lock::Mutex::new(0),
                        // Closed: the first read opens it again.
                        file: futures::lock::Mutex::new(None),
                    };
                    entries.insert(root, Arc::new(entry));
                }
                None => {
                    opened.dropped_files += 1;
                    storage.remove(&partition, Some(&name)).await.map_err(disk("remove"))?;
                }
            }
        }
        for name in local {
            let root = local::root_of(&name).expect("just seen");
            let disk = |operation| {
                move |source| StoreError::Disk {
                    operation,
                    root,
                    source,
                }
            };
            let Some(entry) = entries.get(&root) else {
                storage.remove(&partition, Some(&name)).await.map_err(disk("remove"))?;
                continue;
            };
            let len = match storage.open(&partition, &name).await {
                Ok((_, len)) => len,
                Err(commonware_runtime::Error::BlobCorrupt(..)) => {
                    storage.remove(&partition, Some(&name)).await.map_err(disk("remove"))?;
                    continue;
                }
                Err(source) => return Err(disk("open")(source)),
            };
            let len = local::whole_bytes(&entry.head, len);
            *entry.local_bytes.lock().await = len;
            used_bytes += len;
        }
        let blobs = Mutex::new(Blobs {
            entries,
            used_bytes,
            open: Default::default(),
        });
        Ok((
            Self {
                storage,
                partition,
                capacity_bytes,
                blobs,
            },
            opened,
        ))
    }

    /// Makes room for `rows` rows of the blob of `head`, and keeps the permit that they are taken on unless it has one that lasts longer. Does
    /// nothing when there is room for them already.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`], before anything is written.
    pub async fn create(&self, head: &VerifiedHead, rows: u32, permit: Option<&Permit>) -> Result<(), StoreError> {
        let needed = HEAD_REGION_BYTES + u64::from(rows) * record_bytes(head);
        let entry = {
            let mut blobs = self.blobs.lock();
            let entry = blobs.entries.get(&head.root()).cloned();
            let before = entry.as_ref().map_or(0, |entry| *entry.reserved_bytes.lock());
            let more = needed.saturating_sub(before);
            let free = self.capacity_bytes.saturating_sub(blobs.used_bytes);
            if more > free {
                return Err(StoreError::Full { needed: more, free });
            }
            blobs.used_bytes += more;
            let entry = entry.unwrap_or_else(|| {
                let entry = Arc::new(Entry {
                    head: head.clone(),
                    permit: Mutex::new(None),
                    reserved_bytes: Mutex::new(0),
                    index: Mutex::default(),
                    local_bytes: futures::lock::Mutex::new(0),
                    file: futures::lock::Mutex::new(None),
                });
                blobs.entries.insert(head.root(), entry.clone());
                entry
            });
            *entry.reserved_bytes.lock() = needed.max(before);
            entry
        };
        let mut file = self.file(&entry).await?;
        let file = file.as_mut().expect("just opened");
        let before = *entry.permit.lock();
        let later = permit.filter(|permit| before.is_none_or(|before| before.deadline < permit.deadline));
        if file.len() == 0 {
            file.write_head(&entry.head, permit)
                .await
                .map_err(entry.disk("write"))?;
        } else if let Some(permit) = later {
            file.write_permit(permit).await.map_err(entry.disk("write"))?;
        } else {
            return Ok(());
        }
        *entry.permit.lock() = later.copied().or(before);
        entry.index.lock().dirty = true;
        Ok(())
    }

    /// The permit that blob `root` was taken on; none when it is not stored, or came without.
    pub fn permit(&self, root: BlobRoot) -> Option<Permit> {
        let blobs = self.blobs.lock();
        blobs.entries.get(&root).and_then(|entry| *entry.permit.lock())
    }

    /// Writes `rows` of blob `root`; rows that are there already are skipped. Not durable before [`sync`](Self::sync).
    ///
    /// # Errors
    ///
    /// [`StoreError`]; some of the rows may be written then, and none is counted as held.
    pub async fn put(&self, root: BlobRoot, rows: &[VerifiedRow]) -> Result<(), StoreError> {
        let entry = self.entry(root)?;
        let mut file = self.file(&entry).await?;
        let file = file.as_mut().expect("just opened");
        let (placed, first_new) = {
            let index = entry.index.lock();
            let mut seen = index.held.clone();
            let mut free = index.free.iter().rev().copied();
            let mut next = index.records;
            let mut placed = Vec::with_capacity(rows.len());
            for row in rows.iter().filter(|row| seen.insert(row.index())) {
                let record = free.next().unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                placed.push((record, row));
            }
            (placed, index.records)
        };
        // New records follow one another: one write for all of them.
        let (over, appended): (Vec<_>, Vec<_>) = placed.iter().partition(|(record, _)| *record < first_new);
        for (record, row) in over {
            file.write_records(&entry.head, record, &[row])
                .await
                .map_err(entry.disk("write"))?;
        }
        let appended: Vec<_> = appended.into_iter().map(|(_, row)| row).collect();
        if !appended.is_empty() {
            file.write_records(&entry.head, first_new, &appended)
                .await
                .map_err(entry.disk("write"))?;
        }
        let mut index = entry.index.lock();
        for (record, row) in placed {
            index.held.insert(row.index());
            index.record_of.insert(row.index(), record);
            index.free.retain(|&free| free != record);
            index.records = index.records.max(record + 1);
        }
        index.dirty = true;
        Ok(())
    }

    /// Makes every row written of blob `root` durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`]: then nothing may be promised for the blob.
    pub async fn sync(&self, root: BlobRoot) -> Result<(), StoreError> {
        let entry = self.entry(root)?;
        let mut file = self.file(&entry).await?;
        if entry.index.lock().dirty {
            file.as_mut()
                .expect("just opened")
                .sync()
                .await
                .map_err(entry.disk("sync"))?;
            entry.index.lock().dirty = false;
        }
        Ok(())
    }

    /// Reads row `row` of blob `root`; `None` when it is not there or does not check any more, which drops it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Disk`] when the disk fails, [`StoreError::Unknown`] for a blob that is not stored.
    pub async fn read(&self, root: BlobRoot, row: u32) -> Result<Option<Row>, StoreError> {
        let entry = self.entry(root)?;
        let mut file = self.file(&entry).await?;
        let Some(record) = entry.index.lock().record_of.get(&row).copied() else {
            return Ok(None);
        };
        let file = file.as_mut().expect("just opened");
        let found = file
            .read_record(&entry.head, record)
            .await
            .map_err(entry.disk("read"))?;
        let found = found.filter(|found| found.index == row && entry.head.check_digest(found).is_ok());
        if found.is_none() {
            let mut index = entry.index.lock();
            index.held.remove(row);
            index.record_of.remove(&row);
            index.free.push(record);
        }
        Ok(found)
    }

    /// The head of blob `root`, if rows of it are stored.
    pub fn head(&self, root: BlobRoot) -> Option<VerifiedHead> {
        self.blobs.lock().entries.get(&root).map(|entry| entry.head.clone())
    }

    /// The rows of blob `root` that are stored.
    pub fn held(&self, root: BlobRoot) -> RowSet {
        self.blobs
            .lock()
            .entries
            .get(&root)
            .map(|entry| entry.index.lock().held.clone())
            .unwrap_or_default()
    }

    /// Every stored blob: its head and the bytes it takes.
    pub fn blobs(&self) -> Vec<(VerifiedHead, u64)> {
        let blobs = self.blobs.lock();
        blobs
            .entries
            .values()
            .map(|entry| (entry.head.clone(), *entry.reserved_bytes.lock()))
            .collect()
    }

    /// Bytes set aside for rows.
    pub fn used_bytes(&self) -> u64 {
        self.blobs.lock().used_bytes
    }

    /// Bytes that rows may take.
    pub fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// Deletes blob `root`. Does nothing when it is not stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::Disk`].
    pub async fn remove(&self, root: BlobRoot) -> Result<(), StoreError> {
        let entry = {
            let mut blobs = self.blobs.lock();
            let Some(entry) = blobs.entries.remove(&root) else {
                return Ok(());
            };
            blobs.open.retain(|open| open.root() != root);
            blobs.used_bytes -= *entry.reserved_bytes.lock();
            entry
        };
        // Waits for who reads or writes it.
        let mut file = entry.file.lock().await;
        *file = None;
        let local_bytes = entry.local_bytes.lock().await;
        self.blobs.lock().used_bytes -= *local_bytes;
        if *local_bytes > 0 {
            let name = local::name(root);
            match self.storage.remove(&self.partition, Some(&name)).await {
                Ok(()) | Err(commonware_runtime::Error::BlobMissing(..)) => {}
                Err(error) => return Err(entry.disk("remove")(error)),
            }
        }
        match self.storage.remove(&self.partition, Some(root.as_ref())).await {
            Ok(()) | Err(commonware_runtime::Error::BlobMissing(..)) => Ok(()),
            Err(error) => Err(entry.disk("remove")(error)),
        }
    }

    fn entry(&self, root: BlobRoot) -> Result<Arc<Entry<E>>, StoreError> {
        self.blobs
            .lock()
            .entries
            .get(&root)
            .cloned()
            .ok_or(StoreError::Unknown { root })
    }

    /// The entry's file, opened if it is not.
    async fn file<'a>(
        &self,
        entry: &'a Arc<Entry<E>>,
    ) -> Result<futures::lock::MutexGuard<'a, Option<File<E::Blob>>>, StoreError> {
        let mut file = entry.file.lock().await;
        // A removed entry must not bring its file back.
        self.entry(entry.root())?;
        if file.is_none() {
            let name = entry.root();
            let (blob, len) = self
                .storage
                .open(&self.partition, name.as_ref())
                .await
                .map_err(entry.disk("open"))?;
            *file = Some(File::new(blob, len));
            self.note_open(entry.clone());
        }
        Ok(file)
    }

    /// Closes the files opened longest ago, when there are too many. One that is in use stays.
    fn note_open(&self, entry: Arc<Entry<E>>) {
        let mut blobs = self.blobs.lock();
        blobs.open.push_back(entry);
        for _ in 0..blobs.open.len().saturating_sub(MAX_OPEN_FILES) {
            let Some(oldest) = blobs.open.pop_front() else { break };
            let closed = match oldest.file.try_lock() {
                // Dropping an unsynced file may lose its writes.
                Some(mut file) if !oldest.index.lock().dirty => {
                    *file = None;
                    true
                }
                _ => false,
            };
            if !closed {
                blobs.open.push_back(oldest);
            }
        }
    }
}

/// Length of each record of the blob of `head`.
fn record_bytes(head: &VerifiedHead) -> u64 {
    Row::OVERHEAD_BYTES as u64 + u64::from(head.row_bytes())
}

//! A disk in memory that forgets, when it crashes, what was not synced: for tests and simulations.

use redb::StorageBackend;
use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard},
};

/// A disk that outlives the database on it. Clones are the same disk.
///
/// Like a real one it has a volatile cache: a write is certain to be there after [`MemoryDisk::crash`] only if a sync followed
/// it. Of the unsynced writes a crash keeps what its caller says, in any combination, because real disks reorder.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    content: Arc<Mutex<Content>>,
}

#[derive(Default)]
struct Content {
    /// What a crash cannot take away.
    synced: Vec<u8>,
    /// What reads see.
    current: Vec<u8>,
    /// Writes since the last sync.
    unsynced: Vec<Write>,
    /// Counts crashes: a database opened before a crash can no longer write.
    incarnation: u64,
    /// Operations left before the power fails by itself.
    fuse: Option<u64>,
    operations: u64,
}

#[derive(Clone)]
enum Write {
    Bytes { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Write {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes { offset, bytes } => {
                let end = offset + bytes.len();
                if to.len() < end {
                    to.resize(end, 0);
                }
                to[*offset..end].copy_from_slice(bytes);
            }
            Self::Length(length) => to.resize(*length, 0),
        }
    }
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().expect("no holder of the disk's lock panics")
    }

    /// Writes, resizes and syncs so far: the points at which [`MemoryDisk::crash_after`] can cut.
    pub fn operations(&self) -> u64 {
        self.content().operations
    }

    /// Makes every operation fail from the `operations`-th from now on, as when the power fails.
    pub fn crash_after(&self, operations: u64) {
        self.content().fuse = Some(operations);
    }

    /// The power comes back: of the unsynced writes those remain for which `keep` says so, in order. Whatever had the disk open
    /// before can no longer use it.
    pub fn crash(&self, mut keep: impl FnMut() -> bool) {
        let mut content = self.content();
        let unsynced = std::mem::take(&mut content.unsynced);
        for write in unsynced.iter().filter(|_| keep()) {
            write.apply(&mut content.synced);
        }
        content.current = content.synced.clone();
        content.incarnation += 1;
        content.fuse = None;
    }

    /// Whether nothing was ever written to it that a crash could not take away.
    pub(super) fn is_blank(&self) -> bool {
        self.content().synced.is_empty()
    }

    /// Takes over the content of `new` at once, as renaming a file does.
    pub(super) fn replace(&self, new: &MemoryDisk) -> io::Result<()> {
        let mut content = self.content();
        content.count()?;
        content.synced = new.content().synced.clone();
        content.current = content.synced.clone();
        content.unsynced.clear();
        Ok(())
    }

    /// The disk as a database opens it.
    pub(super) fn mount(&self) -> Mounted {
        let incarnation = self.content().incarnation;
        Mounted {
            disk: self.clone(),
            incarnation,
        }
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryDisk({} bytes)", self.content().current.len())
    }
}

/// The disk between two crashes.
#[derive(Debug)]
pub(super) struct Mounted {
    disk: MemoryDisk,
    incarnation: u64,
}

impl Mounted {
    fn content(&self) -> io::Result<MutexGuard<'_, Content>> {
        let content = self.disk.content();
        if content.incarnation != self.incarnation || content.fuse == Some(0) {
            return Err(io::Error::other("the disk has crashed"));
        }
        Ok(content)
    }

    fn write(&self, write: Write) -> io::Result<()> {
        let mut content = self.content()?;
        content.count()?;
        write.apply(&mut content.current);
        content.unsynced.push(write);
        Ok(())
    }
}

impl Content {
    /// Counts an operation; the one at which the power fails does not happen.
    fn count(&mut self) -> io::Result<()> {
        self.operations += 1;
        if let Some(left) = &mut self.fuse {
            *left -= 1;
            if *left == 0 {
                return Err(io::Error::other("the disk has crashed"));
            }
        }
        Ok(())
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("a disk in memory is smaller than the address space")
}

impl StorageBackend for Mounted {
    fn len(&self) -> io::Result<u64> {
        Ok(self.content()?.current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let content = self.content()?;
        let offset = index(offset);
        let bytes = content.current.get(offset..offset + out.len());
        out.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        Mounted::write(self, Write::Length(index(length)))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut content = self.content()?;
        content.count()?;
        let Content { synced, unsynced, .. } = &mut *content;
        unsynced.drain(..).for_each(|write| write.apply(synced));
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        Mounted::write(
            self,
            Write::Bytes {
                offset: index(offset),
                bytes: data.to_vec(),
            },
        )
    }
}

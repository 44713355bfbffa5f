//! What a node keeps on disk: flat state, blocks and their indices, all written by one transaction a block.
//!
//! | table          | key                            | value                                                |
//! |----------------|--------------------------------|------------------------------------------------------|
//! | `meta`         | name                           | format version, genesis hash, height; what [arrival] keeps |
//! | `accounts`     | Keccak-256 of address (32)     | nonce (8, big endian), balance (32), code hash (32)   |
//! | `slots`        | that, Keccak-256 of slot (32)  | value (32)                                           |
//! | `codes`        | Keccak-256 (32)                | code                                                 |
//! | `ancestors`    | height                         | hash of a block before the first that is here ([arrival]) |
//! | `blocks`       | height                         | header, transactions with senders, receipts ([record]) |
//! | `heights`      | block hash (32)                | height                                               |
//! | `transactions` | transaction hash (32)          | height, index                                        |
//! | `changes`      | height                         | what the block changed (`change`)                     |
//!
//! A block is durable when [`Store::append`] returns: whenever the power fails, the next start finds the last block that was
//! appended, whole, with exactly the state after it. Merkle tries are not stored: they are rebuilt from the flat state, whose rows have the
//! names that tries have, so that a state which others sent in proved parts is the same rows, and a start hashes no names.
//!
//! `accounts`, `slots` and `transactions` may be some blocks behind (`pending`): what they lack is in `changes`, and in the blocks.

pub mod arrival;
mod change;
mod memory;
mod pending;
pub mod record;
mod rows;
#[cfg(test)]
mod tests;

pub use memory::MemoryDisk;

use crate::ledger::Sealed;
use alloy_primitives::{B256, Bytes, U256};
use evm::{Account, HashedAccountDiff, HashedDiff, State};
use pending::{Pending, SLICES};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};
use rows::{ACCOUNTS, CODES, Rows, SLOTS, SlotKey, TRANSACTIONS, put_diff, read_account, slots_of};
use std::{
    fs, io,
    path::Path,
    sync::{Arc, Mutex, RwLock},
};

/// Layout of the tables, and [`SLICES`]; another number is another layout.
const FORMAT: u64 = 4;
/// Memory redb may keep pages in. The state itself lives in memory anyway; this serves blocks and receipts.
const CACHE_BYTES: usize = 16 << 20;
/// Accounts and slots handed to the state at a time while it is rebuilt, so that the flat copy never exists as a whole.
const LOAD_BATCH: usize = 4096;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new("blocks");
const HEIGHTS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("heights");
const CHANGES: TableDefinition<u64, &[u8]> = TableDefinition::new("changes");

const META_FORMAT: &str = "format";
const META_GENESIS: &str = "genesis";
const META_HEIGHT: &str = "height";

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database failed: the disk is full, the file is locked by another node, or the medium is broken.
    #[error("database")]
    Database(#[source] Box<redb::Error>),
    /// Another version of Aloft wrote this.
    #[error("the database has format {found}, this version reads {FORMAT}")]
    Format {
        /// The number found.
        found: u64,
    },
    /// The database belongs to another network.
    #[error("the database is of the network with genesis {found}, not {expected}")]
    Genesis {
        /// Genesis hash on disk.
        found: B256,
        /// Genesis hash of the configured network.
        expected: B256,
    },
    /// Stored bytes do not decode: the file was changed by something else.
    #[error("stored {what} does not decode")]
    Corrupt {
        /// What was being read.
        what: &'static str,
    },
    /// A chain is here already, so that no state of it can come.
    #[error("the chain is here already, up to block {height}")]
    Begun {
        /// The last block.
        height: u64,
    },
    /// The state after the block is coming from others, and is not all here.
    #[error("the state after block {height} has not all come yet: join again, and it goes on")]
    Unfinished {
        /// The block.
        height: u64,
    },
    /// The state rebuilt from the tables is not the one the last block's header commits to.
    #[error("the stored state has root {found}, block {height} says {expected}")]
    StateRoot {
        /// The last block.
        height: u64,
        /// Root of what was stored.
        found: B256,
        /// Root in the header.
        expected: B256,
    },
}

impl StoreError {
    /// Whether the file is not what was written to it: it is of no more use, and what it held has to come from elsewhere.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Database(error) => match &**error {
                redb::Error::Corrupted(_) => true,
                // The first bytes, which say that this is a database.
                redb::Error::Io(error) => error.kind() == io::ErrorKind::InvalidData,
                _ => false,
            },
            Self::Corrupt { .. } | Self::StateRoot { .. } => true,
            Self::Format { .. } | Self::Genesis { .. } | Self::Begun { .. } | Self::Unfinished { .. } => false,
        }
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// A node's database. Clones share it.
#[derive(Clone)]
pub struct Store {
    database: Arc<Database>,
    /// What the tables lack.
    pending: Arc<RwLock<Pending>>,
    /// One block at a time is written: what is pending is that after the last.
    appending: Arc<Mutex<()>>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens the database file at `path`, or makes it. One process at a time can have it open.
    ///
    /// A new file is made whole beside `path` (with `.new` after its name) and then renamed, because a database cut off while it
    /// was being made is no database. An old file is read whole and its pages' checksums are compared: what something else changed in
    /// it is found here, and not answered from later.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] where the file cannot be opened or is damaged ([`StoreError::is_damage`]), [`StoreError::Format`] where
    /// another version wrote it.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        if !path.try_exists().map_err(redb::Error::Io)? {
            let mut new = path.as_os_str().to_owned();
            new.push(".new");
            let new = Path::new(&new);
            match fs::remove_file(new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(redb::Error::Io(error).into()),
                _ => drop(Self::new(builder().create(new)?, SLICES)?),
            }
            fs::rename(new, path).map_err(redb::Error::Io)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = fs::File::open(folder.unwrap_or(Path::new("."))).map_err(redb::Error::Io)?;
            folder.sync_all().map_err(redb::Error::Io)?;
        }
        Self::new(builder().set_check_integrity_on_open(true).open(path)?, SLICES)
    }

    /// Opens the database on a disk in memory, or makes it there, as [`Store::open`] does.
    ///
    /// # Errors
    ///
    /// As [`Store::open`].
    pub fn in_memory(disk: &MemoryDisk) -> Result<Self, StoreError> {
        Self::in_memory_by_slices(disk, SLICES)
    }

    fn in_memory_by_slices(disk: &MemoryDisk, slices: usize) -> Result<Self, StoreError> {
        if disk.is_blank() {
            let new = MemoryDisk::new();
            drop(Self::new(builder().create_with_backend(new.mount())?, slices)?);
            disk.replace(&new).map_err(redb::Error::Io)?;
        }
        Self::new(builder().create_with_backend(disk.mount())?, slices)
    }

    fn new(database: Database, slices: usize) -> Result<Self, StoreError> {
        // A new file gets its tables and its format number in one transaction, so that readers never miss a table.
        let write = database.begin_write()?;
        let found = write
            .open_table(META)?
            .get(META_FORMAT)?
            .map(|value| number(value.value()))
            .transpose()?;
        match found {
            Some(FORMAT) => write.abort()?,
            Some(found) => return Err(StoreError::Format { found }),
            None => {
                write
                    .open_table(META)?
                    .insert(META_FORMAT, FORMAT.to_be_bytes().as_slice())?;
                write.open_table(ACCOUNTS)?;
                write.open_table(SLOTS)?;
                write.open_table(CODES)?;
                write.open_table(BLOCKS)?;
                write.open_table(HEIGHTS)?;
                write.open_table(TRANSACTIONS)?;
                write.open_table(CHANGES)?;
                write.open_table(arrival::ANCESTORS)?;
                write.commit()?;
            }
        }
        let pending = read_pending(&database, slices)?;
        Ok(Self {
            database: Arc::new(database),
            pending: Arc::new(RwLock::new(pending)),
            appending: Arc::default(),
        })
    }

    /// Height of the last block, or `None` in a new database.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails.
    pub fn height(&self) -> Result<Option<u64>, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        meta.get(META_HEIGHT)?.map(|value| number(value.value())).transpose()
    }

    /// Height of the first block that is here: zero but where the state came from others. `None` in a new database.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails.
    pub fn first(&self) -> Result<Option<u64>, StoreError> {
        let blocks = self.database.begin_read()?.open_table(BLOCKS)?;
        Ok(blocks.first()?.map(|(height, _)| height.value()))
    }

    /// Hash of the genesis block, or `None` in a new database.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails.
    pub fn genesis(&self) -> Result<Option<B256>, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let Some(value) = meta.get(META_GENESIS)? else {
            return Ok(None);
        };
        let hash = B256::try_from(value.value()).map_err(|_| StoreError::Corrupt { what: "genesis hash" })?;
        Ok(Some(hash))
    }

    /// Writes a block and what it changed, in one transaction; durable when it returns. The first block is the genesis.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`]; nothing is written then.
    pub fn append(&self, block: &Sealed, diff: &HashedDiff) -> Result<(), StoreError> {
        let _in_order = self.appending.lock().expect("no writer panics");
        let height = block.header.number;
        let write = self.database.begin_write()?;
        let pending = self.pending.read().expect("no holder of the lock panics");
        let due = pending.due(height);
        {
            let mut meta = write.open_table(META)?;
            if height == 0 {
                meta.insert(META_GENESIS, block.hash.as_slice())?;
            }
            meta.insert(META_HEIGHT, height.to_be_bytes().as_slice())?;
            write
                .open_table(BLOCKS)?
                .insert(height, record::encode(block).as_slice())?;
            write.open_table(HEIGHTS)?.insert(&block.hash.0, height)?;
            let mut codes = write.open_table(CODES)?;
            for (hash, code) in &diff.codes {
                codes.insert(&hash.0, code.as_ref())?;
            }
            let mut rows = Rows::open(&write)?;
            pending.of(&due).try_for_each(|slice| rows.fold(slice))?;
            if height == 0 {
                rows.put(diff)?;
            } else {
                let mut changes = write.open_table(CHANGES)?;
                changes.insert(height, change::encode(diff).as_slice())?;
                changes.retain_in(..=pending.folded_through(&due), |_, _| false)?;
                rows.wipe(diff)?;
            }
        }
        drop(pending);
        write.commit()?;
        // Only now, so that a write that failed changed nothing; what a reader no longer finds here it finds in the tables.
        let mut pending = self.pending.write().expect("no holder of the lock panics");
        pending.forget(&due);
        if height > 0 {
            pending.add(block, diff);
        }
        Ok(())
    }

    /// Changes the state after the last block, whose header no longer commits to it then: what only a development chain does, whose
    /// database nobody opens again.
    pub(crate) fn amend(&self, diff: &HashedDiff) -> Result<(), StoreError> {
        let height = self.height()?.unwrap_or_default();
        self.catch_up(height, |write| put_diff(write, diff))
    }

    /// Forgets the blocks above `height`, with their indices, and makes the changes of `undo`: what only a development chain does.
    pub(crate) fn rewind(&self, height: u64, undo: &HashedDiff) -> Result<(), StoreError> {
        self.catch_up(height, |write| {
            let mut blocks = write.open_table(BLOCKS)?;
            let (mut heights, mut transactions) = (write.open_table(HEIGHTS)?, write.open_table(TRANSACTIONS)?);
            for row in blocks.range(height + 1..)? {
                let block = record::decode(row?.1.value())?;
                heights.remove(&block.hash.0)?;
                for transaction in &block.transactions {
                    transactions.remove(&transaction.tx_hash().0)?;
                }
            }
            blocks.retain_in(height + 1.., |_, _| false)?;
            let mut meta = write.open_table(META)?;
            meta.insert(META_HEIGHT, height.to_be_bytes().as_slice())?;
            drop(transactions);
            put_diff(write, undo)
        })
    }

    /// Writes to the tables all that they lack, and then what `more` does; the last block is at `height` afterwards.
    fn catch_up(
        &self,
        height: u64,
        more: impl FnOnce(&WriteTransaction) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let _in_order = self.appending.lock().expect("no writer panics");
        let write = self.database.begin_write()?;
        let mut pending = self.pending.write().expect("no holder of the lock panics");
        {
            let mut rows = Rows::open(&write)?;
            pending.all().try_for_each(|slice| rows.fold(slice))?;
            write.open_table(CHANGES)?.retain(|_, _| false)?;
        }
        more(&write)?;
        write.commit()?;
        *pending = Pending::new(pending.all().len(), height, height);
        Ok(())
    }

    /// The block at `height`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails or the stored bytes do not decode.
    pub fn block(&self, height: u64) -> Result<Option<Sealed>, StoreError> {
        let blocks = self.database.begin_read()?.open_table(BLOCKS)?;
        let Some(bytes) = blocks.get(height)? else {
            return Ok(None);
        };
        record::decode(bytes.value()).map(Some)
    }

    /// Height of the block with this hash.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails.
    pub fn height_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        let heights = self.database.begin_read()?.open_table(HEIGHTS)?;
        Ok(heights.get(&hash.0)?.map(|height| height.value()))
    }

    /// Height and index of a transaction.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails.
    pub fn transaction(&self, hash: &B256) -> Result<Option<(u64, u32)>, StoreError> {
        let pending = self.pending.read().expect("no holder of the lock panics");
        if let Some(place) = pending.transaction(hash) {
            return Ok(Some(place));
        }
        drop(pending);
        let transactions = self.database.begin_read()?.open_table(TRANSACTIONS)?;
        Ok(transactions.get(&hash.0)?.map(|place| place.value()))
    }

    /// Rebuilds the state after the last block from the flat tables (about 1 µs an account or slot).
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails or the stored bytes do not decode.
    pub fn state(&self) -> Result<State, StoreError> {
        let read = self.database.begin_read()?;
        let mut state = State::empty();
        let mut batch = Batch::default();
        for row in read.open_table(CODES)?.iter()? {
            let (hash, code) = row?;
            batch
                .diff
                .codes
                .insert(B256::from(*hash.value()), Bytes::copy_from_slice(code.value()));
            batch.flush_when_full(&mut state);
        }
        let slots = read.open_table(SLOTS)?;
        for row in read.open_table(ACCOUNTS)?.iter()? {
            let (key, account) = row?;
            let (key, account) = (B256::from(*key.value()), read_account(account.value()));
            batch.begin(key, account);
            let of_account = slots_of(&key);
            for row in slots.range::<&SlotKey>(of_account.start()..=of_account.end())? {
                let (slot, value) = row?;
                let slot = B256::from_slice(&slot.value()[32..]);
                batch.put(key, account, slot, U256::from_be_bytes(*value.value()));
                batch.flush_when_full(&mut state);
            }
            batch.flush_when_full(&mut state);
        }
        batch.flush(&mut state);
        for row in read.open_table(CHANGES)?.iter()? {
            state.apply_hashed(&change::decode(row?.1.value())?);
        }
        Ok(state)
    }
}

/// What the tables of `database` lack.
fn read_pending(database: &Database, slices: usize) -> Result<Pending, StoreError> {
    let read = database.begin_read()?;
    let (changes, blocks) = (read.open_table(CHANGES)?, read.open_table(BLOCKS)?);
    let oldest = changes.first()?.map_or(0, |(height, _)| height.value());
    let latest = changes.last()?.map_or(0, |(height, _)| height.value());
    let mut pending = Pending::new(slices, oldest.saturating_sub(1), latest);
    for row in changes.iter()? {
        let (height, diff) = row?;
        let block = blocks.get(height.value())?;
        let block = block.ok_or(StoreError::Corrupt { what: "recent block" })?;
        pending.add(&record::decode(block.value())?, &change::decode(diff.value())?);
    }
    Ok(pending)
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

/// Accounts on their way from the tables into a state, in the order of their keys.
#[derive(Default)]
struct Batch {
    diff: HashedDiff,
    rows: usize,
}

impl Batch {
    fn begin(&mut self, key: B256, account: Account) -> &mut HashedAccountDiff {
        let change = HashedAccountDiff {
            account: Some(account),
            ..HashedAccountDiff::default()
        };
        self.diff.accounts.push((key, change));
        &mut self.diff.accounts.last_mut().expect("one was just put there").1
    }

    /// Adds a slot of the account that was begun last, which may have gone into the state since.
    fn put(&mut self, key: B256, account: Account, slot: B256, value: U256) {
        let change = match self.diff.accounts.last_mut() {
            Some((last, change)) if *last == key => change,
            _ => self.begin(key, account),
        };
        change.slots.push((slot, value));
    }

    fn flush_when_full(&mut self, state: &mut State) {
        self.rows += 1;
        if self.rows >= LOAD_BATCH {
            self.flush(state);
        }
    }

    fn flush(&mut self, state: &mut State) {
        state.apply_hashed(&std::mem::take(self).diff);
    }
}

fn number(bytes: &[u8]) -> Result<u64, StoreError> {
    bytes
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| StoreError::Corrupt { what: "number" })
}

//! What must survive: accounts, sales and sessions, in one redb file, synced before anyone is told.
//!
//! Writers hand in their rows in the order of their charges and wait; one of them commits all that wait with a single
//! sync. Order matters: an account's row must never be on disk ahead of the sale it already counts, or a crash would
//! charge the payer of that sale twice.

use super::{Account, Sale, TillLimits};
use commonware_codec::{Copying, DecodeExt, Encode};
use primitives::B256;
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, StorageBackend, TableDefinition, WriteTransaction,
};
use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard},
};

type Key = [u8; 32];
/// Channel id → [`Account`].
const ACCOUNTS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("accounts");
/// Number of a sale, ascending → [`Sale`].
const SALES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("sales");
/// Receipt id → number of its sale.
const RECEIPTS: TableDefinition<'_, Key, u64> = TableDefinition::new("receipts");
/// Request id → number of its sale.
const REQUESTS: TableDefinition<'_, Key, u64> = TableDefinition::new("requests");
/// Digest of a session's key → channel id and limit.
const SESSIONS: TableDefinition<'_, Key, (Key, u128)> = TableDefinition::new("sessions");

/// The disk failed. Nothing more is sold by this till: what is on disk is known again when it is opened again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation} of the till's file")]
pub struct JournalError {
    operation: &'static str,
    #[source]
    source: Arc<redb::Error>,
}

/// Names the operation in a database error.
fn failed<E: Into<redb::Error>>(operation: &'static str) -> impl FnOnce(E) -> JournalError {
    move |source| JournalError {
        operation,
        source: Arc::new(source.into()),
    }
}

/// One row set to be made durable together.
pub(super) enum Entry {
    Sold {
        account: Vec<u8>,
        sale: Vec<u8>,
        channel_id: B256,
        receipt_id: B256,
        request_id: B256,
    },
    Session {
        account: Vec<u8>,
        channel_id: B256,
        key: Key,
        limit: u128,
    },
}

pub(super) struct Journal {
    db: Database,
    limits: TillLimits,
    queue: Mutex<Queue>,
    turned: Condvar,
}

struct Queue {
    waiting: Vec<Entry>,
    /// Entries handed in so far, and of them, durable so far.
    entered: u64,
    durable: u64,
    /// Whether some thread is committing.
    busy: bool,
    next_sale: u64,
    sale_bytes: u64,
    failure: Option<JournalError>,
}

/// The place of an entry in the order of commits.
#[must_use]
pub(super) struct Place(u64);

impl Journal {
    pub(super) fn open(path: &Path, limits: TillLimits) -> Result<Self, JournalError> {
        // What something else changed in the file is found now, by the pages' checksums, and not at a sale.
        let database = Database::builder().set_check_integrity_on_open(true).create(path);
        Self::start(database.map_err(failed("open"))?, limits)
    }

    pub(super) fn open_backend(backend: impl StorageBackend, limits: TillLimits) -> Result<Self, JournalError> {
        Self::start(
            Database::builder()
                .create_with_backend(backend)
                .map_err(failed("open"))?,
            limits,
        )
    }

    fn start(db: Database, limits: TillLimits) -> Result<Self, JournalError> {
        let transaction = db.begin_write().map_err(failed("open"))?;
        let (next_sale, sale_bytes) = prepare(&transaction).map_err(failed("open"))?;
        transaction.commit().map_err(failed("open"))?;
        let queue = Queue {
            waiting: Vec::new(),
            entered: 0,
            durable: 0,
            busy: false,
            next_sale,
            sale_bytes,
            failure: None,
        };
        Ok(Self {
            db,
            limits,
            queue: Mutex::new(queue),
            turned: Condvar::new(),
        })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no thread panics while it holds the queue")
    }

    /// Hands in an entry. Entries become durable in the order of these calls, so call it holding the account's lock.
    pub(super) fn enter(&self, entry: Entry) -> Place {
        let mut queue = self.queue();
        queue.waiting.push(entry);
        queue.entered += 1;
        Place(queue.entered)
    }

    /// Returns when the entry is on disk, committing it and all others that wait if no other thread is.
    pub(super) fn settle(&self, place: Place) -> Result<(), JournalError> {
        let mut queue = self.queue();
        loop {
            if queue.durable >= place.0 {
                return Ok(());
            }
            if let Some(failure) = &queue.failure {
                return Err(failure.clone());
            }
            if queue.busy {
                queue = self
                    .turned
                    .wait(queue)
                    .expect("no thread panics while it holds the queue");
                continue;
            }
            queue.busy = true;
            let entries = std::mem::take(&mut queue.waiting);
            let (through, mut next_sale, mut sale_bytes) = (queue.entered, queue.next_sale, queue.sale_bytes);
            drop(queue);
            let written = self.commit(&entries, &mut next_sale, &mut sale_bytes);
            queue = self.queue();
            queue.busy = false;
            match written {
                Ok(()) => {
                    queue.durable = through;
                    queue.next_sale = next_sale;
                    queue.sale_bytes = sale_bytes;
                }
                Err(failure) => queue.failure = Some(failure),
            }
            self.turned.notify_all();
        }
    }

    fn commit(&self, entries: &[Entry], next_sale: &mut u64, sale_bytes: &mut u64) -> Result<(), JournalError> {
        let transaction = self.db.begin_write().map_err(failed("write"))?;
        for entry in entries {
            *sale_bytes += insert(&transaction, entry, *next_sale).map_err(failed("write"))?;
            *next_sale += u64::from(matches!(entry, Entry::Sold { .. }));
        }
        *sale_bytes -= self.prune(&transaction, *sale_bytes).map_err(failed("prune"))?;
        transaction.commit().map_err(failed("sync"))
    }

    /// Forgets the oldest sales beyond the limits and returns their bytes. Accounts are never forgotten here.
    fn prune(&self, transaction: &WriteTransaction, sale_bytes: u64) -> Result<u64, redb::Error> {
        let mut sales = transaction.open_table(SALES)?;
        let mut freed = 0;
        while sales.len()? > self.limits.sales_max || sale_bytes - freed > self.limits.sale_bytes_max {
            let Some((_, row)) = sales.pop_first()? else { break };
            freed += row.value().len() as u64;
            // A row that does not decode cannot name its indices; they then point to a number that is gone.
            if let Ok(sale) = Sale::decode(Copying(row.value())) {
                transaction.open_table(RECEIPTS)?.remove(sale.signed.receipt.id().0)?;
                transaction.open_table(REQUESTS)?.remove(sale.request_id.0)?;
            }
        }
        Ok(freed)
    }

    pub(super) fn accounts(&self) -> Result<Vec<(B256, Account)>, JournalError> {
        let rows = || -> Result<Vec<_>, redb::Error> {
            let table = self.db.begin_read()?.open_table(ACCOUNTS)?;
            let mut accounts = Vec::new();
            for row in table.iter()? {
                let (key, value) = row?;
                accounts.push((B256::from(key.value()), value.value().to_vec()));
            }
            Ok(accounts)
        };
        let corrupted = |_| redb::Error::Corrupted("an account does not decode".into());
        let rows = rows().map_err(failed("read"))?;
        let decode = |(id, row): (B256, Vec<u8>)| Ok((id, Account::decode(Copying(&row)).map_err(corrupted)?));
        rows.into_iter()
            .map(decode)
            .collect::<Result<_, redb::Error>>()
            .map_err(failed("read"))
    }

    pub(super) fn sale_of_request(&self, request_id: B256) -> Result<Option<Sale>, JournalError> {
        self.sale_by(REQUESTS, request_id).map_err(failed("read"))
    }

    pub(super) fn sale_of_receipt(&self, receipt_id: B256) -> Result<Option<Sale>, JournalError> {
        self.sale_by(RECEIPTS, receipt_id).map_err(failed("read"))
    }

    fn sale_by(&self, index: TableDefinition<'_, Key, u64>, key: B256) -> Result<Option<Sale>, redb::Error> {
        let read = self.db.begin_read()?;
        let Some(number) = read.open_table(index)?.get(key.0)? else {
            return Ok(None);
        };
        let sales = read.open_table(SALES)?;
        sales
            .get(number.value())?
            .map(|row| decode_sale(row.value()))
            .transpose()
    }

    /// The latest `count` sales below number `before`, newest first, each with its number.
    pub(super) fn latest_sales(&self, before: u64, count: usize) -> Result<Vec<(u64, Sale)>, JournalError> {
        let read = || -> Result<Vec<_>, redb::Error> {
            let sales = self.db.begin_read()?.open_table(SALES)?;
            let mut latest = Vec::new();
            for row in sales.range(..before)?.rev().take(count) {
                let (number, row) = row?;
                latest.push((number.value(), decode_sale(row.value())?));
            }
            Ok(latest)
        };
        read().map_err(failed("read"))
    }

    pub(super) fn session(&self, key: Key) -> Result<Option<(B256, u128)>, JournalError> {
        let read = || -> Result<_, redb::Error> {
            let table = self.db.begin_read()?.open_table(SESSIONS)?;
            Ok(table.get(key)?.map(|row| (B256::from(row.value().0), row.value().1)))
        };
        read().map_err(failed("read"))
    }

    pub(super) fn session_count(&self) -> Result<u64, JournalError> {
        let read = || -> Result<_, redb::Error> { Ok(self.db.begin_read()?.open_table(SESSIONS)?.len()?) };
        read().map_err(failed("read"))
    }
}

/// Creates the tables; the next sale's number and the bytes of the sales kept.
fn prepare(transaction: &WriteTransaction) -> Result<(u64, u64), redb::Error> {
    transaction.open_table(ACCOUNTS)?;
    transaction.open_table(RECEIPTS)?;
    transaction.open_table(REQUESTS)?;
    transaction.open_table(SESSIONS)?;
    let sales = transaction.open_table(SALES)?;
    let next = sales.last()?.map_or(0, |(number, _)| number.value() + 1);
    let mut bytes = 0;
    for row in sales.iter()? {
        bytes += row?.1.value().len() as u64;
    }
    Ok((next, bytes))
}

/// Writes one entry and returns the bytes of its sale.
fn insert(transaction: &WriteTransaction, entry: &Entry, number: u64) -> Result<u64, redb::Error> {
    match entry {
        Entry::Sold {
            account,
            sale,
            channel_id,
            receipt_id,
            request_id,
        } => {
            transaction.open_table(ACCOUNTS)?.insert(channel_id.0, &account[..])?;
            transaction.open_table(SALES)?.insert(number, &sale[..])?;
            transaction.open_table(RECEIPTS)?.insert(receipt_id.0, number)?;
            transaction.open_table(REQUESTS)?.insert(request_id.0, number)?;
            Ok(sale.len() as u64)
        }
        Entry::Session {
            account,
            channel_id,
            key,
            limit,
        } => {
            transaction.open_table(ACCOUNTS)?.insert(channel_id.0, &account[..])?;
            transaction.open_table(SESSIONS)?.insert(*key, (channel_id.0, *limit))?;
            Ok(0)
        }
    }
}

fn decode_sale(row: &[u8]) -> Result<Sale, redb::Error> {
    Sale::decode(Copying(row)).map_err(|_| redb::Error::Corrupted("a sale does not decode".into()))
}

/// The bytes of a row.
pub(super) fn row(value: &impl Encode) -> Vec<u8> {
    value.encode().to_vec()
}

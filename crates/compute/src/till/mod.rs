//! The till: a provider's book of channels. It never sells above a voucher, never charges a request twice, and never
//! forgets a charge it has told anyone about.
//!
//! A request goes [`accept`](Till::accept) (the voucher), [`reserve`](Till::reserve) (its price), then either
//! [`charge`](Till::charge), which returns when charge, receipt and answer are synced to disk in one transaction, or drop,
//! which gives the money back. A request id that was charged before gets its [`Sale`] again instead.

mod account;
mod journal;
#[cfg(test)]
mod tests;

pub use account::{Account, Charge, Funds};
pub use journal::JournalError;

use crate::{
    receipt::{Evidence, SignedReceipt},
    voucher::CheckedVoucher,
};
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, Read, ReadExt, Write};
use journal::{Entry, Journal, row};
use primitives::B256;
use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

/// Bounds of a till.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TillLimits {
    /// Channels known, at most. Each took its payer a deposit on chain; 300 bytes of memory each.
    pub channels_max: usize,
    /// Sessions known, at most.
    pub sessions_max: u64,
    /// Sales kept, at most; older ones are forgotten with their receipts.
    pub sales_max: u64,
    /// Bytes of sales kept, at most.
    pub sale_bytes_max: u64,
}

impl Default for TillLimits {
    /// 100,000 channels and sessions, a million sales of 4 GiB in all.
    fn default() -> Self {
        Self {
            channels_max: 100_000,
            sessions_max: 100_000,
            sales_max: 1_000_000,
            sale_bytes_max: 4 << 30,
        }
    }
}

/// Why nothing is sold.
#[derive(Debug, thiserror::Error)]
pub enum TillError {
    /// The voucher promises more than the channel can pay.
    #[error("the voucher's ceiling is {ceiling}, the channel can pay {promisable}")]
    Unfunded {
        /// The voucher's ceiling.
        ceiling: u128,
        /// What the channel holds and is not being withdrawn.
        promisable: u128,
    },
    /// The voucher leaves too little above what is charged already.
    #[error("the price is {price}, the voucher leaves {spendable}")]
    TooLittle {
        /// What the request costs.
        price: u128,
        /// What the voucher leaves.
        spendable: u128,
    },
    /// No voucher of this channel was ever accepted.
    #[error("channel {channel_id} is not known here")]
    UnknownChannel {
        /// The channel.
        channel_id: B256,
    },
    /// The same request is being computed.
    #[error("request {request_id} is being computed")]
    InFlight {
        /// The request.
        request_id: B256,
    },
    /// The till holds as many channels as it may.
    #[error("the till is full: it keeps {max} {what}")]
    Full {
        /// What there are too many of.
        what: &'static str,
        /// How many it keeps.
        max: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A request that was charged: its receipt, and what the receipt commits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// The request's id.
    pub request_id: B256,
    /// The channel's charges in all when it was charged.
    pub charged: u128,
    /// The receipt.
    pub signed: SignedReceipt,
    /// Request, answer and salt.
    pub evidence: Evidence,
}

impl Write for Sale {
    fn write(&self, buf: &mut impl BufMut) {
        self.request_id.0.write(buf);
        self.charged.write(buf);
        self.signed.write(buf);
        self.evidence.write(buf);
    }
}

impl Read for Sale {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(Self {
            request_id: B256::from(<[u8; 32]>::read(buf)?),
            charged: u128::read(buf)?,
            signed: SignedReceipt::read(buf)?,
            evidence: Evidence::read(buf)?,
        })
    }
}

impl EncodeSize for Sale {
    fn encode_size(&self) -> usize {
        32 + 16 + self.signed.encode_size() + self.evidence.encode_size()
    }
}

/// An API key's right to spend: up to `limit` of a channel's charges in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The channel it draws on.
    pub channel_id: B256,
    /// What the channel's charges may reach under this key.
    pub limit: u128,
}

/// What [`Till::reserve`] found.
pub enum Reserved {
    /// The price is held; compute, then charge.
    New(Reservation),
    /// The request was charged before: this is what it got.
    Before(Box<Sale>),
}

/// A provider's book of channels. Shared by cloning the [`Arc`] it is opened in.
pub struct Till {
    journal: Journal,
    limits: TillLimits,
    accounts: Mutex<HashMap<B256, Arc<Mutex<Account>>>>,
    in_flight: Mutex<HashSet<B256>>,
}

impl Till {
    /// Opens the book at `path`, or begins one.
    ///
    /// # Errors
    ///
    /// [`JournalError`] when the file is not a till's or is in use.
    pub fn open(path: &Path, limits: TillLimits) -> Result<Arc<Self>, JournalError> {
        Self::start(Journal::open(path, limits)?, limits)
    }

    /// Opens the book in another store than a file: memory, or a test's disk that fails.
    ///
    /// # Errors
    ///
    /// [`JournalError`] as [`Till::open`].
    pub fn open_backend(backend: impl redb::StorageBackend, limits: TillLimits) -> Result<Arc<Self>, JournalError> {
        Self::start(Journal::open_backend(backend, limits)?, limits)
    }

    fn start(journal: Journal, limits: TillLimits) -> Result<Arc<Self>, JournalError> {
        let accounts = journal
            .accounts()?
            .into_iter()
            .map(|(id, account)| (id, Arc::new(Mutex::new(account))))
            .collect();
        Ok(Arc::new(Self {
            journal,
            limits,
            accounts: Mutex::new(accounts),
            in_flight: Mutex::default(),
        }))
    }

    /// Takes a voucher: the highest of a channel is kept, and reaches the disk with the next charge or session.
    ///
    /// A lower ceiling than the one known is no error and changes nothing: vouchers may arrive out of order.
    ///
    /// # Errors
    ///
    /// [`TillError::Unfunded`] when it promises more than the chain holds, [`TillError::Full`].
    pub fn accept(&self, voucher: &CheckedVoucher, funds: Funds) -> Result<(), TillError> {
        let (ceiling, promisable) = (voucher.voucher().ceiling, funds.promisable());
        if ceiling > promisable {
            return Err(TillError::Unfunded { ceiling, promisable });
        }
        let mut accounts = lock(&self.accounts);
        if let Some(account) = accounts.get(&voucher.channel_id()) {
            lock(account).raise(voucher);
            return Ok(());
        }
        if ceiling < funds.claimed {
            return Err(TillError::TooLittle { price: 0, spendable: 0 });
        }
        if accounts.len() >= self.limits.channels_max {
            return Err(TillError::Full {
                what: "channels",
                max: self.limits.channels_max as u64,
            });
        }
        accounts.insert(
            voucher.channel_id(),
            Arc::new(Mutex::new(Account::open(voucher, funds))),
        );
        Ok(())
    }

    /// Holds `price` for a request, or finds that the request was charged before.
    ///
    /// `limit` is what the channel's charges may reach by whoever asks: the voucher's own ceiling, or a session's limit.
    ///
    /// # Errors
    ///
    /// [`TillError::TooLittle`] when the voucher leaves less than the price, [`TillError::InFlight`] while the same request
    /// is being computed, [`TillError::UnknownChannel`], [`TillError::Journal`].
    pub fn reserve(
        self: &Arc<Self>,
        channel_id: B256,
        request_id: B256,
        price: u128,
        limit: u128,
        funds: Funds,
    ) -> Result<Reserved, TillError> {
        let account = self.account_lock(channel_id)?;
        // In this order: a charge leaves `in_flight` only when it can be found on disk.
        if !lock(&self.in_flight).insert(request_id) {
            return Err(TillError::InFlight { request_id });
        }
        let mut reservation = Reservation {
            till: self.clone(),
            account,
            channel_id,
            request_id,
            held: 0,
        };
        if let Some(sale) = self.journal.sale_of_request(request_id)? {
            return Ok(Reserved::Before(Box::new(sale)));
        }
        lock(&reservation.account).reserve(price, limit, funds)?;
        reservation.held = price;
        Ok(Reserved::New(reservation))
    }

    /// Charges `price`, at most what was reserved, and returns when the charge and the sale `seal` makes of it are on disk.
    ///
    /// `seal` signs the receipt; it runs under the channel's lock, so that sequence numbers reach the disk in order.
    ///
    /// # Errors
    ///
    /// [`TillError::Journal`] when the disk fails: the request must then not be answered, and the till sells nothing more.
    pub fn charge(
        &self,
        mut reservation: Reservation,
        price: u128,
        seal: impl FnOnce(Charge) -> (SignedReceipt, Evidence),
    ) -> Result<Sale, TillError> {
        let (sale, place) = {
            let account = reservation.account.clone();
            let mut account = lock(&account);
            let mut next = account.clone();
            let charge = next.charge(reservation.channel_id, reservation.held, price);
            let (signed, evidence) = seal(charge);
            // From here on nothing can fail but the disk.
            *account = next;
            reservation.held = 0;
            let sale = Sale {
                request_id: reservation.request_id,
                charged: charge.charged,
                signed,
                evidence,
            };
            let entry = Entry::Sold {
                account: row(&*account),
                sale: row(&sale),
                channel_id: reservation.channel_id,
                receipt_id: sale.signed.receipt.id(),
                request_id: reservation.request_id,
            };
            (sale, self.journal.enter(entry))
        };
        self.journal.settle(place)?;
        Ok(sale)
    }

    /// Keeps a session: whoever shows a key of digest `key` may spend the channel up to `limit` in all. Durable on return.
    ///
    /// # Errors
    ///
    /// [`TillError::UnknownChannel`], [`TillError::Full`], [`TillError::Journal`].
    pub fn open_session(&self, key: [u8; 32], session: Session) -> Result<(), TillError> {
        if self.journal.session_count()? >= self.limits.sessions_max {
            return Err(TillError::Full {
                what: "sessions",
                max: self.limits.sessions_max,
            });
        }
        let account = self.account_lock(session.channel_id)?;
        let place = {
            let account = lock(&account);
            let Session { channel_id, limit } = session;
            self.journal.enter(Entry::Session {
                account: row(&*account),
                channel_id,
                key,
                limit,
            })
        };
        Ok(self.journal.settle(place)?)
    }

    /// The session of that key's digest.
    ///
    /// # Errors
    ///
    /// [`JournalError`] when the disk fails.
    pub fn session(&self, key: [u8; 32]) -> Result<Option<Session>, JournalError> {
        Ok(self
            .journal
            .session(key)?
            .map(|(channel_id, limit)| Session { channel_id, limit }))
    }

    /// A channel as it stands.
    pub fn account(&self, channel_id: B256) -> Option<Account> {
        lock(&self.accounts)
            .get(&channel_id)
            .map(|account| lock(account).clone())
    }

    /// All channels as they are on disk, by id: what may be claimed, since nothing of it can be forgotten.
    ///
    /// # Errors
    ///
    /// [`JournalError`] when the disk fails.
    pub fn durable_accounts(&self) -> Result<Vec<(B256, Account)>, JournalError> {
        self.journal.accounts()
    }

    /// The sale of that receipt, unless it was forgotten or never was.
    ///
    /// # Errors
    ///
    /// [`JournalError`] when the disk fails.
    pub fn sale(&self, receipt_id: B256) -> Result<Option<Sale>, JournalError> {
        self.journal.sale_of_receipt(receipt_id)
    }

    /// The latest `count` sales below number `before` (`u64::MAX`: from the newest), newest first, each with its number.
    ///
    /// # Errors
    ///
    /// [`JournalError`] when the disk fails.
    pub fn latest_sales(&self, before: u64, count: usize) -> Result<Vec<(u64, Sale)>, JournalError> {
        self.journal.latest_sales(before, count)
    }

    fn account_lock(&self, channel_id: B256) -> Result<Arc<Mutex<Account>>, TillError> {
        lock(&self.accounts)
            .get(&channel_id)
            .cloned()
            .ok_or(TillError::UnknownChannel { channel_id })
    }
}

/// A price held for a request. Dropped without a charge, it gives the money back.
pub struct Reservation {
    till: Arc<Till>,
    account: Arc<Mutex<Account>>,
    channel_id: B256,
    request_id: B256,
    held: u128,
}

impl Reservation {
    /// The channel it is held on.
    pub fn channel_id(&self) -> B256 {
        self.channel_id
    }

    /// What is held.
    pub fn held(&self) -> u128 {
        self.held
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        lock(&self.account).release(self.held);
        lock(&self.till.in_flight).remove(&self.request_id);
    }
}

/// Locks; a thread that panicked under the lock left the value as it was before its change or after it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

//! Takes a state from nodes that need not be trusted: what to ask next, and whether an answer is it.
//!
//! A page of accounts is checked against the root of the block's header, the slots of each account against the account's own root, a code against its
//! hash. What passed is written at once ([`crate::store::arrival`]); of the state no more than a page is in memory.

#[cfg(test)]
mod tests;

use super::{
    page::{PAGE_ACCOUNTS_MAX, PageError, decode_accounts, decode_slots},
    run::{FinalRun, RunError},
    serving::{CODES_MAX, HEADERS_MAX, STORAGES_MAX},
};
use crate::{
    Block, FinalityProof, Sealed, Store, StoreError,
    keys::Committee,
    senders,
    store::arrival::{Arrival, Part, Position},
};
use alloy_consensus::{
    Header,
    proofs::{calculate_receipt_root, calculate_transaction_root},
};
use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable as _;
use evm::{AccountRow, RangeError, Receipt, Transaction, key_after};
use std::{
    collections::{BTreeSet, VecDeque},
    num::NonZeroU64,
};

/// What is to be asked for next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A page of accounts from this key on.
    Accounts(B256),
    /// Pages of slots: of which account, from which key on.
    Slots(Vec<(B256, B256)>),
    /// Codes by their hashes.
    Codes(Vec<B256>),
    /// Nothing: the state is here.
    Nothing,
}

/// Why an answer is not what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongAnswer {
    /// It does not decode.
    #[error("a page that does not decode")]
    Page(#[from] PageError),
    /// It is no part of the state.
    #[error("a page that is not of the state")]
    Range(#[from] RangeError),
    /// There are no answers, or more than questions.
    #[error("{found} answers to {asked} questions")]
    Count {
        /// Answers.
        found: usize,
        /// Questions.
        asked: usize,
    },
    /// A code is another.
    #[error("code {found} in place of {expected}")]
    Code {
        /// Hash of the code that came.
        found: B256,
        /// Hash that was asked for.
        expected: B256,
    },
    /// A header is not that of the block that was named.
    #[error("header {found} in place of {expected}")]
    Header {
        /// Hash of the header that came.
        found: B256,
        /// Hash that was asked for.
        expected: B256,
    },
    /// Bytes with the hash of a header that are none.
    #[error("the bytes with hash {hash} are no header")]
    NoHeader {
        /// Their hash.
        hash: B256,
    },
    /// The block's certificate or the block itself is another.
    #[error("the block is not the one that its committee certified")]
    Run(#[from] RunError),
    /// The transactions or receipts are not those that the header names.
    #[error("the {what} have root {found}, the header says {expected}")]
    Root {
        /// Which.
        what: &'static str,
        /// Their root.
        found: B256,
        /// The header's.
        expected: B256,
    },
    /// A transaction has no signer.
    #[error("transaction {index} has an invalid signature")]
    Signature {
        /// Which.
        index: usize,
    },
    /// A block is not the last of an epoch whose committee the state names with which the node began.
    #[error("block {height} is not the last of an epoch whose committee is known")]
    NotLater {
        /// Its height.
        height: u64,
    },
}

/// Why an answer was not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// Who sent it lied, or is damaged.
    #[error(transparent)]
    Wrong(#[from] WrongAnswer),
    /// It could not be written.
    #[error("write what came of a state")]
    Store(#[from] StoreError),
}

impl From<PageError> for TakeError {
    fn from(error: PageError) -> Self {
        Self::Wrong(error.into())
    }
}

impl From<RangeError> for TakeError {
    fn from(error: RangeError) -> Self {
        Self::Wrong(error.into())
    }
}

/// A state on its way into a store.
#[derive(Debug)]
pub struct Arriving {
    store: Store,
    header: Header,
    next: Option<Position>,
    page: Option<Page>,
    counts: Counts,
    /// Whether no account is wanted but the first.
    only: bool,
}

/// What came since this was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accounts.
    pub accounts: u64,
    /// Slots.
    pub slots: u64,
    /// Codes.
    pub codes: u64,
}

/// A page of accounts that was proved, of which something is missing.
#[derive(Debug)]
struct Page {
    /// The accounts, until they are written; `None` when they are.
    rows: Option<Vec<AccountRow>>,
    /// Codes that are not here.
    codes: VecDeque<B256>,
    /// Storages that are not whole: account, root, where to go on.
    storages: VecDeque<(B256, B256, B256)>,
    /// First key after the page; `None` when that is the end of the state.
    end: Option<B256>,
}

impl Arriving {
    /// Goes on where `arrival`, which [`Store::begin_arrival`] gave, says.
    pub fn new(store: Store, arrival: Arrival) -> Self {
        Self {
            store,
            header: arrival.header,
            next: arrival.next,
            page: None,
            counts: Counts::default(),
            only: false,
        }
    }

    /// Takes one account alone, with its code and slots, into a store that is for such accounts: that of the address whose Keccak-256 is `key`, or nothing if the
    /// state has none. `arrival` says after which block.
    pub fn only(store: Store, arrival: Arrival, key: B256) -> Self {
        let next = Some(Position {
            account: key,
            slot: B256::ZERO,
        });
        Self {
            next,
            only: true,
            ..Self::new(store, arrival)
        }
    }

    /// Header of the block after which the state is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What came since the start.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// How much of the state is here, in percent; none of it with one account alone. Keys are hashes, so that where it goes on says how much there is before.
    pub fn percent(&self) -> u64 {
        if self.only {
            return 0;
        }
        let first = |position: Position| u64::from(u16::from_be_bytes([position.account[0], position.account[1]]));
        self.next.map_or(100, |next| first(next) * 100 / (1 << 16))
    }

    /// What to ask for next.
    pub fn wanted(&self) -> Wanted {
        let Some(page) = &self.page else {
            return self
                .next
                .map_or(Wanted::Nothing, |position| Wanted::Accounts(position.account));
        };
        if !page.codes.is_empty() {
            return Wanted::Codes(page.codes.iter().take(CODES_MAX).copied().collect());
        }
        let storages = page.storages.iter().take(STORAGES_MAX);
        Wanted::Slots(storages.map(|(account, _, first)| (*account, *first)).collect())
    }

    /// Takes the answer to [`Wanted::Accounts`].
    ///
    /// # Errors
    ///
    /// [`TakeError`]; the same is wanted then.
    ///
    /// # Panics
    ///
    /// Where something else was wanted.
    pub fn take_accounts(&mut self, bytes: &[u8]) -> Result<(), TakeError> {
        let position = self.next.filter(|_| self.page.is_none()).expect("accounts are wanted");
        let mut page = decode_accounts(bytes)?;
        page.verify(self.header.state_root, position.account)?;
        if self.only {
            page.rows.retain(|row| row.key == position.account);
            page.more = false;
        }
        let last = page.rows.last().filter(|_| page.more);
        let coded = page.rows.iter().filter(|row| row.has_code());
        let hashes: BTreeSet<B256> = coded.map(|row| row.account.code_hash).collect();
        let mut codes = VecDeque::new();
        for hash in hashes {
            if !self.store.has_code(&hash)? {
                codes.push_back(hash);
            }
        }
        let first_slot = |row: &AccountRow| match row.key == position.account {
            true => position.slot,
            false => B256::ZERO,
        };
        let storages = page.rows.iter().filter(|row| row.has_storage());
        self.page = Some(Page {
            codes,
            storages: storages
                .map(|row| (row.key, row.storage_root, first_slot(row)))
                .collect(),
            end: last.and_then(|row| key_after(&row.key)),
            rows: Some(page.rows),
        });
        self.settle()
    }

    /// Takes the answer to [`Wanted::Codes`]: the first of those that were asked for, one at least.
    ///
    /// # Errors
    ///
    /// [`TakeError`]; the same is wanted then.
    ///
    /// # Panics
    ///
    /// Where something else was wanted.
    pub fn take_codes(&mut self, codes: Vec<Bytes>) -> Result<(), TakeError> {
        let page = self.page.as_mut().expect("codes of a page are wanted");
        check_count(codes.len(), page.codes.len().min(CODES_MAX))?;
        for (code, expected) in codes.iter().zip(&page.codes) {
            let (found, expected) = (keccak256(code), *expected);
            if found != expected {
                return Err(WrongAnswer::Code { found, expected }.into());
            }
        }
        let count = codes.len();
        let part = Part {
            codes: page.codes.iter().copied().zip(codes).collect(),
            ..Part::default()
        };
        self.store.take_part(&part, self.next)?;
        page.codes.drain(..count);
        self.counts.codes += count as u64;
        self.settle()
    }

    /// Takes the answer to [`Wanted::Slots`]: pages of the first of those that were asked for, one at least, and none after one that has more to come.
    ///
    /// # Errors
    ///
    /// [`TakeError`]; the same is wanted then.
    ///
    /// # Panics
    ///
    /// Where something else was wanted.
    pub fn take_slots(&mut self, pages: &[Bytes]) -> Result<(), TakeError> {
        let page = self.page.as_mut().expect("slots of a page are wanted");
        check_count(pages.len(), page.storages.len().min(STORAGES_MAX))?;
        let (mut part, mut storages) = (Part::default(), page.storages.clone());
        for (index, bytes) in pages.iter().enumerate() {
            let (account, root, first) = storages.pop_front().expect("not more pages than storages");
            let slots = decode_slots(bytes)?;
            slots.verify(root, first)?;
            let next = slots.rows.last().filter(|_| slots.more);
            let next = next.and_then(|(key, _)| key_after(key));
            let rows = slots.rows.into_iter();
            part.slots.extend(rows.map(|(slot, value)| (account, slot, value)));
            if let Some(next) = next {
                storages.push_front((account, root, next));
                check_count(pages.len(), index + 1)?;
            }
        }
        let next = place(&storages, page.end);
        self.store.take_part(&part, next)?;
        page.storages = storages;
        self.next = next;
        self.counts.slots += part.slots.len() as u64;
        self.settle()
    }

    /// Writes the accounts of the page when their codes are here, and ends the page when their slots are.
    fn settle(&mut self) -> Result<(), TakeError> {
        let Some(page) = &mut self.page else { return Ok(()) };
        if !page.codes.is_empty() {
            return Ok(());
        }
        if let Some(rows) = page.rows.take() {
            let next = place(&page.storages, page.end);
            let part = Part {
                accounts: rows.iter().map(|row| (row.key, row.account)).collect(),
                ..Part::default()
            };
            self.store.take_part(&part, next)?;
            self.counts.accounts += rows.len() as u64;
            self.next = next;
        }
        if page.storages.is_empty() {
            self.page = None;
        }
        Ok(())
    }
}

/// Where it goes on when `storages` are not whole, and the page ends before `end`.
fn place(storages: &VecDeque<(B256, B256, B256)>, end: Option<B256>) -> Option<Position> {
    match storages.front() {
        Some((account, _, first)) => Some(Position {
            account: *account,
            slot: *first,
        }),
        None => end.map(|account| Position {
            account,
            slot: B256::ZERO,
        }),
    }
}

fn check_count(found: usize, asked: usize) -> Result<(), WrongAnswer> {
    if (1..=asked).contains(&found) {
        Ok(())
    } else {
        Err(WrongAnswer::Count { found, asked })
    }
}

/// The header that `hash` names, of which `bytes` are the RLP.
///
/// # Errors
///
/// [`WrongAnswer::Header`] where its hash is another, [`WrongAnswer::NoHeader`] where they are none.
pub fn check_header(expected: B256, bytes: &[u8]) -> Result<Header, WrongAnswer> {
    let found = keccak256(bytes);
    if found != expected {
        return Err(WrongAnswer::Header { found, expected });
    }
    let header = Header::decode(&mut { bytes }).map_err(|_| WrongAnswer::NoHeader { hash: expected })?;
    // A hash of other bytes than those that it is written as would name another block.
    if header.hash_slow() == expected {
        Ok(header)
    } else {
        Err(WrongAnswer::NoHeader { hash: expected })
    }
}

/// Heights of the blocks before the one at `height` whose hashes the `BLOCKHASH` instruction may be asked for after it: the first, and how many.
pub fn ancestors_of(height: u64) -> (u64, u64) {
    let count = height.min(HEADERS_MAX as u64);
    (height - count, count)
}

/// Hashes of the blocks before `header`, the nearest first, of which `headers` are the headers (RLP) that [`ancestors_of`] says, in the order of their
/// heights.
///
/// # Errors
///
/// [`WrongAnswer`] where they are not one another's parents, or not as many.
pub fn check_ancestors(header: &Header, headers: &[Bytes]) -> Result<Vec<B256>, WrongAnswer> {
    let (_, count) = ancestors_of(header.number);
    if headers.len() as u64 != count {
        let (found, asked) = (headers.len(), count as usize);
        return Err(WrongAnswer::Count { found, asked });
    }
    let (mut hashes, mut parent) = (Vec::with_capacity(headers.len()), header.parent_hash);
    for bytes in headers.iter().rev() {
        let ancestor = check_header(parent, bytes)?;
        hashes.push(parent);
        parent = ancestor.parent_hash;
    }
    Ok(hashes)
}

/// The block with this header, an epoch's last, from what nodes sent of it: that `proof` makes it final is checked as for any other
/// ([`FinalRun::check`]), which vouches for what it says of the beacon, too; transactions and receipts against the header's roots.
///
/// # Errors
///
/// [`WrongAnswer`].
pub fn check_block(
    header: &Header,
    block: Block,
    receipts: Vec<Receipt>,
    proof: &FinalityProof,
    committee: &Committee,
    epoch_blocks: NonZeroU64,
    namespace: &[u8],
) -> Result<Sealed, WrongAnswer> {
    let expected = header.hash_slow();
    let run = FinalRun::check(
        header.parent_hash,
        vec![block],
        proof,
        committee,
        epoch_blocks,
        namespace,
    )?;
    let block = &run.blocks()[0];
    let found = block.hash();
    if found != expected {
        return Err(WrongAnswer::Header { found, expected });
    }
    let transactions = &block.ethereum().body.transactions;
    let roots = [
        (
            "transactions",
            calculate_transaction_root(transactions),
            header.transactions_root,
        ),
        ("receipts", calculate_receipt_root(&receipts), header.receipts_root),
    ];
    for (what, found, expected) in roots {
        if found != expected {
            return Err(WrongAnswer::Root { what, found, expected });
        }
    }
    let recovered = senders::recover(&transactions.iter().collect::<Vec<_>>());
    let signed = transactions.iter().zip(recovered).enumerate();
    let transactions = signed.map(|(index, (transaction, sender))| {
        let sender = sender.ok_or(WrongAnswer::Signature { index })?;
        Ok(Transaction::new_unchecked(transaction.clone(), sender))
    });
    Ok(Sealed {
        hash: expected,
        header: header.clone(),
        beacon: block.beacon().clone(),
        transactions: transactions.collect::<Result<_, WrongAnswer>>()?,
        receipts,
    })
}

/// Accounts to ask for in a page.
pub const ACCOUNTS_WANTED: usize = PAGE_ACCOUNTS_MAX;

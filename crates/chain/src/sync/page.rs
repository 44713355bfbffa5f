//! Proved parts of a state, as nodes send them.
//!
//! ```text
//! accounts: more (1) | count (4) | count times: key (32) | marks (1) | nonce (8) | balance (32) | code hash (32), if marked | storage root (32), if marked | nodes
//! slots:    more (1) | count (4) | count times: key (32) | value (32)                                                                             | nodes
//! nodes:    count (4) | count times: length (4) | node
//! ```
//!
//! Numbers are big endian; keys are Keccak-256 of addresses and slots. `more` is 1 where more rows follow, else 0. Marks: 1, the account has code; 2, it has
//! storage. The one encoding is the only one that decodes.

#[cfg(test)]
mod tests;

use crate::fields::{self, count, put_bytes};
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256};
use evm::{Account, AccountPage, AccountRow, EMPTY_ROOT, RANGE_NODE_BYTES_MAX, RANGE_NODES_MAX, SlotPage};

/// Accounts of a page at most: half a megabyte.
pub const PAGE_ACCOUNTS_MAX: usize = 4096;
/// Slots of a page at most: half a megabyte.
pub const PAGE_SLOTS_MAX: usize = 8192;

const CODE: u8 = 1;
const STORAGE: u8 = 2;

/// Why bytes are no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// They end too early, or go on after the end.
    #[error("the page has another length than it says")]
    Length,
    /// There is more of something than a page has.
    #[error("{count} {what} in a page: at most {max}")]
    Count {
        /// What there is too much of.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A byte that stands for nothing, or what is marked as there is not.
    #[error("a mark of the page means nothing")]
    Mark,
}

/// The bytes of a page of accounts.
pub fn encode_accounts(page: &AccountPage) -> Vec<u8> {
    let mut out = vec![u8::from(page.more)];
    out.extend(count(page.rows.len()));
    for row in &page.rows {
        let mark = |is: bool, mark: u8| if is { mark } else { 0 };
        out.extend(row.key);
        out.push(mark(row.has_code(), CODE) | mark(row.has_storage(), STORAGE));
        out.extend(row.account.nonce.to_be_bytes());
        out.extend(row.account.balance.to_be_bytes::<32>());
        if row.has_code() {
            out.extend(row.account.code_hash);
        }
        if row.has_storage() {
            out.extend(row.storage_root);
        }
    }
    put_nodes(&page.proof, &mut out);
    out
}

/// Reads a page of accounts. Nothing is proved by it: that is for [`AccountPage::verify`].
///
/// # Errors
///
/// [`PageError`].
pub fn decode_accounts(mut bytes: &[u8]) -> Result<AccountPage, PageError> {
    let bytes = &mut bytes;
    let more = take_flag(bytes)?;
    let count = take_count(bytes, "accounts", PAGE_ACCOUNTS_MAX)?;
    let mut rows = Vec::with_capacity(count);
    for _ in 0..count {
        let key = B256::from(take::<32>(bytes)?);
        let [marks] = take(bytes)?;
        if marks & !(CODE | STORAGE) != 0 {
            return Err(PageError::Mark);
        }
        let (nonce, balance) = (
            u64::from_be_bytes(take(bytes)?),
            U256::from_be_bytes::<32>(take(bytes)?),
        );
        let mut marked = |mark: u8, absent: B256| match marks & mark {
            0 => Ok(absent),
            // What stands for nothing is not written.
            _ => Some(B256::from(take::<32>(bytes)?))
                .filter(|hash| *hash != absent)
                .ok_or(PageError::Mark),
        };
        let (code_hash, storage_root) = (marked(CODE, KECCAK256_EMPTY)?, marked(STORAGE, EMPTY_ROOT)?);
        let account = Account {
            nonce,
            balance,
            code_hash,
        };
        rows.push(AccountRow {
            key,
            account,
            storage_root,
        });
    }
    let proof = take_nodes(bytes)?;
    Ok(AccountPage { rows, more, proof })
}

/// The bytes of a page of slots.
pub fn encode_slots(page: &SlotPage) -> Vec<u8> {
    let mut out = vec![u8::from(page.more)];
    out.extend(count(page.rows.len()));
    for (key, value) in &page.rows {
        out.extend(key);
        out.extend(value.to_be_bytes::<32>());
    }
    put_nodes(&page.proof, &mut out);
    out
}

/// As [`decode_accounts`], of slots.
///
/// # Errors
///
/// [`PageError`].
pub fn decode_slots(mut bytes: &[u8]) -> Result<SlotPage, PageError> {
    let bytes = &mut bytes;
    let more = take_flag(bytes)?;
    let count = take_count(bytes, "slots", PAGE_SLOTS_MAX)?;
    let mut rows = Vec::with_capacity(count);
    for _ in 0..count {
        rows.push((B256::from(take::<32>(bytes)?), U256::from_be_bytes::<32>(take(bytes)?)));
    }
    let proof = take_nodes(bytes)?;
    Ok(SlotPage { rows, more, proof })
}

fn put_nodes(nodes: &[Bytes], out: &mut Vec<u8>) {
    out.extend(count(nodes.len()));
    for node in nodes {
        put_bytes(node, out);
    }
}

/// The nodes, after which nothing comes.
fn take_nodes(bytes: &mut &[u8]) -> Result<Vec<Bytes>, PageError> {
    let count = take_count(bytes, "nodes", RANGE_NODES_MAX)?;
    let mut nodes = Vec::with_capacity(count);
    for _ in 0..count {
        let length = take_count(bytes, "bytes of a node", RANGE_NODE_BYTES_MAX)?;
        let node = bytes.split_off(..length).ok_or(PageError::Length)?;
        nodes.push(Bytes::copy_from_slice(node));
    }
    if bytes.is_empty() {
        Ok(nodes)
    } else {
        Err(PageError::Length)
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], PageError> {
    fields::take(bytes).ok_or(PageError::Length)
}

fn take_flag(bytes: &mut &[u8]) -> Result<bool, PageError> {
    match take(bytes)? {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(PageError::Mark),
    }
}

fn take_count(bytes: &mut &[u8], what: &'static str, max: usize) -> Result<usize, PageError> {
    let count = fields::take_count(bytes).ok_or(PageError::Length)?;
    if count > max {
        return Err(PageError::Count { what, count, max });
    }
    Ok(count)
}

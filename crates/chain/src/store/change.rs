//! What a block changed, as the `changes` table holds it.
//!
//! ```text
//! account count (4) | count times: Keccak-256 of the address (32) | marks (1) | account, if there is one: nonce (8) | balance (32) | code hash (32), if it has code
//!                                | slot count (4) | count times: Keccak-256 of the slot (32) | value (32)
//! code count (4)    | count times: Keccak-256 (32) | length (4) | code
//! ```
//!
//! Numbers are big endian. Marks: 1, there is an account; 2, it has code; 4, all that it stored before is gone.

use super::StoreError;
use crate::fields::{count, put_bytes, take, take_bytes, take_count};
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256};
use evm::{Account, HashedAccountDiff, HashedDiff};

const PRESENT: u8 = 1;
const CODE: u8 = 2;
const WIPED: u8 = 4;
/// Bytes of an account that only sent or received coins: what most changes take.
const PLAIN_ACCOUNT_BYTES: usize = 32 + 1 + 8 + 32 + 4;

/// The record of `diff`.
pub(super) fn encode(diff: &HashedDiff) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + diff.accounts.len() * PLAIN_ACCOUNT_BYTES);
    out.extend(count(diff.accounts.len()));
    for (key, change) in &diff.accounts {
        out.extend(key);
        let code_hash = change.account.map(|account| account.code_hash);
        let code_hash = code_hash.filter(|hash| *hash != KECCAK256_EMPTY);
        let mark = |is: bool, mark: u8| if is { mark } else { 0 };
        out.push(mark(change.account.is_some(), PRESENT) | mark(code_hash.is_some(), CODE) | mark(change.wiped, WIPED));
        if let Some(account) = change.account {
            out.extend(account.nonce.to_be_bytes());
            out.extend(account.balance.to_be_bytes::<32>());
            out.extend(code_hash.iter().flatten());
        }
        out.extend(count(change.slots.len()));
        for (slot, value) in &change.slots {
            out.extend(slot);
            out.extend(value.to_be_bytes::<32>());
        }
    }
    out.extend(count(diff.codes.len()));
    for (hash, code) in &diff.codes {
        out.extend(hash);
        put_bytes(code, &mut out);
    }
    out
}

/// Reads a record, which is our own unless the file was damaged.
///
/// # Errors
///
/// [`StoreError::Corrupt`] where the bytes are no record.
pub(super) fn decode(bytes: &[u8]) -> Result<HashedDiff, StoreError> {
    decode_diff(bytes).ok_or(StoreError::Corrupt { what: "change" })
}

fn decode_diff(mut bytes: &[u8]) -> Option<HashedDiff> {
    let mut diff = HashedDiff::default();
    for _ in 0..take_count(&mut bytes)? {
        let key = B256::from(take::<32>(&mut bytes)?);
        let [marks] = take(&mut bytes)?;
        if marks & !(PRESENT | CODE | WIPED) != 0 {
            return None;
        }
        let account = match marks & PRESENT {
            0 => None,
            _ => Some(Account {
                nonce: u64::from_be_bytes(take(&mut bytes)?),
                balance: U256::from_be_bytes::<32>(take(&mut bytes)?),
                code_hash: match marks & CODE {
                    0 => KECCAK256_EMPTY,
                    _ => B256::from(take::<32>(&mut bytes)?),
                },
            }),
        };
        let mut slots = Vec::new();
        for _ in 0..take_count(&mut bytes)? {
            let slot = B256::from(take::<32>(&mut bytes)?);
            slots.push((slot, U256::from_be_bytes::<32>(take(&mut bytes)?)));
        }
        let wiped = marks & WIPED != 0;
        diff.accounts.push((key, HashedAccountDiff { account, wiped, slots }));
    }
    for _ in 0..take_count(&mut bytes)? {
        let hash = B256::from(take::<32>(&mut bytes)?);
        diff.codes.insert(hash, Bytes::copy_from_slice(take_bytes(&mut bytes)?));
    }
    bytes.is_empty().then_some(diff)
}

//! Parts of a state for nodes that join: bounded answers, each proved against the state's root.

use super::page::{PAGE_ACCOUNTS_MAX, PAGE_SLOTS_MAX, encode_accounts, encode_slots};
use crate::ledger::Checkpoint;
use alloy_primitives::{B256, Bytes};

/// Accounts whose slots are asked for together at most.
pub const STORAGES_MAX: usize = 256;
/// Codes of an answer at most.
pub const CODES_MAX: usize = 256;
/// Bytes of codes after which an answer has no more.
pub const CODES_BYTES_MAX: usize = 4 << 20;
/// Headers of an answer at most: as many as the `BLOCKHASH` instruction reaches.
pub const HEADERS_MAX: usize = 256;

impl Checkpoint {
    /// A page of the accounts from the key `first` on, of `count` rows, or of [`PAGE_ACCOUNTS_MAX`] where that is fewer.
    pub fn accounts(&self, first: &B256, count: usize) -> Bytes {
        let page = self.state.account_page(first, count.clamp(1, PAGE_ACCOUNTS_MAX));
        encode_accounts(&page).into()
    }

    /// A page of slots of each of `storages`, Keccak-256 of an address and the key to begin at, until they have [`PAGE_SLOTS_MAX`] rows together: at
    /// least one, and none after one that has more to come.
    pub fn slots(&self, storages: &[(B256, B256)]) -> Vec<Bytes> {
        let (mut pages, mut left) = (Vec::new(), PAGE_SLOTS_MAX);
        for (account, first) in storages.iter().take(STORAGES_MAX) {
            if left == 0 {
                break;
            }
            let page = self.state.slot_page(account, first, left);
            left -= page.rows.len();
            pages.push(encode_slots(&page).into());
            if page.more {
                break;
            }
        }
        pages
    }

    /// The codes with these hashes, until one is missing or they have [`CODES_BYTES_MAX`] bytes together.
    pub fn codes(&self, hashes: &[B256]) -> Vec<Bytes> {
        let (mut codes, mut bytes) = (Vec::new(), 0);
        for hash in hashes.iter().take(CODES_MAX) {
            let Some(code) = self.state.code(hash) else { break };
            bytes += code.len();
            codes.push(code);
            if bytes > CODES_BYTES_MAX {
                break;
            }
        }
        codes
    }
}

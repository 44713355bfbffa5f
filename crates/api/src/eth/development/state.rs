//! A development chain as JSON: what `--state` keeps and `anvil_dumpState` gives.
//!
//! ```json
//! {"version": 1, "chainId": "0x40da", "ahead": 0, "blocks": ["0x…"],
//!  "accounts": {"0x…": {"nonce": "0x1", "balance": "0x0", "code": "0x", "storage": {"0x…": "0x…"}}}}
//! ```
//!
//! A block is a record as the store has it ([`chain::store::record`]). `accounts` has the fields of anvil's own dumps.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use chain::{Image, StoreError, WholeAccount, store::record};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// The only version so far.
const VERSION: u32 = 1;

/// Why bytes are no state of a development chain.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// They are not the JSON that was to be there.
    #[error("not a development chain's state")]
    Malformed(#[from] serde_json::Error),
    /// Another version of Aloft wrote them.
    #[error("the state has version {found}, this program reads {VERSION}")]
    Version {
        /// The version found.
        found: u32,
    },
    /// A block's record does not decode.
    #[error("block {number} of the state")]
    Block {
        /// Its place in the list.
        number: usize,
        /// What is wrong with it.
        source: StoreError,
    },
}

/// A development chain as it is kept.
#[derive(Clone, Debug)]
pub struct SavedState {
    /// Blocks and accounts.
    pub image: Image,
    /// Seconds that the chain's clock is ahead of the machine's.
    pub ahead_s: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    version: u32,
    chain_id: U64,
    ahead: i64,
    blocks: Vec<Bytes>,
    accounts: BTreeMap<Address, Account>,
}

/// What loading into a running chain reads of a [`File`]: the accounts.
#[derive(Deserialize)]
struct Accounts {
    accounts: BTreeMap<Address, Account>,
}

#[derive(Serialize, Deserialize)]
struct Account {
    nonce: U64,
    balance: U256,
    #[serde(default)]
    code: Bytes,
    #[serde(default)]
    storage: BTreeMap<B256, B256>,
}

impl SavedState {
    /// The JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let Self { image, ahead_s } = self;
        let accounts = image.accounts.iter();
        let file = File {
            version: VERSION,
            chain_id: U64::from(image.chain_id),
            ahead: *ahead_s,
            blocks: image.blocks.iter().map(|block| record::encode(block).into()).collect(),
            accounts: accounts.map(|(address, whole)| (*address, whole.into())).collect(),
        };
        serde_json::to_vec(&file).expect("plain fields serialise")
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// [`StateError`]: what of it cannot be read.
    pub fn from_json(json: &[u8]) -> Result<Self, StateError> {
        let file: File = serde_json::from_slice(json)?;
        if file.version != VERSION {
            return Err(StateError::Version { found: file.version });
        }
        let blocks = file.blocks.iter().enumerate().map(|(number, bytes)| {
            let block = record::decode(bytes);
            block
                .map(Arc::new)
                .map_err(|source| StateError::Block { number, source })
        });
        Ok(Self {
            image: Image {
                chain_id: file.chain_id.to(),
                blocks: blocks.collect::<Result<_, _>>()?,
                accounts: whole(file.accounts),
            },
            ahead_s: file.ahead,
        })
    }
}

/// The accounts in a state's JSON.
pub(super) fn accounts(json: &[u8]) -> Result<BTreeMap<Address, WholeAccount>, StateError> {
    let Accounts { accounts } = serde_json::from_slice(json)?;
    Ok(whole(accounts))
}

fn whole(accounts: BTreeMap<Address, Account>) -> BTreeMap<Address, WholeAccount> {
    accounts
        .into_iter()
        .map(|(address, account)| (address, account.into()))
        .collect()
}

impl From<&WholeAccount> for Account {
    fn from(whole: &WholeAccount) -> Self {
        let slots = whole.slots.iter();
        Self {
            nonce: U64::from(whole.nonce),
            balance: whole.balance,
            code: whole.code.clone(),
            storage: slots.map(|(slot, value)| ((*slot).into(), (*value).into())).collect(),
        }
    }
}

impl From<Account> for WholeAccount {
    fn from(account: Account) -> Self {
        let storage = account.storage.into_iter();
        Self {
            nonce: account.nonce.to(),
            balance: account.balance,
            code: account.code,
            slots: storage.map(|(slot, value)| (slot.into(), value.into())).collect(),
        }
    }
}

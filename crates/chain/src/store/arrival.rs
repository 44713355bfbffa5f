//! A state that comes from others in parts, and is durable as far as it is here.
//!
//! | row of `meta` | value |
//! |---|---|
//! | `arrival` | header's length (4, big endian), header (RLP) of the block after which the state is; then nothing, or account (32), slot (32): where it goes on |
//! | `successors` | who votes in the epochs after that block, as far as the state names them: count (4), then for each epoch (8), count of validators (4), for each of them identity (32), count of vote keys (4), these (48 each) |
//! | `checkpoint` | the certificate of that block, once all is here |
//!
//! A part and how far the state is with it are one transaction: whenever the power fails, the next start goes on after the last part that was
//! whole. Until the block itself is written, with the last transaction, no ledger opens the file ([`StoreError::Unfinished`]). What comes is checked by
//! [`crate::sync`]; nothing here is.

#[cfg(test)]
mod tests;

use super::{
    BLOCKS, CHANGES, HEIGHTS, META, META_GENESIS, META_HEIGHT, Store, StoreError,
    pending::Pending,
    record,
    rows::{ACCOUNTS, CODES, Rows, SLOTS, slot_key},
};
use crate::{
    fields::{count, put_bytes, take, take_bytes, take_count},
    finality::FinalityProof,
    keys::{Committee, Identity, Validator, VoteKey},
    ledger::Sealed,
    sync::Successor,
};
use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U256};
use alloy_rlp::{Decodable as _, Encodable as _};
use commonware_codec::{DecodeExt as _, Encode as _, FixedSize as _};
use evm::Account;
use redb::{ReadableDatabase as _, TableDefinition, WriteTransaction};

/// Height and hash of blocks before the first that is here, for the `BLOCKHASH` instruction.
pub(super) const ANCESTORS: TableDefinition<u64, &[u8; 32]> = TableDefinition::new("ancestors");

const META_ARRIVAL: &str = "arrival";
const META_SUCCESSORS: &str = "successors";
const META_CHECKPOINT: &str = "checkpoint";

/// How far a state is that comes from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Header of the block after which the state is.
    pub header: Header,
    /// Where it goes on; `None` when all of it is here.
    pub next: Option<Position>,
}

/// A place in a state: all accounts before `account` are here with storage and code, and of `account` the slots before `slot`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Keccak-256 of an address.
    pub account: B256,
    /// Keccak-256 of a slot of that account.
    pub slot: B256,
}

impl Position {
    /// Before everything.
    pub const START: Self = Self {
        account: B256::ZERO,
        slot: B256::ZERO,
    };
}

/// Rows of a state that came together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Accounts by Keccak-256 of the address.
    pub accounts: Vec<(B256, Account)>,
    /// Slots: Keccak-256 of the account's address, that of the slot, the value.
    pub slots: Vec<(B256, B256, U256)>,
    /// Codes by their Keccak-256.
    pub codes: Vec<(B256, Bytes)>,
}

impl Store {
    /// How far the state is that is coming; `None` where none is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails or the stored bytes do not decode.
    pub fn arrival(&self) -> Result<Option<Arrival>, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        meta.get(META_ARRIVAL)?.map(|value| decode(value.value())).transpose()
    }

    /// Begins to take the state after the block with this header, in the network with that genesis block; goes on where the same was begun, and
    /// forgets what came of another.
    ///
    /// # Errors
    ///
    /// [`StoreError::Genesis`] where the file is of another network, [`StoreError::Begun`] where it has blocks.
    pub fn begin_arrival(&self, genesis: B256, header: &Header) -> Result<Arrival, StoreError> {
        if let Some(found) = self.genesis()?.filter(|found| *found != genesis) {
            return Err(StoreError::Genesis {
                found,
                expected: genesis,
            });
        }
        if let Some(height) = self.height()? {
            return Err(StoreError::Begun { height });
        }
        let begun = self.arrival()?;
        if let Some(begun) = begun.filter(|begun| begun.header == *header) {
            return Ok(begun);
        }
        let arrival = Arrival {
            header: header.clone(),
            next: Some(Position::START),
        };
        let write = self.database.begin_write()?;
        write.delete_table(ACCOUNTS)?;
        write.delete_table(SLOTS)?;
        write.delete_table(CODES)?;
        write.open_table(ACCOUNTS)?;
        write.open_table(SLOTS)?;
        write.open_table(CODES)?;
        {
            let mut meta = write.open_table(META)?;
            meta.insert(META_GENESIS, genesis.as_slice())?;
            meta.remove(META_SUCCESSORS)?;
        }
        put(&write, &arrival)?;
        write.commit()?;
        Ok(arrival)
    }

    /// Writes a part of the state that is coming, after which it goes on at `next`; durable when it returns.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is written then.
    ///
    /// # Panics
    ///
    /// Where [`Store::begin_arrival`] was not called.
    pub fn take_part(&self, part: &Part, next: Option<Position>) -> Result<(), StoreError> {
        let arrival = self.arrival()?.expect("a state was begun before its parts");
        let write = self.database.begin_write()?;
        {
            let mut rows = Rows::open(&write)?;
            for (key, account) in &part.accounts {
                rows.put_account(key, Some(account))?;
            }
            for (account, slot, value) in &part.slots {
                rows.put_slot(&slot_key(account, slot), *value)?;
            }
            let mut codes = write.open_table(CODES)?;
            for (hash, code) in &part.codes {
                codes.insert(&hash.0, code.as_ref())?;
            }
        }
        put(&write, &Arrival { next, ..arrival })?;
        Ok(write.commit()?)
    }

    /// Writes down who votes in the epochs after the block of the state that is coming: by them a later block can take its place.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is written then.
    pub fn put_successors(&self, successors: &[Successor]) -> Result<(), StoreError> {
        let write = self.database.begin_write()?;
        write
            .open_table(META)?
            .insert(META_SUCCESSORS, encode_successors(successors).as_slice())?;
        Ok(write.commit()?)
    }

    /// What [`Store::put_successors`] wrote for the state that is coming; nothing where it did not.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails or the stored bytes do not decode.
    pub fn successors(&self) -> Result<Vec<Successor>, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let Some(value) = meta.get(META_SUCCESSORS)? else {
            return Ok(Vec::new());
        };
        decode_successors(value.value()).ok_or(StoreError::Corrupt { what: "committee" })
    }

    /// Whether a code with this Keccak-256 is here.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails.
    pub fn has_code(&self, hash: &B256) -> Result<bool, StoreError> {
        let codes = self.database.begin_read()?.open_table(CODES)?;
        Ok(codes.get(&hash.0)?.is_some())
    }

    /// Ends what [`Store::begin_arrival`] began: from now on the file is a chain's, whose first block is `block`. `ancestors` are the hashes of the
    /// blocks before it, the nearest first; `certificate` makes it final.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; nothing is written then.
    pub fn finish_arrival(
        &self,
        block: &Sealed,
        ancestors: &[B256],
        certificate: &FinalityProof,
    ) -> Result<(), StoreError> {
        let _in_order = self.appending.lock().expect("no writer panics");
        let height = block.header.number;
        let write = self.database.begin_write()?;
        {
            let mut meta = write.open_table(META)?;
            meta.remove(META_ARRIVAL)?;
            meta.remove(META_SUCCESSORS)?;
            meta.insert(META_HEIGHT, height.to_be_bytes().as_slice())?;
            meta.insert(META_CHECKPOINT, certificate.encode().as_ref())?;
            write
                .open_table(BLOCKS)?
                .insert(height, record::encode(block).as_slice())?;
            write.open_table(HEIGHTS)?.insert(&block.hash.0, height)?;
            write.open_table(CHANGES)?.retain(|_, _| false)?;
            let mut rows = Rows::open(&write)?;
            for (index, transaction) in (0u32..).zip(&block.transactions) {
                rows.put_transaction(transaction.tx_hash(), (height, index))?;
            }
            let mut table = write.open_table(ANCESTORS)?;
            for (number, hash) in (0..height).rev().zip(ancestors) {
                table.insert(number, &hash.0)?;
            }
        }
        write.commit()?;
        let mut pending = self.pending.write().expect("no holder of the lock panics");
        *pending = Pending::new(pending.all().len(), height, height);
        Ok(())
    }

    /// The certificate of the block that the state came with; `None` where the chain is here from its genesis block on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] where the database fails or the stored bytes do not decode.
    pub fn checkpoint(&self) -> Result<Option<FinalityProof>, StoreError> {
        let meta = self.database.begin_read()?.open_table(META)?;
        let decoded = |bytes: &[u8]| FinalityProof::decode(bytes::Bytes::copy_from_slice(bytes));
        let found = meta.get(META_CHECKPOINT)?.map(|value| decoded(value.value()));
        found
            .transpose()
            .map_err(|_| StoreError::Corrupt { what: "certificate" })
    }

    /// Hash of a block before the first that is here, if it came with the state.
    pub(crate) fn ancestor(&self, height: u64) -> Result<Option<B256>, StoreError> {
        let ancestors = self.database.begin_read()?.open_table(ANCESTORS)?;
        Ok(ancestors.get(height)?.map(|hash| B256::from(*hash.value())))
    }
}

fn put(write: &WriteTransaction, arrival: &Arrival) -> Result<(), StoreError> {
    let mut header = Vec::with_capacity(arrival.header.length());
    arrival.header.encode(&mut header);
    let mut bytes = Vec::new();
    put_bytes(&header, &mut bytes);
    if let Some(Position { account, slot }) = arrival.next {
        bytes.extend(account);
        bytes.extend(slot);
    }
    write.open_table(META)?.insert(META_ARRIVAL, bytes.as_slice())?;
    Ok(())
}

fn decode(bytes: &[u8]) -> Result<Arrival, StoreError> {
    decode_arrival(bytes).ok_or(StoreError::Corrupt { what: "arrival" })
}

fn decode_arrival(mut bytes: &[u8]) -> Option<Arrival> {
    let mut header = take_bytes(&mut bytes)?;
    let arrival = Arrival {
        header: Header::decode(&mut header).ok()?,
        next: match bytes {
            [] => None,
            _ => Some(Position {
                account: B256::from(take::<32>(&mut bytes)?),
                slot: B256::from(take::<32>(&mut bytes)?),
            }),
        },
    };
    (header.is_empty() && bytes.is_empty()).then_some(arrival)
}

fn encode_successors(successors: &[Successor]) -> Vec<u8> {
    let mut out = count(successors.len()).to_vec();
    for Successor { epoch, committee } in successors {
        out.extend(epoch.to_be_bytes());
        out.extend(count(committee.validators().len()));
        for validator in committee.validators() {
            out.extend(validator.identity.encode());
            out.extend(count(validator.vote_keys.len()));
            validator.vote_keys.iter().for_each(|key| out.extend(key.encode()));
        }
    }
    out
}

fn decode_successors(mut bytes: &[u8]) -> Option<Vec<Successor>> {
    let bytes = &mut bytes;
    let mut successors = Vec::new();
    for _ in 0..take_count(bytes)? {
        let epoch = u64::from_be_bytes(take(bytes)?);
        let mut validators = Vec::new();
        for _ in 0..take_count(bytes)? {
            let identity = Identity::decode(bytes::Bytes::from(take::<{ Identity::SIZE }>(bytes)?.to_vec())).ok()?;
            let mut vote_keys = Vec::new();
            for _ in 0..take_count(bytes)? {
                let key = take::<{ VoteKey::SIZE }>(bytes)?.to_vec();
                vote_keys.push(VoteKey::decode(bytes::Bytes::from(key)).ok()?);
            }
            validators.push(Validator { identity, vote_keys });
        }
        let committee = Committee::new(&validators).ok()?;
        successors.push(Successor { epoch, committee });
    }
    bytes.is_empty().then_some(successors)
}

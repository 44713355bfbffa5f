//! A block as the `blocks` table holds it: what a node needs to serve it, without executing or recovering anything again.
//!
//! ```text
//! header length (4) | header (RLP) | length (4) | what the block says of the beacon ([`crate::beacon::news`]) | count (4) | count times: sender (20) | length (4) | transaction (EIP-2718)
//!                                             | count times: length (4) | receipt (RLP list of status, gas used up to and with it, logs)
//! ```
//!
//! Lengths are big endian. The block's hash is that of the header; a receipt is of its transaction's kind, and its bloom filter, most of
//! what it would take, is that of its logs.

use super::StoreError;
use crate::{
    beacon::news,
    fields::{count, put_bytes, take, take_bytes, take_count},
    ledger::Sealed,
};
use alloy_consensus::{Header, Receipt as ReceiptBody, TxEnvelope};
use alloy_eips::eip2718::{Decodable2718 as _, Encodable2718 as _};
use alloy_primitives::Address;
use alloy_rlp::{Decodable, Encodable};
use commonware_codec::Copying;
use evm::{Receipt, Transaction};

/// What a plain transfer takes with its receipt, give or take some; only sizes a first reservation.
const TRANSFER_BYTES: usize = 192;

/// The record of `block`.
pub fn encode(block: &Sealed) -> Vec<u8> {
    let mut out = Vec::with_capacity(block.transactions.len() * TRANSFER_BYTES);
    let mut header = Vec::with_capacity(block.header.length());
    block.header.encode(&mut header);
    put_bytes(&header, &mut out);
    out.extend(count(news::size(&block.beacon)));
    news::write(&block.beacon, &mut out);
    out.extend(count(block.transactions.len()));
    for transaction in &block.transactions {
        out.extend(transaction.signer());
        out.extend(count(transaction.encode_2718_len()));
        transaction.encode_2718(&mut out);
    }
    for receipt in &block.receipts {
        let body = receipt.as_receipt().expect("every kind of receipt has one");
        let fields: [&dyn Encodable; 3] = [&body.status, &body.cumulative_gas_used, &body.logs];
        let payload_length = fields.iter().map(|field| field.length()).sum();
        let list = alloy_rlp::Header {
            list: true,
            payload_length,
        };
        out.extend(count(list.length_with_payload()));
        list.encode(&mut out);
        fields.iter().for_each(|field| field.encode(&mut out));
    }
    out
}

/// Reads a record, which is our own unless the file was damaged.
///
/// # Errors
///
/// [`StoreError::Corrupt`] where the bytes are no record.
pub fn decode(bytes: &[u8]) -> Result<Sealed, StoreError> {
    decode_block(bytes).ok_or(StoreError::Corrupt { what: "block" })
}

fn decode_block(mut bytes: &[u8]) -> Option<Sealed> {
    let mut header_bytes = take_bytes(&mut bytes)?;
    let header = Header::decode(&mut header_bytes).ok()?;
    let mut beacon_bytes = Copying(take_bytes(&mut bytes)?);
    let beacon = news::read(&mut beacon_bytes)
        .ok()
        .filter(|_| beacon_bytes.0.is_empty())?;
    let count = take_count(&mut bytes)?;
    // A transaction takes at least its sender and length: damage cannot reserve more than a few times the record.
    let mut transactions = Vec::with_capacity(count.min(bytes.len() / 24));
    for _ in 0..count {
        let sender = Address::from(take::<20>(&mut bytes)?);
        let envelope = TxEnvelope::decode_2718_exact(take_bytes(&mut bytes)?).ok()?;
        transactions.push(Transaction::new_unchecked(envelope, sender));
    }
    let receipts: Option<Vec<_>> = transactions
        .iter()
        .map(|transaction| {
            Some(Receipt::from_typed(
                transaction.tx_type(),
                decode_receipt(take_bytes(&mut bytes)?)?,
            ))
        })
        .collect();
    if !bytes.is_empty() {
        return None;
    }
    Some(Sealed {
        hash: header.hash_slow(),
        header,
        beacon,
        transactions,
        receipts: receipts?,
    })
}

fn decode_receipt(mut bytes: &[u8]) -> Option<ReceiptBody> {
    let mut fields = alloy_rlp::Header::decode_bytes(&mut bytes, true).ok()?;
    let body = ReceiptBody {
        status: Decodable::decode(&mut fields).ok()?,
        cumulative_gas_used: Decodable::decode(&mut fields).ok()?,
        logs: Decodable::decode(&mut fields).ok()?,
    };
    (bytes.is_empty() && fields.is_empty()).then_some(body)
}

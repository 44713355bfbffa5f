//! What can be said of a transaction without looking at any account.

use super::{PoolError, PoolLimits};
use crate::block::{MAX_TRANSACTION_BYTES, read_transaction};
use alloy_consensus::{Transaction as _, TxEnvelope, transaction::SignerRecoverable as _};
use alloy_primitives::TxKind;
use commonware_codec::Error as CodecError;
use evm::Transaction;

/// First byte of an EIP-4844 transaction.
const BLOB_TYPE: u8 = 3;
/// Most bytes of creation code (EIP-3860).
const MAX_INIT_CODE_BYTES: usize = 49_152;

/// As [`check`], and recovers its sender: alone some 40 µs, most of what a transfer costs a validator.
pub(super) fn admit(raw: &[u8], chain_id: u64, limits: &PoolLimits) -> Result<Transaction, PoolError> {
    let envelope = check(raw, chain_id, limits)?;
    let sender = envelope.recover_signer().map_err(|_| PoolError::InvalidSignature)?;
    Ok(Transaction::new_unchecked(envelope, sender))
}

/// Decodes and checks `raw` but for its signature.
pub(super) fn check(raw: &[u8], chain_id: u64, limits: &PoolLimits) -> Result<TxEnvelope, PoolError> {
    if raw.len() > MAX_TRANSACTION_BYTES {
        return Err(PoolError::TooLarge {
            bytes: raw.len(),
            limit: MAX_TRANSACTION_BYTES,
        });
    }
    if raw.first() == Some(&BLOB_TYPE) {
        return Err(PoolError::UnsupportedType);
    }
    let envelope = read_transaction(raw).map_err(|error| PoolError::Malformed { reason: reason(&error) })?;
    check_terms(&envelope, chain_id, limits)?;
    Ok(envelope)
}

/// What a decoder says, with its cause.
fn reason(error: &CodecError) -> String {
    match error {
        CodecError::Wrapped(_, source) => source.to_string(),
        other => other.to_string(),
    }
}

fn check_terms(transaction: &TxEnvelope, chain_id: u64, limits: &PoolLimits) -> Result<(), PoolError> {
    match transaction.chain_id() {
        None => return Err(PoolError::Unprotected),
        Some(have) if have != chain_id => return Err(PoolError::WrongChain { have, want: chain_id }),
        Some(_) => {}
    }
    let (fee, tip) = (
        transaction.max_fee_per_gas(),
        transaction.max_priority_fee_per_gas().unwrap_or(0),
    );
    if tip > fee {
        return Err(PoolError::TipAboveFee { tip, fee });
    }
    if fee < limits.fee_min_wei {
        return Err(PoolError::Underpriced {
            fee,
            minimum: limits.fee_min_wei,
        });
    }
    let gas = transaction.gas_limit();
    if gas > limits.block_gas {
        return Err(PoolError::GasAboveBlock {
            gas,
            limit: limits.block_gas,
        });
    }
    let input = transaction.input().len();
    if transaction.kind() == TxKind::Create && input > MAX_INIT_CODE_BYTES {
        return Err(PoolError::InitCodeTooLarge {
            bytes: input,
            limit: MAX_INIT_CODE_BYTES,
        });
    }
    let minimum = intrinsic_gas(transaction);
    if gas < minimum {
        return Err(PoolError::IntrinsicGas { gas, minimum });
    }
    Ok(())
}

/// Gas a transaction needs before its first instruction: the yellow paper's `g0` with EIP-2028, 2930, 3860 and 7702, or the
/// floor that EIP-7623 sets for call data, whichever is more.
fn intrinsic_gas(transaction: &TxEnvelope) -> u64 {
    const TRANSACTION: u64 = 21_000;
    const CREATE: u64 = 32_000;
    const INIT_CODE_WORD: u64 = 2;
    const TOKEN: u64 = 4;
    const TOKEN_FLOOR: u64 = 10;
    const NONZERO_BYTE_TOKENS: u64 = 4;
    const LISTED_ADDRESS: u64 = 2_400;
    const LISTED_SLOT: u64 = 1_900;
    const AUTHORIZATION: u64 = 25_000;

    // No sum below can overflow: MAX_TRANSACTION_BYTES bounds every count by 131,072.
    let input = transaction.input();
    let zeros = input.iter().filter(|byte| **byte == 0).count() as u64;
    let tokens = zeros + (input.len() as u64 - zeros) * NONZERO_BYTE_TOKENS;
    let create = match transaction.kind() {
        TxKind::Create => CREATE + INIT_CODE_WORD * (input.len() as u64).div_ceil(32),
        TxKind::Call(_) => 0,
    };
    let listed = transaction.access_list().map_or(0, |list| {
        let slots: u64 = list.iter().map(|item| item.storage_keys.len() as u64).sum();
        list.len() as u64 * LISTED_ADDRESS + slots * LISTED_SLOT
    });
    let authorized = transaction
        .authorization_list()
        .map_or(0, |list| list.len() as u64 * AUTHORIZATION);
    (TRANSACTION + tokens * TOKEN + create + listed + authorized).max(TRANSACTION + tokens * TOKEN_FLOOR)
}

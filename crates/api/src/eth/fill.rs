//! `eth_fillTransaction`: what a client left out of a transaction, so that only the signature is missing.

use super::{account, call, error::EthError, fee};
use alloy_consensus::{SignableTransaction as _, TxEnvelope, TypedTransaction};
use alloy_eips::{BlockId, eip2718::Encodable2718 as _};
use alloy_primitives::{Bytes, Signature, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use chain::Ledger;
use serde::Serialize;

/// A filled transaction.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Filled {
    /// Its encoding (EIP-2718), with zeros in place of the signature.
    raw: Bytes,
    /// Its fields.
    tx: TxEnvelope,
}

/// As [`complete`], in the form that a client gets.
///
/// # Errors
///
/// As [`complete`].
pub(crate) fn fill(ledger: &Ledger, request: TransactionRequest) -> Result<Filled, EthError> {
    let tx: TxEnvelope = complete(ledger, request)?
        .into_signed(Signature::new(U256::ZERO, U256::ZERO, false))
        .into();
    Ok(Filled {
        raw: tx.encoded_2718().into(),
        tx,
    })
}

/// Chooses the nonce (after those waiting), the fees, the gas and the chain id where `request` leaves them open.
///
/// # Errors
///
/// [`EthError::Invalid`] for a transaction that cannot be meant, and whatever estimating its gas gives.
pub(crate) fn complete(ledger: &Ledger, mut request: TransactionRequest) -> Result<TypedTransaction, EthError> {
    let from = request
        .from
        .ok_or_else(|| EthError::Invalid("\"from\" says whose nonce to take, and is missing".into()))?;
    if request.to.is_none() {
        // No receiver is a creation, which needs code: without this a forgotten `to` would be one.
        if request.input.input().is_none_or(|code| code.is_empty()) {
            return Err(EthError::Invalid("contract creation without any data provided".into()));
        }
        request.to = Some(TxKind::Create);
    }
    // Checks what the fields say together, before any is chosen.
    call::read(ledger, request.clone())?;
    request.chain_id = Some(ledger.chain_id());
    if request.nonce.is_none() {
        request.nonce = Some(account::nonce(ledger, from, Some(BlockId::pending()))?);
    }
    if request.gas_price.is_none() {
        let base_fee = u128::from(evm::next_base_fee(&ledger.latest().header));
        let tip = match (request.max_priority_fee_per_gas, request.max_fee_per_gas) {
            (Some(tip), _) => tip,
            (None, Some(fee)) => fee::suggested_tip(ledger)?.min(fee),
            (None, None) => fee::suggested_tip(ledger)?,
        };
        request.max_priority_fee_per_gas = Some(tip);
        // Room for the base fee to double.
        let fee = base_fee.saturating_mul(2).saturating_add(tip);
        let fee = *request.max_fee_per_gas.get_or_insert(fee);
        if fee < tip {
            return Err(EthError::Invalid(format!(
                "maxFeePerGas ({fee}) < maxPriorityFeePerGas ({tip})"
            )));
        }
    }
    if request.gas.is_none() {
        request.gas = Some(call::estimate_gas(ledger, request.clone(), None, None)?);
    }
    request.normalize_input();
    request
        .build_typed_tx()
        .map_err(|_| EthError::Invalid("the fields do not make a transaction".into()))
}

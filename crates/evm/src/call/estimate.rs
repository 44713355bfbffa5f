//! The least gas limit with which a transaction succeeds.

use super::{CALL_GAS_MAX, CallEnd, CallRequest, run};
use crate::{
    block::{BlockContext, BlockHashes},
    state::State,
    transaction::Refusal,
};
use alloy_primitives::{Bytes, KECCAK256_EMPTY, U256};

/// Gas of a transfer to an address without code.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call with value hands to the callee on top (yellow paper, `G_callstipend`).
const STIPEND: u64 = 2_300;
/// An estimate may exceed the least sufficient limit by this share: each halving of the gap costs an execution. As geth.
const ERROR_RATIO: f64 = 0.015;

/// Why no gas limit makes the transaction succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EstimateError {
    /// It could not begin.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It reverts with these bytes.
    #[error("execution reverted")]
    Reverted(Bytes),
    /// It needs more than the sender, the request or this node allows.
    #[error("gas required exceeds allowance ({allowance})")]
    Allowance {
        /// The most that was tried.
        allowance: u64,
    },
    /// It stops by another fault.
    #[error("{0}")]
    Halted(String),
}

/// The least gas limit, within 1.5 %, with which `request` succeeds on top of `state`: geth's search.
///
/// # Errors
///
/// [`EstimateError`] where it fails with the highest limit allowed.
pub fn estimate_gas(
    state: &State,
    block: &BlockContext,
    chain_id: u64,
    hashes: &dyn BlockHashes,
    request: &CallRequest,
) -> Result<u64, EstimateError> {
    let limit = CALL_GAS_MAX.min(block.gas_limit);
    let mut high = match request.gas {
        Some(gas) if gas >= TRANSFER_GAS => gas.min(limit),
        _ => limit,
    };
    if let Some(affordable) = affordable_gas(state, request)? {
        high = high.min(affordable);
    }
    let attempt = |gas| {
        let request = CallRequest {
            gas: Some(gas),
            ..request.clone()
        };
        run(state, block, hashes, request.environment(chain_id, gas))
    };
    if is_transfer(state, request) && attempt(TRANSFER_GAS).is_ok_and(|outcome| outcome.succeeded()) {
        return Ok(TRANSFER_GAS);
    }
    let outcome = match attempt(high) {
        Err(Refusal::IntrinsicGas { .. }) => return Err(EstimateError::Allowance { allowance: high }),
        outcome => outcome?,
    };
    match outcome.end {
        CallEnd::Returned(_) => {}
        CallEnd::Reverted(data) => return Err(EstimateError::Reverted(data)),
        CallEnd::OutOfGas => return Err(EstimateError::Allowance { allowance: high }),
        CallEnd::Halted(fault) => return Err(EstimateError::Halted(fault)),
    }
    let sufficient = |gas| match attempt(gas) {
        Ok(outcome) => Ok(outcome.succeeded()),
        Err(Refusal::IntrinsicGas { .. }) => Ok(false),
        Err(other) => Err(other),
    };
    let mut low = outcome.gas_used - 1;
    // A call passes on 63/64 of its gas: what was used before the refund, over that, mostly suffices.
    let likely = (outcome.gas_used + outcome.gas_refunded + STIPEND) * 64 / 63;
    if likely < high {
        if sufficient(likely)? {
            high = likely;
        } else {
            low = likely;
        }
    }
    while low + 1 < high && (high - low) as f64 / high as f64 > ERROR_RATIO {
        // The answer is mostly near the low end: do not begin at a middle far above it.
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2));
        if sufficient(middle)? {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(high)
}

/// The gas that the sender's balance buys after the value, where the request names a price.
fn affordable_gas(state: &State, request: &CallRequest) -> Result<Option<u64>, Refusal> {
    let Some(price) = request.max_fee.filter(|price| *price > 0) else {
        return Ok(None);
    };
    let balance = state
        .account(&request.from.unwrap_or_default())
        .map_or(U256::ZERO, |account| account.balance);
    let left = balance.checked_sub(request.value).ok_or(Refusal::InsufficientFunds {
        balance,
        cost: request.value,
    })?;
    Ok(Some((left / U256::from(price)).saturating_to()))
}

fn is_transfer(state: &State, request: &CallRequest) -> bool {
    request.data.is_empty()
        && request.authorizations.is_empty()
        && request.access_list.is_none()
        && request.to.is_some_and(|to| {
            state
                .account(&to)
                .is_none_or(|account| account.code_hash == KECCAK256_EMPTY)
        })
}

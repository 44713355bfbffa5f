//! What an address has.

use super::{block, error::EthError};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use alloy_rpc_types_eth::{AccountInfo, EIP1186AccountProofResponse, EIP1186StorageProof, StorageValuesRequest};
use alloy_serde::JsonStorageKey;
use chain::Ledger;
use evm::State;
use std::collections::BTreeMap;

/// Slots that one proof, or one question for values, may cover.
const PROOF_SLOTS_MAX: usize = 1024;

fn at(ledger: &Ledger, id: Option<BlockId>) -> Result<State, EthError> {
    block::state(ledger, id).map(|(_, state)| state)
}

pub(crate) fn balance(ledger: &Ledger, address: Address, id: Option<BlockId>) -> Result<U256, EthError> {
    Ok(at(ledger, id)?
        .account(&address)
        .map_or(U256::ZERO, |account| account.balance))
}

/// The next nonce; for `pending`, after the transactions that wait in the pool.
pub(crate) fn nonce(ledger: &Ledger, address: Address, id: Option<BlockId>) -> Result<u64, EthError> {
    let nonce = at(ledger, id)?.account(&address).map_or(0, |account| account.nonce);
    if id.is_some_and(|id| id.is_pending()) {
        return Ok(ledger.pool().next_nonce(&address, nonce));
    }
    Ok(nonce)
}

pub(crate) fn code(ledger: &Ledger, address: Address, id: Option<BlockId>) -> Result<Bytes, EthError> {
    let state = at(ledger, id)?;
    Ok(state
        .account(&address)
        .and_then(|account| state.code(&account.code_hash))
        .unwrap_or_default())
}

pub(crate) fn storage(
    ledger: &Ledger,
    address: Address,
    slot: JsonStorageKey,
    id: Option<BlockId>,
) -> Result<B256, EthError> {
    Ok(at(ledger, id)?.storage(&address, slot.as_b256().into()).into())
}

/// Balance, nonce and code of an address at once.
pub(crate) fn info(ledger: &Ledger, address: Address, id: Option<BlockId>) -> Result<AccountInfo, EthError> {
    let state = at(ledger, id)?;
    let account = state.account(&address);
    Ok(AccountInfo {
        balance: account.map_or(U256::ZERO, |account| account.balance),
        nonce: account.map_or(0, |account| account.nonce),
        code: account
            .and_then(|account| state.code(&account.code_hash))
            .unwrap_or_default(),
    })
}

/// Many slots of many addresses at once, each whole 32 bytes.
pub(crate) fn storage_values(
    ledger: &Ledger,
    request: StorageValuesRequest,
    id: Option<BlockId>,
) -> Result<BTreeMap<Address, Vec<B256>>, EthError> {
    let slots: usize = request.0.values().map(Vec::len).sum();
    if slots > PROOF_SLOTS_MAX {
        return Err(EthError::Limit(format!(
            "more than {PROOF_SLOTS_MAX} slots in one request"
        )));
    }
    if slots == 0 {
        return Err(EthError::Invalid("empty request".into()));
    }
    let state = at(ledger, id)?;
    let values = request.0.into_iter().map(|(address, slots)| {
        let values = slots
            .into_iter()
            .map(|slot| state.storage(&address, slot.into()).into());
        (address, values.collect())
    });
    Ok(values.collect())
}

/// The account with proofs of itself and of some slots (EIP-1186).
pub(crate) fn proof(
    ledger: &Ledger,
    address: Address,
    slots: Vec<JsonStorageKey>,
    id: Option<BlockId>,
) -> Result<EIP1186AccountProofResponse, EthError> {
    if slots.len() > PROOF_SLOTS_MAX {
        return Err(EthError::Limit(format!(
            "more than {PROOF_SLOTS_MAX} slots in one proof"
        )));
    }
    let numbers: Vec<U256> = slots.iter().map(|slot| slot.as_b256().into()).collect();
    let proof = at(ledger, id)?.proof(&address, &numbers);
    let account = proof.account;
    let storage_proof = slots.into_iter().zip(proof.storage);
    Ok(EIP1186AccountProofResponse {
        address,
        balance: account.map_or(U256::ZERO, |account| account.balance),
        code_hash: account.map_or(KECCAK256_EMPTY, |account| account.code_hash),
        nonce: account.map_or(0, |account| account.nonce),
        storage_hash: proof.storage_root,
        account_proof: proof.proof,
        storage_proof: storage_proof
            .map(|(key, slot)| EIP1186StorageProof {
                key,
                value: slot.value,
                proof: slot.proof,
            })
            .collect(),
    })
}

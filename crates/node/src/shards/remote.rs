//! A chain behind a node's JSON-RPC.

use super::port::{Port, Proved};
use chain::FinalityProof;
use client::HttpProvider;
use commonware_codec::DecodeExt as _;
use contracts::ProviderError;
use evm::SlotProof;
use primitives::{Address, B256, Bytes, U256};
use serde::Deserialize;
use serde_json::json;

impl Port for HttpProvider {
    fn chain_id(&self) -> u64 {
        self.chain_id()
    }

    async fn finality(&self, height: u64) -> Result<Option<FinalityProof>, ProviderError> {
        let found: Option<Finality> = self
            .rpc()
            .call("aloft_getFinality", json!([U256::from(height)]))
            .await
            .map_err(|error| failed(&error))?;
        let Some(found) = found else { return Ok(None) };
        let proof = FinalityProof::decode(found.proof.0).map_err(|error| failed(&error))?;
        Ok(Some(proof))
    }

    async fn prove(&self, contract: Address, slots: Vec<B256>, number: u64) -> Result<Proved, ProviderError> {
        let params = json!([contract, slots, U256::from(number)]);
        let found: Account = self
            .rpc()
            .call("eth_getProof", params)
            .await
            .map_err(|error| failed(&error))?;
        let slots = found
            .storage_proof
            .into_iter()
            .zip(slots)
            .map(|(found, slot)| SlotProof {
                slot: slot.into(),
                value: found.value,
                proof: found.proof,
            });
        Ok(Proved {
            account: found.account_proof,
            slots: slots.collect(),
        })
    }
}

/// The fields of `aloft_getFinality` that are needed.
#[derive(Deserialize)]
struct Finality {
    proof: Bytes,
}

/// The fields of `eth_getProof` that are needed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    account_proof: Vec<Bytes>,
    storage_proof: Vec<Slot>,
}

#[derive(Deserialize)]
struct Slot {
    value: U256,
    proof: Vec<Bytes>,
}

/// A failure underneath, in its own words.
fn failed(error: &dyn std::error::Error) -> ProviderError {
    ProviderError::Transport {
        cause: error.to_string(),
    }
}

//! A chain as a relayer sees it.

use crate::provider::LedgerProvider;
use chain::{FinalityProof, consensus::Certificates};
use contracts::{Event, EventFilter, Mined, Provider, ProviderError, Request};
use evm::SlotProof;
use primitives::{Address, B256, Bytes};
use std::future::Future;

/// Slots of a contract, with what proves them against a state's root (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Nodes from the root towards the contract.
    pub account: Vec<Bytes>,
    /// The slots asked for, in that order.
    pub slots: Vec<SlotProof>,
}

/// A chain that can be read, written to, and asked for proofs.
pub trait Port: Provider {
    /// Its EIP-155 chain id.
    fn chain_id(&self) -> u64;

    /// Proof that the first block from `height` on that has a certificate is final; `None` while there is none.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Transport`] when the chain was not reached.
    fn finality(&self, height: u64) -> impl Future<Output = Result<Option<FinalityProof>, ProviderError>> + Send;

    /// Proof of some slots of a contract in the state after block `number`.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Transport`] when the chain was not reached, or does not keep that state any more.
    fn prove(
        &self,
        contract: Address,
        slots: Vec<B256>,
        number: u64,
    ) -> impl Future<Output = Result<Proved, ProviderError>> + Send;
}

/// The chain of the same process.
#[derive(Clone)]
pub struct LocalPort {
    provider: LedgerProvider,
    certificates: Certificates,
}

impl LocalPort {
    /// Reads and writes through `provider`, and takes proofs from `certificates` of the same chain.
    pub fn new(provider: LedgerProvider, certificates: Certificates) -> Self {
        Self { provider, certificates }
    }
}

/// Proof of some slots in the state that `provider`'s ledger has of block `number`.
pub(super) fn prove(
    provider: &LedgerProvider,
    contract: Address,
    slots: &[B256],
    number: u64,
) -> Result<Proved, ProviderError> {
    let state = provider.ledger().state_at(number);
    let state = state.ok_or_else(|| ProviderError::Transport {
        cause: format!("the state after block {number} is not kept any more"),
    })?;
    let slots: Vec<_> = slots.iter().map(|slot| (*slot).into()).collect();
    let proof = state.proof(&contract, &slots);
    Ok(Proved {
        account: proof.proof,
        slots: proof.storage,
    })
}

impl Port for LocalPort {
    fn chain_id(&self) -> u64 {
        self.provider.ledger().chain_id()
    }

    async fn finality(&self, height: u64) -> Result<Option<FinalityProof>, ProviderError> {
        let found = self.certificates.at_or_after(height).await;
        found.map_err(|error| ProviderError::Transport {
            cause: error.to_string(),
        })
    }

    async fn prove(&self, contract: Address, slots: Vec<B256>, number: u64) -> Result<Proved, ProviderError> {
        prove(&self.provider, contract, &slots, number)
    }
}

impl Provider for LocalPort {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        self.provider.call(to, data).await
    }

    async fn send(&self, request: Request) -> Result<Mined, ProviderError> {
        self.provider.send(request).await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, ProviderError> {
        self.provider.events(filter).await
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        self.provider.height().await
    }
}

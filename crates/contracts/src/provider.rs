//! The chain as a service sees it: call, send, events since a block.

use alloy_sol_types::SolCall;
use primitives::{Address, B256, Bytes, U256};
use std::future::Future;

/// A connection to the chain on behalf of one account. In process, over HTTP, or simulated.
pub trait Provider: Clone + Send + Sync + 'static {
    /// Runs a call on the latest final state and returns its output.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Reverted`] with the contract's revert data; [`ProviderError::Transport`] when the chain was not reached.
    fn call(&self, to: Address, data: Bytes) -> impl Future<Output = Result<Bytes, ProviderError>> + Send;

    /// Signs a transaction with the provider's account, sends it, and waits until it is final.
    ///
    /// # Errors
    ///
    /// As [`Provider::call`], and [`ProviderError::TimedOut`] when it did not become final in the provider's time; it still may.
    fn send(&self, request: Request) -> impl Future<Output = Result<Mined, ProviderError>> + Send;

    /// The events of final blocks that `filter` selects, in the order of the chain.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Transport`] when the chain was not reached or refused the range.
    fn events(&self, filter: EventFilter) -> impl Future<Output = Result<Vec<Event>, ProviderError>> + Send;

    /// Number of the latest final block.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Transport`] when the chain was not reached.
    fn height(&self) -> impl Future<Output = Result<u64, ProviderError>> + Send;
}

/// A transaction to be signed: fees, gas and nonce are the provider's business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Whom to call; `None` creates a contract.
    pub to: Option<Address>,
    /// Native coin to send, wei.
    pub value: U256,
    /// Call data, or creation code.
    pub data: Bytes,
}

/// A transaction that is final and succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// Hash of the transaction.
    pub hash: B256,
    /// Block that holds it.
    pub block: u64,
    /// Gas it used.
    pub gas_used: u64,
    /// Contract it created.
    pub created: Option<Address>,
}

/// Which events to return. Empty lists select everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Contracts that emitted them.
    pub addresses: Vec<Address>,
    /// First topics: hashes of the events' signatures.
    pub topic0: Vec<B256>,
    /// First block, inclusive.
    pub from_block: u64,
    /// Last block, inclusive; `None` is the latest.
    pub to_block: Option<u64>,
}

/// An event of a final block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Contract that emitted it.
    pub address: Address,
    /// Indexed fields; the first names the event.
    pub topics: Vec<B256>,
    /// The other fields, ABI-encoded.
    pub data: Bytes,
    /// Number of its block.
    pub block: u64,
    /// Hash of its transaction.
    pub transaction: B256,
    /// Its place among the events of its block.
    pub log_index: u64,
}

impl Event {
    /// Reads the event as `E`.
    ///
    /// # Errors
    ///
    /// When topics or data are not those of `E`.
    pub fn decode<E: alloy_sol_types::SolEvent>(&self) -> Result<E, alloy_sol_types::Error> {
        E::decode_raw_log_validate(self.topics.iter().copied(), &self.data)
    }
}

/// The chain did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The contract refused. `data` is its error, ABI-encoded; `reason` is that error as people read it.
    #[error("the contract refused: {reason}")]
    Reverted {
        /// As people read it.
        reason: String,
        /// As the contract returned it.
        data: Bytes,
    },
    /// The chain was not reached, or did not understand.
    #[error("reach the chain: {cause}")]
    Transport {
        /// What went wrong underneath.
        cause: String,
    },
    /// The transaction was sent, and was not final in time.
    #[error("transaction {transaction} was not final after {waited_ms} ms")]
    TimedOut {
        /// Hash of the transaction.
        transaction: B256,
        /// How long the provider waited, milliseconds.
        waited_ms: u64,
    },
}

impl ProviderError {
    /// A revert with the reason spelled out from `data`, by the errors of the protocol's contracts where they fit.
    pub fn reverted(data: Bytes) -> Self {
        Self::Reverted {
            reason: crate::revert::reason(&data),
            data,
        }
    }
}

/// A typed call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The chain did not do it.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The answer is not what the function returns: no contract is there, or another one.
    #[error("the answer of {contract} to {function} has another shape")]
    Output {
        /// Contract that was called.
        contract: Address,
        /// Signature of the function.
        function: &'static str,
        /// What did not fit.
        source: alloy_sol_types::Error,
    },
}

/// Calls a view function on the latest final state.
///
/// # Errors
///
/// As [`Provider::call`], and [`CallError::Output`] when the answer does not decode.
pub async fn read<C: SolCall + Sync>(provider: &impl Provider, to: Address, call: &C) -> Result<C::Return, CallError> {
    let output = provider.call(to, call.abi_encode().into()).await?;
    C::abi_decode_returns_validate(&output).map_err(|source| CallError::Output {
        contract: to,
        function: C::SIGNATURE,
        source,
    })
}

/// Sends a transaction that calls a function with `value` wei, and waits until it is final.
///
/// # Errors
///
/// As [`Provider::send`].
pub async fn write<C: SolCall + Sync>(
    provider: &impl Provider,
    to: Address,
    call: &C,
    value: U256,
) -> Result<Mined, ProviderError> {
    provider
        .send(Request {
            to: Some(to),
            value,
            data: call.abi_encode().into(),
        })
        .await
}

//! Errors as JSON-RPC clients expect them: codes and texts follow Ethereum's Go client, on which libraries match.

use super::simulate::code;
use alloy_primitives::Bytes;
use chain::{LedgerError, PoolError, StoreError};
use evm::{EstimateError, Refusal, SimulationError, TraceError};
use jsonrpsee::types::{
    ErrorObjectOwned,
    error::{INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE},
};

/// Code of an error without one of its own.
const SERVER_ERROR_CODE: i32 = -32000;
/// Code of a request that asks for more than a node gives at once (EIP-1474).
const LIMIT_EXCEEDED_CODE: i32 = -32005;
/// Code of a revert; the revert data are in the error's `data`.
const REVERTED_CODE: i32 = 3;
/// Code of a request for what a node has forgotten or never had (EIP-4444), as geth.
const HISTORY_GONE_CODE: i32 = 4444;

/// Why a request could not be answered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EthError {
    /// No final block has this number or hash.
    #[error("header not found")]
    UnknownBlock,
    /// The block is known, but so old that the state after it is gone.
    #[error("historical state of block {number} is not available: this node has those from block {oldest} on")]
    StateGone { number: u64, oldest: u64 },
    /// The node began with a later block.
    #[error("pruned history unavailable: this node's first block is {first}, not {number}")]
    HistoryGone { number: u64, first: u64 },
    /// A trace was asked of a block that is not there.
    #[error("block not found")]
    BlockNotFound,
    /// There is no such final transaction.
    #[error("transaction not found")]
    UnknownTransaction,
    /// Nothing was executed to make the genesis block, so nothing can be traced.
    #[error("genesis is not traceable")]
    GenesisTrace,
    /// An error that its method gives a code of its own.
    #[error("{1}")]
    Coded(i32, String),
    /// A parameter that cannot be meant.
    #[error("{0}")]
    Invalid(String),
    /// More than is given at once.
    #[error("{0}")]
    Limit(String),
    /// The call reverted with these data.
    #[error("{}", reverted_text(.0))]
    Reverted(Bytes),
    /// The call ran out of gas, or stopped by a fault.
    #[error("{0}")]
    Halted(String),
    /// The transaction could not begin.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The pool does not take the transaction.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// More transactions came than are looked at: the client can try again.
    #[error("too many transactions are waiting to be checked")]
    Busy,
    /// There is no such filter, or nobody asked for it in five minutes.
    #[error("filter not found")]
    UnknownFilter,
    /// A method of development chains was asked of another.
    #[error("{method} is there on a development chain only, not on a network's node: aloft up --dev runs one")]
    DevelopmentOnly { method: &'static str },
    /// The node does not sign for this account.
    #[error("unknown account {0}: send it signed, or call anvil_impersonateAccount first")]
    UnknownAccount(alloy_primitives::Address),
    /// The block did not come in time.
    #[error("the transaction was added to the pool but was not in a block within {seconds} s")]
    NotYetIncluded { seconds: u64 },
    /// The node's own fault.
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn reverted_text(data: &Bytes) -> String {
    match evm::revert_reason(data) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".into(),
    }
}

impl From<StoreError> for EthError {
    fn from(error: StoreError) -> Self {
        Self::Internal(error.into())
    }
}

impl From<LedgerError> for EthError {
    fn from(error: LedgerError) -> Self {
        if let LedgerError::Snapshots { .. } = error {
            return Self::Limit(error.to_string());
        }
        Self::Internal(error.into())
    }
}

impl From<EstimateError> for EthError {
    fn from(error: EstimateError) -> Self {
        match error {
            EstimateError::Refused(refusal) => Self::Refused(refusal),
            EstimateError::Reverted(data) => Self::Reverted(data),
            error @ (EstimateError::Allowance { .. } | EstimateError::Halted(_)) => Self::Halted(error.to_string()),
        }
    }
}

impl From<SimulationError> for EthError {
    fn from(error: SimulationError) -> Self {
        let code = match &error {
            SimulationError::Refused(Refusal::NonceTooLow { .. }) => code::NONCE_TOO_LOW,
            SimulationError::Refused(Refusal::NonceTooHigh { .. }) => code::NONCE_TOO_HIGH,
            SimulationError::Refused(Refusal::FeeBelowBase { .. }) => code::BASE_FEE,
            SimulationError::Refused(Refusal::IntrinsicGas { .. }) => code::INTRINSIC_GAS,
            SimulationError::Refused(Refusal::InsufficientFunds { .. }) => code::FUNDS,
            SimulationError::Refused(_) => SERVER_ERROR_CODE,
            SimulationError::BlockFull { .. } => code::BLOCK_GAS,
            SimulationError::GasSpent => LIMIT_EXCEEDED_CODE,
        };
        Self::Coded(code, error.to_string())
    }
}

impl From<TraceError> for EthError {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Refused(refusal) => Self::Refused(refusal),
            error @ TraceError::Tracer(_) => Self::Invalid(error.to_string()),
            error @ TraceError::TooLarge => Self::Limit(error.to_string()),
        }
    }
}

impl From<EthError> for ErrorObjectOwned {
    fn from(error: EthError) -> Self {
        let code = match &error {
            EthError::Reverted(_) => REVERTED_CODE,
            EthError::Coded(code, _) => *code,
            EthError::HistoryGone { .. } => HISTORY_GONE_CODE,
            EthError::Invalid(_) => INVALID_PARAMS_CODE,
            EthError::DevelopmentOnly { .. } => METHOD_NOT_FOUND_CODE,
            EthError::Limit(_) | EthError::Busy => LIMIT_EXCEEDED_CODE,
            EthError::Internal(source) => {
                tracing::error!(%source, "request failed");
                INTERNAL_ERROR_CODE
            }
            _ => SERVER_ERROR_CODE,
        };
        let text = error.to_string();
        match error {
            EthError::Reverted(data) => Self::owned(code, text, Some(data)),
            _ => Self::owned(code, text, None::<()>),
        }
    }
}

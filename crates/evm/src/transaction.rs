//! Signed transactions as revm takes them, and why one is refused.

use alloy_consensus::{Transaction as _, TxEnvelope, transaction::Recovered};
use alloy_primitives::U256;
use revm::{
    context::{TxEnv, either::Either},
    context_interface::result::InvalidTransaction,
};

/// A signed transaction with the address that signed it.
pub type Transaction = Recovered<TxEnvelope>;

/// Why a transaction cannot be in this block at this place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The sender has sent this nonce before: the transaction can never be in a block.
    #[error("nonce too low: the transaction's is {nonce}, the account's {account}")]
    NonceTooLow {
        /// The transaction's.
        nonce: u64,
        /// The sender's next.
        account: u64,
    },
    /// Transactions of the sender are missing before this one.
    #[error("nonce too high: the transaction's is {nonce}, the account's {account}")]
    NonceTooHigh {
        /// The transaction's.
        nonce: u64,
        /// The sender's next.
        account: u64,
    },
    /// The sender cannot pay the value and the most that the gas may cost.
    #[error("insufficient funds for gas * price + value: balance {balance}, cost {cost}")]
    InsufficientFunds {
        /// Wei the sender has.
        balance: U256,
        /// Wei the transaction may cost.
        cost: U256,
    },
    /// The transaction pays less than the block's base fee.
    #[error("max fee per gas less than block base fee: fee {fee}, base fee {base_fee}")]
    FeeBelowBase {
        /// The transaction's highest fee per gas, in wei.
        fee: u128,
        /// The block's base fee, in wei.
        base_fee: u64,
    },
    /// The chain has no blob space: data goes to the data availability lane.
    #[error("blob transactions are not supported by this chain")]
    Blobs,
    /// Signed for another chain.
    #[error("invalid chain id for signer")]
    WrongChain,
    /// The gas limit does not cover the cost of the transaction's own bytes.
    #[error("intrinsic gas too low: have {gas_limit}, want {intrinsic}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// The least it must be.
        intrinsic: u64,
    },
    /// Another rule of the transaction's own format.
    #[error("invalid transaction: {0}")]
    Invalid(InvalidTransaction),
    /// The EVM could not run it at all: a fault of a precompile's library, not of the sender.
    #[error("the transaction cannot be executed: {0}")]
    Fault(String),
}

impl Refusal {
    pub(crate) fn new(invalid: InvalidTransaction, fee: u128, base_fee: u64) -> Self {
        match invalid {
            InvalidTransaction::NonceTooLow { tx, state } => Self::NonceTooLow {
                nonce: tx,
                account: state,
            },
            InvalidTransaction::NonceTooHigh { tx, state } => Self::NonceTooHigh {
                nonce: tx,
                account: state,
            },
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => Self::InsufficientFunds {
                balance: *balance,
                cost: *fee,
            },
            InvalidTransaction::GasPriceLessThanBasefee => Self::FeeBelowBase { fee, base_fee },
            InvalidTransaction::InvalidChainId | InvalidTransaction::MissingChainId => Self::WrongChain,
            InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => Self::IntrinsicGas {
                gas_limit,
                intrinsic: initial_gas,
            },
            InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => Self::IntrinsicGas {
                gas_limit,
                intrinsic: gas_floor,
            },
            other => Self::Invalid(other),
        }
    }
}

/// What revm executes for a transaction.
///
/// # Errors
///
/// [`Refusal::Blobs`] for a blob transaction.
pub(crate) fn environment(transaction: Recovered<&TxEnvelope>) -> Result<TxEnv, Refusal> {
    if transaction.is_eip4844() {
        return Err(Refusal::Blobs);
    }
    Ok(environment_with_blobs(transaction))
}

/// As [`environment`], for a chain that has blobs.
pub(crate) fn environment_with_blobs(transaction: Recovered<&TxEnvelope>) -> TxEnv {
    TxEnv {
        tx_type: transaction.tx_type().into(),
        caller: transaction.signer(),
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        blob_hashes: transaction.blob_versioned_hashes().unwrap_or_default().to_vec(),
        max_fee_per_blob_gas: transaction.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: transaction
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(Either::Left)
            .collect(),
    }
}

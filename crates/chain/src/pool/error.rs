//! Why the pool refuses a transaction, in the words that wallets and libraries match on (those of Ethereum's Go client).

use alloy_primitives::U256;

/// Why a transaction was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The bytes are no EIP-2718 transaction, or not its canonical ones.
    #[error("transaction could not be decoded: {reason}")]
    Malformed {
        /// What the decoder found.
        reason: String,
    },
    /// More bytes than a node keeps of one transaction.
    #[error("oversized data: transaction size {bytes}, limit {limit}")]
    TooLarge {
        /// Encoded bytes.
        bytes: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// A type this chain does not carry (blobs have their own lane).
    #[error("transaction type not supported")]
    UnsupportedType,
    /// Signed for another chain.
    #[error("invalid chain id for signer: have {have} want {want}")]
    WrongChain {
        /// The transaction's chain id.
        have: u64,
        /// This chain's.
        want: u64,
    },
    /// Signed for no chain in particular, so that anyone could replay it elsewhere.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// No address can be recovered from the signature, or its `s` is in the upper half (EIP-2).
    #[error("invalid sender")]
    InvalidSignature,
    /// The tip is above the whole fee.
    #[error("max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}")]
    TipAboveFee {
        /// `maxPriorityFeePerGas`, in wei.
        tip: u128,
        /// `maxFeePerGas`, in wei.
        fee: u128,
    },
    /// More gas than a block holds.
    #[error("exceeds block gas limit: {gas} of {limit}")]
    GasAboveBlock {
        /// The transaction's gas limit.
        gas: u64,
        /// A block's.
        limit: u64,
    },
    /// Less gas than the transaction costs before its first instruction.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {minimum}")]
    IntrinsicGas {
        /// The transaction's gas limit.
        gas: u64,
        /// The least it needs.
        minimum: u64,
    },
    /// Creation code above EIP-3860's limit.
    #[error("max initcode size exceeded: code size {bytes}, limit {limit}")]
    InitCodeTooLarge {
        /// Creation code, in bytes.
        bytes: usize,
        /// Most bytes allowed.
        limit: usize,
    },
    /// The pool holds this very transaction.
    #[error("already known")]
    AlreadyKnown,
    /// The account already used this nonce.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The account's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// So far ahead of the account that the pool does not wait for what is between.
    #[error("nonce too high: next nonce {next}, tx nonce {nonce}")]
    NonceTooHigh {
        /// The account's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// The account cannot pay for its pooled transactions and this one.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}")]
    InsufficientFunds {
        /// What the account has left for this transaction, in wei.
        balance: U256,
        /// The most it may cost, in wei.
        cost: U256,
    },
    /// A fee below what the node accepts at all.
    #[error("transaction underpriced: gas fee cap {fee}, minimum needed {minimum}")]
    Underpriced {
        /// `maxFeePerGas`, in wei.
        fee: u128,
        /// Least accepted, in wei.
        minimum: u128,
    },
    /// Another transaction with this nonce is pooled, and this one does not pay a tenth more in both fees.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The pool is full of transactions that pay more.
    #[error("txpool is full")]
    Full,
}

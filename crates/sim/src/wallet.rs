//! A user with a key, who signs transfers.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256, keccak256};
use crypto::ecdsa::Secret;

/// A user's key.
#[derive(Clone)]
pub struct Wallet(Secret);

impl Wallet {
    /// The `index`-th user of a simulation; their keys are no secret.
    pub fn nth(index: u64) -> Self {
        let seed = keccak256(index.to_be_bytes());
        Self(Secret::from_bytes(&seed.0).expect("a hash is below the curve's order but for one in 2^128"))
    }

    /// The user's account.
    pub fn address(&self) -> Address {
        self.0.address()
    }

    /// A signed transfer of `value_wei`, as a node takes it.
    pub fn transfer(&self, chain_id: u64, nonce: u64, to: Address, value_wei: u64) -> Bytes {
        self.sign(TxEip1559 {
            chain_id,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(to),
            value: U256::from(value_wei),
            ..TxEip1559::default()
        })
    }

    /// Signs any transaction with a tip.
    pub fn sign(&self, transaction: TxEip1559) -> Bytes {
        let signature = self.0.sign(&transaction.signature_hash());
        let signature = Signature::from_raw_array(&signature).expect("a signature just made is one");
        TxEnvelope::from(transaction.into_signed(signature))
            .encoded_2718()
            .into()
    }
}

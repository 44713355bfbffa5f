//! A user with a key, who signs transfers.

use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use secp256k1::{Message, PublicKey, SecretKey, ecdsa::RecoverableSignature};

/// A user's key.
#[derive(Clone)]
pub struct Wallet {
    secret: SecretKey,
    address: Address,
}

impl Wallet {
    /// The `index`-th user of a simulation; their keys are no secret.
    pub fn nth(index: u64) -> Self {
        let seed = keccak256(index.to_be_bytes());
        let secret =
            SecretKey::from_secret_bytes(seed.0).expect("a hash is below the curve's order but for one in 2^128");
        let public = PublicKey::from_secret_key(&secret).serialize_uncompressed();
        Self {
            secret,
            address: Address::from_slice(&keccak256(&public[1..])[12..]),
        }
    }

    /// The user's account.
    pub fn address(&self) -> Address {
        self.address
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
        let message = Message::from_digest(transaction.signature_hash().0);
        let (id, compact) = RecoverableSignature::sign_ecdsa_recoverable(message, &self.secret).serialize_compact();
        let (r, s) = (B256::from_slice(&compact[..32]), B256::from_slice(&compact[32..]));
        let signature = Signature::from_scalars_and_parity(r, s, id.to_u8() == 1);
        TxEnvelope::from(transaction.into_signed(signature))
            .encoded_2718()
            .into()
    }
}

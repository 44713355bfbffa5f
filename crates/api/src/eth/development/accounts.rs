//! Transactions and signatures of accounts whose keys are here, and transactions of those that are only impersonated.

use super::{Bench, controls::Sealing, controls::Settings};
use crate::eth::{error::EthError, fill};
use alloy_consensus::{SignableTransaction as _, TxEnvelope};
use alloy_dyn_abi::TypedData;
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, U256, eip191_hash_message};
use alloy_rpc_types_eth::TransactionRequest;
use crypto::ecdsa::Secret;
use evm::Transaction;

impl Bench {
    /// Fills a transaction in, signs it if the key is here, and takes it. Where blocks are made at once, it is in one when this
    /// returns, unless it waits for another.
    pub(super) fn send(&self, request: TransactionRequest) -> Result<B256, EthError> {
        let hash = {
            let _in_order = self.sending.lock().expect("no holder of this lock panics");
            self.submit(request)?
        };
        if self.controls.settings().sealing == Sealing::Instant {
            self.controls.seal_all()?;
        }
        Ok(hash)
    }

    fn submit(&self, request: TransactionRequest) -> Result<B256, EthError> {
        let from = request
            .from
            .ok_or_else(|| EthError::Invalid("\"from\" is missing".into()))?;
        let key = self.keys.get(&from);
        if key.is_none() && !self.controls.settings().is_impersonated(&from) {
            return Err(EthError::UnknownAccount(from));
        }
        let ledger = self.chain().ledger();
        let unsigned = fill::complete(ledger, request)?;
        let Some(key) = key else {
            let envelope = TxEnvelope::from(unsigned.into_signed(signature_of_nobody(from)));
            let transaction = Transaction::new_unchecked(envelope, from);
            return Ok(self.chain().submit_unsigned(transaction)?);
        };
        let signature = signature(key, &unsigned.signature_hash());
        let envelope = TxEnvelope::from(unsigned.into_signed(signature));
        Ok(ledger.submit(&envelope.encoded_2718())?)
    }

    /// An account's signature of a message (EIP-191).
    pub(super) fn sign_message(&self, account: Address, message: &[u8]) -> Result<Bytes, EthError> {
        self.sign_digest(account, &eip191_hash_message(message))
    }

    /// An account's signature of typed data (EIP-712).
    pub(super) fn sign_data(&self, account: Address, data: &TypedData) -> Result<Bytes, EthError> {
        let digest = data
            .eip712_signing_hash()
            .map_err(|error| EthError::Invalid(format!("typed data: {error}")))?;
        self.sign_digest(account, &digest)
    }

    fn sign_digest(&self, account: Address, digest: &B256) -> Result<Bytes, EthError> {
        let key = self.keys.get(&account).ok_or(EthError::UnknownAccount(account))?;
        Ok(Bytes::copy_from_slice(&signature(key, digest).as_bytes()))
    }

    /// After the chain went back: tells those who poll and subscribe, and the chain what time it is again.
    pub(super) fn went_back(&self, settings: &Settings) {
        settings.tell_time(self.chain());
        self.node.rewound(self.chain().ledger().latest().header.number);
    }
}

impl Settings {
    fn is_impersonated(&self, account: &Address) -> bool {
        self.anyone_impersonated || self.impersonated.contains(account)
    }
}

fn signature(key: &Secret, digest: &B256) -> Signature {
    Signature::from_raw(&key.sign(digest)).expect("65 bytes just made by the signer")
}

/// In place of a signature, so that equal transactions of different senders have different hashes.
fn signature_of_nobody(sender: Address) -> Signature {
    Signature::new(U256::from_be_bytes(sender.into_word().0), U256::from(1), false)
}

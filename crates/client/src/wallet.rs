//! A wallet: one private key, the account it owns, and the keys derived from it.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use crypto::{ecdsa, envelope};
use primitives::{Address, B256, Bytes, hex};
use std::str::FromStr;

/// Derivation context of the key that files are encrypted to; changing it loses access to every file, so it never changes.
const ENVELOPE_CONTEXT: &str = "aloft/wallet/envelope/v1";

/// A private key that is not one.
#[derive(Debug, thiserror::Error)]
#[error("a private key is 64 hexadecimal digits, and neither zero nor above the curve's order")]
pub struct WalletError;

/// One account's private key.
#[derive(Debug)]
pub struct Wallet {
    secret: ecdsa::Secret,
}

impl Wallet {
    /// The wallet of a private key.
    ///
    /// # Errors
    ///
    /// [`WalletError`] when the bytes are zero or not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, WalletError> {
        Ok(Self {
            secret: ecdsa::Secret::from_bytes(bytes).ok_or(WalletError)?,
        })
    }

    /// The account.
    pub fn address(&self) -> Address {
        self.secret.address()
    }

    /// The secp256k1 key itself, for signing vouchers and receipts.
    pub fn secret(&self) -> &ecdsa::Secret {
        &self.secret
    }

    /// The X25519 key that this account's files are encrypted to, derived from the private key.
    pub fn envelope_secret(&self) -> envelope::RecipientSecret {
        let seed = zeroize::Zeroizing::new(blake3::derive_key(
            ENVELOPE_CONTEXT,
            &*zeroize::Zeroizing::new(self.secret.to_bytes()),
        ));
        envelope::RecipientSecret::from_seed(&seed)
    }

    /// A second wallet that depends on this one and a label, for accounts a process makes for itself.
    pub fn derive(&self, label: &str) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("aloft/wallet/child/v1");
        hasher.update(&*zeroize::Zeroizing::new(self.secret.to_bytes()));
        hasher.update(label.as_bytes());
        let child = zeroize::Zeroizing::new(*hasher.finalize().as_bytes());
        Self::from_bytes(&child).expect("a hash outside the curve's order has probability 2^-128")
    }

    /// Signs a transaction; returns its hash and its EIP-2718 bytes, ready to be sent.
    pub fn sign_transaction(&self, transaction: TxEip1559) -> (B256, Bytes) {
        let signature = self.secret.sign(&transaction.signature_hash());
        let signature = alloy_primitives::Signature::from_raw(&signature).expect("65 bytes just made by the signer");
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        (*envelope.tx_hash(), envelope.encoded_2718().into())
    }
}

impl FromStr for Wallet {
    type Err = WalletError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = zeroize::Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim(), &mut *bytes).map_err(|_| WalletError)?;
        Self::from_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::transaction::SignerRecoverable;
    use alloy_eips::eip2718::Decodable2718;
    use primitives::{CHAIN_ID, U256, address};

    const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn a_signed_transaction_is_from_the_wallet_that_signed_it() {
        let wallet: Wallet = KEY.parse().unwrap();
        let transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            gas_limit: 21_000,
            max_fee_per_gas: 2,
            to: address!("0000000000000000000000000000000000000001").into(),
            value: U256::from(7),
            ..Default::default()
        };
        let (hash, raw) = wallet.sign_transaction(transaction);
        let decoded = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        assert_eq!(*decoded.tx_hash(), hash);
        assert_eq!(decoded.recover_signer().unwrap(), wallet.address());
    }

    #[test]
    fn a_private_key_never_shows_in_debug_output() {
        let wallet: Wallet = KEY.parse().unwrap();
        assert!(!format!("{wallet:?}").contains("ac0974"));
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        let digits = "0".repeat(64);
        for text in ["", "0x12", "zz", digits.as_str()] {
            assert!(text.parse::<Wallet>().is_err());
        }
    }
}

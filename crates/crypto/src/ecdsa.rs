//! Ethereum's signatures: recoverable ECDSA over secp256k1, and the address a key owns.
//!
//! A signature is 65 bytes, `r (32) | s (32) | v (1)`, over a 32-byte digest. What [`recover`] accepts is what OpenZeppelin's
//! `ECDSA` accepts on chain: `v` is 27 or 28 and `s` is in the lower half of the group's order (EIP-2). Anything looser would give
//! one signature two spellings, and a voucher that is honoured here would revert when it is claimed.

use primitives::{Address, B256, keccak256};
use secp256k1::{
    Message, PublicKey, SecretKey,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use std::fmt;

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 65;

/// A signature as Ethereum writes it.
pub type Signature = [u8; SIGNATURE_BYTES];

/// Why 65 bytes are not a signature of a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The last byte is not 27 or 28.
    #[error("a signature's last byte is 27 or 28, not {v}")]
    RecoveryId {
        /// The last byte.
        v: u8,
    },
    /// `s` is in the upper half of the group's order.
    #[error("the signature is the malleable twin of another: its s is in the upper half")]
    HighS,
    /// No public key has this signature of this digest.
    #[error("the signature is not one of this digest by any key")]
    Unrecoverable,
}

/// A secp256k1 private key. Erased when dropped; its `Debug` form shows the address only.
#[derive(Clone)]
pub struct Secret {
    key: SecretKey,
    address: Address,
}

impl Secret {
    /// The key with these 32 big-endian bytes; `None` when they are zero or not below the group's order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let key = SecretKey::from_secret_bytes(*bytes).ok()?;
        let address = address_of(&key.public_key());
        Some(Self { key, address })
    }

    /// The address this key signs for.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The private bytes, for key files and key derivation only.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_secret_bytes()
    }

    /// Signs a digest. Deterministic (RFC 6979).
    pub fn sign(&self, digest: &B256) -> Signature {
        let (id, compact) =
            RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.key).serialize_compact();
        let mut signature = [0; SIGNATURE_BYTES];
        signature[..64].copy_from_slice(&compact);
        signature[64] = 27 + id.to_u8();
        signature
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.key.non_secure_erase();
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.address)
    }
}

/// The address whose key made `signature` over `digest`.
///
/// # Errors
///
/// [`SignatureError`] for signatures that contracts refuse, and for those that are nobody's.
pub fn recover(digest: &B256, signature: &Signature) -> Result<Address, SignatureError> {
    let [compact @ .., v] = signature;
    let id = match v {
        27 => RecoveryId::Zero,
        28 => RecoveryId::One,
        _ => return Err(SignatureError::RecoveryId { v: *v }),
    };
    let signature = RecoverableSignature::from_compact(compact, id).map_err(|_| SignatureError::Unrecoverable)?;
    let mut normalised = signature.to_standard();
    normalised.normalize_s();
    if normalised != signature.to_standard() {
        return Err(SignatureError::HighS);
    }
    let key = signature
        .recover_ecdsa(Message::from_digest(digest.0))
        .map_err(|_| SignatureError::Unrecoverable)?;
    Ok(address_of(&key))
}

/// Last 20 bytes of the Keccak-256 of the uncompressed key without its tag byte.
fn address_of(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::{address, hex};

    fn first_development_key() -> Secret {
        Secret::from_bytes(&hex!(
            "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
        ))
        .unwrap()
    }

    #[test]
    fn a_key_owns_the_address_that_wallets_show_for_it() {
        assert_eq!(
            first_development_key().address(),
            address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
        );
        assert!(Secret::from_bytes(&[0; 32]).is_none());
        assert!(Secret::from_bytes(&[0xff; 32]).is_none());
    }

    #[test]
    fn a_signature_names_its_signer_and_no_one_else() {
        let secret = first_development_key();
        let digest = keccak256("harvest");
        let signature = secret.sign(&digest);
        assert_eq!(recover(&digest, &signature).unwrap(), secret.address());
        assert_ne!(recover(&keccak256("other"), &signature).ok(), Some(secret.address()));
    }

    /// `(r, n - s, 1 - v)` verifies as well in plain ECDSA; accepting it would let anybody rename a signed voucher.
    #[test]
    fn the_other_spelling_of_a_signature_is_refused() {
        let order = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
        let digest = keccak256("harvest");
        let mut signature = first_development_key().sign(&digest);
        let mut borrow = 0i16;
        for i in (0..32).rev() {
            let difference = i16::from(order[i]) - i16::from(signature[32 + i]) - borrow;
            borrow = i16::from(difference < 0);
            signature[32 + i] = difference.rem_euclid(256) as u8;
        }
        signature[64] = 55 - signature[64];
        assert_eq!(recover(&digest, &signature), Err(SignatureError::HighS));
    }

    #[test]
    fn a_recovery_id_that_contracts_refuse_is_refused() {
        let digest = keccak256("harvest");
        let mut signature = first_development_key().sign(&digest);
        signature[64] -= 27;
        let v = signature[64];
        assert_eq!(recover(&digest, &signature), Err(SignatureError::RecoveryId { v }));
    }

    #[test]
    fn bytes_that_are_no_signature_are_nobodys() {
        let digest = keccak256("harvest");
        // r is zero; then above the order.
        for r in [0, 0xff] {
            let mut signature = [1; SIGNATURE_BYTES];
            signature[..32].fill(r);
            signature[64] = 27;
            assert_eq!(recover(&digest, &signature), Err(SignatureError::Unrecoverable));
        }
    }
}

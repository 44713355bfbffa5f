//! Ethereum's signatures: recoverable ECDSA over secp256k1, and the address a key owns.
//!
//! A signature is 65 bytes, `r (32) | s (32) | v (1)`, with `s` in the lower half of the order and `v` 27 or 28 when made here;
//! 0 and 1 are accepted for `v` too, because wallets send both.

use primitives::{Address, B256, keccak256};
use secp256k1::{
    Message, SecretKey,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use std::fmt;

/// A signature that is not one: wrong length, out of range, or of no public key.
#[derive(Debug, thiserror::Error)]
#[error("not a recoverable signature over this digest")]
pub struct RecoverError;

/// A secp256k1 private key. Erased when dropped; its `Debug` form shows the address only.
pub struct Secret {
    key: SecretKey,
    address: Address,
}

impl Secret {
    /// The key with these 32 big-endian bytes; `None` when they are zero or not below the group's order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let key = SecretKey::from_secret_bytes(*bytes).ok()?;
        let public = key.public_key().serialize_uncompressed();
        Some(Self {
            key,
            address: Address::from_slice(&keccak256(&public[1..])[12..]),
        })
    }

    /// The address this key signs for.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The private bytes, for key files and key derivation only.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_secret_bytes()
    }

    /// Signs a 32-byte digest: `r | s | v` with `v` 27 or 28. Deterministic (RFC 6979).
    pub fn sign(&self, digest: &B256) -> [u8; 65] {
        let (id, compact) =
            RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.key).serialize_compact();
        let mut signature = [0; 65];
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
/// [`RecoverError`] when the bytes are no signature, or when `s` is in the upper half of the order: the same signature would
/// otherwise have two spellings, and a receipt or voucher two names.
pub fn recover(digest: &B256, signature: &[u8]) -> Result<Address, RecoverError> {
    let [compact @ .., v] = <&[u8; 65]>::try_from(signature).map_err(|_| RecoverError)?;
    let id = match v {
        0 | 27 => RecoveryId::Zero,
        1 | 28 => RecoveryId::One,
        _ => return Err(RecoverError),
    };
    let signature = RecoverableSignature::from_compact(compact, id).map_err(|_| RecoverError)?;
    let mut normalised = signature.to_standard();
    normalised.normalize_s();
    if normalised != signature.to_standard() {
        return Err(RecoverError);
    }
    let public = signature
        .recover_ecdsa(Message::from_digest(digest.0))
        .map_err(|_| RecoverError)?;
    Ok(Address::from_slice(
        &keccak256(&public.serialize_uncompressed()[1..])[12..],
    ))
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
        assert!(recover(&digest, &signature[..64]).is_err());
        assert!(recover(&digest, &[signature.as_slice(), &[0]].concat()).is_err());
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
        assert!(recover(&digest, &signature).is_err());
    }
}

//! Ethereum's signatures: recoverable ECDSA over secp256k1, and the address a key owns.
//!
//! A signature is 65 bytes, `r (32) | s (32) | v (1)`, over a 32-byte digest. What [`recover`] accepts is what OpenZeppelin's
//! `ECDSA` accepts on chain: `v` is 27 or 28 and `s` is in the lower half of the group's order (EIP-2). Anything looser would give
//! one signature two spellings, and a voucher that is honoured here would revert when it is claimed.

#[cfg(target_arch = "x86_64")]
mod batch;
#[cfg(test)]
mod tests;

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

/// The signer of each pair of a digest and a signature, in order: what [`recover`] says of every one.
///
/// Where the processor has AVX-512 IFMA, eight signatures are worked out at once; the more, the less each costs.
pub fn recover_all(signatures: &[(B256, Signature)]) -> Vec<Result<Address, SignatureError>> {
    #[cfg(target_arch = "x86_64")]
    if batch::is_available() {
        return signatures
            .chunks(batch::SIGNATURES_MAX)
            .flat_map(batch::recover)
            .collect();
    }
    signatures
        .iter()
        .map(|(digest, signature)| recover(digest, signature))
        .collect()
}

/// Last 20 bytes of the Keccak-256 of the uncompressed key without its tag byte.
fn address_of(key: &PublicKey) -> Address {
    let [_, coordinates @ ..] = key.serialize_uncompressed();
    address_at(&coordinates)
}

/// The address of the key with these coordinates.
fn address_at(coordinates: &[u8; 64]) -> Address {
    Address::from_slice(&keccak256(coordinates)[12..])
}

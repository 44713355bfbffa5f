//! Ethereum signatures: 65 bytes `r (32) | s (32) | v (1)`, over a 32-byte digest.
//!
//! What [`recover`] accepts is what OpenZeppelin's `ECDSA` accepts on chain: `v` is 27 or 28 and `s` is in the lower half of
//! the group order. A voucher with any other signature would be served for nothing, because its claim would revert.

use primitives::{Address, B256, keccak256};
use secp256k1::{Message, PublicKey, SecretKey, ecdsa::RecoverableSignature, ecdsa::RecoveryId};

/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 65;
/// Half of secp256k1's group order: the largest `s` that is not malleable (EIP-2).
const HALF_ORDER: [u8; 32] = [
    0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e,
    0x73, 0x57, 0xa4, 0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
];

/// A signature as Ethereum writes it.
pub type Signature = [u8; SIGNATURE_BYTES];

/// Why a signature or a key is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The last byte is not 27 or 28.
    #[error("a signature's last byte is 27 or 28, not {v}")]
    RecoveryId {
        /// The last byte.
        v: u8,
    },
    /// `s` is in the upper half of the group order.
    #[error("the signature is the malleable twin of another: its s is in the upper half")]
    HighS,
    /// No public key has this signature of this digest.
    #[error("the signature is not one of this digest by any key")]
    Unrecoverable,
    /// 32 bytes that are zero or not below the group order.
    #[error("the bytes are not a secp256k1 secret key")]
    SecretKey,
}

/// A secp256k1 key and its address: signs digests as Ethereum accounts do (RFC 6979, so the same digest, the same signature).
#[derive(Clone)]
pub struct Signer {
    secret: SecretKey,
    address: Address,
}

impl Signer {
    /// The signer of a secret key.
    ///
    /// # Errors
    ///
    /// [`SignatureError::SecretKey`] when `bytes` are zero or not below the group order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, SignatureError> {
        let secret = SecretKey::from_secret_bytes(bytes).map_err(|_| SignatureError::SecretKey)?;
        let address = address_of(&secret.public_key());
        Ok(Self { secret, address })
    }

    /// The address whose signatures these are.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Signs a digest.
    pub fn sign(&self, digest: &B256) -> Signature {
        let signed = RecoverableSignature::sign_ecdsa_recoverable(Message::from_digest(digest.0), &self.secret);
        let (id, compact) = signed.serialize_compact();
        let mut signature = [0; SIGNATURE_BYTES];
        signature[..64].copy_from_slice(&compact);
        signature[64] = 27 + id.to_u8();
        signature
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The address that signed `digest`.
///
/// # Errors
///
/// [`SignatureError`] for signatures that contracts refuse, and for those that are nobody's.
pub fn recover(digest: &B256, signature: &Signature) -> Result<Address, SignatureError> {
    let v = signature[64];
    if !matches!(v, 27 | 28) {
        return Err(SignatureError::RecoveryId { v });
    }
    if signature[32..64] > HALF_ORDER[..] {
        return Err(SignatureError::HighS);
    }
    let id = RecoveryId::try_from(i32::from(v - 27)).map_err(|_| SignatureError::RecoveryId { v })?;
    RecoverableSignature::from_compact(&signature[..64], id)
        .and_then(|parsed| parsed.recover(Message::from_digest(digest.0)))
        .map(|key| address_of(&key))
        .map_err(|_| SignatureError::Unrecoverable)
}

/// Last 20 bytes of the Keccak-256 of the uncompressed key without its tag byte.
fn address_of(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use primitives::address;

    /// The first account of the well-known development mnemonic.
    const SECRET: [u8; 32] = primitives::b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80").0;

    #[test]
    fn an_address_is_the_one_every_wallet_shows() {
        let signer = Signer::from_bytes(SECRET).unwrap();
        assert_eq!(signer.address(), address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    }

    #[test]
    fn a_signature_recovers_to_its_signer_and_another_digest_does_not() {
        let signer = Signer::from_bytes(SECRET).unwrap();
        let digest = keccak256(b"a voucher");
        let signature = signer.sign(&digest);
        assert_eq!(recover(&digest, &signature), Ok(signer.address()));
        assert_ne!(recover(&keccak256(b"another"), &signature), Ok(signer.address()));
    }

    #[test]
    fn what_a_contract_would_refuse_is_refused() {
        let digest = keccak256(b"a voucher");
        let mut signature = Signer::from_bytes(SECRET).unwrap().sign(&digest);
        signature[64] -= 27;
        assert_eq!(
            recover(&digest, &signature),
            Err(SignatureError::RecoveryId { v: signature[64] })
        );
        signature[64] += 27;
        signature[32] = 0xff;
        assert_eq!(recover(&digest, &signature), Err(SignatureError::HighS));
        assert_eq!(
            recover(&digest, &[27; 65]).is_ok(),
            recover(&digest, &[27; 65]).is_ok(),
            "never panics"
        );
        assert_eq!(Signer::from_bytes([0; 32]).unwrap_err(), SignatureError::SecretKey);
    }
}

//! BLS12-381 signatures as Ethereum uses them: public keys in G1 (48 bytes), signatures in G2 (96 bytes).
//!
//! Many signatures of one message add up to one, checked by a single pairing product. Adding is only safe between keys whose
//! owners proved possession, else a key made from another's could sign in its name: check [`PublicKey::verify_possession`]
//! once, where a key is registered. Source: draft-irtf-cfrg-bls-signature-05, ciphersuite
//! `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_`; encodings of precompiles: EIP-2537.

#[cfg(test)]
mod tests;

use blst::{BLST_ERROR, blst_fp, blst_p2, blst_p2_affine, min_pk};
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use primitives::Address;
use std::fmt;
use zeroize::Zeroizing;

/// Separates signatures of messages from every other use of the curve.
pub const SIGNATURE_DST: &[u8] = b"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// Separates proofs of possession from signatures of messages, so that neither passes for the other.
pub const POSSESSION_DST: &[u8] = b"BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
/// Bytes of a compressed public key.
pub const PUBLIC_KEY_BYTES: usize = 48;
/// Bytes of a compressed signature.
pub const SIGNATURE_BYTES: usize = 96;

/// Why some bytes are not a key or a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlsError {
    /// The scalar is zero or not below the group's order.
    #[error("secret key is zero or not below the group's order")]
    SecretKey,
    /// The bytes are not a compressed point of G1's prime-order subgroup, or are its identity.
    #[error("public key is not a point of the group, or is its identity")]
    PublicKey,
    /// The bytes are not a compressed point of G2's prime-order subgroup.
    #[error("signature is not a point of the group")]
    Signature,
    /// There is no sum of no signatures.
    #[error("no signature to aggregate")]
    Empty,
}

/// A secret key: a scalar, wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct SecretKey(min_pk::SecretKey);

impl SecretKey {
    /// Derives a key from 32 secret bytes: `KeyGen` of the draft (HKDF-SHA-256), never zero.
    pub fn from_seed(ikm: &[u8; 32]) -> Self {
        Self(min_pk::SecretKey::key_gen(ikm, &[]).expect("KeyGen takes 32 bytes or more"))
    }

    /// Reads a big-endian scalar.
    ///
    /// # Errors
    ///
    /// [`BlsError::SecretKey`] when it is zero or not below the group's order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BlsError> {
        min_pk::SecretKey::from_bytes(bytes)
            .map(Self)
            .map_err(|_| BlsError::SecretKey)
    }

    /// The big-endian scalar.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The public key of this secret.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.sk_to_pk())
    }

    /// Signs `message`; the same message always gives the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message, SIGNATURE_DST, &[]))
    }

    /// Proves that `owner` holds this secret: a signature of [`Self::public_key`]'s own bytes, then `owner`'s, under [`POSSESSION_DST`].
    /// Without the owner in it, whoever sees the proof could show the key as its own.
    pub fn prove_possession(&self, owner: Address) -> Signature {
        let message = possession_message(&self.public_key(), owner);
        Signature(self.0.sign(&message, POSSESSION_DST, &[]))
    }
}

/// What a proof of possession signs: `key (48, compressed) | account (20)`.
fn possession_message(key: &PublicKey, owner: Address) -> [u8; PUBLIC_KEY_BYTES + 20] {
    let mut message = [0; PUBLIC_KEY_BYTES + 20];
    message[..PUBLIC_KEY_BYTES].copy_from_slice(&key.to_bytes());
    message[PUBLIC_KEY_BYTES..].copy_from_slice(owner.as_slice());
    message
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bls::SecretKey(..)")
    }
}

/// A public key: a point of G1's prime-order subgroup, never the identity.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(min_pk::PublicKey);

impl PublicKey {
    /// Reads a compressed point and checks that it is in the group; about 50 µs.
    ///
    /// # Errors
    ///
    /// [`BlsError::PublicKey`] when it is not on the curve, not in the subgroup, or the identity.
    pub fn from_bytes(bytes: &[u8; PUBLIC_KEY_BYTES]) -> Result<Self, BlsError> {
        min_pk::PublicKey::key_validate(bytes)
            .map(Self)
            .map_err(|_| BlsError::PublicKey)
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> [u8; PUBLIC_KEY_BYTES] {
        self.0.to_bytes()
    }

    /// Whether `signature` is this key's of `message`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        // Both points were checked when they were made.
        signature.0.verify(false, message, SIGNATURE_DST, &[], &self.0, false) == BLST_ERROR::BLST_SUCCESS
    }

    /// Whether `proof` is [`SecretKey::prove_possession`] of this key's secret by `owner`.
    pub fn verify_possession(&self, owner: Address, proof: &Signature) -> bool {
        let message = possession_message(self, owner);
        proof.0.verify(false, &message, POSSESSION_DST, &[], &self.0, false) == BLST_ERROR::BLST_SUCCESS
    }

    /// The point as EIP-2537 encodes G1: `0 (16) | x (48) | 0 (16) | y (48)`, big endian.
    pub fn to_eip2537(&self) -> [u8; 128] {
        let point: &blst::blst_p1_affine = (&self.0).into();
        let mut out = [0; 128];
        write_coordinate(&mut out[..64], &point.x);
        write_coordinate(&mut out[64..], &point.y);
        out
    }
}

/// A signature, or a sum of signatures: a point of G2's prime-order subgroup.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(min_pk::Signature);

impl Signature {
    /// Reads a compressed point and checks that it is in the group; about 60 µs. The identity is a point like any other: it
    /// is the sum of a signature and its inverse, and verifies under no key.
    ///
    /// # Errors
    ///
    /// [`BlsError::Signature`] when it is not on the curve or not in the subgroup.
    pub fn from_bytes(bytes: &[u8; SIGNATURE_BYTES]) -> Result<Self, BlsError> {
        min_pk::Signature::sig_validate(bytes, false)
            .map(Self)
            .map_err(|_| BlsError::Signature)
    }

    /// The compressed point.
    pub fn to_bytes(&self) -> [u8; SIGNATURE_BYTES] {
        self.0.to_bytes()
    }

    /// The sum of `signatures`.
    ///
    /// # Errors
    ///
    /// [`BlsError::Empty`] when there is none.
    pub fn aggregate(signatures: &[Signature]) -> Result<Signature, BlsError> {
        let points: Vec<&min_pk::Signature> = signatures.iter().map(|signature| &signature.0).collect();
        let sum = min_pk::AggregateSignature::aggregate(&points, false).map_err(|_| BlsError::Empty)?;
        Ok(Self(sum.to_signature()))
    }

    /// Whether this is the sum of one signature of `message` by each of `keys`, whose possession was proved. False when there
    /// is no key.
    pub fn fast_aggregate_verify(&self, keys: &[PublicKey], message: &[u8]) -> bool {
        let points: Vec<&min_pk::PublicKey> = keys.iter().map(|key| &key.0).collect();
        self.0.fast_aggregate_verify(false, message, SIGNATURE_DST, &points) == BLST_ERROR::BLST_SUCCESS
    }

    /// Whether this is the sum of a signature of `messages[i]` by `keys[i]` for every `i`, possession of the keys being
    /// proved. False when there is none, or when the counts differ.
    pub fn aggregate_verify(&self, keys: &[PublicKey], messages: &[&[u8]]) -> bool {
        if keys.is_empty() || keys.len() != messages.len() {
            return false;
        }
        let points: Vec<&min_pk::PublicKey> = keys.iter().map(|key| &key.0).collect();
        self.0.aggregate_verify(false, messages, SIGNATURE_DST, &points, false) == BLST_ERROR::BLST_SUCCESS
    }

    /// The point as EIP-2537 encodes G2: x then y, each as `c0 | c1`, each of those as `0 (16) | value (48)`, big endian.
    pub fn to_eip2537(&self) -> [u8; 256] {
        g2_to_eip2537((&self.0).into())
    }
}

/// The point of G2 that a signature of `message` multiplies, as EIP-2537 encodes it: what a contract computes before it checks
/// one.
pub fn hash_to_g2(message: &[u8]) -> [u8; 256] {
    hash_with_dst(message, SIGNATURE_DST)
}

/// RFC 9380's `BLS12381G2_XMD:SHA-256_SSWU_RO_` under the tag `dst`.
fn hash_with_dst(message: &[u8], dst: &[u8]) -> [u8; 256] {
    let mut point = blst_p2::default();
    let mut affine = blst_p2_affine::default();
    // SAFETY: every pointer is to a live value or slice with the length given; blst writes only `point` and `affine`.
    unsafe {
        blst::blst_hash_to_g2(
            &mut point,
            message.as_ptr(),
            message.len(),
            dst.as_ptr(),
            dst.len(),
            [].as_ptr(),
            0,
        );
        blst::blst_p2_to_affine(&mut affine, &point);
    }
    g2_to_eip2537(&affine)
}

fn g2_to_eip2537(point: &blst_p2_affine) -> [u8; 256] {
    let mut out = [0; 256];
    let coordinates = [&point.x.fp[0], &point.x.fp[1], &point.y.fp[0], &point.y.fp[1]];
    for (slot, coordinate) in out.chunks_exact_mut(64).zip(coordinates) {
        write_coordinate(slot, coordinate);
    }
    out
}

/// Writes a base-field element as the last 48 of 64 bytes, big endian.
fn write_coordinate(slot: &mut [u8], coordinate: &blst_fp) {
    let slot: &mut [u8; 48] = (&mut slot[16..64]).try_into().expect("64 - 16 bytes");
    // SAFETY: blst writes exactly 48 bytes, the length of `slot`, and reads one field element.
    unsafe { blst::blst_bendian_from_fp(slot.as_mut_ptr(), coordinate) }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bls::PublicKey(0x{})", primitives::hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bls::Signature(0x{})", primitives::hex::encode(self.to_bytes()))
    }
}

impl Write for PublicKey {
    fn write(&self, buf: &mut impl BufMut) {
        self.to_bytes().write(buf);
    }
}

impl Read for PublicKey {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Self::from_bytes(&ReadExt::read(buf)?).map_err(|_| Error::Invalid("bls::PublicKey", "not a point of the group"))
    }
}

impl FixedSize for PublicKey {
    const SIZE: usize = PUBLIC_KEY_BYTES;
}

impl Write for Signature {
    fn write(&self, buf: &mut impl BufMut) {
        self.to_bytes().write(buf);
    }
}

impl Read for Signature {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Self::from_bytes(&ReadExt::read(buf)?).map_err(|_| Error::Invalid("bls::Signature", "not a point of the group"))
    }
}

impl FixedSize for Signature {
    const SIZE: usize = SIGNATURE_BYTES;
}

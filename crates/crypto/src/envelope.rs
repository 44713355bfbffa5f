//! Keys sealed to their recipients: HPKE (RFC 9180), base mode, X25519-HKDF-SHA256 with AES-256-GCM.
//!
//! `envelope (80) = encapsulated key (32) | sealed content key (32) | tag (16)`
//!
//! Anyone may seal to a recipient, so an envelope says nothing of its sender: whoever needs that signs what it belongs to, and
//! gives that as `info`, without which the envelope does not open.

#[cfg(test)]
mod tests;

use crate::stream::Key;
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    kem::X25519HkdfSha256 as X25519,
};
use primitives::b256;
use rand_core::CryptoRng;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes of an envelope.
pub const ENVELOPE_BYTES: usize = 80;

/// The u-coordinates of low order, least byte first, in every encoding below 2^255: sealing to one of them would seal to
/// everyone. Source: RFC 7748 section 6.1 and the twist's points of the same order.
#[rustfmt::skip]
const LOW_ORDER: [[u8; 32]; 7] = [
    [0; 32],
    b256!("0100000000000000000000000000000000000000000000000000000000000000").0,
    b256!("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800").0,
    b256!("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157").0,
    b256!("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").0,
    b256!("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").0,
    b256!("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").0,
];

/// Why some bytes are not a recipient's key, or an envelope did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The key is of low order: anyone could open what is sealed to it.
    #[error("recipient's public key is of low order")]
    LowOrder,
    /// The envelope is not to this recipient, belongs to other `info`, or was changed.
    #[error("envelope does not open")]
    Unauthentic,
}

/// The secret of a recipient: an X25519 scalar, wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct RecipientSecret(<X25519 as hpke::Kem>::PrivateKey);

impl RecipientSecret {
    /// Derives a secret from 32 secret bytes: RFC 9180's `DeriveKeyPair`.
    pub fn from_seed(ikm: &[u8; 32]) -> Self {
        Self(X25519::derive_keypair(ikm).0)
    }

    /// The public key to seal to.
    pub fn public(&self) -> RecipientPublic {
        RecipientPublic(X25519::sk_to_pk(&self.0).to_bytes().into())
    }
}

impl fmt::Debug for RecipientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("envelope::RecipientSecret(..)")
    }
}

/// The public key of a recipient: an X25519 u-coordinate, not of low order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecipientPublic([u8; 32]);

impl RecipientPublic {
    /// Reads a u-coordinate.
    ///
    /// # Errors
    ///
    /// [`EnvelopeError::LowOrder`] when its shared secrets would be known to all.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, EnvelopeError> {
        // X25519 ignores the highest bit.
        let mut coordinate = *bytes;
        coordinate[31] &= 0x7f;
        if LOW_ORDER.contains(&coordinate) {
            Err(EnvelopeError::LowOrder)
        } else {
            Ok(Self(*bytes))
        }
    }

    /// The u-coordinate, least byte first.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }
}

/// Seals `key` to `recipient`, bound to `info`; about 70 µs.
pub fn wrap(rng: &mut impl CryptoRng, recipient: &RecipientPublic, key: &Key, info: &[u8]) -> [u8; ENVELOPE_BYTES] {
    let public = <X25519 as hpke::Kem>::PublicKey::from_bytes(&recipient.0).expect("any 32 bytes are a u-coordinate");
    let (encapsulated, sealed) = hpke::single_shot_seal_with_rng::<AesGcm256, HkdfSha256, X25519>(
        &OpModeS::Base,
        &public,
        info,
        key.as_bytes(),
        &[],
        rng,
    )
    .expect("only a key of low order cannot be sealed to");
    let mut envelope = [0; ENVELOPE_BYTES];
    envelope[..32].copy_from_slice(&encapsulated.to_bytes());
    envelope[32..].copy_from_slice(&sealed);
    envelope
}

/// Opens an envelope sealed to `secret` with the same `info`; about 60 µs.
///
/// # Errors
///
/// [`EnvelopeError::Unauthentic`] when it is to another, belongs to other `info`, or was changed.
pub fn unwrap(secret: &RecipientSecret, envelope: &[u8; ENVELOPE_BYTES], info: &[u8]) -> Result<Key, EnvelopeError> {
    let unauthentic = |_| EnvelopeError::Unauthentic;
    let encapsulated = <X25519 as hpke::Kem>::EncappedKey::from_bytes(&envelope[..32]).map_err(unauthentic)?;
    let bytes = hpke::single_shot_open::<AesGcm256, HkdfSha256, X25519>(
        &OpModeR::Base,
        &secret.0,
        &encapsulated,
        info,
        &envelope[32..],
        &[],
    )
    .map_err(unauthentic)?;
    let bytes = Zeroizing::new(bytes);
    Ok(Key::from_bytes(
        bytes[..].try_into().map_err(|_| EnvelopeError::Unauthentic)?,
    ))
}

impl Write for RecipientPublic {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl Read for RecipientPublic {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Self::from_bytes(&ReadExt::read(buf)?)
            .map_err(|_| Error::Invalid("envelope::RecipientPublic", "key of low order"))
    }
}

impl FixedSize for RecipientPublic {
    const SIZE: usize = 32;
}

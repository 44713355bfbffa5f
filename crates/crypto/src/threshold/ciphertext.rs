//! A content key, encrypted to an identity.

use super::{
    IDENTITY_DST, Identity, Released,
    points::{self, PublicKey},
};
use crate::scalar::Scalar;
use crate::stream::Key;
use blst::min_sig;
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Bytes of a ciphertext.
pub const CIPHERTEXT_BYTES: usize = super::KEY_BYTES + 32 + 32;

/// The released key is of another identity or committee, or the ciphertext is of another context, or was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ciphertext does not open to the released key")]
pub struct NotOpened;

/// A content key that opens to whom `threshold` members release the key of its identity.
///
/// `U = r·G2 (96, compressed) | V (32) | W (32)`; see the module's first lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext {
    u: PublicKey,
    v: [u8; 32],
    w: [u8; 32],
}

impl Ciphertext {
    /// Encrypts `key` to `identity` under the committee's key, bound to `context`; about 1 ms. Asks nobody.
    pub fn seal(
        rng: &mut impl CryptoRng,
        committee: &PublicKey,
        identity: &Identity,
        key: &Key,
        context: &[u8],
    ) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut seed[..]);
        let r = randomness(&seed, key, committee, identity, context);
        let u = PublicKey(r.sk_to_pk());
        // e(r·H(id), P) = e(H(id), P)^r, and multiplying in G1 is the cheapest.
        let shared = points::pairing(&r.sign(identity.0.as_ref(), IDENTITY_DST, &[]), &committee.0);
        Self {
            u,
            v: xor(&seed, &mask(&shared, &u)),
            w: xor(key.as_bytes(), &pad(&seed)),
        }
    }

    /// The content key; about 0.8 ms.
    ///
    /// # Errors
    ///
    /// [`NotOpened`], and then nothing is learnt but that.
    pub fn open(&self, released: &Released, context: &[u8]) -> Result<Key, NotOpened> {
        // e(s·H(id), r·G2) = e(r·H(id), s·G2).
        let shared = points::pairing(&released.point, &self.u.0);
        let seed = Zeroizing::new(xor(&self.v, &mask(&shared, &self.u)));
        let key = Key::from_bytes(xor(&self.w, &pad(&seed)));
        let r = randomness(&seed, &key, &released.committee, &released.identity, context);
        if PublicKey(r.sk_to_pk()) == self.u {
            Ok(key)
        } else {
            Err(NotOpened)
        }
    }
}

/// `r`: fixed by all that a ciphertext depends on, so that whoever opens it can make it again and compare.
fn randomness(
    seed: &[u8; 32],
    key: &Key,
    committee: &PublicKey,
    identity: &Identity,
    context: &[u8],
) -> min_sig::SecretKey {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/threshold/randomness/v1");
    hasher.update(seed).update(key.as_bytes());
    // All of fixed length but the last.
    hasher.update(&committee.to_bytes()).update(identity.0.as_ref());
    hasher.update(context);
    let mut bytes = Zeroizing::new([0; 64]);
    hasher.finalize_xof().fill(&mut bytes[..]);
    let scalar = Zeroizing::new(Scalar::reduce(&bytes));
    min_sig::SecretKey::from_bytes(&scalar.to_secret_bytes()[..]).expect("a hash is zero with probability 2^-255")
}

/// What hides the seed: known to whoever knows `r`, or the identity's key.
fn mask(shared: &[u8; 576], u: &PublicKey) -> Zeroizing<[u8; 32]> {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/threshold/mask/v1");
    hasher.update(shared).update(&u.to_bytes());
    Zeroizing::new(hasher.finalize().into())
}

/// What hides the content key: known to whoever knows the seed.
fn pad(seed: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(blake3::derive_key("aloft/threshold/pad/v1", seed))
}

fn xor(a: &[u8; 32], b: &[u8; 32]) -> [u8; 32] {
    std::array::from_fn(|i| a[i] ^ b[i])
}

impl Write for Ciphertext {
    fn write(&self, buf: &mut impl BufMut) {
        self.u.write(buf);
        self.v.write(buf);
        self.w.write(buf);
    }
}

impl Read for Ciphertext {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let u = PublicKey::read(buf)?;
        let (v, w) = (ReadExt::read(buf)?, ReadExt::read(buf)?);
        Ok(Self { u, v, w })
    }
}

impl FixedSize for Ciphertext {
    const SIZE: usize = CIPHERTEXT_BYTES;
}

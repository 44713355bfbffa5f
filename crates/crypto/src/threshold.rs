//! Keys that a committee releases: identity-based encryption whose master secret no one holds.
//!
//! A secret `s` is shared among `n` members so that any `t` can act for it and fewer know nothing of it (Shamir 1979). A content
//! key is encrypted to an *identity* under the committee's public key `P = s·G2`, without asking anyone. A member that finds the
//! identity's conditions met releases `s_i·H(identity)`; any `t` such shares add up to `s·H(identity)`, which opens everything that
//! was encrypted to this identity, and nothing else. Each share is checked against the member's public share by a pairing.
//!
//! ```text
//! public key    s·G2                                 (96, compressed)   share of it   s_i·G2, s_i = f(i + 1), f of degree t - 1
//! released      s·H(id)                              (48, compressed)   share of it   s_i·H(id)
//! check         e(s_i·H(id), G2) = e(H(id), s_i·G2)
//! ciphertext    U = r·G2 (96) | V = seed ^ mask(e(r·H(id), P)) (32) | W = key ^ pad(seed) (32),  r = hash(seed, key, ..)
//! ```
//!
//! This is Boneh and Franklin's FullIdent (2001) as Seal and tlock deploy it: with the Fujisaki–Okamoto check of `U`, a ciphertext
//! that was changed, moved to another identity, or made for another `context` does not open. (The key commitment of
//! [`crate::stream`] alone would already keep a wrong key from decrypting anything; the check costs one multiplication, names the
//! fault, and makes the scheme secure against chosen ciphertexts, on which nothing outside this module then depends.) Hashing to
//! the curve is RFC 9380's `BLS12381G1_XMD:SHA-256_SSWU_RO_` under [`IDENTITY_DST`].
//!
//! The keys are the committee's own for this use: a share is what a BLS signature of the identity would be, so a key that also
//! signs would let whoever obtains signatures decrypt.
//!
//! What `t` members can do together they can do at any time: the conditions are kept by their honesty, not by mathematics. And a
//! released key is the identity's, not the reader's: a reader can pass it on, as it can pass on the content.

mod ciphertext;
mod committee;
mod dealt;
mod points;
mod share;
#[cfg(test)]
mod tests;

pub use ciphertext::{CIPHERTEXT_BYTES, Ciphertext, NotOpened};
pub use committee::{CombineError, Combined, Committee, CommitteeError, MEMBERS_MAX, Released};
pub use dealt::DealtThresholdKeys;
pub use points::{KEY_BYTES, PointError, PublicKey};
pub use share::{ReleaseShare, SHARE_BYTES, SecretShare, ShareError};

use primitives::Digest;

/// Separates hashing of identities to the curve from every other use of it.
pub const IDENTITY_DST: &[u8] = b"ALOFT_THRESHOLD_IDENTITY_BLS12381G1_XMD:SHA-256_SSWU_RO_V1_";

/// What a key is encrypted to: a digest of the conditions of its release, made by the protocol that knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(pub Digest);

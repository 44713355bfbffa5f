//! The randomness beacon: one value for each height, which nobody can choose or foresee.
//!
//! The seats of a committee hold shares of one key. The value of height `h` is their threshold signature of `h`: `2f + 1` of `3f + 1` can
//! make it, whichever they are it is the same, and none signs before block `h` is final. A leader puts values into its block ([`news`]), the
//! others check them before they vote, and a system call writes them into `RandomnessBeacon`.
//!
//! The first epoch's committee makes the key, with no dealer that would know it; every later epoch hands it on to the next epoch's committee
//! ([`crypto::ceremony`]). [`ceremony`] is a validator's part in that, dealers post their logs to the
//! contract, [`conclusion`] is what blocks say of them, [`values`] gathers signatures, [`rules`] says what a block may bring. All of that has no
//! clock, no socket and no disk: those are [`actor`]'s and [`vault`]'s. See docs/spec/chain.md#beacon.

mod actor;
mod ceremony;
mod conclusion;
mod message;
pub mod news;
mod plan;
mod ready;
mod rules;
mod schedule;
mod state;
#[cfg(test)]
mod tests;
mod values;
mod vault;

pub(crate) use actor::{Setup, run};
pub use ceremony::Post;
pub(crate) use message::max_message_bytes;
pub(crate) use ready::{Beacon, without_beacon};
pub use state::{BeaconState, KeyBytes, RecordedSharing, SignatureBytes, Standing, StateError};

use alloy_primitives::B256;
use commonware_cryptography::bls12381::{
    self,
    primitives::variant::{self, MinSig, Variant},
};

/// A seat's vote key, the name it goes by in ceremonies.
type SeatKey = bls12381::PublicKey;
/// Its secret.
type SeatSecret = bls12381::PrivateKey;
/// A value's signature: a point of G1.
type Signature = <MinSig as Variant>::Signature;
/// The committee's public key: a point of G2.
type PublicKey = <MinSig as Variant>::Public;
/// A signature by one share.
type PartialSignature = variant::PartialSignature<MinSig>;
/// What a ceremony comes to.
type Output = crypto::ceremony::Outcome<SeatKey>;
/// A dealer's commitment, which all may see.
type DealerPublic = crypto::ceremony::DealerPublic;
/// A dealer's secret message to one player.
type DealerShare = crypto::ceremony::DealerShare;
/// A player's acknowledgement of it.
type PlayerAck = crypto::ceremony::PlayerAck<SeatKey>;

/// What everything that is signed for a network's beacon begins with: `aloft-beacon | chain id (8, big endian) | prevRandao of the genesis
/// block (32)`, as votes do.
pub fn namespace(chain_id: u64, prev_randao: B256) -> Vec<u8> {
    [b"aloft-beacon".as_slice(), &chain_id.to_be_bytes(), &prev_randao.0].concat()
}

/// What the signature of a height signs, after the namespace.
fn message_of(height: u64) -> [u8; 8] {
    height.to_be_bytes()
}

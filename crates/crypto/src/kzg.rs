//! KZG commitments to at most 128 field elements: the first 128 slots of an EIP-4844 blob, whose others are zero.
//!
//! Commitments and openings are exactly EIP-4844's for that blob, so any verifier of it (the EVM's point-evaluation precompile
//! for one) checks ours. Since 3,968 slots are always zero, a commitment sums 128 points instead of 4,096, and what the zero
//! slots add to an opening is one fixed point for each place. `kzg/setup.bin` holds those points, derived by
//! `examples/kzg_setup.rs` from the setup of Ethereum's ceremony:
//!
//! `128 × [L_i]1 (96) | 128 × Σ_{j ≥ 128} [L_j]1 / (w_j - w_i) (96) | [τ]2 (192)`, blst's uncompressed points, in the blob's
//! bit-reversed order; `w_i` is the point at which slot `i` is the value.

mod all;
mod batch;
mod commitments;
mod setup;
mod subgroup;
#[cfg(test)]
mod tests;

pub use all::open_all;
pub use batch::{BatchError, Claim, verify_batch};
pub use commitments::verify_commitments;

use crate::scalar::Scalar;
use blst::{BLST_ERROR, blst_p1, blst_p1_affine};
use bytes::BufMut;
use commonware_codec::{Buf, Error, FixedSize, Read, ReadExt, Write};
use primitives::{Digest, hex};
use setup::Setup;
use std::fmt;

/// Most leaves a commitment lists: as many as the slots whose points are embedded.
pub const LEAVES_MAX: usize = 128;
/// Bytes of a commitment and of an opening: a compressed point of G1.
pub const POINT_BYTES: usize = 48;

macro_rules! point48 {
    ($(#[$doc:meta])* $name:ident, $text:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; POINT_BYTES]);

        impl $name {
            /// The compressed point.
            pub fn to_bytes(&self) -> [u8; POINT_BYTES] {
                self.0
            }

            /// The sum of `points`: what they say of different places holds of all of them together. `None` when one is no point of the
            /// group.
            pub fn sum<'a>(points: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
                points
                    .into_iter()
                    .try_fold(blst_p1::default(), |sum, point| {
                        Some(setup::add(&sum, &setup::from_affine(&uncompress(&point.0)?)))
                    })
                    .map(|sum| Self(compress(&sum)))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($text, "(0x{})"), hex::encode(self.0))
            }
        }

        impl Write for $name {
            fn write(&self, buf: &mut impl BufMut) {
                self.0.write(buf);
            }
        }

        impl Read for $name {
            type Cfg = ();

            fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
                Ok(Self(ReadExt::read(buf)?))
            }
        }

        impl FixedSize for $name {
            const SIZE: usize = POINT_BYTES;
        }
    };
}

point48! {
    /// A commitment as received: 48 bytes, not known to be a point until something verifies against it.
    Commitment, "kzg::Commitment"
}

point48! {
    /// Proof that a commitment lists a leaf at a place, as received: 48 bytes.
    Opening, "kzg::Opening"
}

/// The field element of a digest: its first 31 bytes as a big-endian number, so that every digest has one.
///
/// Dropping a byte leaves 124 bits against collisions, the curve's own strength.
pub fn scalar(digest: &Digest) -> [u8; 32] {
    let mut scalar = [0; 32];
    scalar[1..].copy_from_slice(&digest.as_bytes()[..31]);
    scalar
}

/// Commits to `leaves`, big-endian field elements; about 1.3 ms.
///
/// # Panics
///
/// When there are more than [`LEAVES_MAX`] leaves, or one is not below the field's order.
pub fn commit(leaves: &[[u8; 32]]) -> Commitment {
    let leaves = elements(leaves);
    Commitment(compress(&Setup::get().sum_of_lagrange(&leaves)))
}

/// Proves what leaf `index` of `leaves` is; about 1.7 ms.
///
/// # Panics
///
/// As [`commit`], and when there is no leaf `index`.
pub fn open(leaves: &[[u8; 32]], index: usize) -> Opening {
    assert!(index < leaves.len(), "leaf {index} of {}", leaves.len());
    let setup = Setup::get();
    let mut values = elements(leaves);
    values.resize(LEAVES_MAX, Scalar::ZERO);
    let y = values[index];
    // The quotient (f - y) / (X - w) in evaluation form. Away from `index`, divide; slot by slot.
    let mut quotient = vec![Scalar::ZERO; LEAVES_MAX];
    let mut weighted = Scalar::ZERO;
    for slot in (0..LEAVES_MAX).filter(|&slot| slot != index) {
        quotient[slot] = (values[slot] - y) * setup.inverse_difference(slot, index);
        weighted = weighted + quotient[slot] * setup.point(slot);
    }
    // At `index`, l'Hôpital: -Σ q_j w_j / w. The zero slots' share of the sum has a closed form: over all the N-th roots of
    // unity, Σ w_j / (w - w_j) is -(N - 1) / 2, so the 4,096 less the 128 leave -1984, times -y.
    quotient[index] = (Scalar::from_u64(ZERO_SLOTS as u64 / 2) * y - weighted) * setup.inverse_point(index);
    Opening(compress(&setup::add(
        &setup.sum_of_lagrange(&quotient),
        &setup.share_of_zero_slots(index, -y),
    )))
}

/// Slots of the blob that are always zero.
const ZERO_SLOTS: usize = 4096 - LEAVES_MAX;

/// Whether `opening` proves that leaf `index` under `commitment` is `leaf`; about 1 ms.
///
/// False when a point or the leaf is malformed, or `index` is beyond [`LEAVES_MAX`].
pub fn verify(commitment: &Commitment, index: usize, leaf: &[u8; 32], opening: &Opening) -> bool {
    let Some(y) = Scalar::from_bytes(leaf) else {
        return false;
    };
    index < LEAVES_MAX && verify_evaluation(commitment, Setup::get().point(index), y, opening)
}

/// The point of the blob's domain at which leaf `index` is the value, big endian: the `z` that EIP-4844's point evaluation takes.
///
/// # Panics
///
/// When `index` is not below [`LEAVES_MAX`].
pub fn point(index: usize) -> [u8; 32] {
    assert!(index < LEAVES_MAX, "leaf {index} of {LEAVES_MAX}");
    Setup::get().point(index).to_bytes()
}

/// EIP-4844's `verify_kzg_proof`: whether `proof` proves that the polynomial under `commitment` is `y` at `z`, both big endian.
///
/// False when a point or a field element is malformed, where the standard raises an error.
pub fn verify_at(commitment: &Commitment, z: &[u8; 32], y: &[u8; 32], proof: &Opening) -> bool {
    match (Scalar::from_bytes(z), Scalar::from_bytes(y)) {
        (Some(z), Some(y)) => verify_evaluation(commitment, z, y, proof),
        _ => false,
    }
}

/// `e(C - [y] + z·π, [1]2) = e(π, [τ]2)`: both second arguments are fixed, so their lines are precomputed.
fn verify_evaluation(commitment: &Commitment, z: Scalar, y: Scalar, proof: &Opening) -> bool {
    let (Some(commitment), Some(proof)) = (uncompress(&commitment.0), uncompress(&proof.0)) else {
        return false;
    };
    let setup = Setup::get();
    let (commitment, proof) = (setup::from_affine(&commitment), setup::from_affine(&proof));
    let left = setup::add(
        &setup::add(&commitment, &setup::multiply_generator(-y)),
        &setup::multiply(&proof, z),
    );
    setup.pairings_agree(&left, &proof)
}

fn elements(leaves: &[[u8; 32]]) -> Vec<Scalar> {
    assert!(
        leaves.len() <= LEAVES_MAX,
        "{} leaves exceed {LEAVES_MAX}",
        leaves.len()
    );
    leaves
        .iter()
        .map(|leaf| Scalar::from_bytes(leaf).expect("a leaf is below the field's order"))
        .collect()
}

/// Reads a point of the group from its 48 bytes, the identity included.
fn uncompress(bytes: &[u8; POINT_BYTES]) -> Option<blst_p1_affine> {
    uncompress_unchecked(bytes).filter(subgroup::in_group)
}

/// Reads a point of the curve, which may not be in the group.
fn uncompress_unchecked(bytes: &[u8; POINT_BYTES]) -> Option<blst_p1_affine> {
    let mut point = blst_p1_affine::default();
    // SAFETY: blst reads exactly 48 bytes and writes only the point.
    let error = unsafe { blst::blst_p1_uncompress(&mut point, bytes.as_ptr()) };
    (error == BLST_ERROR::BLST_SUCCESS).then_some(point)
}

fn compress(point: &blst_p1) -> [u8; POINT_BYTES] {
    let mut bytes = [0; POINT_BYTES];
    // SAFETY: blst writes exactly 48 bytes, the length of `bytes`.
    unsafe { blst::blst_p1_compress(bytes.as_mut_ptr(), point) };
    bytes
}

//! Many openings checked by one equation of two pairings.
//!
//! Claim `i` says that leaf `y_i` is the value at `z_i` under `C_i`, with the proof `π_i`. With a coefficient `r_i` for each,
//!
//! `e(Σ r_i·(C_i - [y_i] + z_i·π_i), [1]2) = e(Σ r_i·π_i, [τ]2)`
//!
//! is the sum of what [`verify`](super::verify) checks. All points being of the group of prime order, a set with a false claim
//! passes for at most one value of that claim's coefficient, the others fixed: one in 2^128.
//!
//! **The coefficients** are Fiat–Shamir's: BLAKE3 of every byte of every claim, extended to 128 bits a claim. Whoever makes a false
//! claim knows the coefficients only once all claims are fixed, and changing any of them draws all anew, so 2^t hashes buy
//! success with probability 2^(t - 128). No generator is asked for, so a batch has one verdict, the same on every machine.
//!
//! **The points** are checked to be in the group first, many together ([`subgroup`]), for the equation itself does not: a point of
//! order 3 would pass it one time in three. So a batch accepts what `verify` accepts, and nothing else.

use super::{Commitment, LEAVES_MAX, Opening, POINT_BYTES, setup, setup::Setup, subgroup, uncompress_unchecked};
use crate::{g1, scalar::Scalar};
use blst::blst_p1_affine;
use std::collections::BTreeMap;

/// Bits of a coefficient: the chance that a batch hides a false claim is 2 to the power of minus this.
const COEFFICIENT_BITS: usize = 128;
/// Bytes of a coefficient.
const COEFFICIENT_BYTES: usize = COEFFICIENT_BITS / 8;

/// What one opening claims: that `commitment` lists `leaf` at `index`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Claim {
    /// Who lists it.
    pub commitment: Commitment,
    /// At which place, below [`LEAVES_MAX`].
    pub index: usize,
    /// The leaf, a big-endian field element.
    pub leaf: [u8; 32],
    /// The proof.
    pub opening: Opening,
}

/// The claims of a batch that are false.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{} of {count} openings do not verify", .false_claims.len())]
pub struct BatchError {
    /// Their places in the batch, ascending.
    pub false_claims: Vec<usize>,
    /// Claims in the batch.
    pub count: usize,
}

/// Checks that every claim holds: what [`verify`](super::verify) says of each, for less than a tenth of its cost when there are
/// hundreds.
///
/// A commitment or opening that occurs often is read once. Cost: two pairings, and for each claim the reading of its points
/// and two terms of multi-scalar multiplications. Each false claim adds up to `2·log2(claims)` checks of parts of the batch,
/// since the false ones are found by halving; all false cost two and a half times what `verify` on each would.
///
/// # Errors
///
/// [`BatchError`], naming the false claims: malformed points and leaves and places beyond [`LEAVES_MAX`] among them.
pub fn verify_batch(claims: &[Claim]) -> Result<(), BatchError> {
    let mut false_claims = Vec::new();
    let mut points = Points::default();
    let mut terms = Vec::with_capacity(claims.len());
    for (place, (claim, coefficient)) in claims.iter().zip(coefficients(claims)).enumerate() {
        match Term::read(place, claim, coefficient, &mut points) {
            Some(term) => terms.push(term),
            None => false_claims.push(place),
        }
    }
    if !subgroup::all_in_group(&points.points) {
        let in_group: Vec<bool> = points.points.iter().map(subgroup::in_group).collect();
        terms.retain(|term| {
            let holds = in_group[term.commitment] && in_group[term.opening];
            if !holds {
                false_claims.push(term.place);
            }
            holds
        });
    }
    if !terms.is_empty() && !hold(&terms, &points) {
        find_false(&terms, &points, &mut false_claims);
    }
    if false_claims.is_empty() {
        return Ok(());
    }
    false_claims.sort_unstable();
    Err(BatchError {
        false_claims,
        count: claims.len(),
    })
}

/// The coefficient of each claim, drawn from all of them.
fn coefficients(claims: &[Claim]) -> Vec<u128> {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/kzg/batch/v1");
    for claim in claims {
        hasher.update(&claim.commitment.0);
        hasher.update(&(claim.index as u64).to_be_bytes());
        hasher.update(&claim.leaf);
        hasher.update(&claim.opening.0);
    }
    let mut bytes = vec![0; COEFFICIENT_BYTES * claims.len()];
    hasher.finalize_xof().fill(&mut bytes);
    let (coefficients, _) = bytes.as_chunks::<COEFFICIENT_BYTES>();
    coefficients.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect()
}

/// Every distinct point of a batch, read once; whether they are in the group is checked after.
#[derive(Default)]
struct Points {
    points: Vec<blst_p1_affine>,
    /// Where each is among `points`; none for bytes that are not a point of the curve.
    place_of: BTreeMap<[u8; POINT_BYTES], Option<usize>>,
}

impl Points {
    fn read(&mut self, bytes: &[u8; POINT_BYTES]) -> Option<usize> {
        *self.place_of.entry(*bytes).or_insert_with(|| {
            uncompress_unchecked(bytes).map(|point| {
                self.points.push(point);
                self.points.len() - 1
            })
        })
    }
}

/// A well-formed claim.
struct Term {
    /// Its place in the batch.
    place: usize,
    commitment: usize,
    opening: usize,
    z: Scalar,
    y: Scalar,
    coefficient: u128,
}

impl Term {
    fn read(place: usize, claim: &Claim, coefficient: u128, points: &mut Points) -> Option<Self> {
        let y = Scalar::from_bytes(&claim.leaf)?;
        (claim.index < LEAVES_MAX).then_some(())?;
        Some(Self {
            place,
            commitment: points.read(&claim.commitment.0)?,
            opening: points.read(&claim.opening.0)?,
            z: Setup::get().point(claim.index),
            y,
            coefficient,
        })
    }
}

/// Whether the sum of `terms` holds: with the batch's coefficients, which fit any part of it that does not depend on them.
fn hold(terms: &[Term], points: &Points) -> bool {
    let mut of_commitment: BTreeMap<usize, Scalar> = BTreeMap::new();
    let mut values = Scalar::ZERO;
    let mut left = Vec::with_capacity(2 * terms.len());
    let mut right = Vec::with_capacity(terms.len());
    for term in terms {
        let opening = points.points[term.opening];
        let coefficient = Scalar::from_u128(term.coefficient);
        let sum = of_commitment.entry(term.commitment).or_insert(Scalar::ZERO);
        *sum = *sum + coefficient;
        values = values + coefficient * term.y;
        left.push((opening, coefficient * term.z));
        right.push((opening, coefficient));
    }
    left.extend(
        of_commitment
            .into_iter()
            .map(|(commitment, sum)| (points.points[commitment], sum)),
    );
    let left = setup::add(
        &g1::sum_of_products(&left, Scalar::BITS),
        &setup::multiply_generator(-values),
    );
    Setup::get().pairings_agree(&left, &g1::sum_of_products(&right, COEFFICIENT_BITS))
}

/// Adds the places of the false ones of `terms`, whose sum is known not to hold.
fn find_false(terms: &[Term], points: &Points, false_claims: &mut Vec<usize>) {
    if let [term] = terms {
        false_claims.push(term.place);
        return;
    }
    let (first, second) = terms.split_at(terms.len() / 2);
    let first_holds = hold(first, points);
    if !first_holds {
        find_false(first, points, false_claims);
    }
    // When the first half holds the second must not: the sum of both does not.
    if first_holds || !hold(second, points) {
        find_false(second, points, false_claims);
    }
}

//! Many commitments checked by one sum.
//!
//! `C_i` commits to leaves `l_ij` if it is `Σ_j l_ij·[L_j]`. With a coefficient `r_i` for each,
//!
//! `Σ_i r_i·C_i = Σ_j (Σ_i r_i·l_ij)·[L_j]`
//!
//! is the sum of what all claim. The points being of the group of prime order, which is checked, a set with a false claim passes for at most
//! one value of that claim's coefficient, the others fixed. Coefficients are Fiat–Shamir's, 128 bits each, as in [`batch`](super::batch).

use super::{Commitment, LEAVES_MAX, commit, elements, setup, setup::Setup, uncompress};
use crate::{g1, scalar::Scalar};

/// Bits of a coefficient: the chance that a false claim is hidden is 2 to the power of minus this.
const COEFFICIENT_BITS: usize = 128;

/// Whether each of `claims` is a commitment to the leaves beside it, big-endian field elements. One alone costs what [`commit`] does, 1.3 ms; each
/// more 0.1 to 0.2 ms.
///
/// # Panics
///
/// As [`commit`].
pub fn verify_commitments(claims: &[(Commitment, &[[u8; 32]])]) -> bool {
    if let [(commitment, leaves)] = claims {
        return commit(leaves) == *commitment;
    }
    let mut terms = Vec::with_capacity(claims.len());
    let mut sums = [Scalar::ZERO; LEAVES_MAX];
    let mut used = 0;
    for ((commitment, leaves), coefficient) in claims.iter().zip(coefficients(claims)) {
        let Some(point) = uncompress(&commitment.0) else {
            return false;
        };
        terms.push((point, coefficient));
        for (sum, leaf) in sums.iter_mut().zip(elements(leaves)) {
            *sum = *sum + coefficient * leaf;
        }
        used = used.max(leaves.len());
    }
    let claimed = g1::sum_of_products(&terms, COEFFICIENT_BITS);
    setup::equal(&claimed, &Setup::get().sum_of_lagrange(&sums[..used]))
}

/// The coefficient of each claim, drawn from all of them.
fn coefficients(claims: &[(Commitment, &[[u8; 32]])]) -> Vec<Scalar> {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/kzg/commitments/v1");
    for (commitment, leaves) in claims {
        hasher.update(&commitment.0);
        hasher.update(&(leaves.len() as u64).to_be_bytes());
        hasher.update(leaves.as_flattened());
    }
    let mut bytes = vec![0; COEFFICIENT_BITS / 8 * claims.len()];
    hasher.finalize_xof().fill(&mut bytes);
    let (coefficients, _) = bytes.as_chunks::<{ COEFFICIENT_BITS / 8 }>();
    coefficients
        .iter()
        .map(|bytes| Scalar::from_u128(u128::from_le_bytes(*bytes)))
        .collect()
}

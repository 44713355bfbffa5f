//! Whether many points are all in the group of prime order, for a third of what checking each takes.
//!
//! Of the curve's points only one in 2^125 is in the group. A trial leaves each point out or takes it in, by a coin, and checks
//! the sum of those taken. Say a point is not in the group, and fix the coins of all others: the sums with it and without it
//! differ by that point, so at most one of them is in the group, and the trial passes for at most one side of its coin. 128 trials
//! with coins of their own all pass with a chance of at most 2^-128, whatever the orders of the points.
//!
//! One sum with random 128-bit coefficients would not do: the curve has points of order 3, which every third such sum lets through.
//!
//! The coins are Fiat–Shamir's, BLAKE3 of all points: see [`batch`](super::batch) on what that leaves to who makes them.

use super::POINT_BYTES;
use blst::{blst_p1, blst_p1_affine};

/// Trials: the chance that a point outside the group passes is 2 to the power of minus this.
const TRIALS: u32 = 128;
/// Bytes of one point's coins.
const COINS_BYTES: usize = TRIALS as usize / 8;
/// Points from which trials are cheaper than a check of each: a trial's own check costs as much as that of one point.
const POINTS_MIN: usize = 4 * TRIALS as usize;

/// Whether all `points` of the curve are in the group.
pub(super) fn all_in_group(points: &[blst_p1_affine]) -> bool {
    if points.len() < POINTS_MIN {
        return points.iter().all(in_group);
    }
    let coins = coins(points);
    let mut taken = Vec::with_capacity(points.len());
    (0..TRIALS).all(|trial| {
        taken.clear();
        taken.extend(
            points
                .iter()
                .zip(&coins)
                .filter(|(_, coins)| *coins >> trial & 1 == 1)
                .map(|(point, _)| std::ptr::from_ref(point)),
        );
        sum_is_in_group(&taken)
    })
}

/// Whether `point` of the curve is in the group.
pub(super) fn in_group(point: &blst_p1_affine) -> bool {
    // SAFETY: blst reads one point.
    unsafe { blst::blst_p1_affine_in_g1(point) }
}

/// 128 coins for each point, drawn from all of them.
fn coins(points: &[blst_p1_affine]) -> Vec<u128> {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/kzg/subgroup/v1");
    for point in points {
        let mut bytes = [0; POINT_BYTES];
        // SAFETY: blst reads one point and writes exactly 48 bytes.
        unsafe { blst::blst_p1_affine_compress(bytes.as_mut_ptr(), point) };
        hasher.update(&bytes);
    }
    let mut bytes = vec![0; COINS_BYTES * points.len()];
    hasher.finalize_xof().fill(&mut bytes);
    let (coins, _) = bytes.as_chunks::<COINS_BYTES>();
    coins.iter().map(|bytes| u128::from_le_bytes(*bytes)).collect()
}

fn sum_is_in_group(points: &[*const blst_p1_affine]) -> bool {
    if points.is_empty() {
        return true;
    }
    let mut sum = blst_p1::default();
    // SAFETY: there are as many pointers to live points as said, the identity, equal and opposite points allowed; blst writes one
    // point and reads it.
    unsafe {
        blst::blst_p1s_add(&mut sum, points.as_ptr(), points.len());
        blst::blst_p1_in_g1(&sum)
    }
}

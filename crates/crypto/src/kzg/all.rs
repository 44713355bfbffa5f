//! The openings of all 128 places of one commitment at once, for about a third of what they cost one by one.
//!
//! Places are numbered here by their power of the root `w` of order `N = 128`: place `i` is at `w^i`. With `f` the leaves, `L` the
//! points of the setup and `d_t = 1 / (w^t - 1)`, `d_0 = 0`, the opening at `i` is
//!
//! `π_i = w^-i · Σ_j d_(j-i) · f_j L_j  -  f_i · T_i  +  q_i L_i`
//!
//! where `T_i`, the sum of `L_j / (w_j - w_i)` over all other slots of the blob, is fixed, and `q_i` is the quotient's value at
//! its own point. The first sum, for all `i`, is a cyclic convolution of points, and `d` has a transform of small numbers:
//!
//! `Σ_t d_t · w^(-tk) = k - (N - 1) / 2`
//!
//! so it takes two Fourier transforms of 128 points and, between them, products with numbers below 128. The factor `w^-i` is a
//! shift by one in between.

use super::{LEAVES_MAX, Opening, ZERO_SLOTS, compress, elements, setup, setup::Setup};
use crate::scalar::Scalar;
use blst::blst_p1;
use std::sync::LazyLock;

/// Bits of the factors between the transforms, which are below `LEAVES_MAX`.
const FACTOR_BITS: usize = LEAVES_MAX.trailing_zeros() as usize;

/// The openings of all places, the ones beyond the leaves too, which open to zero; about as much as [`open`](super::open)
/// for forty of them, and as much again once a process.
///
/// # Panics
///
/// As [`commit`](super::commit).
pub fn open_all(leaves: &[[u8; 32]]) -> Vec<Opening> {
    let mut values = elements(leaves);
    values.resize(LEAVES_MAX, Scalar::ZERO);
    let setup = Setup::get();
    let sums = differences(setup, &values);
    (0..LEAVES_MAX)
        .map(|slot| {
            let quotient = quotient_at_itself(setup, &values, slot);
            let own = setup::add(
                &setup.lagrange_times(slot, quotient),
                &setup::multiply(&all_other_slots()[slot], -values[slot]),
            );
            Opening(compress(&setup::add(&sums[slot], &own)))
        })
        .collect()
}

/// `(1984·f_i - Σ (f_j - f_i) / (w_j - w_i) · w_j) / w_i`, over the other slots below 128: see [`open`](super::open).
fn quotient_at_itself(setup: &Setup, values: &[Scalar], slot: usize) -> Scalar {
    let y = values[slot];
    let weighted = (0..LEAVES_MAX)
        .filter(|&other| other != slot)
        .map(|other| (values[other] - y) * setup.inverse_difference(other, slot) * setup.point(other))
        .fold(Scalar::ZERO, |sum, term| sum + term);
    (Scalar::from_u64(ZERO_SLOTS as u64 / 2) * y - weighted) * setup.inverse_point(slot)
}

/// For every slot, `Σ values_j L_j / (w_j - w_i)` over the other slots below 128.
fn differences(setup: &Setup, values: &[Scalar]) -> Vec<blst_p1> {
    // The transform of `d` twice, so that it is whole, and the second transform's `1 / N`.
    let scale = Scalar::from_u64(2 * LEAVES_MAX as u64).inverse();
    let mut points: Vec<blst_p1> = values
        .iter()
        .enumerate()
        .map(|(slot, &value)| setup.lagrange_times(slot, value * scale))
        .collect();
    to_frequencies(setup, &mut points);
    let mut shifted = vec![blst_p1::default(); LEAVES_MAX];
    for (k, point) in points.iter().enumerate() {
        let factor = 2 * k as i64 - (LEAVES_MAX as i64 - 1);
        let product = setup::multiply_short(point, factor.unsigned_abs(), FACTOR_BITS);
        shifted[(k + 1) % LEAVES_MAX] = if factor < 0 { setup::negate(&product) } else { product };
    }
    to_slots(setup, &mut shifted);
    shifted
}

/// `Σ L_j / (w_j - w_i)` over all other slots of the blob, made once a process.
fn all_other_slots() -> &'static [blst_p1] {
    static SUMS: LazyLock<Vec<blst_p1>> = LazyLock::new(|| {
        let setup = Setup::get();
        let ones = vec![Scalar::from_u64(1); LEAVES_MAX];
        differences(setup, &ones)
            .iter()
            .enumerate()
            .map(|(slot, sum)| setup::add(sum, &setup.share_of_zero_slots(slot, Scalar::from_u64(1))))
            .collect()
    });
    &SUMS
}

/// From points in the order of slots, which is that of bit-reversed powers, to `Σ_j w^(jk) points_j` in the order of `k`.
fn to_frequencies(setup: &Setup, points: &mut [blst_p1]) {
    let mut half = 1;
    while half < LEAVES_MAX {
        for block in points.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (position, (low, high)) in low.iter_mut().zip(high).enumerate() {
                let turned = turn(setup, high, position * (LEAVES_MAX / (2 * half)));
                let sum = setup::add(low, &turned);
                *high = setup::add(low, &setup::negate(&turned));
                *low = sum;
            }
        }
        half *= 2;
    }
}

/// From points in the order of `k` to `Σ_k w^(-ik) points_k`, in the order of slots: the same steps backwards.
fn to_slots(setup: &Setup, points: &mut [blst_p1]) {
    let mut half = LEAVES_MAX / 2;
    while half > 0 {
        for block in points.chunks_exact_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for (position, (low, high)) in low.iter_mut().zip(high).enumerate() {
                let difference = setup::add(low, &setup::negate(high));
                *low = setup::add(low, high);
                *high = turn(setup, &difference, LEAVES_MAX - position * (LEAVES_MAX / (2 * half)));
            }
        }
        half /= 2;
    }
}

/// `w^power · point`.
fn turn(setup: &Setup, point: &blst_p1, power: usize) -> blst_p1 {
    match power % LEAVES_MAX {
        0 => *point,
        power => setup::multiply(point, setup.power(power)),
    }
}

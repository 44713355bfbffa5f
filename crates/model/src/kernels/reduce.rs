//! Sums in one order: 16 partial sums by index modulo 16, then a binary tree over them.

use super::{LANES, on_each_isa};

/// Adds the partial sums: lane `i` takes lane `i + 8`, then `i + 4`, `i + 2`, `i + 1`.
#[inline(always)]
pub(super) fn tree(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// `Σ values`.
#[inline(always)]
pub(super) fn sum_lanes(values: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, tail) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(tail) {
        *lane += value;
    }
    tree(lanes)
}

/// `Σ a·b`, each product fused into its lane's sum.
#[inline(always)]
pub(super) fn dot_lanes(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let ((left, left_tail), (right, right_tail)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (x, y) in left.iter().zip(right) {
        for i in 0..LANES {
            lanes[i] = x[i].mul_add(y[i], lanes[i]);
        }
    }
    for ((lane, x), y) in lanes.iter_mut().zip(left_tail).zip(right_tail) {
        *lane = x.mul_add(*y, *lane);
    }
    tree(lanes)
}

/// The largest value; NaN is passed over, and of nothing the result is `-∞`.
#[inline(always)]
pub(super) fn max_lanes(values: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, tail) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, value);
        }
    }
    let mut most = f32::NEG_INFINITY;
    for &value in lanes.iter().chain(tail) {
        most = larger(most, value);
    }
    most
}

on_each_isa! {
    /// `Σ values` in the fixed order.
    pub fn sum(values: &[f32]) -> f32 {
        sum_lanes(values)
    }

    /// `Σ a·b` in the fixed order, fused.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub fn dot(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len(), "both vectors of a dot product have one length");
        dot_lanes(a, b)
    }
}

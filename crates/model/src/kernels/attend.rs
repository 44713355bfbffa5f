//! Softmax, alone and under a causal mask, and the rotation of position.

use super::function::exp;
use super::on_each_isa;
use super::reduce::{dot_lanes, max_lanes, sum_lanes};

on_each_isa! {
    /// Replaces each row by `e^(x - max)` and leaves its maximum and its sum.
    pub(crate) fn exponentiate_rows(rows: &mut [f32], width: usize, maxima: &mut [f32], sums: &mut [f32]) {
        for ((row, most), sum) in rows.chunks_exact_mut(width).zip(maxima).zip(sums) {
            *most = max_lanes(row);
            for x in row.iter_mut() {
                *x = exp(*x - *most);
            }
            *sum = sum_lanes(row);
        }
    }

    /// Turns scores into attention weights, row by row: row `i` sees its first `seen + i` columns and the rest become zero.
    pub(crate) fn causal_softmax(scores: &mut [f32], stride: usize, columns: usize, seen: usize, scale: f32) {
        for (i, row) in scores.chunks_mut(stride).enumerate() {
            let (visible, hidden) = row[..columns].split_at_mut(seen + i);
            hidden.fill(0.0);
            let most = max_lanes(visible);
            for x in visible.iter_mut() {
                *x = exp((*x - most) * scale);
            }
            let inverse = 1.0 / sum_lanes(visible);
            for x in visible {
                *x *= inverse;
            }
        }
    }

    /// Turns gradients of attention weights into gradients of scores, in place.
    pub(crate) fn causal_softmax_backward(weights: &[f32], gradient: &mut [f32], stride: usize, columns: usize, scale: f32) {
        for (weights, gradient) in weights.chunks(stride).zip(gradient.chunks_mut(stride)) {
            let (weights, gradient) = (&weights[..columns], &mut gradient[..columns]);
            let mean = dot_lanes(weights, gradient);
            for (gradient, weight) in gradient.iter_mut().zip(weights) {
                *gradient = weight * (*gradient - mean) * scale;
            }
        }
    }

    /// Turns each pair `(x[i], x[i + half])` of each head by its position's angle, forward or back.
    ///
    /// `rows` lie `stride` apart; a row's heads lie side by side at its start, `2 · half` numbers each. `turns` holds, for each
    /// position, `half` cosines and then `half` sines; row `r` is at position `r mod positions`.
    #[allow(clippy::too_many_arguments, reason = "a kernel takes plain slices")]
    pub(crate) fn rotate(rows: &mut [f32], stride: usize, heads: usize, half: usize, turns: &[f32], positions: usize, back: bool) {
        for (r, row) in rows.chunks_mut(stride).enumerate() {
            let (cosines, sines) = turns[(r % positions) * 2 * half..][..2 * half].split_at(half);
            for head in row[..heads * 2 * half].chunks_exact_mut(2 * half) {
                let (left, right) = head.split_at_mut(half);
                for (((x, y), cos), sin) in left.iter_mut().zip(right).zip(cosines).zip(sines) {
                    let sin = if back { -sin } else { *sin };
                    (*x, *y) = (x.mul_add(*cos, -(*y * sin)), x.mul_add(sin, *y * cos));
                }
            }
        }
    }

    /// Turns `-0` into `+0`.
    pub(crate) fn clear_zero_signs(rows: &mut [f32], stride: usize, columns: usize) {
        for row in rows.chunks_mut(stride) {
            for x in &mut row[..columns] {
                *x += 0.0;
            }
        }
    }
}

/// Query rows whose scores are computed together. Part of the arithmetic of the backward pass, which adds block by block.
pub(crate) const QUERY_BLOCK: usize = 64;

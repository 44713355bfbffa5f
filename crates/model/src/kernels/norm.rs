//! Layer normalisation of rows.

use super::on_each_isa;
use super::reduce::{dot_lanes, sum_lanes};

/// Added to the variance so that a constant row has a finite scale. GPT-2's value.
const EPSILON: f32 = 1e-5;

/// What the backward pass keeps of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NormStatistics {
    /// Mean of the row.
    pub(crate) mean: f32,
    /// `1 / √(variance + ε)`.
    pub(crate) inverse_deviation: f32,
}

on_each_isa! {
    /// `y = (x - mean) · inverse deviation · gain + bias`, row by row.
    pub(crate) fn normalise(x: &[f32], gain: &[f32], bias: &[f32], y: &mut [f32], statistics: &mut [NormStatistics]) {
        let width = gain.len();
        for ((x, y), kept) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(statistics) {
            let mean = sum_lanes(x) / width as f32;
            for (x, y) in x.iter().zip(y.iter_mut()) {
                *y = x - mean;
            }
            let variance = dot_lanes(y, y) / width as f32;
            let inverse_deviation = 1.0 / (variance + EPSILON).sqrt();
            for ((y, gain), bias) in y.iter_mut().zip(gain).zip(bias) {
                *y = (*y * inverse_deviation).mul_add(*gain, *bias);
            }
            *kept = NormStatistics { mean, inverse_deviation };
        }
    }

    /// Adds the gradient of [`normalise`](Self::normalise) to `input_gradient`, `gain_gradient` and `bias_gradient`.
    #[allow(clippy::too_many_arguments, reason = "a kernel takes plain slices")]
    pub(crate) fn normalise_backward(
        x: &[f32],
        statistics: &[NormStatistics],
        gain: &[f32],
        gradient: &[f32],
        input_gradient: &mut [f32],
        gain_gradient: &mut [f32],
        bias_gradient: &mut [f32],
    ) {
        let width = gain.len();
        let (mut normal, mut scaled) = (vec![0.0f32; width], vec![0.0f32; width]);
        let rows = x.chunks_exact(width).zip(gradient.chunks_exact(width)).zip(input_gradient.chunks_exact_mut(width));
        for (((x, gradient), input_gradient), kept) in rows.zip(statistics) {
            for ((normal, x), (scaled, (gradient, gain))) in
                normal.iter_mut().zip(x).zip(scaled.iter_mut().zip(gradient.iter().zip(gain)))
            {
                *normal = (x - kept.mean) * kept.inverse_deviation;
                *scaled = gradient * gain;
            }
            for ((sum, gradient), normal) in gain_gradient.iter_mut().zip(gradient).zip(&normal) {
                *sum = gradient.mul_add(*normal, *sum);
            }
            for (sum, gradient) in bias_gradient.iter_mut().zip(gradient) {
                *sum += gradient;
            }
            let mean = sum_lanes(&scaled) / width as f32;
            let slope = dot_lanes(&scaled, &normal) / width as f32;
            for ((target, scaled), normal) in input_gradient.iter_mut().zip(&scaled).zip(&normal) {
                *target = kept.inverse_deviation.mul_add((-normal).mul_add(slope, scaled - mean), *target);
            }
        }
    }
}

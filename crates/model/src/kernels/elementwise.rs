//! Operations whose outputs each depend on one place of their inputs, or on one column of rows taken in order.

use super::function::{exp, gelu, gelu_slope, tanh};
use super::on_each_isa;

on_each_isa! {
    /// `x = x + y`.
    ///
    /// # Panics
    ///
    /// When the lengths differ.
    pub fn add(x: &mut [f32], y: &[f32]) {
        assert_eq!(x.len(), y.len(), "both addends have one length");
        for (x, y) in x.iter_mut().zip(y) {
            *x += y;
        }
    }

    /// `x = x · factor`.
    pub fn scale(x: &mut [f32], factor: f32) {
        for x in x {
            *x *= factor;
        }
    }

    /// `e^x` of each, limited to -87..88; NaN stays NaN.
    pub fn exp(x: &mut [f32]) {
        for x in x {
            *x = exp(*x);
        }
    }

    /// Adds `bias` to each row.
    pub(crate) fn add_bias(rows: &mut [f32], bias: &[f32]) {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (x, y) in row.iter_mut().zip(bias) {
                *x += y;
            }
        }
    }

    /// Adds each row to `sums`, in order of rows.
    pub(crate) fn add_rows(sums: &mut [f32], rows: &[f32]) {
        for row in rows.chunks_exact(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }

    /// `(x - mean) / scale`, column by column.
    pub(crate) fn standardise(rows: &mut [f32], mean: &[f32], scale: &[f32]) {
        for row in rows.chunks_exact_mut(mean.len()) {
            for ((x, mean), scale) in row.iter_mut().zip(mean).zip(scale) {
                *x = (*x - mean) / scale;
            }
        }
    }

    /// `x · scale + mean`, fused, column by column.
    pub(crate) fn restore(rows: &mut [f32], mean: &[f32], scale: &[f32]) {
        for row in rows.chunks_exact_mut(mean.len()) {
            for ((x, mean), scale) in row.iter_mut().zip(mean).zip(scale) {
                *x = x.mul_add(*scale, *mean);
            }
        }
    }

    /// `y = max(x, 0)`; NaN stays NaN.
    pub(crate) fn relu(x: &[f32], y: &mut [f32]) {
        for (x, y) in x.iter().zip(y) {
            *y = if *x < 0.0 { 0.0 } else { *x };
        }
    }

    /// `gradient = gradient` where `x` is positive and 0 elsewhere.
    pub(crate) fn relu_backward(x: &[f32], gradient: &mut [f32]) {
        for (x, gradient) in x.iter().zip(gradient) {
            *gradient = if *x > 0.0 { *gradient } else { 0.0 };
        }
    }

    /// `y` = Gaussian error linear unit of `x`, tanh form.
    pub(crate) fn gelu(x: &[f32], y: &mut [f32]) {
        for (x, y) in x.iter().zip(y) {
            *y = gelu(*x);
        }
    }

    /// `gradient = gradient · gelu'(x)`.
    pub(crate) fn gelu_backward(x: &[f32], gradient: &mut [f32]) {
        for (x, gradient) in x.iter().zip(gradient) {
            *gradient *= gelu_slope(*x);
        }
    }

    /// `y = tanh x`.
    pub(crate) fn tanh(x: &[f32], y: &mut [f32]) {
        for (x, y) in x.iter().zip(y) {
            *y = tanh(*x);
        }
    }

    /// `gradient = gradient · (1 - tanh² x)`.
    pub(crate) fn tanh_backward(x: &[f32], gradient: &mut [f32]) {
        for (x, gradient) in x.iter().zip(gradient) {
            let y = tanh(*x);
            *gradient *= (-y).mul_add(y, 1.0);
        }
    }

    /// `parameter = parameter · shrink - rate · gradient`, the last product fused.
    pub(crate) fn descend(parameters: &mut [f32], gradients: &[f32], rate: f32, shrink: f32) {
        for (parameter, gradient) in parameters.iter_mut().zip(gradients) {
            *parameter = (-rate).mul_add(*gradient, *parameter * shrink);
        }
    }

    /// One step of AdamW on a run of parameters; see [`AdamStep`].
    pub(crate) fn adam(parameters: &mut [f32], gradients: &[f32], first: &mut [f32], second: &mut [f32], step: &AdamStep) {
        let AdamStep { beta1, beta2, first_correction, second_correction, rate, epsilon, shrink } = *step;
        for (((parameter, &gradient), m), v) in parameters.iter_mut().zip(gradients).zip(first).zip(second) {
            *m = beta1.mul_add(*m, (1.0 - beta1) * gradient);
            *v = beta2.mul_add(*v, (1.0 - beta2) * gradient * gradient);
            let update = *m * first_correction / ((*v * second_correction).sqrt() + epsilon);
            *parameter = (-rate).mul_add(update, *parameter * shrink);
        }
    }
}

/// The numbers of one AdamW step, the same for every parameter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    /// Decay of the mean gradient.
    pub(crate) beta1: f32,
    /// Decay of the mean squared gradient.
    pub(crate) beta2: f32,
    /// `1 / (1 - beta1^t)`.
    pub(crate) first_correction: f32,
    /// `1 / (1 - beta2^t)`.
    pub(crate) second_correction: f32,
    /// Learning rate.
    pub(crate) rate: f32,
    /// Keeps the quotient finite.
    pub(crate) epsilon: f32,
    /// `1 - rate · weight decay`.
    pub(crate) shrink: f32,
}

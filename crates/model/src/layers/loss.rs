//! Losses. Each turns outputs, in place, into the gradient of the loss with respect to them.

use serde::{Deserialize, Serialize};

use crate::Kernels;
use crate::kernels::ln;

/// How far a dense network's outputs are from their targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Mean over all outputs of `(output - target)²`, in standardised units.
    MeanSquaredError,
    /// Mean over rows of `-Σ target · ln softmax(outputs)`; a row's targets are probabilities.
    CrossEntropy,
}

/// Mean squared error; `outputs` becomes `2 (output - target) / count`.
pub(crate) fn mean_squared_error(kernels: &Kernels, outputs: &mut [f32], targets: &[f32]) -> f32 {
    let count = outputs.len() as f32;
    for (output, target) in outputs.iter_mut().zip(targets) {
        *output -= target;
    }
    let loss = kernels.dot(outputs, outputs) / count;
    kernels.scale(outputs, 2.0 / count);
    loss
}

/// Mean cross entropy of rows of logits against rows of probabilities.
pub(crate) fn cross_entropy(kernels: &Kernels, logits: &mut [f32], targets: &[f32], width: usize) -> f32 {
    let rows = logits.chunks_exact(width).zip(targets.chunks_exact(width));
    let weighed: Vec<(f32, f32)> = rows
        .map(|(x, target)| (kernels.dot(x, target), kernels.sum(target)))
        .collect();
    let weights = weighed.iter().map(|&(_, weight)| weight).collect::<Vec<_>>();
    let scores = weighed.iter().map(|&(score, _)| score).collect::<Vec<_>>();
    let loss = softmax_loss(kernels, logits, width, &scores, &weights);
    let inverse = 1.0 / (logits.len() / width) as f32;
    for (gradient, target) in logits.iter_mut().zip(targets) {
        *gradient = (-inverse).mul_add(*target, *gradient);
    }
    loss
}

/// Mean cross entropy of rows of 256 logits against the bytes that came.
pub(crate) fn cross_entropy_of_bytes(kernels: &Kernels, logits: &mut [f32], targets: &[u8]) -> f32 {
    const WIDTH: usize = 256;
    let scores: Vec<f32> = logits
        .chunks_exact(WIDTH)
        .zip(targets)
        .map(|(x, &byte)| x[usize::from(byte)])
        .collect();
    let loss = softmax_loss(kernels, logits, WIDTH, &scores, &vec![1.0; targets.len()]);
    let inverse = 1.0 / targets.len() as f32;
    for (row, &byte) in logits.chunks_exact_mut(WIDTH).zip(targets) {
        row[usize::from(byte)] -= inverse;
    }
    loss
}

/// Mean over rows of `weight · ln Σ e^x - score`; `logits` becomes `weight · softmax / rows`.
fn softmax_loss(kernels: &Kernels, logits: &mut [f32], width: usize, scores: &[f32], weights: &[f32]) -> f32 {
    let rows = scores.len();
    let (mut maxima, mut sums) = (vec![0.0; rows], vec![0.0; rows]);
    kernels.exponentiate_rows(logits, width, &mut maxima, &mut sums);
    let mut losses = Vec::with_capacity(rows);
    for (r, row) in logits.chunks_exact_mut(width).enumerate() {
        losses.push(weights[r].mul_add(ln(sums[r]) + maxima[r], -scores[r]));
        kernels.scale(row, weights[r] / (sums[r] * rows as f32));
    }
    kernels.sum(&losses) / rows as f32
}

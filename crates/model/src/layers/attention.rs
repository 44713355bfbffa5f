//! Causal multi-head attention with rotary positions.
//!
//! A row of `queries_keys_values` is a position: its queries, then its keys, then its values, each `width` numbers, the heads
//! side by side. Queries and keys are turned by their position's angle (RoPE, Su et al. 2021, halves paired as in GPT-NeoX).
//!
//! Scores are computed for blocks of queries against all keys up to the block's last. Hidden keys get the weight +0, which
//! adds nothing, and the sign of a zero output is cleared: so an output depends on the position and what came before it, never
//! on how many positions were computed together, as long as all numbers are finite.

use crate::kernels::{QUERY_BLOCK, exp_f64, sin_cos_f64};
use crate::{Kernels, Matrix, MatrixMut};

/// `ln 10000`: the slowest pair of a head turns about 10000 times slower than the fastest.
const LN_ROPE_BASE: f64 = 9.210_340_371_976_184;

/// The shape of one attention.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attention {
    pub(crate) sequences: usize,
    pub(crate) length: usize,
    pub(crate) heads: usize,
    pub(crate) width: usize,
}

/// An attention's result and what its backward pass needs.
#[derive(Debug, Default)]
pub(crate) struct Attended {
    pub(crate) output: Vec<f32>,
    /// For each sequence and head, `length × length`. Scratch when the pass was not to be kept.
    weights: Vec<f32>,
}

impl Attention {
    /// Weights that [`forward`](Self::forward) keeps.
    pub(crate) fn weight_count(&self) -> usize {
        self.sequences * self.heads * self.length * self.length
    }

    /// Turns `queries_keys_values` in place, then attends. The weights are kept for the backward pass only if `keep`.
    pub(crate) fn forward(&self, kernels: &Kernels, queries_keys_values: &mut [f32], keep: bool) -> Attended {
        let Self { length, width, .. } = *self;
        let stride = 3 * width;
        self.rotate(kernels, queries_keys_values, false);
        let mut output = vec![0.0; self.sequences * length * width];
        let weight_count = if keep {
            self.weight_count()
        } else {
            QUERY_BLOCK.min(length) * length
        };
        let mut weights = vec![0.0; weight_count];
        for (index, place) in self.places().enumerate() {
            let (queries, keys, values) = self.views(queries_keys_values, place);
            for first in (0..length).step_by(QUERY_BLOCK) {
                let rows = QUERY_BLOCK.min(length - first);
                let seen = first + rows;
                let start = if keep { (index * length + first) * length } else { 0 };
                let block = &mut weights[start..][..rows * length];
                kernels.multiply(
                    Matrix::strided(&queries[first * stride..], rows, self.head_width(), stride),
                    Matrix::strided(keys, seen, self.head_width(), stride).transposed(),
                    MatrixMut::strided(block, rows, seen, length),
                );
                kernels.causal_softmax(block, length, seen, first + 1, self.scale());
                kernels.multiply(
                    Matrix::strided(block, rows, seen, length),
                    Matrix::strided(values, seen, self.head_width(), stride),
                    MatrixMut::strided(
                        &mut output[place.output + first * width..],
                        rows,
                        self.head_width(),
                        width,
                    ),
                );
            }
        }
        kernels.clear_zero_signs(&mut output, width, width);
        Attended { output, weights }
    }

    /// The gradient of the queries, keys and values as they were before turning, given what `forward` made of them.
    pub(crate) fn backward(
        &self,
        kernels: &Kernels,
        queries_keys_values: &[f32],
        attended: &Attended,
        gradient: &[f32],
    ) -> Vec<f32> {
        let Self { length, width, .. } = *self;
        let (stride, head_width) = (3 * width, self.head_width());
        let mut result = vec![0.0; queries_keys_values.len()];
        let mut scores = vec![0.0; QUERY_BLOCK.min(length) * length];
        for (place, weights) in self.places().zip(attended.weights.chunks_exact(length * length)) {
            let (queries, keys, values) = self.views(queries_keys_values, place);
            let [query, key, value] = self.starts(place);
            for first in (0..length).step_by(QUERY_BLOCK) {
                let rows = QUERY_BLOCK.min(length - first);
                let seen = first + rows;
                let block = Matrix::strided(&weights[first * length..], rows, seen, length);
                let output = Matrix::strided(&gradient[place.output + first * width..], rows, head_width, width);
                kernels.multiply_add(
                    block.transposed(),
                    output,
                    MatrixMut::strided(&mut result[value..], seen, head_width, stride),
                );
                let scores = &mut scores[..rows * length];
                kernels.multiply(
                    output,
                    Matrix::strided(values, seen, head_width, stride).transposed(),
                    MatrixMut::strided(scores, rows, seen, length),
                );
                kernels.causal_softmax_backward(&weights[first * length..], scores, length, seen, self.scale());
                let scores = Matrix::strided(scores, rows, seen, length);
                kernels.multiply(
                    scores,
                    Matrix::strided(keys, seen, head_width, stride),
                    MatrixMut::strided(&mut result[query + first * stride..], rows, head_width, stride),
                );
                kernels.multiply_add(
                    scores.transposed(),
                    Matrix::strided(&queries[first * stride..], rows, head_width, stride),
                    MatrixMut::strided(&mut result[key..], seen, head_width, stride),
                );
            }
        }
        self.rotate(kernels, &mut result, true);
        result
    }

    fn head_width(&self) -> usize {
        self.width / self.heads
    }

    fn scale(&self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }

    fn rotate(&self, kernels: &Kernels, queries_keys_values: &mut [f32], back: bool) {
        let (stride, half) = (3 * self.width, self.head_width() / 2);
        let turns = turns(self.length, half);
        kernels.rotate(queries_keys_values, stride, self.heads, half, &turns, self.length, back);
        let keys = &mut queries_keys_values[self.width..];
        kernels.rotate(keys, stride, self.heads, half, &turns, self.length, back);
    }

    /// Every sequence and head.
    fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let Self {
            sequences,
            length,
            heads,
            width,
        } = *self;
        (0..sequences).flat_map(move |sequence| {
            (0..heads).map(move |head| Place {
                queries: sequence * length * 3 * width + head * (width / heads),
                output: sequence * length * width + head * (width / heads),
            })
        })
    }

    /// Where the queries, keys and values of a place begin.
    fn starts(&self, place: Place) -> [usize; 3] {
        [
            place.queries,
            place.queries + self.width,
            place.queries + 2 * self.width,
        ]
    }

    fn views<'a>(&self, data: &'a [f32], place: Place) -> (&'a [f32], &'a [f32], &'a [f32]) {
        let [query, key, value] = self.starts(place);
        (&data[query..], &data[key..], &data[value..])
    }
}

/// Where one head of one sequence begins.
#[derive(Clone, Copy)]
struct Place {
    queries: usize,
    output: usize,
}

/// For each position, `half` cosines and `half` sines of its angles `position · 10000^(-i/half)`.
fn turns(positions: usize, half: usize) -> Vec<f32> {
    let speeds: Vec<f64> = (0..half)
        .map(|i| exp_f64(-LN_ROPE_BASE * i as f64 / half as f64))
        .collect();
    let mut turns = Vec::with_capacity(positions * 2 * half);
    for position in 0..positions {
        let angles = speeds.iter().map(|speed| sin_cos_f64(position as f64 * speed));
        turns.extend(angles.clone().map(|(_, cos)| cos as f32));
        turns.extend(angles.map(|(sin, _)| sin as f32));
    }
    turns
}

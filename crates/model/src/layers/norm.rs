//! Layer normalisation with a gain and a bias.

use std::ops::Range;

use crate::Kernels;
use crate::kernels::NormStatistics;
use crate::layout::{Layout, Start};

/// A layer normalisation's place in the parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Norm {
    gain: Range<usize>,
    bias: Range<usize>,
}

/// A normalised input and what the backward pass needs to know of it.
#[derive(Debug, Default)]
pub(crate) struct Normalised {
    pub(crate) output: Vec<f32>,
    statistics: Vec<NormStatistics>,
}

impl Norm {
    /// Appends `name.weight` and `name.bias`.
    pub(crate) fn push(layout: &mut Layout, name: &str, width: usize) -> Self {
        let gain = layout.push(format!("{name}.weight"), &[width], Start::One);
        Self {
            gain,
            bias: layout.push(format!("{name}.bias"), &[width], Start::Zero),
        }
    }

    pub(crate) fn forward(&self, kernels: &Kernels, parameters: &[f32], x: &[f32]) -> Normalised {
        let mut output = vec![0.0; x.len()];
        let mut statistics = vec![NormStatistics::default(); x.len() / self.gain.len()];
        let (gain, bias) = (&parameters[self.gain.clone()], &parameters[self.bias.clone()]);
        kernels.normalise(x, gain, bias, &mut output, &mut statistics);
        Normalised { output, statistics }
    }

    /// Adds the gradients of the parameters, and of the input to `input_gradient`.
    pub(crate) fn backward(
        &self,
        kernels: &Kernels,
        parameters: &[f32],
        (x, normalised): (&[f32], &Normalised),
        gradient: &[f32],
        input_gradient: &mut [f32],
        gradients: &mut [f32],
    ) {
        // The gain comes right before the bias: `push` lays them out.
        let (gains, biases) = gradients[self.gain.start..self.bias.end].split_at_mut(self.gain.len());
        let gain = &parameters[self.gain.clone()];
        kernels.normalise_backward(x, &normalised.statistics, gain, gradient, input_gradient, gains, biases);
    }
}

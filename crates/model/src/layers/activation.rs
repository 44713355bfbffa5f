//! Functions between dense layers.

use serde::{Deserialize, Serialize};

use crate::Kernels;

/// What a layer applies to each of its outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`.
    Relu,
    /// Gaussian error linear unit, tanh form.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
}

impl Activation {
    pub(crate) fn forward(self, kernels: &Kernels, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len()];
        match self {
            Activation::Relu => kernels.relu(x, &mut y),
            Activation::Gelu => kernels.gelu(x, &mut y),
            Activation::Tanh => kernels.tanh(x, &mut y),
        }
        y
    }

    /// Turns the gradient of the output into that of the input, `x`.
    pub(crate) fn backward(self, kernels: &Kernels, x: &[f32], gradient: &mut [f32]) {
        match self {
            Activation::Relu => kernels.relu_backward(x, gradient),
            Activation::Gelu => kernels.gelu_backward(x, gradient),
            Activation::Tanh => kernels.tanh_backward(x, gradient),
        }
    }
}

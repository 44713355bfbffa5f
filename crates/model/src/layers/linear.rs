//! `y = x · W + b`.

use std::ops::Range;

use crate::layout::{Layout, Start};
use crate::{Kernels, Matrix, MatrixMut};

/// A dense layer: a weight of `inputs × outputs` and perhaps a bias.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Linear {
    weight: Range<usize>,
    bias: Option<Range<usize>>,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl Linear {
    /// Appends the layer's tensors, `name.weight` and, when `biased`, `name.bias`.
    pub(crate) fn push(
        layout: &mut Layout,
        name: &str,
        (inputs, outputs): (usize, usize),
        biased: bool,
        deviation: f32,
    ) -> Self {
        let weight = layout.push(format!("{name}.weight"), &[inputs, outputs], Start::Random(deviation));
        let bias = biased.then(|| layout.push(format!("{name}.bias"), &[outputs], Start::Zero));
        Self {
            weight,
            bias,
            inputs,
            outputs,
        }
    }

    pub(crate) fn forward(&self, kernels: &Kernels, parameters: &[f32], x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.inputs;
        let mut y = vec![0.0; rows * self.outputs];
        kernels.multiply(
            Matrix::new(x, rows, self.inputs),
            self.weight(parameters),
            MatrixMut::new(&mut y, rows, self.outputs),
        );
        if let Some(bias) = &self.bias {
            kernels.add_bias(&mut y, &parameters[bias.clone()]);
        }
        y
    }

    /// Adds the gradients of weight and bias, given the layer's input and the gradient of its output.
    pub(crate) fn backward_parameters(&self, kernels: &Kernels, x: &[f32], gradient: &[f32], gradients: &mut [f32]) {
        let rows = x.len() / self.inputs;
        kernels.multiply_add(
            Matrix::new(x, rows, self.inputs).transposed(),
            Matrix::new(gradient, rows, self.outputs),
            MatrixMut::new(&mut gradients[self.weight.clone()], self.inputs, self.outputs),
        );
        if let Some(bias) = &self.bias {
            kernels.add_rows(&mut gradients[bias.clone()], gradient);
        }
    }

    /// The gradient of the input, given the gradient of the output.
    pub(crate) fn backward_input(&self, kernels: &Kernels, parameters: &[f32], gradient: &[f32]) -> Vec<f32> {
        let rows = gradient.len() / self.outputs;
        let mut input_gradient = vec![0.0; rows * self.inputs];
        kernels.multiply(
            Matrix::new(gradient, rows, self.outputs),
            self.weight(parameters).transposed(),
            MatrixMut::new(&mut input_gradient, rows, self.inputs),
        );
        input_gradient
    }

    fn weight<'a>(&self, parameters: &'a [f32]) -> Matrix<'a> {
        Matrix::new(&parameters[self.weight.clone()], self.inputs, self.outputs)
    }
}

//! How gradients change parameters.

use crate::kernels::AdamStep;
use crate::{Kernels, Layout, ModelError};

/// A rule for changing parameters, and its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptimizerConfig {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019) and bias correction.
    AdamW {
        /// Step size.
        learning_rate: f32,
        /// Decay of the mean gradient.
        beta1: f32,
        /// Decay of the mean squared gradient.
        beta2: f32,
        /// Added to the root of the mean square.
        epsilon: f32,
        /// What share of a weight a step of size one removes. Biases and gains, tensors of one dimension, are spared.
        weight_decay: f32,
    },
    /// Plain stochastic gradient descent.
    Sgd {
        /// Step size.
        learning_rate: f32,
        /// As for AdamW.
        weight_decay: f32,
    },
}

impl OptimizerConfig {
    /// AdamW with the customary 0.9, 0.999, 1e-8 and a decay of 0.01.
    pub fn adam_w(learning_rate: f32) -> Self {
        Self::AdamW {
            learning_rate,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.01,
        }
    }

    /// Refuses numbers that no training could use.
    fn check(&self) -> Result<(), ModelError> {
        let not_negative = |what, value: f32| match value.is_finite() && value >= 0.0 {
            true => Ok(()),
            false => Err(ModelError::Value { what, index: 0, value }),
        };
        let (learning_rate, weight_decay) = match *self {
            Self::AdamW {
                learning_rate,
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                for (what, value) in [("beta1", beta1), ("beta2", beta2)] {
                    if !(0.0..1.0).contains(&value) {
                        return Err(ModelError::Value { what, index: 0, value });
                    }
                }
                not_negative("epsilon", epsilon)?;
                (learning_rate, weight_decay)
            }
            Self::Sgd {
                learning_rate,
                weight_decay,
            } => (learning_rate, weight_decay),
        };
        not_negative("learning rate", learning_rate)?;
        not_negative("weight decay", weight_decay)
    }
}

/// An optimizer: its rule and what it remembers of past gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer {
    config: OptimizerConfig,
    first: Vec<f32>,
    second: Vec<f32>,
    /// `beta1^t` and `beta2^t`, kept as running products: `powi` may round differently between platforms.
    powers: (f32, f32),
}

impl Optimizer {
    /// An optimizer that has seen no gradient yet, for `parameter_count` parameters.
    ///
    /// # Errors
    ///
    /// [`ModelError::Value`] when a rate is negative or not finite, or a beta is not within 0..1.
    pub fn new(config: OptimizerConfig, parameter_count: usize) -> Result<Self, ModelError> {
        config.check()?;
        let memory = match config {
            OptimizerConfig::AdamW { .. } => parameter_count,
            OptimizerConfig::Sgd { .. } => 0,
        };
        Ok(Self {
            config,
            first: vec![0.0; memory],
            second: vec![0.0; memory],
            powers: (1.0, 1.0),
        })
    }

    /// Changes the step size from the next step on.
    ///
    /// # Errors
    ///
    /// [`ModelError::Value`] when it is negative or not finite.
    pub fn set_learning_rate(&mut self, rate: f32) -> Result<(), ModelError> {
        let mut config = self.config;
        match &mut config {
            OptimizerConfig::AdamW { learning_rate, .. } | OptimizerConfig::Sgd { learning_rate, .. } => {
                *learning_rate = rate;
            }
        }
        config.check()?;
        self.config = config;
        Ok(())
    }

    /// Moves `parameters` one step against `gradients`.
    ///
    /// # Panics
    ///
    /// When the parameters, the gradients and the optimizer are not of one length.
    pub fn step(&mut self, kernels: &Kernels, layout: &Layout, parameters: &mut [f32], gradients: &[f32]) {
        assert_eq!(
            parameters.len(),
            layout.parameter_count(),
            "the layout is the parameters'"
        );
        assert_eq!(parameters.len(), gradients.len(), "every parameter has a gradient");
        match self.config {
            OptimizerConfig::Sgd {
                learning_rate,
                weight_decay,
            } => {
                for tensor in layout.tensors() {
                    let shrink = shrink(tensor.shape.len(), learning_rate, weight_decay);
                    let range = tensor.range.clone();
                    kernels.descend(&mut parameters[range.clone()], &gradients[range], learning_rate, shrink);
                }
            }
            OptimizerConfig::AdamW {
                learning_rate,
                beta1,
                beta2,
                epsilon,
                weight_decay,
            } => {
                assert_eq!(
                    parameters.len(),
                    self.first.len(),
                    "the optimizer was made for these parameters"
                );
                self.powers = (self.powers.0 * beta1, self.powers.1 * beta2);
                for tensor in layout.tensors() {
                    let range = tensor.range.clone();
                    let step = AdamStep {
                        beta1,
                        beta2,
                        first_correction: 1.0 / (1.0 - self.powers.0),
                        second_correction: 1.0 / (1.0 - self.powers.1),
                        rate: learning_rate,
                        epsilon,
                        shrink: shrink(tensor.shape.len(), learning_rate, weight_decay),
                    };
                    kernels.adam(
                        &mut parameters[range.clone()],
                        &gradients[range.clone()],
                        &mut self.first[range.clone()],
                        &mut self.second[range],
                        &step,
                    );
                }
            }
        }
    }
}

/// What a step multiplies a parameter by before moving it.
fn shrink(dimensions: usize, learning_rate: f32, weight_decay: f32) -> f32 {
    if dimensions < 2 {
        1.0
    } else {
        1.0 - learning_rate * weight_decay
    }
}

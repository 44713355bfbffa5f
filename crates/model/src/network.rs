//! Either kind of network behind one type.

use crate::config::NetworkConfig;
use crate::examples::{expect_finite, expect_length};
use crate::{Examples, Kernels, Layout, Mlp, ModelError, Transformer};

/// A network: what it is made of and its parameters, one flat run of `f32`.
#[derive(Clone, Debug, PartialEq)]
pub enum Network {
    /// Dense layers on rows of numbers.
    Mlp(Mlp),
    /// A decoder-only transformer on bytes.
    Transformer(Transformer),
}

/// What a network is asked.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Rows of numbers in raw units, row after row.
    Rows(&'a [f32]),
    /// Sequences of `length` bytes, one after another.
    Bytes {
        /// All sequences.
        bytes: &'a [u8],
        /// Bytes of each.
        length: usize,
    },
}

impl Network {
    /// What the network is made of.
    pub fn config(&self) -> NetworkConfig {
        match self {
            Self::Mlp(mlp) => NetworkConfig::Mlp(mlp.config.clone()),
            Self::Transformer(transformer) => NetworkConfig::Transformer(transformer.config.clone()),
        }
    }

    /// Where each named tensor lies in the parameters.
    pub fn layout(&self) -> &Layout {
        match self {
            Self::Mlp(mlp) => &mlp.layout,
            Self::Transformer(transformer) => &transformer.layout,
        }
    }

    /// All parameters.
    pub fn parameters(&self) -> &[f32] {
        match self {
            Self::Mlp(mlp) => &mlp.parameters,
            Self::Transformer(transformer) => &transformer.parameters,
        }
    }

    /// All parameters, to change. What comes from outside goes through [`set_parameters`](Self::set_parameters).
    pub fn parameters_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Mlp(mlp) => &mut mlp.parameters,
            Self::Transformer(transformer) => &mut transformer.parameters,
        }
    }

    /// How many parameters there are.
    pub fn parameter_count(&self) -> usize {
        self.parameters().len()
    }

    /// Replaces all parameters.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`] or [`ModelError::Value`] when they are too few, too many or not finite; then nothing changes.
    pub fn set_parameters(&mut self, parameters: &[f32]) -> Result<(), ModelError> {
        expect_length("parameters", parameters.len(), self.parameter_count())?;
        expect_finite("parameters", parameters)?;
        self.parameters_mut().copy_from_slice(parameters);
        Ok(())
    }

    /// The outputs: for rows, a row of raw outputs each; for bytes, 256 logits of the next byte each.
    ///
    /// # Errors
    ///
    /// [`ModelError::Examples`] for the other kind of input, and as [`Mlp::forward`] and [`Transformer::forward`].
    pub fn forward(&self, kernels: &Kernels, input: Input<'_>) -> Result<Vec<f32>, ModelError> {
        match (self, input) {
            (Self::Mlp(mlp), Input::Rows(rows)) => mlp.forward(kernels, rows),
            (Self::Transformer(transformer), Input::Bytes { bytes, length }) => {
                transformer.forward(kernels, bytes, length)
            }
            (Self::Mlp(_), Input::Bytes { .. }) => Err(self.refuse("text")),
            (Self::Transformer(_), Input::Rows(_)) => Err(self.refuse("rows of numbers")),
        }
    }

    /// Mean loss on `examples`: what the configuration names for an [`Mlp`], nats a byte for a [`Transformer`].
    ///
    /// # Errors
    ///
    /// [`ModelError::Examples`], [`ModelError::Length`] or [`ModelError::Configuration`] when the examples are of another
    /// kind or width, none or too many for one pass.
    pub fn loss(&self, kernels: &Kernels, examples: &Examples) -> Result<f32, ModelError> {
        match (self, examples) {
            (Self::Mlp(mlp), Examples::Table(table)) => mlp.loss(kernels, table),
            (Self::Transformer(transformer), Examples::Text(text)) => transformer.loss(kernels, text),
            _ => Err(self.refuse(examples.kind())),
        }
    }

    /// As [`loss`](Self::loss); the gradient of every parameter replaces what is in `gradients`.
    ///
    /// # Errors
    ///
    /// As [`loss`](Self::loss), and [`ModelError::Length`] when `gradients` is not as long as the parameters.
    pub fn loss_and_gradients(
        &self,
        kernels: &Kernels,
        examples: &Examples,
        gradients: &mut [f32],
    ) -> Result<f32, ModelError> {
        expect_length("gradients", gradients.len(), self.parameter_count())?;
        match (self, examples) {
            (Self::Mlp(mlp), Examples::Table(table)) => mlp.loss_and_gradients(kernels, table, gradients),
            (Self::Transformer(transformer), Examples::Text(text)) => {
                transformer.loss_and_gradients(kernels, text, gradients)
            }
            _ => Err(self.refuse(examples.kind())),
        }
    }

    /// The layout beside the parameters to change.
    pub(crate) fn layout_and_parameters_mut(&mut self) -> (&Layout, &mut [f32]) {
        match self {
            Self::Mlp(mlp) => (&mlp.layout, &mut mlp.parameters),
            Self::Transformer(transformer) => (&transformer.layout, &mut transformer.parameters),
        }
    }

    fn refuse(&self, actual: &'static str) -> ModelError {
        let expected = match self {
            Self::Mlp(_) => "rows of numbers",
            Self::Transformer(_) => "text",
        };
        ModelError::Examples { expected, actual }
    }
}

impl From<Mlp> for Network {
    fn from(mlp: Mlp) -> Self {
        Self::Mlp(mlp)
    }
}

impl From<Transformer> for Network {
    fn from(transformer: Transformer) -> Self {
        Self::Transformer(transformer)
    }
}

/// Makes every NaN the same one: which bits an operation on NaN leaves is the CPU's choice.
pub(crate) fn canonicalise_nan(values: &mut [f32]) {
    for value in values {
        if value.is_nan() {
            *value = f32::from_bits(0x7fc0_0000);
        }
    }
}

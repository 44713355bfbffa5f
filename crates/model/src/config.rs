//! What a network is made of, and the limits of what we run.

use serde::{Deserialize, Serialize};

use crate::{Activation, Loss, ModelError};

/// Widest layer: a row of 256 KiB.
pub const MAX_WIDTH: u32 = 65_536;

/// Most layers of either kind of network.
pub const MAX_LAYERS: u32 = 64;

/// Longest sequence a transformer reads. The weights of one head that a training step keeps are then 256 MiB.
pub const MAX_CONTEXT: u32 = 8_192;

/// Most parameters of a network: 1 GiB of them.
pub const MAX_PARAMETERS: usize = 1 << 28;

/// Most rows of one pass of a dense network.
pub const MAX_BATCH_ROWS: usize = 1 << 20;

/// Most tokens of one pass of a transformer: eight of the longest sequences.
pub const MAX_BATCH_TOKENS: usize = 1 << 16;

/// Most attention weights a layer keeps for the backward pass: 4 GiB. A forward pass alone keeps none.
pub const MAX_ATTENTION_WEIGHTS: usize = 1 << 30;

/// Size of the transformer's vocabulary: every byte is a token.
pub const VOCABULARY: usize = 256;

/// Which network, in full: with the parameters, all there is to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NetworkConfig {
    /// Dense layers on rows of numbers.
    Mlp(MlpConfig),
    /// A decoder-only transformer on bytes.
    Transformer(TransformerConfig),
}

/// A multilayer perceptron.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// Numbers of an input row.
    pub inputs: u32,
    /// Widths of the hidden layers, first to last. None makes the network linear.
    pub hidden: Vec<u32>,
    /// Numbers of an output row.
    pub outputs: u32,
    /// What follows each hidden layer.
    pub activation: Activation,
    /// What training lowers.
    pub loss: Loss,
}

/// A pre-norm decoder-only transformer in the manner of GPT-2, with rotary positions and every byte a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerConfig {
    /// Longest sequence it reads, in bytes.
    pub context: u32,
    /// Numbers of a position.
    pub width: u32,
    /// Attention heads; the width divides into them evenly, each an even width.
    pub heads: u32,
    /// Blocks of attention and a dense layer of four times the width.
    pub layers: u32,
}

impl MlpConfig {
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        within("inputs", self.inputs.into(), 1, MAX_WIDTH.into())?;
        within("outputs", self.outputs.into(), 1, MAX_WIDTH.into())?;
        within("hidden layer count", self.hidden.len() as u64, 0, MAX_LAYERS.into())?;
        for &width in &self.hidden {
            within("hidden layer width", width.into(), 1, MAX_WIDTH.into())?;
        }
        within("parameter count", self.parameter_count(), 1, MAX_PARAMETERS as u64)
    }

    /// Parameters of a configuration within the limits of its fields: at most 2^32 + 2^16 for each of at most 65 layers.
    pub(crate) fn parameter_count(&self) -> u64 {
        let widths = || std::iter::once(self.inputs).chain(self.hidden.iter().copied());
        let layers = widths().zip(widths().skip(1).chain([self.outputs]));
        layers.map(|(from, to)| (u64::from(from) + 1) * u64::from(to)).sum()
    }
}

impl TransformerConfig {
    pub(crate) fn check(&self) -> Result<(), ModelError> {
        within("context", self.context.into(), 1, MAX_CONTEXT.into())?;
        within("width", self.width.into(), 2, u64::from(MAX_WIDTH) / 4)?;
        within("layers", self.layers.into(), 1, MAX_LAYERS.into())?;
        within("heads", self.heads.into(), 1, self.width.into())?;
        if !self.width.is_multiple_of(2 * self.heads) {
            return Err(ModelError::Heads {
                width: self.width,
                heads: self.heads,
            });
        }
        within("parameter count", self.parameter_count(), 1, MAX_PARAMETERS as u64)
    }

    /// Parameters of a configuration within the limits of its fields.
    ///
    /// A block holds 12 w² of weights, 9 w of their biases and 4 w of norms.
    pub(crate) fn parameter_count(&self) -> u64 {
        let (width, layers) = (u64::from(self.width), u64::from(self.layers));
        layers * (12 * width * width + 13 * width) + 2 * VOCABULARY as u64 * width + 2 * width
    }
}

/// Refuses a value outside `min..=max`.
pub(crate) fn within(field: &'static str, value: u64, min: u64, max: u64) -> Result<(), ModelError> {
    if (min..=max).contains(&value) {
        Ok(())
    } else {
        Err(ModelError::Configuration { field, value, min, max })
    }
}

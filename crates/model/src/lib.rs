//! Run and train the networks Aloft serves, with the same bits on every CPU.
//!
//! A [`Network`] is a configuration and one flat run of `f32` parameters. [`Kernels`] carry out its arithmetic on AVX-512,
//! AVX2 or anything else, and because they all agree to the last bit, whoever doubts an answer or a training step can repeat
//! it and compare. The order of every addition is in `docs/spec/model.md`.
//!
//! ```
//! use model::{Examples, Input, Kernels, Mlp, MlpConfig, Network, OptimizerConfig, Standardisation, Trainer};
//! use model::{Activation, Loss};
//!
//! // Teach y = 2x + 1 to a linear network.
//! let config = MlpConfig {
//!     inputs: 1, hidden: vec![], outputs: 1, activation: Activation::Relu, loss: Loss::MeanSquaredError,
//! };
//! let network = Network::from(Mlp::new(config, Standardisation::identity(1, 1), 7)?);
//! let examples = Examples::table(vec![0.0, 1.0, 2.0, 3.0], vec![1.0, 3.0, 5.0, 7.0], 1, 1)?;
//! let kernels = Kernels::detect();
//! let mut trainer = Trainer::new(network, OptimizerConfig::Sgd { learning_rate: 0.1, weight_decay: 0.0 })?;
//! for _ in 0..200 {
//!     trainer.step_on(&kernels, &examples, &[0, 1, 2, 3])?;
//! }
//! let answer = trainer.network().forward(&kernels, Input::Rows(&[10.0]))?;
//! assert!((answer[0] - 21.0).abs() < 0.01);
//! # Ok::<(), model::ModelError>(())
//! ```
//!
//! **Invariant:** no clock, no random source, no platform mathematics: equal inputs, equal bits.

mod config;
mod error;
mod examples;
mod file;
mod kernels;
mod layers;
mod layout;
mod mlp;
mod network;
mod optimizer;
mod random;
mod trainer;
mod transformer;

pub use config::{
    MAX_ATTENTION_WEIGHTS, MAX_BATCH_ROWS, MAX_BATCH_TOKENS, MAX_CONTEXT, MAX_LAYERS, MAX_PARAMETERS, MAX_WIDTH,
    MlpConfig, NetworkConfig, TransformerConfig, VOCABULARY,
};
pub use error::ModelError;
pub use examples::{Examples, MAX_EXAMPLES, Table, Text};
pub use file::{MAX_FILE_BYTES, MAX_HEADER_BYTES};
pub use kernels::{Isa, Kernels, LANES, MAX_THREADS, Matrix, MatrixMut};
pub use layers::activation::Activation;
pub use layers::loss::Loss;
pub use layout::{Layout, Tensor};
pub use mlp::{Mlp, Standardisation};
pub use network::{Input, Network};
pub use optimizer::{Optimizer, OptimizerConfig};
pub use trainer::Trainer;
pub use transformer::Transformer;

//! A network and the optimizer that changes it.

use crate::{Examples, Kernels, ModelError, Network, Optimizer, OptimizerConfig};

/// Trains one network, a minibatch a step.
#[derive(Clone, Debug)]
pub struct Trainer {
    network: Network,
    optimizer: Optimizer,
    gradients: Vec<f32>,
}

impl Trainer {
    /// Trains `network` with a fresh optimizer.
    ///
    /// # Errors
    ///
    /// As [`Optimizer::new`].
    pub fn new(network: Network, optimizer: OptimizerConfig) -> Result<Self, ModelError> {
        let count = network.parameter_count();
        Ok(Self {
            network,
            optimizer: Optimizer::new(optimizer, count)?,
            gradients: vec![0.0; count],
        })
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The network, to change: a round of federated training puts its starting parameters here.
    pub fn network_mut(&mut self) -> &mut Network {
        &mut self.network
    }

    /// The optimizer, to change its learning rate.
    pub fn optimizer_mut(&mut self) -> &mut Optimizer {
        &mut self.optimizer
    }

    /// The network, trained.
    pub fn into_network(self) -> Network {
        self.network
    }

    /// One step on all of `examples`. Returns their loss before the step.
    ///
    /// # Errors
    ///
    /// [`ModelError::Diverged`] when the loss or a gradient is not finite; then nothing changed. Otherwise as
    /// [`Network::loss_and_gradients`].
    pub fn step(&mut self, kernels: &Kernels, examples: &Examples) -> Result<f32, ModelError> {
        let loss = self
            .network
            .loss_and_gradients(kernels, examples, &mut self.gradients)?;
        // A finite sum of squares means that every gradient is finite, and small enough for the optimizer to square.
        if !loss.is_finite() || !kernels.dot(&self.gradients, &self.gradients).is_finite() {
            return Err(ModelError::Diverged { loss });
        }
        let Self {
            network,
            optimizer,
            gradients,
        } = self;
        let (layout, parameters) = network.layout_and_parameters_mut();
        optimizer.step(kernels, layout, parameters, gradients);
        Ok(loss)
    }

    /// One step on the examples of these indices, as [`step`](Self::step) on their [`select`](Examples::select)ion.
    ///
    /// # Errors
    ///
    /// As [`step`](Self::step), and [`ModelError::NoSuchExample`].
    pub fn step_on(&mut self, kernels: &Kernels, examples: &Examples, indices: &[u32]) -> Result<f32, ModelError> {
        self.step(kernels, &examples.select(indices)?)
    }
}

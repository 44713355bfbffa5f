//! A network and its own rows, as training together sees them: `training` knows no tensors, `model` knows no network of machines.

use model::{Examples, Kernels, ModelError, Network, OptimizerConfig, Trainer};
use training::{Learner, TrainSummary};

/// How a learner trains within a round.
#[derive(Clone, Copy, Debug)]
pub struct LearnerConfig {
    /// Rows of a minibatch; fewer when the table has fewer.
    pub batch_rows: usize,
    /// Step size of AdamW.
    pub learning_rate: f32,
    /// Seeds the order of the rows. All learners may share it: their rows differ.
    pub seed: u64,
}

/// One participant's network, optimizer and rows.
pub struct TableLearner {
    trainer: Trainer,
    kernels: Kernels,
    rows: Examples,
    held_out: Examples,
    config: LearnerConfig,
}

impl TableLearner {
    /// Trains `network` on `rows`, and judges it on `held_out`.
    ///
    /// # Errors
    ///
    /// [`ModelError`] when rows and network do not fit together, or the learning rate is no number.
    pub fn new(
        network: Network,
        rows: Examples,
        held_out: Examples,
        config: LearnerConfig,
    ) -> Result<Self, ModelError> {
        let kernels = Kernels::detect();
        // Finds rows of another width now rather than in the middle of a round.
        network.loss(&kernels, &held_out)?;
        if !rows.is_empty() {
            network.loss(&kernels, &rows.select(&[0])?)?;
        }
        let trainer = Trainer::new(network, OptimizerConfig::adam_w(config.learning_rate))?;
        Ok(Self {
            trainer,
            kernels,
            rows,
            held_out,
            config,
        })
    }

    /// The network as it is now.
    pub fn network(&self) -> &Network {
        self.trainer.network()
    }

    /// Loss of the network as it is on the held-out rows.
    pub fn held_out_loss(&self) -> f64 {
        loss(self.trainer.network(), &self.kernels, &self.held_out)
    }

    /// The rows of one minibatch: drawn with repetition from a generator seeded with the run, the round and the step, so that a
    /// round can be trained again bit for bit.
    fn batch(&self, round: u32, step: u32) -> Vec<u32> {
        let count = self.rows.len() as u64;
        let mut hasher = blake3::Hasher::new_derive_key("aloft/training/batch/v1");
        hasher.update(&self.config.seed.to_le_bytes());
        hasher.update(&round.to_le_bytes());
        hasher.update(&step.to_le_bytes());
        let mut stream = hasher.finalize_xof();
        let mut draw = || {
            let mut word = [0; 8];
            stream.fill(&mut word);
            // The high half of a 64 by 64 bit product is uniform to within 2^-32 for any table that fits in memory.
            ((u128::from(u64::from_le_bytes(word)) * u128::from(count)) >> 64) as u32
        };
        (0..self.config.batch_rows.min(self.rows.len()))
            .map(|_| draw())
            .collect()
    }
}

impl Learner for TableLearner {
    fn parameters(&self) -> &[f32] {
        self.trainer.network().parameters()
    }

    fn set_parameters(&mut self, parameters: &[f32]) {
        // Parameters that are not finite would make every later step refuse; the run's state hash has already agreed on them.
        if let Err(refused) = self.trainer.network_mut().set_parameters(parameters) {
            tracing::error!(%refused, "shared parameters not taken over");
        }
    }

    fn train(&mut self, round: u32, steps: u32) -> TrainSummary {
        let mut summary = TrainSummary::default();
        if self.rows.is_empty() {
            return summary;
        }
        for step in 0..steps {
            let batch = self.batch(round, step);
            match self.trainer.step_on(&self.kernels, &self.rows, &batch) {
                Ok(loss) => {
                    summary.last_loss = loss;
                    if step == 0 {
                        summary.first_loss = loss;
                    }
                    summary.examples += batch.len() as u64;
                }
                // A diverged step changes nothing; the others of the round still count.
                Err(refused) => tracing::warn!(round, step, %refused, "step left out"),
            }
        }
        summary
    }

    fn loss_of(&mut self, parameters: &[f32]) -> f64 {
        let mut network = self.trainer.network().clone();
        match network.set_parameters(parameters) {
            Ok(()) => loss(&network, &self.kernels, &self.held_out),
            Err(_) => f64::INFINITY,
        }
    }
}

fn loss(network: &Network, kernels: &Kernels, examples: &Examples) -> f64 {
    network.loss(kernels, examples).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Activation, Loss, Mlp, MlpConfig, Standardisation};

    fn learner() -> TableLearner {
        let config = MlpConfig {
            inputs: 1,
            hidden: vec![8],
            outputs: 1,
            activation: Activation::Relu,
            loss: Loss::MeanSquaredError,
        };
        let network = Network::from(Mlp::new(config, Standardisation::identity(1, 1), 3).unwrap());
        let inputs: Vec<f32> = (0..64).map(|index| index as f32 / 32.0 - 1.0).collect();
        let targets: Vec<f32> = inputs.iter().map(|x| 2.0 * x + 0.5).collect();
        let rows = Examples::table(inputs, targets, 1, 1).unwrap();
        let config = LearnerConfig {
            batch_rows: 16,
            learning_rate: 0.02,
            seed: 5,
        };
        TableLearner::new(network, rows.clone(), rows, config).unwrap()
    }

    /// What audits rest on: the same start and the same round give the same bits.
    #[test]
    fn a_round_trained_again_gives_the_same_bits() {
        let (mut first, mut second) = (learner(), learner());
        let before = first.held_out_loss();
        assert_eq!(first.train(4, 50), second.train(4, 50));
        assert_eq!(first.parameters(), second.parameters());
        assert!(first.held_out_loss() < before / 2.0);
        second.train(5, 1);
        assert_ne!(first.parameters(), second.parameters());
    }

    #[test]
    fn parameters_judged_on_held_out_rows_leave_the_learner_as_it_was() {
        let mut learner = learner();
        let before = learner.parameters().to_vec();
        let zeros = vec![0.0; before.len()];
        assert!(learner.loss_of(&zeros).is_finite());
        assert!(learner.loss_of(&zeros[1..]).is_infinite());
        assert_eq!(learner.parameters(), before);
    }
}

//! A member of a run that trains by adding, so that its updates are valid and quick to make.

use commonware_cryptography::{Signer, ed25519};
use primitives::{B256, Digest};
use training::{
    Learner, TrainSummary,
    compress::{Decay, Density},
    round::{Plan, Worker},
};

/// Parameters of the model: one chunk, not a full one.
pub const PARAMETERS: usize = 24;

/// The plan of every run here: a quarter of the parameters travels.
pub fn plan() -> Plan {
    Plan {
        run: Digest(B256::repeat_byte(1)),
        layout: Digest(B256::repeat_byte(2)),
        rounds: 4,
        local_steps: 1,
        density: Density::new(1024).expect("within a chunk"),
        decay: Decay::DEFAULT,
    }
}

/// Member number `seed` of the run.
pub fn worker(seed: u64) -> Worker<Farm> {
    let plan = plan();
    Worker::new(Farm([0.0; PARAMETERS]), key(seed), plan.run, plan.layout)
}

/// Its key.
pub fn key(seed: u64) -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(seed)
}

/// A model without rows: a step adds to each parameter what its place and the round say.
pub struct Farm([f32; PARAMETERS]);

impl Learner for Farm {
    fn parameters(&self) -> &[f32] {
        &self.0
    }

    fn set_parameters(&mut self, parameters: &[f32]) {
        self.0.copy_from_slice(parameters);
    }

    fn train(&mut self, round: u32, _steps: u32) -> TrainSummary {
        for (place, parameter) in self.0.iter_mut().enumerate() {
            *parameter += (place as f32 - 9.5) * (1.0 + round as f32);
        }
        TrainSummary {
            first_loss: 2.0,
            last_loss: 1.0,
            examples: 10,
        }
    }

    fn loss_of(&mut self, _parameters: &[f32]) -> f64 {
        1.0
    }
}

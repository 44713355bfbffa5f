//! What a round needs of a model: its parameters, and to be trained.

/// Losses and work of one round of local training.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TrainSummary {
    /// Training loss at the first step.
    pub first_loss: f32,
    /// Training loss at the last step.
    pub last_loss: f32,
    /// Examples trained on, repeats counted: the weight of the update.
    pub examples: u64,
}

/// A model with its own rows, trained where they are.
///
/// All learners of a run have the same parameters in the same order, and the same number of them for ever.
pub trait Learner: Send {
    /// All parameters, flat.
    fn parameters(&self) -> &[f32];

    /// Replaces all parameters; `parameters` has the length of [`Learner::parameters`].
    fn set_parameters(&mut self, parameters: &[f32]);

    /// Trains for `steps` steps from the present parameters. `round` seeds the choice of batches, so that a round can be repeated.
    fn train(&mut self, round: u32, steps: u32) -> TrainSummary;

    /// Loss on held-out rows of the model with `parameters`; the learner's own are unchanged.
    fn loss_of(&mut self, parameters: &[f32]) -> f64;
}

impl<L: Learner + ?Sized> Learner for Box<L> {
    fn parameters(&self) -> &[f32] {
        (**self).parameters()
    }

    fn set_parameters(&mut self, parameters: &[f32]) {
        (**self).set_parameters(parameters);
    }

    fn train(&mut self, round: u32, steps: u32) -> TrainSummary {
        (**self).train(round, steps)
    }

    fn loss_of(&mut self, parameters: &[f32]) -> f64 {
        (**self).loss_of(parameters)
    }
}

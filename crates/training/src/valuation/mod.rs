//! What each farm's part in a model was worth: copies removed first, then Shapley values, then integer weights.
//!
//! 1. [`sketch`] — before training: rows that another farm committed earlier, exactly or nearly, are dropped.
//! 2. [`shapley`] — after training: every round's decrease of held-out loss is divided among those accepted in it.
//! 3. [`weights`] — values below zero count as zero, none takes more than a cap, and the weights add up to 10^12 exactly.
//!
//! Never Shapley alone: who uploads the same rows under three names would be paid more than once (measured, docs/spec/training.md).

pub mod shapley;
pub mod sketch;
#[cfg(test)]
mod tests;
pub mod weights;

pub use shapley::{MAX_PARTICIPANTS, RoundValue, ShapleyError, values};
pub use sketch::{Duplicate, Kept, Likeness, Sketch, SketchKey, deduplicate};
pub use weights::{Cap, WEIGHT_TOTAL, Weighted, leaf, weigh};

use crate::{Learner, round::Outcome};
use commonware_cryptography::ed25519::PublicKey;
use std::collections::BTreeMap;

/// What a run was worth to its model, and what each farm's part of that was.
#[derive(Clone, Debug)]
pub struct Valuation {
    /// Farms by index and their weights, which add up to [`WEIGHT_TOTAL`]; farms of weight zero are listed too.
    pub weights: Vec<(usize, u64)>,
    /// How they came about.
    pub report: Report,
}

/// The figures behind the weights.
#[derive(Clone, Debug)]
pub struct Report {
    /// Held-out loss before the first round and after each.
    pub losses: Vec<f64>,
    /// Value of each farm, in loss, summed over the rounds; below zero: the model would have been better without.
    pub values: Vec<f64>,
    /// What each round gave, and to whom.
    pub rounds: Vec<RoundValue>,
    /// Times the held-out loss was computed.
    pub evaluations: u64,
}

/// Values the farms of a finished run.
///
/// `farms[i]` is the key that farm `i` trained with; `None` for a farm that did not train, whose rows were all copies. `learner`
/// computes the held-out loss; `cap` bounds one farm's weight.
///
/// # Errors
///
/// [`ShapleyError`]: too many took part, or nobody's part was worth anything.
pub fn value_farms(
    outcome: &Outcome,
    farms: &[Option<PublicKey>],
    learner: &mut dyn Learner,
    cap: Cap,
) -> Result<Valuation, ShapleyError> {
    let index: BTreeMap<&PublicKey, usize> = farms
        .iter()
        .enumerate()
        .filter_map(|(farm, key)| Some((key.as_ref()?, farm)))
        .collect();
    let report = shapley::values(outcome, &index, farms.len(), learner)?;
    let weighted = weigh(&report.values, cap).ok_or(ShapleyError::Worthless)?;
    Ok(Valuation {
        weights: weighted.into_iter().enumerate().collect(),
        report,
    })
}

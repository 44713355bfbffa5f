//! Exact Shapley values of a run, round by round, from the updates that were accepted.
//!
//! The worth of a set of workers in a round is the decrease of held-out loss when only their updates are merged, with the
//! shares they would have had; the empty set's is zero. A worker's value is its Shapley value, summed over the rounds.

use super::Report;
use crate::{
    Learner,
    compress::Sparse,
    round::{Accepted, Outcome, SHARE_TOTAL, aggregate, shares},
};
use commonware_cryptography::ed25519::PublicKey;
use std::collections::BTreeMap;

/// Workers accepted in one round at most: all 2^12 subsets are evaluated.
pub const MAX_PARTICIPANTS: usize = 12;

/// Worth is held in units of 2^-40 of loss, so that sums do not depend on their order.
const WORTH_UNITS: f64 = (1u64 << 40) as f64;

/// Why there are no values.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ShapleyError {
    /// Exact values of so many would take too long.
    #[error("{count} workers were accepted in round {round}: exact values are computed of at most {MAX_PARTICIPANTS}")]
    TooMany {
        /// The round.
        round: u32,
        /// Workers accepted in it.
        count: usize,
    },
    /// A worker took part that belongs to no farm.
    #[error("worker {worker} of round {round} belongs to no farm")]
    Unknown {
        /// The round.
        round: u32,
        /// The worker.
        worker: Box<PublicKey>,
    },
    /// The loss on held-out rows is not a number.
    #[error("the held-out loss after round {round} is not a finite number")]
    Loss {
        /// The round.
        round: u32,
    },
    /// No part was worth more than nothing: there is nothing to share out.
    #[error("nobody's part in this run decreased the held-out loss")]
    Worthless,
}

/// What one round was worth.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundValue {
    /// The round.
    pub round: u32,
    /// Decrease of held-out loss by this round; the values add up to it.
    pub worth: f64,
    /// Farms accepted, and each one's value.
    pub values: Vec<(usize, f64)>,
}

/// Values of farms in a finished run; `farm_of` tells which farm a worker is.
///
/// Costs `rounds × 2^accepted` evaluations of the held-out loss.
///
/// # Errors
///
/// [`ShapleyError`].
pub fn values(
    outcome: &Outcome,
    farm_of: &BTreeMap<&PublicKey, usize>,
    farm_count: usize,
    learner: &mut dyn Learner,
) -> Result<Report, ShapleyError> {
    let mut parameters = outcome.initial.clone();
    let mut loss = learner.loss_of(&parameters);
    let mut report = Report {
        losses: vec![loss],
        values: vec![0.0; farm_count],
        rounds: vec![],
        evaluations: 1,
    };
    let mut totals = vec![0i128; farm_count];
    for record in &outcome.rounds {
        let (round, accepted) = (record.round, &record.accepted);
        if accepted.len() > MAX_PARTICIPANTS {
            return Err(ShapleyError::TooMany {
                round,
                count: accepted.len(),
            });
        }
        let farms = accepted.iter().map(|part| {
            let farm = farm_of.get(&part.worker).copied();
            farm.ok_or_else(|| ShapleyError::Unknown {
                round,
                worker: Box::new(part.worker.clone()),
            })
        });
        let farms = farms.collect::<Result<Vec<usize>, _>>()?;

        let worth = worths(&parameters, accepted, loss, learner);
        report.evaluations += worth.len() as u64 - 1;
        let worth = worth
            .into_iter()
            .collect::<Option<Vec<i64>>>()
            .ok_or(ShapleyError::Loss { round })?;
        let (divisor, shares) = shapley(&worth, accepted.len());
        aggregate(&mut parameters, accepted.iter().map(|part| (&part.delta, part.share)));
        loss = learner.loss_of(&parameters);
        report.evaluations += 1;
        report.losses.push(loss);

        let value = |units: i128| units as f64 / divisor as f64 / WORTH_UNITS;
        report.rounds.push(RoundValue {
            round,
            worth: worth.last().map_or(0.0, |units| *units as f64 / WORTH_UNITS),
            values: farms
                .iter()
                .zip(&shares)
                .map(|(&farm, &units)| (farm, value(units)))
                .collect(),
        });
        for (farm, units) in farms.into_iter().zip(shares) {
            // Rounds differ in how many took part, hence in their divisor; this one common multiple serves all.
            totals[farm] += units * (FACTORIAL_MAX / divisor);
        }
    }
    report.values = totals
        .iter()
        .map(|units| *units as f64 / FACTORIAL_MAX as f64 / WORTH_UNITS)
        .collect();
    Ok(report)
}

/// Worth of every subset, bit `i` of the index standing for `accepted[i]`; `None` where the loss is not finite.
fn worths(parameters: &[f32], accepted: &[Accepted], before: f64, learner: &mut dyn Learner) -> Vec<Option<i64>> {
    let all = 1u32 << accepted.len();
    let worth = |subset: u32| {
        if subset == 0 {
            return Some(0);
        }
        let members = || {
            accepted
                .iter()
                .enumerate()
                .filter(|(index, _)| subset >> index & 1 == 1)
                .map(|(_, part)| part)
        };
        // The full set keeps the shares it was merged with, which add up already.
        let weights: Vec<u64> = members().map(|part| u64::from(part.share)).collect();
        let merged = merged(parameters, members().map(|part| &part.delta).zip(shares(&weights)));
        let decrease = (before - learner.loss_of(&merged)) * WORTH_UNITS;
        // Beyond 2^62 units, four million of loss, the model has diverged.
        (decrease.is_finite() && decrease.abs() < (1u64 << 62) as f64).then_some(decrease as i64)
    };
    (0..all).map(worth).collect()
}

fn merged<'a>(parameters: &[f32], updates: impl Iterator<Item = (&'a Sparse, u32)>) -> Vec<f32> {
    let mut parameters = parameters.to_vec();
    aggregate(&mut parameters, updates);
    parameters
}

const FACTORIALS: [i128; MAX_PARTICIPANTS + 1] = {
    let mut table = [1; MAX_PARTICIPANTS + 1];
    let mut n = 1;
    while n <= MAX_PARTICIPANTS {
        table[n] = table[n - 1] * n as i128;
        n += 1;
    }
    table
};
const FACTORIAL_MAX: i128 = FACTORIALS[MAX_PARTICIPANTS];
const _: () = assert!(SHARE_TOTAL as usize > MAX_PARTICIPANTS, "every worker can have a share");

/// Shapley values times the returned divisor `n!`, exact, from the worth of every subset of `n`:
/// `n! φ_i = Σ_{S without i} |S|! (n − 1 − |S|)! (v(S ∪ i) − v(S))`.
fn shapley(worth: &[i64], n: usize) -> (i128, Vec<i128>) {
    let value = |i: usize| {
        let without = (0..worth.len()).filter(|subset| subset >> i & 1 == 0);
        let gains = without.map(|subset| {
            let size = subset.count_ones() as usize;
            let gain = i128::from(worth[subset | 1 << i]) - i128::from(worth[subset]);
            FACTORIALS[size] * FACTORIALS[n - 1 - size] * gain
        });
        gains.sum()
    };
    (FACTORIALS[n], (0..n).map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapley_values_of_the_glove_game_are_the_textbook_s() {
        // One left glove (0), two right ones (1, 2); a pair is worth 6: values 4, 1, 1.
        let worth: Vec<i64> = (0..8u32)
            .map(|set| if set & 1 == 1 && set > 1 { 6 } else { 0 })
            .collect();
        let (divisor, values) = shapley(&worth, 3);
        assert_eq!(values, [4 * divisor, divisor, divisor]);
    }

    #[test]
    fn values_add_up_to_the_worth_of_all_without_rounding() {
        let worth: Vec<i64> = (0..4096i64)
            .map(|set| if set == 0 { 0 } else { set * 7919 % 1000 - 300 })
            .collect();
        let (divisor, values) = shapley(&worth, 12);
        assert_eq!(values.iter().sum::<i128>(), i128::from(worth[4095]) * divisor);
    }
}

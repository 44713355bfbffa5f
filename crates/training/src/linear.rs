//! The smallest learner there is, for tests: linear regression by gradient descent on all of its rows.

use crate::{
    Learner, TrainSummary,
    table::{Examples, Split, SplitConfig, Table},
};
use std::sync::Arc;

#[derive(Clone)]
pub(crate) struct Linear {
    pub rows: Arc<Examples>,
    pub held_out: Arc<Examples>,
    pub parameters: Vec<f32>,
}

const RATE: f32 = 0.02;

impl Linear {
    pub fn new(rows: Examples, held_out: &Arc<Examples>) -> Self {
        let parameters = vec![0.0; rows.width + 1];
        Self {
            rows: Arc::new(rows),
            held_out: Arc::clone(held_out),
            parameters,
        }
    }

    /// One learner for every farm of `table`.
    pub fn of(table: &Table) -> Vec<Self> {
        let split = Split::of(
            table,
            SplitConfig {
                held_out_percent: 25,
                seed: 7,
            },
        )
        .unwrap();
        let held_out = Arc::new(split.held_out);
        split.farms.into_iter().map(|rows| Self::new(rows, &held_out)).collect()
    }

    fn error(parameters: &[f32], rows: &Examples, index: usize) -> f32 {
        let (weights, bias) = parameters.split_at(rows.width);
        let dot: f32 = rows
            .row(index)
            .iter()
            .zip(weights)
            .map(|(input, weight)| input * weight)
            .sum();
        dot + bias[0] - rows.targets[index]
    }

    fn loss(parameters: &[f32], rows: &Examples) -> f64 {
        let squares = (0..rows.len()).map(|index| f64::from(Self::error(parameters, rows, index)).powi(2));
        squares.sum::<f64>() / rows.len().max(1) as f64
    }

    fn step(&mut self) {
        let mut gradient = vec![0.0f32; self.parameters.len()];
        for index in 0..self.rows.len() {
            let error = Self::error(&self.parameters, &self.rows, index);
            let inputs = self.rows.row(index).iter().chain(&[1.0]);
            gradient
                .iter_mut()
                .zip(inputs)
                .for_each(|(sum, input)| *sum += error * input);
        }
        let rate = RATE * 2.0 / self.rows.len().max(1) as f32;
        self.parameters
            .iter_mut()
            .zip(gradient)
            .for_each(|(parameter, slope)| *parameter -= rate * slope);
    }
}

impl Learner for Linear {
    fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    fn set_parameters(&mut self, parameters: &[f32]) {
        self.parameters.copy_from_slice(parameters);
    }

    fn train(&mut self, _round: u32, steps: u32) -> TrainSummary {
        let first_loss = Self::loss(&self.parameters, &self.rows) as f32;
        (0..steps).for_each(|_| self.step());
        let last_loss = Self::loss(&self.parameters, &self.rows) as f32;
        TrainSummary {
            first_loss,
            last_loss,
            examples: u64::from(steps) * self.rows.len() as u64,
        }
    }

    fn loss_of(&mut self, parameters: &[f32]) -> f64 {
        Self::loss(parameters, &self.held_out)
    }
}

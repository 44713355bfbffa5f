//! Scaling: from figures in their own units to inputs of about unit size, with constants that travel with the model.

use super::{Examples, Table, logarithm::ln_1p, read::Column};
use serde::{Deserialize, Serialize};

/// Skewness from which a column of non-negative figures is scaled by its logarithm: areas, amounts and yields are spread
/// over orders of magnitude, and squared errors in raw units would see the largest farm only.
const LOG_SKEWNESS: f64 = 2.0;

/// How one column of numbers becomes one input: `(f(x) - mean) / deviation`, `f` being `x` or `ln(1 + x)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Whether `f` is `ln(1 + x)`; figures below zero then count as zero.
    pub logarithmic: bool,
    /// Mean of `f(x)` over the rows trained on.
    #[serde(with = "exact")]
    pub mean: f64,
    /// Standard deviation of `f(x)` over the rows trained on; never zero.
    #[serde(with = "exact")]
    pub deviation: f64,
}

/// Numbers as their shortest decimal text: a parser of JSON numbers may be off by the last bit, and then two farms would train on
/// different inputs.
mod exact {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .ok()
            .filter(|value: &f64| value.is_finite())
            .ok_or_else(|| D::Error::custom("not a finite number"))
    }
}

impl Scale {
    /// Fits a scale to `values`, of which there is at least one.
    fn fit(values: &[f64]) -> Self {
        let logarithmic = values.iter().all(|value| *value >= 0.0) && skewness(values) > LOG_SKEWNESS;
        let bent: Vec<f64> = values
            .iter()
            .map(|value| if logarithmic { ln_1p(*value) } else { *value })
            .collect();
        let mean = mean(&bent);
        let deviation = central_moment(&bent, mean, 2).sqrt();
        Self {
            logarithmic,
            mean,
            deviation: if deviation > 0.0 { deviation } else { 1.0 },
        }
    }

    /// The input for figure `value`.
    pub fn apply(&self, value: f64) -> f32 {
        let bent = if self.logarithmic { ln_1p(value.max(0.0)) } else { value };
        ((bent - self.mean) / self.deviation) as f32
    }

    /// The figure an input stands for: the inverse of [`Scale::apply`], for showing a prediction in its own units.
    pub fn invert(&self, input: f32) -> f64 {
        let bent = f64::from(input) * self.deviation + self.mean;
        if self.logarithmic { bent.exp_m1() } else { bent }
    }
}

/// How one column becomes inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Encoding {
    /// A number, one input.
    Number {
        /// Name of the column.
        column: String,
        /// Its scale.
        scale: Scale,
    },
    /// One of a few texts: an input of 1 for the text that is there, of 0 for each other.
    OneHot {
        /// Name of the column.
        column: String,
        /// The texts, sorted.
        texts: Vec<String>,
    },
}

/// All a model's user needs to turn figures into inputs and predictions into figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The features, in the order of their inputs.
    pub inputs: Vec<Encoding>,
    /// Name of the column to predict.
    pub target_column: String,
    /// Scale of the target.
    pub target: Scale,
}

impl Scaling {
    /// Fits the scaling of `table` to `rows`, the rows trained on: rows held out must not leak into it.
    ///
    /// # Panics
    ///
    /// When `rows` is empty.
    pub fn fit(table: &Table, rows: &[usize]) -> Self {
        assert!(!rows.is_empty(), "a scaling is fitted to rows");
        let pick = |values: &[f64]| Scale::fit(&rows.iter().map(|&row| values[row]).collect::<Vec<_>>());
        let encode = |column: &Column| match column {
            Column::Numbers { name, values } => Encoding::Number {
                column: name.clone(),
                scale: pick(values),
            },
            Column::Categories { name, texts, .. } => Encoding::OneHot {
                column: name.clone(),
                texts: texts.clone(),
            },
        };
        Self {
            inputs: table.features.iter().map(encode).collect(),
            target_column: table.target_column().to_owned(),
            target: pick(&table.targets),
        }
    }

    /// Inputs of one row.
    pub fn width(&self) -> usize {
        let count = |encoding: &Encoding| match encoding {
            Encoding::Number { .. } => 1,
            Encoding::OneHot { texts, .. } => texts.len(),
        };
        self.inputs.iter().map(count).sum()
    }

    /// Names of the inputs, in order; a one-hot input is called `column=text`.
    pub fn input_names(&self) -> Vec<String> {
        let names = |encoding: &Encoding| match encoding {
            Encoding::Number { column, .. } => vec![column.clone()],
            Encoding::OneHot { column, texts } => texts.iter().map(|text| format!("{column}={text}")).collect(),
        };
        self.inputs.iter().flat_map(names).collect()
    }

    /// The inputs and targets of `rows` of the table this scaling was fitted to.
    pub fn examples(&self, table: &Table, rows: &[usize]) -> Examples {
        let mut inputs = Vec::with_capacity(rows.len() * self.width());
        for &row in rows {
            for (encoding, column) in self.inputs.iter().zip(&table.features) {
                match (encoding, column) {
                    (Encoding::Number { scale, .. }, Column::Numbers { values, .. }) => {
                        inputs.push(scale.apply(values[row]));
                    }
                    (Encoding::OneHot { texts, .. }, Column::Categories { index, .. }) => {
                        inputs.extend((0..texts.len()).map(|at| f32::from(u8::from(at == usize::from(index[row])))));
                    }
                    _ => unreachable!("the scaling was fitted to this table"),
                }
            }
        }
        let targets = rows.iter().map(|&row| self.target.apply(table.targets[row])).collect();
        Examples {
            width: self.width(),
            inputs,
            targets,
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn central_moment(values: &[f64], mean: f64, order: u32) -> f64 {
    let power = |value: f64| (1..order).fold(value, |product, _| product * value);
    values.iter().map(|value| power(value - mean)).sum::<f64>() / values.len() as f64
}

fn skewness(values: &[f64]) -> f64 {
    let mean = mean(values);
    let variance = central_moment(values, mean, 2);
    if variance > 0.0 {
        central_moment(values, mean, 3) / (variance * variance.sqrt())
    } else {
        0.0
    }
}

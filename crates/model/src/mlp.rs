//! The multilayer perceptron: dense layers on rows of numbers.

use crate::config::{MAX_BATCH_ROWS, within};
use crate::examples::{Table, expect_finite, expect_length};
use crate::layers::linear::Linear;
use crate::layers::loss::{cross_entropy, mean_squared_error};
use crate::layout::Layout;
use crate::random::first_parameters;
use crate::{Kernels, Loss, MlpConfig, ModelError};

/// A multilayer perceptron: its configuration, its parameters and the units of its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    pub(crate) config: MlpConfig,
    pub(crate) layout: Layout,
    pub(crate) parameters: Vec<f32>,
    pub(crate) standardisation: Standardisation,
    layers: Vec<Linear>,
}

/// The units of a network's data: what is fed in and taught is `(x - mean) / scale`, so that callers speak raw units.
///
/// Constants, not trained; training participants agree on them beforehand.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardisation {
    /// Mean of each input.
    pub input_mean: Vec<f32>,
    /// Scale of each input, such as its standard deviation: positive.
    pub input_scale: Vec<f32>,
    /// Mean of each target; all zero when the loss is a cross entropy.
    pub target_mean: Vec<f32>,
    /// Scale of each target; all one when the loss is a cross entropy.
    pub target_scale: Vec<f32>,
}

impl Standardisation {
    /// Raw units as they are.
    pub fn identity(inputs: usize, outputs: usize) -> Self {
        Self {
            input_mean: vec![0.0; inputs],
            input_scale: vec![1.0; inputs],
            target_mean: vec![0.0; outputs],
            target_scale: vec![1.0; outputs],
        }
    }

    /// Mean and standard deviation of each column of `table`; a column that never changes keeps its scale of one.
    ///
    /// Summed in `f64`, row after row. For a cross entropy, use the input half alone.
    pub fn of(table: &Table) -> Self {
        let (input_mean, input_scale) = moments(table.inputs(), table.input_width());
        let (target_mean, target_scale) = moments(table.targets(), table.target_width());
        Self {
            input_mean,
            input_scale,
            target_mean,
            target_scale,
        }
    }

    fn check(&self, config: &MlpConfig) -> Result<(), ModelError> {
        let (inputs, outputs) = (config.inputs as usize, config.outputs as usize);
        for (what, values, length) in [
            ("input mean", &self.input_mean, inputs),
            ("input scale", &self.input_scale, inputs),
            ("target mean", &self.target_mean, outputs),
            ("target scale", &self.target_scale, outputs),
        ] {
            expect_length(what, values.len(), length)?;
            expect_finite(what, values)?;
        }
        for (what, scales) in [("input scale", &self.input_scale), ("target scale", &self.target_scale)] {
            if let Some(index) = scales.iter().position(|&scale| scale <= 0.0) {
                return Err(ModelError::Value {
                    what,
                    index,
                    value: scales[index],
                });
            }
        }
        let unit = |values: &[f32], constant: f32| values.iter().position(|&value| value != constant);
        if config.loss == Loss::CrossEntropy {
            for (what, values, constant) in [
                ("target mean", &self.target_mean, 0.0),
                ("target scale", &self.target_scale, 1.0),
            ] {
                if let Some(index) = unit(values, constant) {
                    return Err(ModelError::Value {
                        what,
                        index,
                        value: values[index],
                    });
                }
            }
        }
        Ok(())
    }
}

/// Mean and standard deviation of each column of finite rows; one in place of a deviation of zero.
fn moments(rows: &[f32], width: usize) -> (Vec<f32>, Vec<f32>) {
    let count = (rows.len() / width).max(1) as f64;
    let mut means = vec![0.0f64; width];
    for row in rows.chunks_exact(width) {
        means
            .iter_mut()
            .zip(row)
            .for_each(|(mean, &x)| *mean += f64::from(x) / count);
    }
    let mut variances = vec![0.0f64; width];
    for row in rows.chunks_exact(width) {
        for ((variance, mean), &x) in variances.iter_mut().zip(&means).zip(row) {
            *variance += (f64::from(x) - mean) * (f64::from(x) - mean) / count;
        }
    }
    let scale = |variance: f64| match variance.sqrt().min(f64::from(f32::MAX)) as f32 {
        0.0 => 1.0,
        deviation => deviation,
    };
    (
        means.into_iter().map(|mean| mean as f32).collect(),
        variances.into_iter().map(scale).collect(),
    )
}

/// What each layer saw on the way forward.
struct Trace {
    /// The input of each dense layer.
    inputs: Vec<Vec<f32>>,
    /// The output of each hidden dense layer, before its activation.
    sums: Vec<Vec<f32>>,
    /// The output of the last.
    output: Vec<f32>,
}

impl Mlp {
    /// A network with the first parameters of `seed`: weights uniform with standard deviation `√(2 / inputs of the layer)`
    /// (He et al. 2015), biases zero.
    ///
    /// # Errors
    ///
    /// [`ModelError::Configuration`] beyond the limits of this crate; [`ModelError::Length`] or [`ModelError::Value`] when
    /// `standardisation` does not fit or scales by what is not positive.
    pub fn new(config: MlpConfig, standardisation: Standardisation, seed: u64) -> Result<Self, ModelError> {
        config.check()?;
        standardisation.check(&config)?;
        let mut layout = Layout::default();
        let mut from = config.inputs as usize;
        let mut layers = Vec::with_capacity(config.hidden.len() + 1);
        for (i, &to) in config.hidden.iter().chain([&config.outputs]).enumerate() {
            let to = to as usize;
            let deviation = (2.0 / from as f32).sqrt();
            layers.push(Linear::push(
                &mut layout,
                &format!("layers.{i}"),
                (from, to),
                true,
                deviation,
            ));
            from = to;
        }
        let parameters = first_parameters(&layout, seed);
        Ok(Self {
            config,
            layout,
            parameters,
            standardisation,
            layers,
        })
    }

    /// What the network is made of.
    pub fn config(&self) -> &MlpConfig {
        &self.config
    }

    /// The units of its data.
    pub fn standardisation(&self) -> &Standardisation {
        &self.standardisation
    }

    /// Outputs of rows of inputs, both in raw units; logits when the loss is a cross entropy. NaN is always the same NaN.
    ///
    /// # Errors
    ///
    /// [`ModelError::Length`] when `inputs` is not whole rows; [`ModelError::Configuration`] when they are too many.
    pub fn forward(&self, kernels: &Kernels, inputs: &[f32]) -> Result<Vec<f32>, ModelError> {
        let width = self.config.inputs as usize;
        let rows = inputs.len() / width;
        expect_length("inputs", inputs.len(), rows * width)?;
        within("row count", rows as u64, 0, MAX_BATCH_ROWS as u64)?;
        let mut output = self.run(kernels, inputs).output;
        let Standardisation {
            target_mean,
            target_scale,
            ..
        } = &self.standardisation;
        kernels.restore(&mut output, target_mean, target_scale);
        crate::network::canonicalise_nan(&mut output);
        Ok(output)
    }

    /// The loss on `table`.
    pub(crate) fn loss(&self, kernels: &Kernels, table: &Table) -> Result<f32, ModelError> {
        self.check_table(table)?;
        let mut output = self.run(kernels, table.inputs()).output;
        Ok(self.output_loss(kernels, &mut output, table))
    }

    /// The loss on `table`; its gradient replaces `gradients`.
    pub(crate) fn loss_and_gradients(
        &self,
        kernels: &Kernels,
        table: &Table,
        gradients: &mut [f32],
    ) -> Result<f32, ModelError> {
        self.check_table(table)?;
        gradients.fill(0.0);
        let mut trace = self.run(kernels, table.inputs());
        let loss = self.output_loss(kernels, &mut trace.output, table);
        let mut gradient = trace.output;
        for (i, layer) in self.layers.iter().enumerate().rev() {
            layer.backward_parameters(kernels, &trace.inputs[i], &gradient, gradients);
            if i > 0 {
                gradient = layer.backward_input(kernels, &self.parameters, &gradient);
                self.config
                    .activation
                    .backward(kernels, &trace.sums[i - 1], &mut gradient);
            }
        }
        Ok(loss)
    }

    fn run(&self, kernels: &Kernels, rows: &[f32]) -> Trace {
        let mut x = rows.to_vec();
        kernels.standardise(
            &mut x,
            &self.standardisation.input_mean,
            &self.standardisation.input_scale,
        );
        let mut trace = Trace {
            inputs: Vec::new(),
            sums: Vec::new(),
            output: Vec::new(),
        };
        for (i, layer) in self.layers.iter().enumerate() {
            let y = layer.forward(kernels, &self.parameters, &x);
            trace.inputs.push(x);
            if i + 1 == self.layers.len() {
                trace.output = y;
                break;
            }
            x = self.config.activation.forward(kernels, &y);
            trace.sums.push(y);
        }
        trace
    }

    /// The loss; `output` becomes its gradient.
    fn output_loss(&self, kernels: &Kernels, output: &mut [f32], table: &Table) -> f32 {
        match self.config.loss {
            Loss::MeanSquaredError => {
                let mut targets = table.targets().to_vec();
                let Standardisation {
                    target_mean,
                    target_scale,
                    ..
                } = &self.standardisation;
                kernels.standardise(&mut targets, target_mean, target_scale);
                mean_squared_error(kernels, output, &targets)
            }
            Loss::CrossEntropy => cross_entropy(kernels, output, table.targets(), table.target_width()),
        }
    }

    fn check_table(&self, table: &Table) -> Result<(), ModelError> {
        expect_length("row of inputs", table.input_width(), self.config.inputs as usize)?;
        expect_length("row of targets", table.target_width(), self.config.outputs as usize)?;
        let rows = table.inputs().len() / table.input_width();
        within("row count", rows as u64, 1, MAX_BATCH_ROWS as u64)
    }
}

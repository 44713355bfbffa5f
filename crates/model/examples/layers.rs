//! How fast the engine is on this machine, as one JSON object.
//!
//! `cargo run --release -p model --example layers`
//!
//! Times are processor seconds of this thread where the system reports them (Linux), else wall seconds; the object says which.
//! Each figure is the best of several runs, since other work on the machine only ever slows one down.

use std::time::Instant;

use model::{
    Activation, Examples, Isa, Kernels, Loss, Matrix, MatrixMut, Mlp, MlpConfig, Network, OptimizerConfig,
    Standardisation, Trainer, Transformer, TransformerConfig,
};
use serde_json::{Value, json};

/// Products of a small transformer's training, and a cube: rows, columns, depth.
const PRODUCTS: [(&str, usize, usize, usize); 5] = [
    ("cube", 1024, 1024, 1024),
    ("attention in", 2048, 768, 256),
    ("dense in", 2048, 1024, 256),
    ("dense out", 2048, 256, 1024),
    ("scores of a head", 64, 256, 32),
];

/// Sequences and bytes of each in a transformer's training step.
const BATCH: (usize, usize) = (8, 256);

/// Rows in a dense network's training step.
const ROWS: usize = 64;

const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut results = serde_json::Map::new();
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        let kernels = Kernels::new(isa)?;
        let result = match isa {
            // A step would take minutes without vectors.
            Isa::Scalar => json!({ "gflop_per_core_second": products(&kernels) }),
            _ => json!({
                "gflop_per_core_second": products(&kernels),
                "transformer": transformer(&kernels)?,
                "mlp": mlp(&kernels)?,
            }),
        };
        results.insert(format!("{isa:?}").to_lowercase(), result);
    }
    let clock = if processor_seconds().is_some() {
        "processor"
    } else {
        "wall"
    };
    println!("{}", json!({ "clock": clock, "threads": 1, "isa": results }));
    Ok(())
}

/// Seconds this thread has run.
fn processor_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split(' ').next()?.parse::<f64>().ok()? / 1e9)
}

/// The fewest seconds `work` took.
fn best(mut work: impl FnMut()) -> f64 {
    let time = || {
        let (wall, processor) = (Instant::now(), processor_seconds());
        work();
        processor_seconds()
            .zip(processor)
            .map_or(wall.elapsed().as_secs_f64(), |(after, before)| after - before)
    };
    std::iter::repeat_with(time).take(RUNS).fold(f64::INFINITY, f64::min)
}

fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn products(kernels: &Kernels) -> Value {
    let scale = if kernels.isa() == Isa::Scalar { 8 } else { 1 };
    let measure = |(name, rows, columns, depth): (&str, usize, usize, usize)| {
        let rows = rows / scale;
        let a: Vec<f32> = (0..rows * depth).map(|i| (i % 1013) as f32 / 1013.0 - 0.5).collect();
        let b: Vec<f32> = (0..depth * columns).map(|i| (i % 997) as f32 / 997.0 - 0.5).collect();
        let mut c = vec![0.0; rows * columns];
        let operations = (2 * rows * columns * depth) as f64;
        let repeats = (8e9 / operations / (scale * scale) as f64).ceil() as usize;
        let seconds = best(|| {
            for _ in 0..repeats {
                let c = MatrixMut::new(&mut c, rows, columns);
                kernels.multiply(Matrix::new(&a, rows, depth), Matrix::new(&b, depth, columns), c);
            }
        });
        (
            name.to_owned(),
            json!(rounded(operations * repeats as f64 / seconds / 1e9)),
        )
    };
    Value::Object(PRODUCTS.into_iter().map(measure).collect())
}

fn transformer(kernels: &Kernels) -> Result<Value, model::ModelError> {
    let config = TransformerConfig {
        context: 256,
        width: 256,
        heads: 8,
        layers: 6,
    };
    let network = Network::from(Transformer::new(config.clone(), 1)?);
    let parameters = network.parameter_count();
    let text: Vec<u8> = (0..BATCH.0 * BATCH.1 + 1).map(|i| (i * i % 251) as u8).collect();
    let examples = Examples::text(&text, BATCH.1)?;
    let mut trainer = Trainer::new(network, OptimizerConfig::adam_w(3e-4))?;
    let mut result = Ok(0.0);
    let seconds = best(|| result = trainer.step(kernels, &examples));
    result?;
    let tokens = (BATCH.0 * BATCH.1) as f64;
    Ok(json!({
        "config": config,
        "parameters": parameters,
        "tokens_per_step": tokens,
        "milliseconds_per_step": rounded(seconds * 1e3),
        "training_tokens_per_core_second": rounded(tokens / seconds),
    }))
}

fn mlp(kernels: &Kernels) -> Result<Value, model::ModelError> {
    let config = MlpConfig {
        inputs: 16,
        hidden: vec![64, 64],
        outputs: 1,
        activation: Activation::Relu,
        loss: Loss::MeanSquaredError,
    };
    let network = Network::from(Mlp::new(config.clone(), Standardisation::identity(16, 1), 1)?);
    let inputs = (0..ROWS * 16).map(|i| (i % 101) as f32 / 50.0 - 1.0).collect();
    let targets = (0..ROWS).map(|i| (i % 7) as f32).collect();
    let examples = Examples::table(inputs, targets, 16, 1)?;
    let mut trainer = Trainer::new(network, OptimizerConfig::adam_w(1e-3))?;
    const STEPS: usize = 200;
    let mut result = Ok(0.0);
    let seconds = best(|| {
        for _ in 0..STEPS {
            result = trainer.step(kernels, &examples);
        }
    });
    result?;
    Ok(json!({ "config": config, "rows_per_step": ROWS, "steps_per_core_second": rounded(STEPS as f64 / seconds) }))
}

//! Networks that learn, that everyone computes alike, and that travel as files.

use model::{
    Activation, Examples, Input, Isa, Kernels, Loss, Mlp, MlpConfig, ModelError, Network, Optimizer, OptimizerConfig,
    Standardisation, Trainer, Transformer, TransformerConfig,
};

const TEXT: &[u8] = b"a chain remembers what was agreed; a network remembers what was learned. ";

/// Kernels of every instruction set this CPU has.
fn every_isa() -> impl Iterator<Item = Kernels> {
    Isa::ALL.into_iter().filter_map(|isa| Kernels::new(isa).ok())
}

fn transformer(context: u32, width: u32, layers: u32) -> Network {
    let config = TransformerConfig {
        context,
        width,
        heads: width / 16,
        layers,
    };
    Transformer::new(config, 11)
        .expect("the configuration is within the limits")
        .into()
}

fn mlp(activation: Activation, loss: Loss) -> Network {
    let config = MlpConfig {
        inputs: 3,
        hidden: vec![24, 20],
        outputs: 2,
        activation,
        loss,
    };
    let standardisation = match loss {
        Loss::CrossEntropy => Standardisation::identity(3, 2),
        Loss::MeanSquaredError => Standardisation {
            input_mean: vec![50.0, 0.0, -3.0],
            input_scale: vec![30.0, 1.0, 0.5],
            target_mean: vec![100.0, 0.0],
            target_scale: vec![40.0, 2.0],
        },
    };
    Mlp::new(config, standardisation, 5)
        .expect("the configuration is within the limits")
        .into()
}

/// 64 rows in raw units: two smooth functions of three inputs, the second given as probabilities when `shares`.
fn rows(shares: bool) -> Examples {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for i in 0..64 {
        let x = [
            (i % 8) as f32 * 14.0,
            (i / 8) as f32 * 0.5 - 2.0,
            (i % 5) as f32 * 0.25 - 3.5,
        ];
        let y = [1.5 * x[0] - 4.0 * x[1] * x[1] + 10.0, x[1] * (x[2] + 3.0) * 3.0];
        inputs.extend(x);
        if shares {
            let share = if x[1] > 0.3 { 0.9 } else { 0.2 };
            targets.extend([share, 1.0 - share]);
        } else {
            targets.extend(y);
        }
    }
    Examples::table(inputs, targets, 3, 2).expect("the rows are whole")
}

fn hash(values: &[f32]) -> String {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    blake3::hash(&bytes).to_hex().to_string()
}

/// Every CPU of any kind must end with these parameters. They change only with `VERSION` in `file.rs`.
const GOLDEN_TRANSFORMER: &str = "06100f73a891e12cd69cc9b53ff0af5e1bf6874cee5db36a5908453ba74946c9";
const GOLDEN_MLP: &str = "3c7ed9adf6e672958558a3e0d4c967699797d9dea6b312a3d718e3b760ce866a";

#[test]
fn a_transformer_learns_a_text_by_heart() {
    let kernels = Kernels::detect();
    let text = TEXT.repeat(5);
    let examples = Examples::text(&text, 64).expect("the length is within the limits");
    let mut trainer = Trainer::new(transformer(64, 64, 1), OptimizerConfig::adam_w(1e-2)).expect("the rates are sound");
    assert_eq!(trainer.network().parameter_count(), 82_880);
    let mut losses = Vec::new();
    for _ in 0..120 {
        losses.push(trainer.step(&kernels, &examples).expect("training stays finite"));
    }
    assert!(
        (losses[0] - 256f32.ln()).abs() < 0.1,
        "an untrained network knows nothing: {}",
        losses[0]
    );
    assert!(losses[119] < 0.1, "the last of {losses:?}");

    let mut written = TEXT[..20].to_vec();
    for _ in 0..40 {
        let input = Input::Bytes {
            bytes: &written,
            length: written.len(),
        };
        let logits = trainer.network().forward(&kernels, input).expect("the sequence fits");
        let last = &logits[logits.len() - 256..];
        let likeliest = (0..=255u8).max_by(|&a, &b| last[usize::from(a)].total_cmp(&last[usize::from(b)]));
        written.extend(likeliest);
    }
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(&text[..60]));
}

#[test]
fn a_dense_network_learns_a_regression_in_raw_units() {
    let kernels = Kernels::detect();
    let examples = rows(false);
    let network = mlp(Activation::Tanh, Loss::MeanSquaredError);
    let mut trainer = Trainer::new(network, OptimizerConfig::adam_w(1e-2)).expect("the rates are sound");
    for _ in 0..400 {
        trainer.step(&kernels, &examples).expect("training stays finite");
    }
    let answer = trainer
        .network()
        .forward(&kernels, Input::Rows(&[42.0, -0.5, -3.0]))
        .expect("a row of inputs");
    assert!((answer[0] - 72.0).abs() < 4.0 && answer[1].abs() < 0.5, "{answer:?}");
}

#[test]
fn training_ends_with_the_same_bits_on_every_instruction_set() {
    for kernels in every_isa() {
        let text = TEXT.repeat(3);
        let examples = Examples::text(&text, 70).expect("the length is within the limits");
        let mut trainer =
            Trainer::new(transformer(70, 64, 1), OptimizerConfig::adam_w(1e-2)).expect("the rates are sound");
        for step in 0..3u32 {
            trainer
                .step_on(&kernels, &examples, &[step % 3, (step + 1) % 3])
                .expect("training stays finite");
        }
        assert_eq!(
            hash(trainer.network().parameters()),
            GOLDEN_TRANSFORMER,
            "transformer on {:?}",
            kernels.isa()
        );

        let mut all = Vec::new();
        for activation in [Activation::Relu, Activation::Gelu, Activation::Tanh] {
            for (loss, shares) in [(Loss::MeanSquaredError, false), (Loss::CrossEntropy, true)] {
                let mut trainer =
                    Trainer::new(mlp(activation, loss), OptimizerConfig::adam_w(1e-2)).expect("the rates are sound");
                for _ in 0..40 {
                    trainer.step(&kernels, &rows(shares)).expect("training stays finite");
                }
                all.extend_from_slice(trainer.network().parameters());
                let answers = trainer.network().forward(&kernels, Input::Rows(&[42.0, -0.5, -3.0]));
                all.extend(answers.expect("a row of inputs"));
            }
        }
        assert_eq!(hash(&all), GOLDEN_MLP, "dense networks on {:?}", kernels.isa());
    }
}

#[test]
fn threads_change_no_bit_of_a_training_step() {
    let text = TEXT.repeat(8);
    let examples = Examples::text(&text, 128).expect("the length is within the limits");
    let step = |threads| {
        let network = transformer(128, 128, 1);
        let mut trainer = Trainer::new(network, OptimizerConfig::adam_w(1e-3)).expect("the rates are sound");
        trainer
            .step(&Kernels::detect().with_threads(threads), &examples)
            .expect("training stays finite");
        hash(trainer.network().parameters())
    };
    assert_eq!(step(1), step(3));
}

#[test]
fn a_position_has_the_same_bits_whatever_is_beside_or_after_it() {
    let network = transformer(300, 32, 2);
    let text = TEXT.repeat(10);
    for kernels in every_isa().filter(|kernels| kernels.isa() != Isa::Scalar || Isa::detect() == Isa::Scalar) {
        let forward = |bytes: &[u8], length| {
            let logits = network
                .forward(&kernels, Input::Bytes { bytes, length })
                .expect("the sequences fit");
            logits.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        };
        let whole = forward(&text[..300], 300);
        for length in [1, 2, 15, 63, 64, 65, 129, 257, 299] {
            let shorter = forward(&text[..length], length);
            assert_eq!(
                shorter,
                whole[..shorter.len()],
                "the first {length} on {:?}",
                kernels.isa()
            );
        }
        let batch = forward(&text[..600], 300);
        assert_eq!(batch[..whole.len()], whole);
        assert_eq!(batch[whole.len()..], forward(&text[300..600], 300));
    }
}

#[test]
fn a_row_has_the_same_bits_alone_as_among_others() {
    let network = mlp(Activation::Gelu, Loss::MeanSquaredError);
    let Examples::Table(table) = rows(false) else {
        unreachable!("rows are a table")
    };
    for kernels in every_isa() {
        let together = network
            .forward(&kernels, Input::Rows(table.inputs()))
            .expect("the rows are whole");
        for (row, expected) in table.inputs().chunks(3).zip(together.chunks(2)) {
            let alone = network.forward(&kernels, Input::Rows(row)).expect("a row of inputs");
            assert_eq!(
                alone.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
                expected.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn a_standardisation_is_the_mean_and_deviation_of_each_column() {
    let inputs = vec![1.0, 7.0, 3.0, 7.0, 5.0, 7.0, 7.0, 7.0];
    let Ok(Examples::Table(table)) = Examples::table(inputs, vec![-f32::MAX, f32::MAX, 0.0, 0.0], 2, 1) else {
        panic!("the rows are whole")
    };
    let units = Standardisation::of(&table);
    assert_eq!(
        (units.input_mean, units.input_scale),
        (vec![4.0, 7.0], vec![5.0f32.sqrt(), 1.0])
    );
    assert!(units.target_mean == [0.0] && units.target_scale[0].is_finite());
}

/// Moves each tensor along its own gradient and compares the change of the loss with what the gradient foretells.
fn gradients_match_differences(mut network: Network, examples: &Examples, tolerance: f64) {
    let kernels = Kernels::detect();
    let mut gradients = vec![0.0; network.parameter_count()];
    let loss = network
        .loss_and_gradients(&kernels, examples, &mut gradients)
        .expect("the examples fit");
    assert_eq!(
        loss.to_bits(),
        network.loss(&kernels, examples).expect("the examples fit").to_bits()
    );
    let start = network.parameters().to_vec();
    for tensor in network.layout().tensors().to_vec() {
        let gradient = &gradients[tensor.range.clone()];
        let norm = gradient.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
        if norm < 1e-5 {
            // Such as the bias of keys, which softmax cannot see.
            continue;
        }
        let width = (0.002 / norm).min(0.05);
        let mut at = |side: f64| {
            network.parameters_mut().copy_from_slice(&start);
            for (parameter, g) in network.parameters_mut()[tensor.range.clone()].iter_mut().zip(gradient) {
                *parameter += (side * width / norm * f64::from(*g)) as f32;
            }
            f64::from(network.loss(&kernels, examples).expect("the examples fit"))
        };
        let slope = (at(1.0) - at(-1.0)) / (2.0 * width);
        assert!(
            (slope / norm - 1.0).abs() < tolerance,
            "{}: difference {slope}, gradient {norm}",
            tensor.name
        );
    }
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    for activation in [Activation::Relu, Activation::Gelu, Activation::Tanh] {
        gradients_match_differences(mlp(activation, Loss::MeanSquaredError), &rows(false), 0.02);
        gradients_match_differences(mlp(activation, Loss::CrossEntropy), &rows(true), 0.02);
    }
    let mut network = transformer(100, 32, 2);
    // Larger first weights than training starts with, so that attention is not uniform.
    let ranges: Vec<_> = network
        .layout()
        .tensors()
        .iter()
        .filter(|t| t.shape.len() == 2)
        .map(|t| t.range.clone())
        .collect();
    for range in ranges {
        network.parameters_mut()[range]
            .iter_mut()
            .for_each(|parameter| *parameter *= 8.0);
    }
    let examples = Examples::text(&TEXT.repeat(4), 90).expect("the length is within the limits");
    gradients_match_differences(network, &examples, 0.03);
}

#[test]
fn a_network_survives_its_file_and_equal_networks_have_equal_files() {
    for network in [mlp(Activation::Relu, Loss::MeanSquaredError), transformer(32, 32, 2)] {
        let file = network.save();
        let loaded = Network::load(&file).expect("our own file");
        assert_eq!(loaded, network);
        assert_eq!(loaded.save(), file);
    }
}

#[test]
fn other_readers_of_safetensors_understand_our_files() {
    let network = mlp(Activation::Relu, Loss::MeanSquaredError);
    let file = network.save();
    let tensors = safetensors::SafeTensors::deserialize(&file).expect("a safetensors file");
    let weight = tensors
        .tensor("layers.1.weight")
        .expect("the second layer has a weight");
    assert_eq!(
        (weight.dtype(), weight.shape()),
        (safetensors::Dtype::F32, &[24, 20][..])
    );
    assert_eq!(tensors.len(), 4 + network.layout().tensors().len());
    let range = network.layout().tensors()[2].range.clone();
    let bytes: Vec<u8> = network.parameters()[range]
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    assert_eq!(weight.data(), bytes);
}

/// Replaces the first `from` in a file's header by `to`, mending the header's length.
fn with_header(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
    let header = std::str::from_utf8(&file[8..8 + length]).expect("JSON is text");
    assert!(header.contains(from), "{header}");
    let header = header.replacen(from, to, 1);
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &file[8 + length..],
    ]
    .concat()
}

#[test]
fn a_file_that_is_not_exactly_a_network_is_refused() {
    let file = mlp(Activation::Relu, Loss::MeanSquaredError).save();
    let nan = [&file[..file.len() - 4], &f32::NAN.to_le_bytes()].concat();
    assert!(matches!(Network::load(&nan), Err(ModelError::Value { .. })));
    assert!(matches!(
        Network::load(&file[..file.len() - 1]),
        Err(ModelError::Truncated { .. })
    ));
    assert!(matches!(
        Network::load(&[&file[..], &[0]].concat()),
        Err(ModelError::Truncated { .. })
    ));
    assert!(matches!(
        Network::load(&[0xff; 8]),
        Err(ModelError::TooLarge { part: "header", .. })
    ));
    assert!(matches!(Network::load(&[]), Err(ModelError::Truncated { .. })));

    let refused = |from, to| Network::load(&with_header(&file, from, to)).expect_err("a header that lies");
    assert!(matches!(
        refused("layers.0.weight", "layers.0.wait"),
        ModelError::Tensor { .. }
    ));
    assert!(matches!(
        refused(r#""shape":[24,20]"#, r#""shape":[20,24]"#),
        ModelError::Tensor { .. }
    ));
    assert!(matches!(refused("\"F32\"", "\"I32\""), ModelError::Tensor { .. }));
    assert!(matches!(
        refused("\"version\":\"1\"", "\"version\":\"2\""),
        ModelError::Metadata { key: "version", .. }
    ));
    assert!(matches!(
        refused("aloft-network", "other"),
        ModelError::Metadata { key: "format", .. }
    ));
    assert!(matches!(
        refused("relu", "sin"),
        ModelError::Json {
            part: "configuration",
            ..
        }
    ));
    assert!(matches!(
        refused(r#"\"outputs\":2"#, r#"\"outputs\":4000000000"#),
        ModelError::Configuration { .. }
    ));
    assert!(matches!(
        refused(r#"\"outputs\":2"#, r#"\"outputs\":60000"#),
        ModelError::Truncated { .. }
    ));
    assert!(matches!(
        refused(r#"[0,12]"#, r#"[12,24]"#),
        ModelError::Truncated { .. }
    ));
    assert!(matches!(
        refused(r#"[0,12]"#, r#"[18446744073709551608,4]"#),
        ModelError::Tensor { .. }
    ));
}

#[test]
fn a_damaged_file_never_panics() {
    let file = mlp(Activation::Relu, Loss::MeanSquaredError).save();
    let header = 8 + u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
    let mut state = 99u64;
    let mut draw = |below: usize| {
        state = state
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (state >> 33) as usize % below
    };
    for _ in 0..4000 {
        let mut damaged = file.clone();
        for _ in 0..=draw(4) {
            let place = draw(header);
            damaged[place] = match draw(3) {
                0 => draw(256) as u8,
                1 => b"0123456789[]{}:,\""[draw(17)],
                _ => file[draw(header)],
            };
        }
        if draw(8) == 0 {
            damaged.truncate(draw(file.len()));
        }
        // Most are refused; damage to a dead byte of JSON may leave a network, which then has a file again.
        if let Ok(network) = Network::load(&damaged) {
            assert_eq!(Network::load(&network.save()).expect("our own file"), network);
        }
    }
}

#[test]
fn configurations_beyond_the_limits_are_refused() {
    let dense = |inputs, hidden: Vec<u32>, outputs| {
        let config = MlpConfig {
            inputs,
            hidden,
            outputs,
            activation: Activation::Relu,
            loss: Loss::MeanSquaredError,
        };
        Mlp::new(config, Standardisation::identity(1, 1), 0)
    };
    assert!(matches!(
        dense(0, vec![], 1),
        Err(ModelError::Configuration { field: "inputs", .. })
    ));
    assert!(matches!(dense(1, vec![0], 1), Err(ModelError::Configuration { .. })));
    assert!(matches!(
        dense(1, vec![1; 65], 1),
        Err(ModelError::Configuration { .. })
    ));
    assert!(matches!(
        dense(1, vec![65536; 64], 1),
        Err(ModelError::Configuration {
            field: "parameter count",
            ..
        })
    ));
    assert!(matches!(
        dense(2, vec![], 1),
        Err(ModelError::Length { what: "input mean", .. })
    ));
    let text = |context, width, heads, layers| {
        Transformer::new(
            TransformerConfig {
                context,
                width,
                heads,
                layers,
            },
            0,
        )
        .expect_err("beyond the limits")
    };
    assert!(matches!(
        text(0, 64, 4, 1),
        ModelError::Configuration { field: "context", .. }
    ));
    assert!(matches!(text(8, 64, 5, 1), ModelError::Heads { .. }));
    assert!(matches!(text(8, 64, 64, 1), ModelError::Heads { .. }));
    assert!(matches!(
        text(8, 64, 0, 1),
        ModelError::Configuration { field: "heads", .. }
    ));
    assert!(matches!(
        text(8, 16384, 2, 64),
        ModelError::Configuration {
            field: "parameter count",
            ..
        }
    ));
}

#[test]
fn examples_that_do_not_fit_are_refused() {
    let kernels = Kernels::detect();
    let network = mlp(Activation::Relu, Loss::MeanSquaredError);
    let text = Examples::text(TEXT, 8).expect("the length is within the limits");
    assert!(matches!(
        network.loss(&kernels, &text),
        Err(ModelError::Examples { .. })
    ));
    assert!(matches!(
        network.forward(&kernels, Input::Rows(&[1.0; 4])),
        Err(ModelError::Length { .. })
    ));
    assert!(matches!(
        rows(false).select(&[64]),
        Err(ModelError::NoSuchExample { index: 64, count: 64 })
    ));
    let none = rows(false).select(&[]).expect("nothing is a selection");
    assert!(matches!(
        network.loss(&kernels, &none),
        Err(ModelError::Configuration { field: "row count", .. })
    ));
    assert!(matches!(
        Examples::table(vec![1.0; 4], vec![1.0; 2], 3, 1),
        Err(ModelError::Length { .. })
    ));
    assert!(matches!(
        Examples::table(vec![f32::NAN], vec![1.0], 1, 1),
        Err(ModelError::Value { .. })
    ));
    assert!(matches!(Examples::text(TEXT, 0), Err(ModelError::Configuration { .. })));
    let reader = transformer(4, 32, 1);
    assert!(matches!(
        reader.loss(&kernels, &text),
        Err(ModelError::Configuration {
            field: "sequence length",
            ..
        })
    ));
    assert!(
        reader
            .forward(
                &kernels,
                Input::Bytes {
                    bytes: b"abc",
                    length: 0
                }
            )
            .is_err()
    );
    assert!(
        reader
            .forward(
                &kernels,
                Input::Bytes {
                    bytes: b"abc",
                    length: 2
                }
            )
            .is_err()
    );
}

#[test]
fn a_step_that_diverges_changes_nothing() {
    let kernels = Kernels::detect();
    let mut network = mlp(Activation::Relu, Loss::MeanSquaredError);
    network.parameters_mut().fill(1e30);
    let before = network.clone();
    let mut trainer = Trainer::new(network, OptimizerConfig::adam_w(1e-3)).expect("the rates are sound");
    assert!(matches!(
        trainer.step(&kernels, &rows(false)),
        Err(ModelError::Diverged { .. })
    ));
    assert_eq!(trainer.network(), &before);
    assert!(matches!(
        trainer.network_mut().set_parameters(&[f32::NAN]),
        Err(ModelError::Length { .. })
    ));
    let nans = vec![f32::NAN; before.parameter_count()];
    assert!(matches!(
        trainer.network_mut().set_parameters(&nans),
        Err(ModelError::Value { .. })
    ));
}

#[test]
fn an_answer_that_is_not_a_number_is_always_the_same_one() {
    let network = mlp(Activation::Relu, Loss::MeanSquaredError);
    for kernels in every_isa() {
        let answer = network
            .forward(&kernels, Input::Rows(&[f32::NAN, f32::INFINITY, 0.0]))
            .expect("a row of inputs");
        assert!(answer.iter().all(|value| value.to_bits() == 0x7fc0_0000), "{answer:?}");
    }
}

/// Three steps against the paper's formulas in `f64`: weights decay, biases do not.
#[test]
fn adam_w_moves_parameters_as_its_paper_says() {
    let network = mlp(Activation::Relu, Loss::MeanSquaredError);
    let layout = network.layout();
    let mut parameters = network.parameters().to_vec();
    let mut expected: Vec<f64> = parameters.iter().map(|&p| f64::from(p)).collect();
    let (mut m, mut v) = (vec![0.0; expected.len()], vec![0.0; expected.len()]);
    let rule = OptimizerConfig::AdamW {
        learning_rate: 0.01,
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
        weight_decay: 0.5,
    };
    let mut optimizer = Optimizer::new(rule, parameters.len()).expect("the rates are sound");
    for t in 1..=3 {
        let gradients: Vec<f32> = (0..parameters.len())
            .map(|i| ((i * 7 + t as usize) % 13) as f32 - 6.0)
            .collect();
        optimizer.step(&Kernels::detect(), layout, &mut parameters, &gradients);
        for tensor in layout.tensors() {
            let decay = if tensor.shape.len() == 2 { 0.5 } else { 0.0 };
            for i in tensor.range.clone() {
                let g = f64::from(gradients[i]);
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.99 * v[i] + 0.01 * g * g;
                let update = m[i] / (1.0 - 0.9f64.powi(t)) / ((v[i] / (1.0 - 0.99f64.powi(t))).sqrt() + 1e-8);
                expected[i] -= 0.01 * (update + decay * expected[i]);
            }
        }
    }
    for (i, (actual, expected)) in parameters.iter().zip(&expected).enumerate() {
        assert!(
            (f64::from(*actual) - expected).abs() < 1e-5,
            "parameter {i}: {actual}, not {expected}"
        );
    }
    for bad in [f32::NAN, -1.0, f32::INFINITY] {
        assert!(Optimizer::new(OptimizerConfig::adam_w(bad), 1).is_err());
        assert!(optimizer.set_learning_rate(bad).is_err());
    }
}

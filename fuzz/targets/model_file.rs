//! A model file from the network.
#![no_main]

use model::{Activation, Loss, Mlp, MlpConfig, Network, Standardisation, Transformer, TransformerConfig};
use std::sync::LazyLock;

static VALID: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let mlp = MlpConfig {
        inputs: 2,
        hidden: vec![3],
        outputs: 1,
        activation: Activation::Relu,
        loss: Loss::MeanSquaredError,
    };
    let mlp = Mlp::new(mlp, Standardisation::identity(2, 1), 7).expect("a small network");
    let transformer = TransformerConfig {
        context: 4,
        width: 8,
        heads: 2,
        layers: 1,
    };
    let transformer = Transformer::new(transformer, 7).expect("a small network");
    [Network::from(mlp).save(), Network::from(transformer).save()]
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let damaged = VALID.iter().map(|valid| aloft_fuzz::damage(valid, input));
    for bytes in [input.to_vec()].into_iter().chain(damaged) {
        if let Ok(network) = Network::load(&bytes) {
            assert_eq!(Network::load(&network.save()).expect("its own file"), network);
        }
    }
});

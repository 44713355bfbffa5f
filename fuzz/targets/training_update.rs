//! A worker's update: decodes canonically, opens only as it was signed, and merges without overflow.
#![no_main]

use aloft_fuzz::farm::{PARAMETERS, plan, worker};
use bytes::Bytes;
use commonware_codec::Encode;
use std::sync::LazyLock;
use training::{
    compress::{CHUNK, Density, Sparse},
    round::{FromCoordinator, SHARE_TOTAL, Update, UpdateConfig, Welcome, aggregate, update_bytes_max},
};

static VALID: LazyLock<Bytes> = LazyLock::new(|| {
    let mut worker = worker(1);
    let welcome = Welcome {
        plan: plan(),
        round: 0,
        parameters: vec![0.0; PARAMETERS],
    };
    worker
        .receive(FromCoordinator::Welcome(welcome).encode())
        .expect("a welcome to this run");
    worker
        .train()
        .expect("nothing to merge")
        .expect("a round to train")
        .update
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let config = UpdateConfig {
        parameter_count: PARAMETERS,
        density: plan().density,
    };
    for bytes in aloft_fuzz::tries(&VALID, input) {
        if let Some(update) = aloft_fuzz::decode::<Update>(&bytes, &config) {
            assert!(
                bytes.len() <= update_bytes_max(&config),
                "the bound on updates is too low"
            );
            aggregate(&mut [0.0; PARAMETERS], [(&update.delta, SHARE_TOTAL)]);
        }
        if Update::open(Bytes::from(bytes.clone()), &config).is_ok() {
            assert_eq!(bytes, *VALID, "another update has the worker's signature");
        }
    }

    // The payload alone, for models of any length up to three chunks and any density.
    if let Some((&[length_low, length_high, k_low, k_high], payload)) = input.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([length_low, length_high])) % (3 * CHUNK);
        let Some(density) = Density::new(u16::from_le_bytes([k_low, k_high])) else {
            return;
        };
        if let Ok(sparse) = Sparse::from_bytes(payload, length, density) {
            assert_eq!(sparse.to_bytes(), payload, "one vector, one encoding");
            aggregate(&mut vec![0.0; length], [(&sparse, SHARE_TOTAL)]);
        }
    }
});

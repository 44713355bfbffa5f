//! A validator's keys from a network file.
#![no_main]

use commonware_codec::Encode;
use std::sync::LazyLock;

static VALID: LazyLock<Vec<u8>> =
    LazyLock::new(|| chain::ValidatorKeys::from_seed(&[1; 32]).member().encode().to_vec());

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&VALID, input) {
        aloft_fuzz::decode::<chain::Member>(&bytes, &());
    }
});

//! Transactions from another validator, in a batch.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    aloft_fuzz::decode::<chain::consensus::gossip::Batch>(bytes, &());
});

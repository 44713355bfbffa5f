//! A model file from the network.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(network) = model::Network::load(bytes) {
        assert_eq!(model::Network::load(&network.save()).expect("its own file"), network);
    }
});

//! A payment header.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(payment) = compute::x402::Payment::from_header(bytes) {
        assert_eq!(compute::x402::Payment::from_header(payment.to_header().as_bytes()).expect("its own text"), payment);
    }
});

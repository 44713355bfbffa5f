//! A validator's keys from a network file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use commonware_codec::{DecodeExt, Encode};
    if let Ok(member) = chain::Member::decode(bytes) {
        assert_eq!(member.encode().as_ref(), bytes);
    }
});

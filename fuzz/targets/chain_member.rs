//! A validator's keys from a network file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use bytes::Bytes;
    use commonware_codec::{DecodeExt, Encode};
    if let Ok(member) = chain::Member::decode(Bytes::copy_from_slice(bytes)) {
        assert_eq!(member.encode().as_ref(), bytes);
    }
});

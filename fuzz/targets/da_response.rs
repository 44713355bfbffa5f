//! A message from an operator.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use bytes::Bytes;
    use commonware_codec::DecodeExt;
    let _ = da::wire::Response::decode(Bytes::copy_from_slice(bytes));
});

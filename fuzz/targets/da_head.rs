//! A blob's head: decodes canonically, and is checked without a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use bytes::Bytes;
    use commonware_codec::{DecodeExt, Encode};
    if let Ok(head) = da::Head::decode(Bytes::copy_from_slice(bytes)) {
        assert_eq!(head.encode().as_ref(), bytes);
        let _ = head.check();
    }
});

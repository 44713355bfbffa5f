//! A block from another validator: decodes canonically or is refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use bytes::Bytes;
    use commonware_codec::{DecodeExt, Encode};
    if let Ok(block) = chain::Block::decode(Bytes::copy_from_slice(bytes)) {
        assert_eq!(block.encode().as_ref(), bytes);
    }
});

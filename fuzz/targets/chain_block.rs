//! A block from another validator: decodes canonically or is refused.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use commonware_codec::{DecodeExt, Encode};
    if let Ok(block) = chain::Block::decode(bytes) {
        assert_eq!(block.encode().as_ref(), bytes);
    }
});

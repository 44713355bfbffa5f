//! A blob's header, its meta data, and what a sealed one opens to.
#![no_main]

use aloft_fuzz::{BLOB, SealedBlob};
use bytes::Bytes;
use commonware_codec::Encode;
use da::{
    Meta,
    encode::{open, open_meta},
    header,
};
use primitives::Address;
use std::sync::LazyLock;

static PUBLIC: LazyLock<Vec<u8>> = LazyLock::new(|| BLOB.head().header().encode().to_vec());
static SEALED: LazyLock<SealedBlob> = LazyLock::new(|| SealedBlob::of(Address::repeat_byte(1)));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Some(meta) = Meta::from_bytes(input) {
        assert_eq!(meta.to_bytes().expect("two short texts"), input);
    }
    let tries = [
        input.to_vec(),
        aloft_fuzz::damage(&PUBLIC, input),
        aloft_fuzz::damage(&SEALED.blob.head().header().encode(), input),
    ];
    for bytes in tries {
        let Ok(header) = header::decode(Bytes::from(bytes.clone())) else {
            continue;
        };
        assert_eq!(header.encode().as_ref(), bytes);
        let params = &header.params;
        for key in [None, Some(&SEALED.key), params.unwrap_key(&SEALED.reader).as_ref()] {
            let _ = open_meta(params, key);
            let _ = open(params, key, input.to_vec());
        }
    }
});

//! A blob's head: decodes canonically, and holds only as it was.
#![no_main]

use aloft_fuzz::BLOB;
use commonware_codec::Encode;
use std::sync::LazyLock;

static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| BLOB.head().head().encode().to_vec());

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&VALID, input) {
        let Some(head) = aloft_fuzz::decode::<da::Head>(&bytes, &()) else {
            continue;
        };
        if let Ok(head) = head.check() {
            assert_eq!(head.root(), BLOB.head().root(), "a damaged head holds");
        }
    }
});

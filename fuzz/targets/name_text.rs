//! Names of blobs and digests as text, from addresses and command lines.
#![no_main]

use primitives::{BlobRoot, Digest};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(root) = text.parse::<BlobRoot>() {
        assert_eq!(root.to_string().parse::<BlobRoot>(), Ok(root));
        assert!(
            root.to_string()
                .trim_start_matches("0x")
                .eq_ignore_ascii_case(text.trim_start_matches("0x"))
        );
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
    }
});

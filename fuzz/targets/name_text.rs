//! Names of blobs and digests as text, from addresses and command lines.
#![no_main]

use primitives::{BlobRoot, Digest};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(root) = text.parse::<BlobRoot>() {
        assert_eq!(root.to_string().parse::<BlobRoot>(), Ok(root));
        // A prefix, or none, and then the digits themselves.
        let digits = &text[text.len() - 64..];
        assert!(root.to_string().ends_with(&digits.to_lowercase()));
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
    }
});

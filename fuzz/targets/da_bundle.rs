//! The index of a bundle, and the items that it leads to.
#![no_main]

use da::bundle::{Index, pack};
use std::sync::LazyLock;

static BUNDLE: LazyLock<Vec<u8>> = LazyLock::new(|| pack(&[&b"one"[..], b"two", &[3; 300]]).expect("three items are a bundle"));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&BUNDLE, input) {
        aloft_fuzz::decode::<Index>(&bytes, &());
        let Ok(index) = Index::read(&bytes, bytes.len() as u64) else {
            continue;
        };
        let items: Vec<&[u8]> = (0..index.count())
            .map(|item| {
                let range = index.range(item).expect("an item that is counted is there");
                &bytes[range.start as usize..range.end as usize]
            })
            .collect();
        // Digests may be wrong; if none is, the same items make the same bundle.
        if (0..).zip(&items).all(|(item, bytes)| index.check(item, bytes).is_ok()) {
            assert_eq!(pack(&items).expect("they came from one"), bytes);
        }
    }
});

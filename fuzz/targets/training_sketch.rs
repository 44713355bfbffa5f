//! A farm's digests of its rows.
#![no_main]

use commonware_codec::Encode;
use std::sync::LazyLock;
use training::{
    table::Examples,
    valuation::{Sketch, SketchKey, deduplicate},
};

static SKETCH: LazyLock<Sketch> = LazyLock::new(|| {
    let rows = Examples {
        width: 2,
        inputs: vec![0.5, -1.0, 2.0, 0.25],
        targets: vec![1.0, 2.0],
    };
    Sketch::of(&rows, &SketchKey::new([1; 32]))
});
static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| SKETCH.encode().to_vec());

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&VALID, input) {
        if let Some(sketch) = aloft_fuzz::decode::<Sketch>(&bytes, &()) {
            let rows = sketch.row_count();
            let kept = deduplicate(&[SKETCH.clone(), sketch]);
            let counted = kept.rows.iter().map(Vec::len).sum::<usize>() + kept.dropped.len();
            assert_eq!(counted, SKETCH.row_count() + rows, "each row is kept or dropped");
        }
    }
});

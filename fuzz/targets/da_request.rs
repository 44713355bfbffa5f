//! A message to an operator.
#![no_main]

use aloft_fuzz::BLOB;
use commonware_codec::Encode;
use da::{
    Permit,
    wire::{Request, Rows},
};
use std::sync::LazyLock;

static VALID: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
    let head = BLOB.head();
    let rows = Rows {
        row_bytes: head.row_bytes(),
        rows: vec![BLOB.row(3).row().clone(), BLOB.row(2000).row().clone()],
    };
    let read = Request::ReadRows {
        root: head.root(),
        rows: vec![1, 7, 3071],
    };
    let permit = Permit {
        purchase: Some(BLOB.purchase()),
        deadline: 7,
        signature: [8; 65],
    };
    [
        Request::Disperse(Box::new(head.head().clone()), permit),
        Request::Sign(vec![head.root(); 2]),
        Request::Rows(rows),
        read,
    ]
    .map(|request| request.encode().to_vec())
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    aloft_fuzz::decode::<Request>(input, &());
    for valid in VALID.iter() {
        aloft_fuzz::decode::<Request>(&aloft_fuzz::damage(valid, input), &());
    }
});

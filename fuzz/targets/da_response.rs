//! A message from an operator.
#![no_main]

use aloft_fuzz::BLOB;
use commonware_codec::Encode;
use crypto::bls::SecretKey;
use da::wire::{Refusal, Response, Rows, Status};
use primitives::Epoch;
use std::sync::LazyLock;

static VALID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let head = BLOB.head();
    let rows = Rows {
        row_bytes: head.row_bytes(),
        rows: vec![BLOB.row(3).row().clone()],
    };
    let status = Status {
        epoch: Epoch(1),
        height: 2,
        blobs: 3,
        stored_bytes: 4,
        capacity_bytes: 5,
    };
    let key = SecretKey::from_bytes(&[1; 32]).expect("below the group's order");
    let responses = [
        Response::Signed(key.sign(b"blob")),
        Response::Rows(rows),
        Response::EndOfRows { missing: vec![1, 2] },
        Response::Refused(Refusal::Expiry { height: 1, limit: 2 }),
        Response::Head(Box::new(head.head().clone())),
        Response::Status(status),
    ];
    responses.iter().map(|response| response.encode().to_vec()).collect()
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    aloft_fuzz::decode::<Response>(input, &());
    for valid in VALID.iter() {
        aloft_fuzz::decode::<Response>(&aloft_fuzz::damage(valid, input), &());
    }
});

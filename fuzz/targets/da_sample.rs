//! A piece of a blob that a light client asks for, and the sample that answers: it is found only as it was proved.
#![no_main]

use aloft_fuzz::BLOB_OF_CHUNKS;
use commonware_codec::Encode;
use da::{
    header::TOTAL_ROWS,
    sample::{Answer, Challenge, Prover, Sample, chunks, verify},
};
use std::sync::LazyLock;

static PROVER: LazyLock<Prover> = LazyLock::new(|| Prover::new(BLOB_OF_CHUNKS.head().clone()));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((&[low, high, chunk, ..], script)) = input.split_first_chunk::<4>() else {
        return;
    };
    let row_bytes = PROVER.head().row_bytes();
    let challenge = Challenge {
        row: u32::from(u16::from_le_bytes([low, high])) % TOTAL_ROWS,
        chunk: u32::from(chunk) % chunks(row_bytes),
    };
    for bytes in aloft_fuzz::tries(&challenge.encode(), script) {
        aloft_fuzz::decode::<Challenge>(&bytes, &row_bytes);
    }
    // A row length and a challenge that nobody checked before.
    if let Some((lengths, rest)) = script.split_first_chunk::<12>() {
        let [row_bytes, row, chunk] =
            [0, 4, 8].map(|at| u32::from_be_bytes(lengths[at..at + 4].try_into().expect("four bytes")));
        aloft_fuzz::decode::<Challenge>(rest, &row_bytes);
        aloft_fuzz::decode::<Sample>(rest, &(row_bytes, Challenge { row, chunk }));
    }
    let row = BLOB_OF_CHUNKS.row(challenge.row);
    let valid = PROVER
        .prove(row.row(), challenge.chunk)
        .expect("the row has the chunk")
        .encode();
    for bytes in aloft_fuzz::tries(&valid, script) {
        let sample = aloft_fuzz::decode::<Sample>(&bytes, &(row_bytes, challenge));
        let answer = Answer {
            commitment: PROVER.head().header().commitment,
            shape: PROVER.head().shape(),
            row_bytes,
            challenges: &[challenge],
            samples: &[sample],
        };
        let found = verify(&[answer])[0].all_found();
        assert_eq!(found, bytes == valid, "a damaged sample is found");
    }
});

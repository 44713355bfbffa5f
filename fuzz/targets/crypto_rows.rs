//! Rows in any order, repeated, foreign or too few: enough of one code give the data back on every instruction set.
#![no_main]

use crypto::reed_solomon::{Code, CodeError, Instructions};
use std::sync::LazyLock;

const DATA_ROWS: u32 = 32;
const TOTAL_ROWS: u32 = 96;
const ROW_BYTES: usize = 128;

static CODES: LazyLock<Vec<Code>> = LazyLock::new(|| {
    let code = |instructions| Code::with_instructions(DATA_ROWS, TOTAL_ROWS, instructions).ok();
    Instructions::ALL.into_iter().filter_map(code).collect()
});
static DATA: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let byte = |place: u32| (place.wrapping_mul(2_654_435_761) >> 9) as u8;
    (0..DATA_ROWS * ROW_BYTES as u32).map(byte).collect()
});
static ROWS: LazyLock<Vec<u8>> = LazyLock::new(|| [&DATA[..], &CODES[0].encode(&DATA, ROW_BYTES)].concat());

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    // Each byte is the number of a row; those past the last are of no code.
    let row = |&index: &u8| {
        let start = usize::from(index) % TOTAL_ROWS as usize * ROW_BYTES;
        (u32::from(index), &ROWS[start..start + ROW_BYTES])
    };
    let rows: Vec<(u32, &[u8])> = input.iter().map(row).collect();
    let mut distinct: Vec<u32> = rows.iter().map(|(index, _)| *index).collect();
    distinct.sort_unstable();
    distinct.dedup();
    let foreign = distinct.iter().any(|&index| index >= TOTAL_ROWS);
    for code in CODES.iter() {
        match code.decode(&rows, ROW_BYTES) {
            Ok(data) => {
                assert!(!foreign && distinct.len() >= DATA_ROWS as usize);
                assert!(data == *DATA, "rows of one code decode to other data");
            }
            Err(CodeError::TooFewRows { rows, .. }) => assert!(rows < DATA_ROWS && rows as usize == distinct.len()),
            Err(CodeError::RowIndex { row, .. }) => assert!(row >= TOTAL_ROWS),
            Err(error) => panic!("{error}"),
        }
    }
});

//! A row from a disperser or an operator: it checks only as it was coded.
#![no_main]

use aloft_fuzz::BLOB;
use bytes::Bytes;
use da::{Row, RowChecker, header::TOTAL_ROWS};
use std::sync::LazyLock;

static CHECKER: LazyLock<RowChecker> = LazyLock::new(|| RowChecker::new(BLOB.head().clone()));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((index, script)) = input.split_first_chunk() else {
        return;
    };
    let mut valid = Vec::new();
    BLOB.row(u32::from(u16::from_le_bytes(*index)) % TOTAL_ROWS)
        .row()
        .write(&mut valid);
    for bytes in aloft_fuzz::tries(&valid, script) {
        let row_bytes = bytes.len().saturating_sub(Row::OVERHEAD_BYTES) as u32;
        let Ok(row) = Row::read(&mut Bytes::from(bytes), row_bytes) else {
            continue;
        };
        if let Ok(row) = CHECKER.check(row) {
            assert_eq!(row, BLOB.row(row.index()), "a damaged row checks");
        }
    }
});

//! A user's CSV file.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    use training::table::{Columns, Limits, Table};
    let columns = Columns { group: "g".into(), target: "y".into(), ignore: vec![] };
    let _ = Table::read(bytes, &columns, Limits::default());
});

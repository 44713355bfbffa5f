//! A user's CSV file, split into farms and scaled.
#![no_main]

use training::table::{Columns, Limits, Split, SplitConfig, Table};

/// Two farms of eight rows: the fewest that are split.
const TABLE: &str = "g,y,a,b\n\
    p,1,2,x\np,2,3,y\np,3,1,x\np,4,9,x\np,5,7,y\np,6,2,x\np,7,4,y\np,8,2,x\n\
    q,9,0,y\nq,8,-1,x\nq,7,1e9,x\nq,6,3,y\nq,5,8,y\nq,4,6,x\nq,3,5,y\nq,2,1,x\n";

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let columns = Columns {
        group: "g".into(),
        target: "y".into(),
        ignore: vec![],
    };
    for csv in aloft_fuzz::tries(TABLE.as_bytes(), input) {
        let Ok(table) = Table::read(&csv[..], &columns, Limits::default()) else {
            continue;
        };
        let config = SplitConfig {
            held_out_percent: 25,
            seed: 1,
        };
        let Ok(split) = Split::of(&table, config) else {
            continue;
        };
        for (group, farm) in split.farms.iter().enumerate() {
            assert_eq!(farm.inputs.len(), farm.len() * split.scaling.width());
            // A farm's own part of the table is a table for the pool's scaling.
            let rows = &split.farm_rows[group];
            let again = split
                .scaling
                .read_farm(&table.rows_csv(rows))
                .expect("rows of a table that was read");
            assert_eq!(again.len(), rows.len());
        }
    }
});

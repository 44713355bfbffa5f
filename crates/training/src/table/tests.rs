use super::*;
use proptest::prelude::*;
use std::io::Read as _;

fn columns(group: &str, target: &str) -> Columns {
    Columns {
        group: group.into(),
        target: target.into(),
        ignore: vec![],
    }
}

fn read(text: &[u8]) -> Result<Table, TableError> {
    Table::read(text, &columns("farm", "yield"), Limits::default())
}

/// The committed table of real farms.
pub(crate) fn rice_farms() -> Table {
    let columns = Columns {
        group: "region".into(),
        target: "goutput".into(),
        ignore: vec!["id".into(), "noutput".into()],
    };
    Table::open("../../data/rice_farms.csv".as_ref(), &columns).unwrap()
}

const GOOD: &str = "farm,rain,soil,yield\na,1,clay,10\na,2,sand,20\nb,3,clay,30\nb,4.5e0,sand,-4\n";

#[test]
fn a_good_table_is_read_with_its_groups_and_features() {
    let table = read(GOOD.as_bytes()).unwrap();
    assert_eq!(table.row_count(), 4);
    assert_eq!(table.feature_columns().collect::<Vec<_>>(), ["rain", "soil"]);
    assert_eq!(
        table.groups()[1],
        Group {
            name: "b".into(),
            rows: vec![2, 3]
        }
    );
    assert_eq!(
        table.group_csv(1),
        b"farm,rain,soil,yield\nb,3,clay,30\nb,4.5e0,sand,-4\n"
    );
    let scaling = Scaling::fit(&table, &[0, 1, 2, 3]);
    assert_eq!(scaling.input_names(), ["rain", "soil=clay", "soil=sand"]);
    assert_eq!(scaling.width(), 3);
    let examples = scaling.examples(&table, &[0, 3]);
    assert_eq!(examples.row(1)[1..], [0.0, 1.0]);
}

/// The owner of a bad file is told the line and the column, whatever is wrong with it.
#[test]
fn a_bad_table_is_refused_with_its_line_and_column() {
    for (text, message) in [
        (
            "",
            "the file is empty: a header line that names the columns is expected",
        ),
        ("farm,rain,yield\n", "the file has a header and no rows"),
        (
            "farm,rain,harvest\na,1,2\n",
            "there is no column `yield`; the columns are: farm, rain, harvest",
        ),
        ("farm,rain,farm\na,1,2\n", "line 1 names column `farm` twice"),
        (
            "farm,rain,yield\na,1,2\nb,x,3\n",
            "line 3, column `rain`: `x` is not a finite number",
        ),
        (
            "farm,rain,yield\na,1,2\nb,2,high\n",
            "line 3, column `yield`: `high` is not a finite number",
        ),
        (
            "farm,rain,yield\na,1,2\nb,NaN,3\n",
            "line 3, column `rain`: `NaN` is not a finite number",
        ),
        (
            "farm,rain,yield\na,1,2\nb,-inf,3\n",
            "line 3, column `rain`: `-inf` is not a finite number",
        ),
        (
            "farm,rain,yield\na,1,1e39\nb,1,3\n",
            "line 2, column `yield`: `1e39` is not a finite number",
        ),
        (
            "farm,rain,yield\na,1,2\nb,,3\n",
            "line 3, column `rain`: the cell is empty",
        ),
        (
            "farm,rain,yield\na,1,2\n,1,3\n",
            "line 3, column `farm`: the cell is empty",
        ),
        ("farm,rain,yield\na,1,2\nb,3\n", "line 3 has 2 cells, the header has 3"),
        (
            "farm,rain,yield\na,1,2\n\nb,1,2,3\n",
            "line 4 has 4 cells, the header has 3",
        ),
        (
            "farm,rain,yield\r\na,1,2\r\n\r\nb,1\r\n",
            "line 4 has 2 cells, the header has 3",
        ),
        (
            "farm,rain,yield\nb,1,2\na,\"1\n2\",3\n",
            "line 3, column `rain`: `1\n2` is not a finite number",
        ),
        ("farm,rain,yield\na,1,2\n\nb,1", "line 4 has 2 cells, the header has 3"),
        (
            "farm,rain,yield\na,1,2\na,2,3\n",
            "column `farm` names one group only, `a`: at least two are needed to train together",
        ),
        ("farm,yield\na,1\nb,2\n", "no column is left as a feature"),
        (
            "farm,rain,yield\na,1,2\nb,2,2\n",
            "column `yield` never changes: there is nothing to predict",
        ),
    ] {
        assert_eq!(read(text.as_bytes()).unwrap_err().to_string(), message);
    }
    let error = read(b"farm,rain,yield\na,1,2\nb,\xff\xfe,3\n").unwrap_err();
    assert_eq!(error.to_string(), "line 3, column `rain`: the cell is not UTF-8 text");
    let same = Table::read(GOOD.as_bytes(), &columns("farm", "farm"), Limits::default()).unwrap_err();
    assert!(matches!(same, TableError::GroupIsTarget { .. }));
    let long = format!("farm,rain,yield\na,1,2\nb,{},3\n", "7".repeat(5000));
    assert_eq!(
        read(long.as_bytes()).unwrap_err().to_string(),
        "line 3, column `rain`: the cell is longer than 4096 bytes"
    );
}

/// Counts what is taken from it.
struct Counted<R>(R, std::rc::Rc<std::cell::Cell<u64>>);

impl<R: std::io::Read> std::io::Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.set(self.1.get() + count as u64);
        Ok(count)
    }
}

#[test]
fn two_gibibytes_of_garbage_fail_without_being_read() {
    for byte in [0u8, b'a', b'"', b','] {
        let taken = std::rc::Rc::default();
        let source = Counted(std::io::repeat(byte).take(2 << 30), std::rc::Rc::clone(&taken));
        let error = Table::read(source, &columns("farm", "yield"), Limits::default()).unwrap_err();
        assert!(matches!(error, TableError::LongLine { line: 1, .. }), "{byte}: {error}");
        assert!(taken.get() < 2 << 20, "{} bytes were read", taken.get());
    }
    // One quoted cell that runs over many short lines is stopped by the size of the whole.
    let limits = Limits {
        table_bytes_max: 1 << 16,
        ..Limits::default()
    };
    let text = b"farm,rain,yield\n\""
        .iter()
        .copied()
        .chain(b"a\n".iter().copied().cycle().take(1 << 20));
    let text: Vec<u8> = text.collect();
    let error = Table::read(text.as_slice(), &columns("farm", "yield"), limits).unwrap_err();
    assert!(matches!(error, TableError::TooLarge { .. }));
}

#[test]
fn limits_hold_for_rows_columns_and_groups() {
    let limits = Limits {
        row_count_max: 3,
        column_count_max: 4,
        ..Limits::default()
    };
    let error = Table::read(GOOD.as_bytes(), &columns("farm", "yield"), limits).unwrap_err();
    assert!(matches!(error, TableError::TooManyRows { limit: 3 }));
    let limits = Limits {
        column_count_max: 3,
        ..Limits::default()
    };
    let error = Table::read(GOOD.as_bytes(), &columns("farm", "yield"), limits).unwrap_err();
    assert!(matches!(error, TableError::TooManyColumns { count: 4, limit: 3 }));
    let many: String = (0..2000).map(|farm| format!("f{farm},1,{farm}\n")).collect();
    let error = read(format!("farm,rain,yield\n{many}").as_bytes()).unwrap_err();
    assert!(matches!(error, TableError::TooManyGroups { .. }));
}

#[test]
fn free_text_and_constants_are_left_out_with_a_note() {
    let rows: String = (0..20)
        .map(|row| format!("{},note {row},7,{row},{row}\n", row % 2))
        .collect();
    let table = read(format!("farm,remark,unit,rain,yield\n{rows}").as_bytes()).unwrap();
    assert_eq!(table.feature_columns().collect::<Vec<_>>(), ["rain"]);
    let notes = [
        Note::TooManyCategories {
            column: "remark".into(),
        },
        Note::Constant { column: "unit".into() },
    ];
    assert_eq!(table.notes(), notes);
}

#[test]
fn the_real_table_splits_into_farms_and_rows_held_out_of_each() {
    let table = rice_farms();
    assert_eq!((table.row_count(), table.groups().len()), (1026, 6));
    let config = SplitConfig {
        held_out_percent: 25,
        seed: 1,
    };
    let split = Split::of(&table, config).unwrap();
    assert_eq!(
        split.farms.iter().map(Examples::len).sum::<usize>() + split.held_out.len(),
        1026
    );
    for (farm, group) in split.farms.iter().zip(table.groups()) {
        assert_eq!(farm.len(), group.rows.len() - group.rows.len().div_ceil(4));
    }
    assert_eq!(split.held_out, Split::of(&table, config).unwrap().held_out);
    assert_ne!(
        split.held_out,
        Split::of(&table, SplitConfig { seed: 2, ..config }).unwrap().held_out
    );

    let all = Examples::concat(&split.farms);
    let mean = all.targets.iter().sum::<f32>() / all.len() as f32;
    let variance = all.targets.iter().map(|target| (target - mean).powi(2)).sum::<f32>() / all.len() as f32;
    assert!(
        mean.abs() < 1e-3 && (variance - 1.0).abs() < 1e-2,
        "mean {mean}, variance {variance}"
    );
    let scale = split.scaling.target;
    assert!(scale.logarithmic && (scale.invert(scale.apply(1405.0)) - 1405.0).abs() < 0.1);
}

#[test]
fn a_copied_farm_neither_trains_on_what_is_held_out_nor_judges_twice() {
    let table = rice_farms();
    let config = SplitConfig {
        held_out_percent: 25,
        seed: 1,
    };
    let alone = Split::of(&table, config).unwrap();
    let copied = Split::of(&table.with_copied_group("langan", "zopy").unwrap(), config).unwrap();
    assert_eq!(copied.held_out.len(), alone.held_out.len());
    assert_eq!(copied.farms[6], copied.farms[2]);
}

#[test]
fn shuffling_a_target_moves_figures_and_changes_none() {
    let table = rice_farms();
    let shuffled = table.clone().with_shuffled_target("langan", 5).unwrap();
    let langan = table.group_index("langan").unwrap();
    let sorted = |table: &Table| {
        let mut targets: Vec<f64> = table.groups[langan]
            .rows
            .iter()
            .map(|&row| table.targets[row])
            .collect();
        targets.sort_by(f64::total_cmp);
        targets
    };
    assert_eq!(sorted(&table), sorted(&shuffled));
    assert_ne!(table.targets, shuffled.targets);
    assert_eq!(table.group_csv(0), shuffled.group_csv(0));
    assert!(matches!(
        table.clone().with_shuffled_target("nobody", 5),
        Err(TableError::UnknownGroup { .. })
    ));
    assert!(matches!(
        table.with_copied_group("langan", "ciwangi"),
        Err(TableError::GroupExists { .. })
    ));
}

#[test]
fn a_farm_with_too_few_rows_is_named() {
    let table = read(GOOD.as_bytes()).unwrap();
    let error = Split::of(
        &table,
        SplitConfig {
            held_out_percent: 25,
            seed: 1,
        },
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "group `a` has 2 rows, at least 8 are needed");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        head in prop_oneof![Just(&b"farm,rain,yield\n"[..]), Just(&b""[..])],
        bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(b','), Just(b'\n'), Just(b'"'), Just(b'1')], 0..400),
    ) {
        let text = [head, &bytes].concat();
        if let Ok(table) = read(&text) {
            let _ = Split::of(&table, SplitConfig { held_out_percent: 25, seed: 0 });
        }
    }
}

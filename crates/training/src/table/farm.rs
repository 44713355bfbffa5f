//! One farm's own file, read where it is: no other farm's rows, the pool's scaling.

use super::{
    Encoding, Examples, Limits, Scaling, TableError,
    read::{find, non_empty, number, records},
};

impl Scaling {
    /// Reads one farm's rows and turns them into examples by this scaling: columns are found by name, other columns are left alone.
    ///
    /// A text that the scaling does not know sets none of the column's inputs.
    ///
    /// # Errors
    ///
    /// Any [`TableError`] that reading finds, with its line and column, and [`TableError::HeaderOnly`] for a file without rows.
    pub fn read_farm(&self, csv: &[u8]) -> Result<Examples, TableError> {
        let (header, rows) = records(csv, Limits::default())?;
        let target = find(&header, &self.target_column)?;
        let columns: Vec<usize> = self
            .inputs
            .iter()
            .map(|encoding| find(&header, encoding.column()))
            .collect::<Result<_, _>>()?;
        let mut examples = Examples {
            width: self.width(),
            ..Examples::default()
        };
        for row in &rows {
            for (encoding, &at) in self.inputs.iter().zip(&columns) {
                match encoding {
                    Encoding::Number { scale, .. } => examples.inputs.push(scale.apply(number(row, at, &header)?)),
                    Encoding::OneHot { texts, .. } => {
                        let cell = non_empty(row, at, &header)?;
                        examples
                            .inputs
                            .extend(texts.iter().map(|text| f32::from(u8::from(text == cell))));
                    }
                }
            }
            examples.targets.push(self.target.apply(number(row, target, &header)?));
        }
        if examples.is_empty() {
            return Err(TableError::HeaderOnly);
        }
        Ok(examples)
    }
}

impl Encoding {
    /// Name of the column.
    pub fn column(&self) -> &str {
        match self {
            Self::Number { column, .. } | Self::OneHot { column, .. } => column,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Columns, Split, SplitConfig, Table};

    const POOL: &str = "farm,size,kind,constant_in_a,yield
a,1,x,7,10
a,2,y,7,20
a,3,x,7,31
a,4,x,7,39
a,5,y,7,52
a,6,x,7,60
a,7,x,7,68
a,8,x,7,81
b,10,x,1,100
b,20,z,2,200
b,30,x,3,310
b,40,z,4,390
b,50,z,5,520
b,60,x,6,600
b,70,x,7,680
b,80,x,8,810
";

    fn table() -> Table {
        let columns = Columns {
            group: "farm".into(),
            target: "yield".into(),
            ignore: vec![],
        };
        Table::read(POOL.as_bytes(), &columns, Limits::default()).unwrap()
    }

    /// A farm that never grew `z`, and whose other column never changes, still gives inputs of the pool's width and meaning.
    #[test]
    fn a_farm_reads_its_own_rows_as_the_pool_would() {
        let table = table();
        let split = Split::of(
            &table,
            SplitConfig {
                held_out_percent: 25,
                seed: 1,
            },
        )
        .unwrap();
        for (farm, rows) in split.farm_rows.iter().enumerate() {
            let csv = table.rows_csv(rows);
            assert_eq!(split.scaling.read_farm(&csv).unwrap(), split.farms[farm]);
        }
        assert_eq!(
            split.scaling.read_farm(&table.rows_csv(&split.held_out_rows)).unwrap(),
            split.held_out
        );
    }

    #[test]
    fn a_farms_bad_file_is_refused_with_line_and_column() {
        let scaling = Split::of(
            &table(),
            SplitConfig {
                held_out_percent: 25,
                seed: 1,
            },
        )
        .unwrap()
        .scaling;
        for (csv, part) in [
            ("size,kind,constant_in_a,yield\n", "no rows"),
            ("size,kind,constant_in_a\n1,x,7\n", "yield"),
            ("size,kind,constant_in_a,yield\n1,x,7,much\n", "line 2"),
            ("size,kind,constant_in_a,yield\n1,,7,3\n", "kind"),
            ("", "empty"),
        ] {
            let error = scaling.read_farm(csv.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(part), "{error} does not say {part}");
        }
    }

    /// Scalings travel as JSON between processes; one bit lost would make two farms train on different inputs.
    #[test]
    fn a_scaling_survives_json_bit_for_bit() {
        let scaling = Split::of(
            &table(),
            SplitConfig {
                held_out_percent: 25,
                seed: 1,
            },
        )
        .unwrap()
        .scaling;
        let text = serde_json::to_string(&scaling).unwrap();
        assert_eq!(serde_json::from_str::<Scaling>(&text).unwrap(), scaling);
    }
}

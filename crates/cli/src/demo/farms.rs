//! The farms of the demo: the groups of a table, a copy of the first, and the last with its targets shuffled.

use crate::verbs::demo::Demo;
use anyhow::Context as _;
use training::table::{Columns, Examples, Limits, Scaling, Split, SplitConfig, Table};

/// The table that is used when none is given; see data/README.md.
const RICE_FARMS: &[u8] = include_bytes!("../../../../data/rice_farms.csv");

/// Farms of a table that take part, the largest first: the values of more could not be computed exactly.
const MAX_FARMS: usize = 8;

/// Share of each farm's rows that is held out to judge by, percent.
const HELD_OUT_PERCENT: u8 = 20;

/// Seeds the split and the shuffle, so that every run tells the same story.
const SEED: u64 = 16602;

/// One participant.
pub struct Farm {
    /// Name of its group in the table, or of the copy.
    pub name: String,
    /// What is special about it; empty for an honest farm.
    pub role: String,
    /// Its rows as CSV: what it publishes, encrypted.
    pub csv: Vec<u8>,
}

/// All participants and what they are judged by.
pub struct Farms {
    source: String,
    notes: Vec<String>,
    target: String,
    farms: Vec<Farm>,
    /// How figures become inputs.
    pub scaling: Scaling,
    /// Held-out rows as CSV: public.
    pub held_out_csv: Vec<u8>,
    /// Held-out rows, scaled.
    pub held_out: Examples,
    /// All rows that the honest farms train on, in one place: for the comparison only.
    pub pooled: Examples,
}

impl Farms {
    /// What the table is.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Name of the column to predict.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// What reading left out.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Participants, in order of commitment: the copy comes last.
    pub fn iter(&self) -> std::slice::Iter<'_, Farm> {
        self.farms.iter()
    }

    /// Count of participants.
    pub fn len(&self) -> usize {
        self.farms.len()
    }
}

/// Reads and checks the table, and makes the farms of it.
///
/// # Errors
///
/// A plain error with line and column for a table that is not one.
pub fn load(options: &Demo) -> anyhow::Result<Farms> {
    let (table, source) = match &options.data {
        None => {
            let ignore = vec!["id".into(), "noutput".into()];
            let columns = Columns {
                group: "region".into(),
                target: "goutput".into(),
                ignore,
            };
            let table = Table::read(RICE_FARMS, &columns, Limits::default()).context("read the built-in table")?;
            (table, "Indonesian rice farms".to_owned())
        }
        Some(path) => {
            let group = options.group.clone().context("--data needs --group")?;
            let target = options.target.clone().context("--data needs --target")?;
            let columns = Columns {
                group,
                target,
                ignore: options.ignore.clone(),
            };
            let table = Table::open(path, &columns).with_context(|| format!("{}", path.display()))?;
            (table, path.display().to_string())
        }
    };
    of_table(table, source)
}

fn of_table(table: Table, source: String) -> anyhow::Result<Farms> {
    let mut notes: Vec<String> = table.notes().iter().map(ToString::to_string).collect();
    let split = Split::of(
        &table,
        SplitConfig {
            held_out_percent: HELD_OUT_PERCENT,
            seed: SEED,
        },
    )?;
    let mut largest: Vec<usize> = (0..table.groups().len()).collect();
    largest.sort_by_key(|&group| std::cmp::Reverse(split.farm_rows[group].len()));
    if largest.len() > MAX_FARMS {
        notes.push(format!("{} groups: the {MAX_FARMS} largest take part", largest.len()));
        largest.truncate(MAX_FARMS);
    }
    largest.sort_unstable();
    let names: Vec<String> = table.groups().iter().map(|group| group.name.clone()).collect();
    let (first, last) = (largest[0], largest[largest.len() - 1]);
    let copy = free_name(&names, &format!("copy of {}", names[first]));

    let shuffled = table.clone().with_shuffled_target(&names[last], SEED)?;
    let mut farms: Vec<Farm> = largest
        .iter()
        .map(|&group| {
            let shuffles = group == last;
            let table = if shuffles { &shuffled } else { &table };
            Farm {
                name: names[group].clone(),
                role: if shuffles {
                    "its labels were shuffled".into()
                } else {
                    String::new()
                },
                csv: table.rows_csv(&split.farm_rows[group]),
            }
        })
        .collect();
    farms.push(Farm {
        name: copy,
        role: format!("copied {}, row for row", names[first]),
        csv: farms[0].csv.clone(),
    });
    let honest = largest
        .iter()
        .filter(|&&group| group != last)
        .map(|&group| &split.farms[group]);
    Ok(Farms {
        source,
        notes,
        target: table.target_column().to_owned(),
        pooled: Examples::concat(honest),
        farms,
        scaling: split.scaling,
        held_out_csv: table.rows_csv(&split.held_out_rows),
        held_out: split.held_out,
    })
}

/// `wanted`, or with a number behind it when a group is called that already.
fn free_name(names: &[String], wanted: &str) -> String {
    let numbered = (2..).map(|number| format!("{wanted} {number}"));
    let mut candidates = std::iter::once(wanted.to_owned()).chain(numbered);
    candidates
        .find(|name| !names.contains(name))
        .expect("some number is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(data: Option<&str>) -> Demo {
        Demo {
            data: data.map(Into::into),
            group: Some("farm".into()),
            target: Some("yield".into()),
            ignore: vec![],
            report: "unused".into(),
            stay: false,
            logs: false,
        }
    }

    #[test]
    fn the_built_in_table_makes_six_farms_and_a_copy() {
        let farms = load(&options(None)).unwrap();
        assert_eq!(farms.len(), 7);
        let roles: Vec<&str> = farms
            .iter()
            .map(|farm| farm.role.as_str())
            .filter(|role| !role.is_empty())
            .collect();
        assert_eq!(roles, ["its labels were shuffled", "copied ciwangi, row for row"]);
        for farm in farms.iter() {
            let rows = farms.scaling.read_farm(&farm.csv).unwrap();
            assert!(rows.len() > 80, "{}", farm.name);
        }
        assert_eq!(farms.scaling.read_farm(&farms.held_out_csv).unwrap(), farms.held_out);
    }

    /// Every complaint comes before a network is started, and says where to look.
    #[test]
    fn a_bad_file_is_refused_with_line_and_column_before_anything_starts() {
        let folder = tempfile::tempdir().unwrap();
        let good = "farm,size,yield\n".to_owned() + &"a,1,2\nb,2,3\n".repeat(8);
        for (name, text, part) in [
            ("empty", String::new(), "empty"),
            ("header", "farm,size,yield\n".into(), "no rows"),
            ("column", good.replace("farm", "village"), "there is no column `farm`"),
            ("text", good.replacen("b,2,3", "b,2,three", 1), "line 3, column `yield`"),
            ("one", good.replace("b,", "a,"), "one group only"),
            ("ragged", good.replacen("b,2,3", "b,2", 1), "line 3"),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let error = load(&options(path.to_str())).err().unwrap();
            let text = format!("{error:#}");
            assert!(text.contains(part) && text.contains(name), "{text}");
        }
    }
}

//! Tables of figures from farms: read a CSV file, refuse a bad one with its line and column, split it by farm.
//!
//! One column names the group (the farm or site a row belongs to), one the target; every other column is a feature unless it
//! is ignored. A column whose first value is a number is numeric throughout; a column whose first value is text is one-hot
//! encoded when it has at most [`MAX_CATEGORIES`] distinct values and left out, with a [`Note`], when it has more.

mod error;
mod examples;
mod farm;
mod logarithm;
mod read;
mod scaling;
mod split;
#[cfg(test)]
pub(crate) mod tests;

pub use error::TableError;
pub use examples::Examples;
pub use read::{Limits, MAX_CATEGORIES};
pub use scaling::{Encoding, Scale, Scaling};
pub use split::{Split, SplitConfig};

use read::Column;

/// What the columns of a table are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// Column whose value names the farm or site of a row.
    pub group: String,
    /// Column the model learns to predict: numeric.
    pub target: String,
    /// Columns that are neither features nor anything else: identifiers, or figures known only with the target.
    pub ignore: Vec<String>,
}

/// Something a reader did that the user should hear of, though it is no error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A text column has more than [`MAX_CATEGORIES`] distinct values: it is not a feature.
    TooManyCategories {
        /// Name of the column.
        column: String,
    },
    /// A column has one value in every row: it can teach nothing and is not a feature.
    Constant {
        /// Name of the column.
        column: String,
    },
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooManyCategories { column } => {
                write!(
                    f,
                    "column `{column}` is left out: text with more than {MAX_CATEGORIES} distinct values"
                )
            }
            Self::Constant { column } => write!(f, "column `{column}` is left out: it never changes"),
        }
    }
}

/// A checked table: every numeric cell is a finite number, every row has a group and a target.
#[derive(Clone, Debug)]
pub struct Table {
    header: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
    group_column: usize,
    target_column: usize,
    features: Vec<Column>,
    targets: Vec<f64>,
    /// Sorted by name; each with its rows in file order.
    groups: Vec<Group>,
    notes: Vec<Note>,
}

/// A farm or site: its name and which rows of the table are its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Value of the group column.
    pub name: String,
    /// Row indices, ascending; the first row after the header is 0.
    pub rows: Vec<usize>,
}

impl Table {
    /// Farms in the order of their names.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Rows of figures, the header not counted.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Names of the columns that are features, in file order.
    pub fn feature_columns(&self) -> impl Iterator<Item = &str> {
        self.features.iter().map(|column| column.name())
    }

    /// Name of the column to predict.
    pub fn target_column(&self) -> &str {
        &self.header[self.target_column]
    }

    /// What was left out, and why.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The header and one farm's rows as CSV, figures unchanged: the file that farm publishes.
    ///
    /// # Panics
    ///
    /// When `group` is not an index into [`Table::groups`].
    pub fn group_csv(&self, group: usize) -> Vec<u8> {
        self.rows_csv(&self.groups[group].rows)
    }

    /// The header and some rows as CSV, figures unchanged.
    ///
    /// # Panics
    ///
    /// When a row is not below [`Table::row_count`].
    pub fn rows_csv(&self, rows: &[usize]) -> Vec<u8> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let rows = rows.iter().map(|&row| &self.rows[row]);
        for record in std::iter::once(&self.header).chain(rows) {
            writer
                .write_record(record)
                .expect("records have one length and a Vec takes every byte");
        }
        writer.into_inner().expect("a Vec takes every byte")
    }

    /// A second farm, `to`, whose rows are `from`'s, figure for figure: what someone does who sells another's data again.
    /// For demonstrations and tests of valuation.
    ///
    /// # Errors
    ///
    /// [`TableError::UnknownGroup`] when there is no `from`, [`TableError::GroupExists`] when there is already a `to`.
    pub fn with_copied_group(mut self, from: &str, to: &str) -> Result<Self, TableError> {
        let source = self.group_index(from)?;
        if self.group_index(to).is_ok() {
            return Err(TableError::GroupExists { name: to.into() });
        }
        for row in self.groups[source].rows.clone() {
            let copy = self.rows[row]
                .iter()
                .enumerate()
                .map(|(at, cell)| if at == self.group_column { to } else { cell });
            self.rows.push(copy.collect());
        }
        self.recheck()
    }

    /// The table with the targets of one farm dealt anew among its own rows: figures that teach nothing true.
    /// For demonstrations and tests of valuation.
    ///
    /// # Errors
    ///
    /// [`TableError::UnknownGroup`] when there is no such farm.
    pub fn with_shuffled_target(mut self, group: &str, seed: u64) -> Result<Self, TableError> {
        let rows = self.groups[self.group_index(group)?].rows.clone();
        let mut order = rows.clone();
        order.sort_by_key(|&row| split::rank(seed, row));
        let targets: Vec<String> = order
            .iter()
            .map(|&row| self.rows[row][self.target_column].to_owned())
            .collect();
        for (&row, target) in rows.iter().zip(&targets) {
            let dealt = self.rows[row].iter().enumerate();
            self.rows[row] = dealt
                .map(|(at, cell)| {
                    if at == self.target_column {
                        target.as_str()
                    } else {
                        cell
                    }
                })
                .collect();
        }
        self.recheck()
    }

    /// Index of the farm called `name`.
    ///
    /// # Errors
    ///
    /// [`TableError::UnknownGroup`].
    pub fn group_index(&self, name: &str) -> Result<usize, TableError> {
        let found = self.groups.binary_search_by(|group| group.name.as_str().cmp(name));
        found.map_err(|_| TableError::UnknownGroup { name: name.into() })
    }
}

//! What can be wrong with a table, said so that its owner can find the place.

use super::read::MAX_GROUP_COUNT;

/// Why a file is not a table we can learn from. Lines count from 1, the header being line 1.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be opened or read.
    #[error("read the table")]
    Read(#[source] std::io::Error),
    /// The file is longer than the limit, in bytes.
    #[error("the file is larger than {limit} bytes")]
    TooLarge {
        /// Most bytes a table may have.
        limit: u64,
    },
    /// A line is longer than the limit, in bytes: most likely no table at all.
    #[error("line {line} is longer than {limit} bytes: this does not look like a table")]
    LongLine {
        /// Line in the file.
        line: u64,
        /// Most bytes a line may have.
        limit: usize,
    },
    /// The file has no line.
    #[error("the file is empty: a header line that names the columns is expected")]
    Empty,
    /// The file has a header and nothing else.
    #[error("the file has a header and no rows")]
    HeaderOnly,
    /// More rows than the limit.
    #[error("the table has more than {limit} rows")]
    TooManyRows {
        /// Most rows a table may have.
        limit: usize,
    },
    /// More columns than the limit.
    #[error("the table has {count} columns, at most {limit} are read")]
    TooManyColumns {
        /// Columns in the header.
        count: usize,
        /// Most columns a table may have.
        limit: usize,
    },
    /// Two columns have one name.
    #[error("line 1 names column `{name}` twice")]
    RepeatedColumn {
        /// The name.
        name: String,
    },
    /// The table has no column of this name.
    #[error("there is no column `{name}`; the columns are: {}", present.join(", "))]
    MissingColumn {
        /// The name that was asked for.
        name: String,
        /// Names of the columns there are.
        present: Vec<String>,
    },
    /// One column was asked to be two things.
    #[error("column `{name}` cannot be both the group and the target")]
    GroupIsTarget {
        /// The name.
        name: String,
    },
    /// A line has more or fewer cells than the header.
    #[error("line {line} has {found} cells, the header has {expected}")]
    Ragged {
        /// Line in the file.
        line: u64,
        /// Cells of the line.
        found: usize,
        /// Cells of the header.
        expected: usize,
    },
    /// A cell is longer than the limit, in bytes.
    #[error("line {line}, column `{column}`: the cell is longer than {limit} bytes")]
    LongField {
        /// Line in the file.
        line: u64,
        /// Name of the column, or its number in the header.
        column: String,
        /// Most bytes a cell may have.
        limit: usize,
    },
    /// A cell is not UTF-8 text.
    #[error("line {line}, column `{column}`: the cell is not UTF-8 text")]
    NotUtf8 {
        /// Line in the file.
        line: u64,
        /// Name of the column, or its number in the header.
        column: String,
    },
    /// A cell of a numeric column is not a finite number.
    #[error("line {line}, column `{column}`: `{value}` is not a finite number")]
    NotNumber {
        /// Line in the file.
        line: u64,
        /// Name of the column.
        column: String,
        /// What the cell holds, cut after some characters.
        value: String,
    },
    /// A cell is empty where a value is needed.
    #[error("line {line}, column `{column}`: the cell is empty")]
    EmptyCell {
        /// Line in the file.
        line: u64,
        /// Name of the column.
        column: String,
    },
    /// All rows belong to one farm: there is nobody to train with.
    #[error("column `{column}` names one group only, `{name}`: at least two are needed to train together")]
    OneGroup {
        /// Name of the group column.
        column: String,
        /// The only group.
        name: String,
    },
    /// More farms than one run can hold.
    #[error("column `{column}` names more than {MAX_GROUP_COUNT} groups: is it the right column?")]
    TooManyGroups {
        /// Name of the group column.
        column: String,
    },
    /// A farm has too few rows to learn from and to hold some out.
    #[error("group `{name}` has {rows} rows, at least {minimum} are needed")]
    SmallGroup {
        /// Name of the farm.
        name: String,
        /// Rows it has.
        rows: usize,
        /// Rows it needs.
        minimum: usize,
    },
    /// No column is left to predict from.
    #[error("no column is left as a feature")]
    NoFeatures,
    /// The target is one number in every row.
    #[error("column `{column}` never changes: there is nothing to predict")]
    ConstantTarget {
        /// Name of the target column.
        column: String,
    },
    /// There is no farm of this name.
    #[error("there is no group `{name}`")]
    UnknownGroup {
        /// The name that was asked for.
        name: String,
    },
    /// There is already a farm of this name.
    #[error("there is already a group `{name}`")]
    GroupExists {
        /// The name.
        name: String,
    },
}

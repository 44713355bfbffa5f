//! Reading a table: bounded at every step, so that a file of garbage fails after its first bytes and not its last.

use super::{Columns, Group, Note, Table, TableError};
use csv::{ByteRecord, ReaderBuilder, StringRecord};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Distinct values up to which a text column becomes one-hot features; beyond, it is an identifier or free text.
pub const MAX_CATEGORIES: usize = 16;

/// Farms in one table: what one training run can coordinate.
pub(super) const MAX_GROUP_COUNT: usize = 1024;

/// Characters of a bad cell that an error quotes.
const QUOTED_CHARS: usize = 40;

/// How large a table may be. The default fits a laptop's memory many times over and a training run's patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub table_bytes_max: u64,
    /// Bytes of a line, which bounds what is held before the first cell is looked at.
    pub line_bytes_max: usize,
    /// Bytes of a cell.
    pub field_bytes_max: usize,
    /// Columns of the header.
    pub column_count_max: usize,
    /// Rows, the header not counted.
    pub row_count_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            table_bytes_max: 64 << 20,
            line_bytes_max: 1 << 20,
            field_bytes_max: 4096,
            column_count_max: 512,
            row_count_max: 1 << 20,
        }
    }
}

/// A feature column: numbers, or one of a few texts a row.
#[derive(Clone, Debug)]
pub(super) enum Column {
    Numbers {
        name: String,
        values: Vec<f64>,
    },
    Categories {
        name: String,
        texts: Vec<String>,
        index: Vec<u8>,
    },
}

impl Column {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Numbers { name, .. } | Self::Categories { name, .. } => name,
        }
    }
}

impl Table {
    /// Reads the table at `path`, within the default [`Limits`].
    ///
    /// # Errors
    ///
    /// Any [`TableError`]; a file that is too large is refused before a byte of it is read.
    pub fn open(path: &Path, columns: &Columns) -> Result<Self, TableError> {
        let limits = Limits::default();
        let file = File::open(path).map_err(TableError::Read)?;
        if file.metadata().map_err(TableError::Read)?.len() > limits.table_bytes_max {
            return Err(TableError::TooLarge {
                limit: limits.table_bytes_max,
            });
        }
        Self::read(file, columns, limits)
    }

    /// Reads a table from `source`, which is read no further than its first error.
    ///
    /// # Errors
    ///
    /// Any [`TableError`].
    pub fn read(source: impl Read, columns: &Columns, limits: Limits) -> Result<Self, TableError> {
        let (header, rows) = records(source, limits)?;
        Self::check(header, rows, columns)
    }

    /// Checks the rows again after they changed.
    pub(super) fn recheck(self) -> Result<Self, TableError> {
        let used: BTreeSet<&str> = self.features.iter().map(Column::name).collect();
        let roles = [self.group_column, self.target_column];
        let unused = (0..self.header.len()).filter(|at| !roles.contains(at) && !used.contains(&self.header[*at]));
        let columns = Columns {
            group: self.header[self.group_column].to_owned(),
            target: self.header[self.target_column].to_owned(),
            ignore: unused.map(|at| self.header[at].to_owned()).collect(),
        };
        let notes = self.notes;
        Ok(Self {
            notes,
            ..Self::check(self.header, self.rows, &columns)?
        })
    }

    fn check(header: StringRecord, rows: Vec<StringRecord>, columns: &Columns) -> Result<Self, TableError> {
        let group_column = find(&header, &columns.group)?;
        let target_column = find(&header, &columns.target)?;
        if group_column == target_column {
            return Err(TableError::GroupIsTarget {
                name: columns.group.clone(),
            });
        }
        let mut roles = BTreeSet::from([group_column, target_column]);
        for name in &columns.ignore {
            roles.insert(find(&header, name)?);
        }
        if rows.is_empty() {
            return Err(TableError::HeaderOnly);
        }

        let groups = groups(&rows, group_column, &header)?;
        let targets = numbers(&rows, target_column, &header)?;
        if is_constant(&targets) {
            return Err(TableError::ConstantTarget {
                column: columns.target.clone(),
            });
        }
        let mut features = Vec::new();
        let mut notes = Vec::new();
        for at in (0..header.len()).filter(|at| !roles.contains(at)) {
            match feature(&rows, at, &header)? {
                Ok(column) => features.push(column),
                Err(note) => notes.push(note),
            }
        }
        if features.is_empty() {
            return Err(TableError::NoFeatures);
        }
        Ok(Self {
            header,
            rows,
            group_column,
            target_column,
            features,
            targets,
            groups,
            notes,
        })
    }
}

/// The header and every row, each cell within bounds and valid UTF-8, no row ragged. Nothing is known of their meaning yet.
pub(super) fn records(source: impl Read, limits: Limits) -> Result<(StringRecord, Vec<StringRecord>), TableError> {
    let guard = Guard {
        source,
        limits,
        bytes: 0,
        line: 1,
        line_bytes: 0,
        line_ends: VecDeque::new(),
        lines_passed: 0,
    };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(guard);
    let mut record = ByteRecord::new();

    if !reader.read_byte_record(&mut record).map_err(read_error)? {
        return Err(TableError::Empty);
    }
    let header = checked_header(&record, limits)?;
    let mut rows = Vec::new();
    while reader.read_byte_record(&mut record).map_err(read_error)? {
        if rows.len() == limits.row_count_max {
            return Err(TableError::TooManyRows {
                limit: limits.row_count_max,
            });
        }
        let end = reader.position().byte();
        let line = reader.get_mut().line_of(&record, end);
        rows.push(checked_row(&record, line, &header, limits)?);
    }
    Ok((header, rows))
}

/// Passes bytes on until the file or a line of it is too long.
struct Guard<R> {
    source: R,
    limits: Limits,
    bytes: u64,
    line: u64,
    line_bytes: usize,
    /// Offsets of line ends read and not yet passed by the reader, which is at most one buffer behind.
    line_ends: VecDeque<u64>,
    lines_passed: u64,
}

impl<R> Guard<R> {
    /// Line on which `record` starts, given the offset behind it. The reader's own count is off after blank lines and CRLF.
    fn line_of(&mut self, record: &ByteRecord, end: u64) -> u64 {
        let mut last = None;
        while self.line_ends.front().is_some_and(|&at| at < end) {
            last = self.line_ends.pop_front();
            self.lines_passed += 1;
        }
        let inside = record.as_slice().iter().filter(|&&byte| byte == b'\n').count() as u64;
        let ended = u64::from(last.is_some_and(|at| at + 1 == end));
        (self.lines_passed + 1).saturating_sub(ended + inside)
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.bytes += count as u64;
        if self.bytes > self.limits.table_bytes_max {
            return Err(io::Error::other(TooLong(TableError::TooLarge {
                limit: self.limits.table_bytes_max,
            })));
        }
        let start = self.bytes - count as u64;
        for (offset, &byte) in (start..).zip(&buffer[..count]) {
            if byte == b'\n' {
                self.line_ends.push_back(offset);
                self.line += 1;
                self.line_bytes = 0;
                continue;
            }
            self.line_bytes += 1;
            if self.line_bytes > self.limits.line_bytes_max {
                let error = TableError::LongLine {
                    line: self.line,
                    limit: self.limits.line_bytes_max,
                };
                return Err(io::Error::other(TooLong(error)));
            }
        }
        Ok(count)
    }
}

/// Carries our error through the reader in between.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct TooLong(TableError);

fn read_error(error: csv::Error) -> TableError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => match error.downcast::<TooLong>() {
            Ok(TooLong(error)) => error,
            Err(error) => TableError::Read(error),
        },
        // Ragged rows and bad UTF-8 are ours to report: the reader is flexible and reads bytes.
        other => TableError::Read(io::Error::other(format!("{other:?}"))),
    }
}

fn checked_header(record: &ByteRecord, limits: Limits) -> Result<StringRecord, TableError> {
    if record.len() > limits.column_count_max {
        return Err(TableError::TooManyColumns {
            count: record.len(),
            limit: limits.column_count_max,
        });
    }
    let mut header = StringRecord::new();
    for (at, cell) in record.iter().enumerate() {
        // Spreadsheets put a byte order mark before the first name.
        let cell = if at == 0 {
            cell.strip_prefix(b"\xef\xbb\xbf").unwrap_or(cell)
        } else {
            cell
        };
        header.push_field(checked_cell(cell, 1, || format!("{}", at + 1), limits)?);
    }
    let mut names = BTreeSet::new();
    match header.iter().find(|name| !names.insert(*name)) {
        Some(name) => Err(TableError::RepeatedColumn { name: name.into() }),
        None => Ok(header),
    }
}

fn checked_row(
    record: &ByteRecord,
    line: u64,
    header: &StringRecord,
    limits: Limits,
) -> Result<StringRecord, TableError> {
    if record.len() != header.len() {
        return Err(TableError::Ragged {
            line,
            found: record.len(),
            expected: header.len(),
        });
    }
    let mut row = StringRecord::new();
    for (cell, name) in record.iter().zip(header) {
        row.push_field(checked_cell(cell, line, || name.to_owned(), limits)?);
    }
    let mut position = csv::Position::new();
    position.set_line(line);
    row.set_position(Some(position));
    Ok(row)
}

fn checked_cell(cell: &[u8], line: u64, column: impl Fn() -> String, limits: Limits) -> Result<&str, TableError> {
    if cell.len() > limits.field_bytes_max {
        return Err(TableError::LongField {
            line,
            column: column(),
            limit: limits.field_bytes_max,
        });
    }
    let text = std::str::from_utf8(cell).map_err(|_| TableError::NotUtf8 { line, column: column() })?;
    Ok(text.trim())
}

pub(super) fn find(header: &StringRecord, name: &str) -> Result<usize, TableError> {
    header
        .iter()
        .position(|column| column == name)
        .ok_or_else(|| TableError::MissingColumn {
            name: name.into(),
            present: header.iter().map(str::to_owned).collect(),
        })
}

fn line(row: &StringRecord) -> u64 {
    row.position().map_or(0, csv::Position::line)
}

fn groups(rows: &[StringRecord], at: usize, header: &StringRecord) -> Result<Vec<Group>, TableError> {
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        let name = non_empty(row, at, header)?;
        groups.entry(name).or_default().push(index);
        if groups.len() > MAX_GROUP_COUNT {
            return Err(TableError::TooManyGroups {
                column: header[at].to_owned(),
            });
        }
    }
    let groups: Vec<Group> = groups
        .into_iter()
        .map(|(name, rows)| Group {
            name: name.to_owned(),
            rows,
        })
        .collect();
    match groups.as_slice() {
        [only] => Err(TableError::OneGroup {
            column: header[at].to_owned(),
            name: only.name.clone(),
        }),
        _ => Ok(groups),
    }
}

fn numbers(rows: &[StringRecord], at: usize, header: &StringRecord) -> Result<Vec<f64>, TableError> {
    rows.iter().map(|row| number(row, at, header)).collect()
}

pub(super) fn number(row: &StringRecord, at: usize, header: &StringRecord) -> Result<f64, TableError> {
    let cell = non_empty(row, at, header)?;
    match cell.parse::<f64>() {
        // Beyond f32 a figure would become infinite on its way into the model.
        Ok(value) if (value as f32).is_finite() => Ok(value),
        _ => Err(TableError::NotNumber {
            line: line(row),
            column: header[at].to_owned(),
            value: cell.chars().take(QUOTED_CHARS).collect(),
        }),
    }
}

pub(super) fn non_empty<'a>(row: &'a StringRecord, at: usize, header: &StringRecord) -> Result<&'a str, TableError> {
    match &row[at] {
        "" => Err(TableError::EmptyCell {
            line: line(row),
            column: header[at].to_owned(),
        }),
        cell => Ok(cell),
    }
}

/// A feature column, or the note that says why it is none.
fn feature(rows: &[StringRecord], at: usize, header: &StringRecord) -> Result<Result<Column, Note>, TableError> {
    let name = header[at].to_owned();
    if rows[0][at].parse::<f64>().is_ok() {
        let values = numbers(rows, at, header)?;
        return Ok(if is_constant(&values) {
            Err(Note::Constant { column: name })
        } else {
            Ok(Column::Numbers { name, values })
        });
    }
    let mut distinct = BTreeSet::new();
    for row in rows {
        distinct.insert(non_empty(row, at, header)?);
        if distinct.len() > MAX_CATEGORIES {
            return Ok(Err(Note::TooManyCategories { column: name }));
        }
    }
    if distinct.len() == 1 {
        return Ok(Err(Note::Constant { column: name }));
    }
    let texts: Vec<&str> = distinct.into_iter().collect();
    let index = rows.iter().map(|row| {
        let found = texts
            .binary_search(&&row[at])
            .expect("every text of the column was collected");
        u8::try_from(found).expect("MAX_CATEGORIES fits a byte")
    });
    let index = index.collect();
    Ok(Ok(Column::Categories {
        name,
        texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        index,
    }))
}

fn is_constant(values: &[f64]) -> bool {
    values.iter().all(|value| *value == values[0])
}

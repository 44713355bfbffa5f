//! How many rows a blob's payload is cut into, and how many it is coded into.
//!
//! `k` data rows are a polynomial's values on the first coset of a domain, and every further coset of `k` rows is as good as the
//! data: any `k` rows of all cosets give the payload. A blob is coded into two, three or four cosets, and can be given further
//! ones later, up to four in all: what it has already is not touched (an *added* coset has a head, a commitment and a certificate of
//! its own, [`Shape::coset`]).
//!
//! Of `n` rows coded, operators that lie may own fewer than a third. A certificate needs as many rows as leave `k` to honest
//! operators then ([`Shape::quorum_rows`]): two thirds of three or four cosets, five sixths of two.

use crypto::{
    digest::GROUP_ROWS,
    reed_solomon::{Code, DATA_ROWS_MAX, DATA_ROWS_MIN},
};
use std::{fmt, ops::Range, sync::OnceLock};

mod policy;
#[cfg(test)]
mod tests;

pub use policy::{Conditions, RATES, unreadable};

/// Most cosets of a blob, its data among them: what the code's field and the commitment's 128 leaves have room for.
pub const MAX_COSETS: u32 = 4;
/// Most rows of a blob, with all that are added later.
pub const MAX_TOTAL_ROWS: u32 = MAX_COSETS * DATA_ROWS_MAX;
/// Smallest row: the coder works on columns of 128 bytes.
pub const MIN_ROW_BYTES: u32 = 128;
/// Largest row, in bytes: 1,024 of them are 128 MiB.
pub const MAX_ROW_BYTES: u32 = 128 << 10;
const _: () = assert!(MAX_TOTAL_ROWS as usize / GROUP_ROWS <= crypto::kzg::LEAVES_MAX);

/// Which rows of a codeword a blob is: rows `first_row .. first_row + row_count` of a code of `data_rows`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    data_rows: u32,
    first_row: u32,
    row_count: u32,
}

/// No blob has such rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no blob has {row_count} rows from row {first_row} on of a code of {data_rows} data rows")]
pub struct ShapeError {
    /// Data rows of the code.
    pub data_rows: u32,
    /// First row.
    pub first_row: u32,
    /// Count of rows.
    pub row_count: u32,
}

impl Shape {
    /// 1,024 data rows coded into 3,072: what committees of many operators need that do not trust one another.
    pub const STANDARD: Self = Self {
        data_rows: DATA_ROWS_MAX,
        first_row: 0,
        row_count: 3 * DATA_ROWS_MAX,
    };

    /// The rows that three numbers name.
    ///
    /// # Errors
    ///
    /// [`ShapeError`] unless `data_rows` is a power of two from 32 to 1,024, and the rows are its first two, three or four cosets, or
    /// the third or the fourth alone.
    pub fn new(data_rows: u32, first_row: u32, row_count: u32) -> Result<Self, ShapeError> {
        let shape = Self {
            data_rows,
            first_row,
            row_count,
        };
        let code = data_rows.is_power_of_two() && (DATA_ROWS_MIN..=DATA_ROWS_MAX).contains(&data_rows);
        let rows = code
            && match first_row {
                0 => (2..=MAX_COSETS).any(|cosets| row_count == cosets * data_rows),
                _ => row_count == data_rows && (2..MAX_COSETS).any(|coset| first_row == coset * data_rows),
            };
        rows.then_some(shape).ok_or(ShapeError {
            data_rows,
            first_row,
            row_count,
        })
    }

    /// A whole blob: `data_rows` coded into `cosets` times as many.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn whole(data_rows: u32, cosets: u32) -> Result<Self, ShapeError> {
        Self::new(data_rows, 0, cosets.saturating_mul(data_rows))
    }

    /// Coset `coset` of a code of `data_rows`, counted from 0: one that is added to a blob which has fewer.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn coset(data_rows: u32, coset: u32) -> Result<Self, ShapeError> {
        Self::new(data_rows, coset.saturating_mul(data_rows), data_rows)
    }

    /// Rows that the payload is cut into, and any so many rows that give it back.
    pub const fn data_rows(self) -> u32 {
        self.data_rows
    }

    /// First row of these.
    pub const fn first_row(self) -> u32 {
        self.first_row
    }

    /// Count of rows.
    pub const fn row_count(self) -> u32 {
        self.row_count
    }

    /// The rows.
    pub fn rows(self) -> Range<u32> {
        self.first_row..self.first_row + self.row_count
    }

    /// Their groups of 32: the places of their roots in the commitment.
    pub fn groups(self) -> Range<usize> {
        let rows = self.rows();
        rows.start as usize / GROUP_ROWS..rows.end as usize / GROUP_ROWS
    }

    /// Cosets up to and with these rows.
    pub fn cosets(self) -> u32 {
        self.rows().end / self.data_rows
    }

    /// Whether these are rows that were added to a blob.
    pub fn is_added(self) -> bool {
        self.first_row > 0
    }

    /// Longest payload, as coded, in bytes.
    pub fn max_bytes(self) -> u64 {
        u64::from(self.data_rows) * u64::from(MAX_ROW_BYTES)
    }

    /// Length in bytes of each row of a payload of `length` bytes: the payload over the data rows, up to a multiple of 128.
    ///
    /// # Panics
    ///
    /// When `length` is over [`Self::max_bytes`].
    pub fn row_bytes(self, length: u64) -> u32 {
        assert!(length <= self.max_bytes(), "{length} bytes in {self}");
        let exact = length
            .div_ceil(u64::from(self.data_rows))
            .next_multiple_of(u64::from(MIN_ROW_BYTES));
        (exact as u32).max(MIN_ROW_BYTES)
    }

    /// Rows whose owners must sign before these are certified: two thirds, and as many as leave `data_rows` to honest operators when
    /// others own less than a third of all.
    pub fn quorum_rows(self) -> u32 {
        contracts::typed_data::quorum_rows(self.data_rows, self.first_row, self.row_count)
    }

    /// The code of all cosets up to these. Its tables are made once a process.
    pub(crate) fn code(self) -> &'static Code {
        const COUNTS: usize = (DATA_ROWS_MAX / DATA_ROWS_MIN).ilog2() as usize + 1;
        static CODES: [[OnceLock<Code>; MAX_COSETS as usize - 1]; COUNTS] =
            [const { [const { OnceLock::new() }; MAX_COSETS as usize - 1] }; COUNTS];
        let count = (self.data_rows / DATA_ROWS_MIN).ilog2() as usize;
        CODES[count][self.cosets() as usize - 2].get_or_init(|| {
            Code::new(self.data_rows, self.rows().end).expect("two to four cosets of a power of two from 32 to 1,024")
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            data_rows,
            first_row,
            row_count,
        } = self;
        match first_row {
            0 => write!(f, "{row_count} rows of {data_rows}"),
            _ => write!(f, "{row_count} rows of {data_rows}, from row {first_row} on"),
        }
    }
}

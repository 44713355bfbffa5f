//! Sets of row indices.

use crate::shape::MAX_TOTAL_ROWS;

/// Words of 64 bits that hold one bit a row.
const WORDS: usize = (MAX_TOTAL_ROWS as usize).div_ceil(64);

/// A set of row indices of one blob, each below [`MAX_TOTAL_ROWS`].
#[derive(Clone, PartialEq, Eq)]
pub struct RowSet {
    words: [u64; WORDS],
    len: u32,
}

impl RowSet {
    /// The empty set.
    pub fn new() -> Self {
        Self {
            words: [0; WORDS],
            len: 0,
        }
    }

    /// Adds `row`; true when it was not in the set. A row that no blob has is never added.
    pub fn insert(&mut self, row: u32) -> bool {
        let new = row < MAX_TOTAL_ROWS && !self.contains(row);
        if new {
            self.words[row as usize / 64] |= 1 << (row % 64);
            self.len += 1;
        }
        new
    }

    /// Takes `row` out; true when it was in the set.
    pub fn remove(&mut self, row: u32) -> bool {
        let held = self.contains(row);
        if held {
            self.words[row as usize / 64] &= !(1 << (row % 64));
            self.len -= 1;
        }
        held
    }

    /// Whether `row` is in the set.
    pub fn contains(&self, row: u32) -> bool {
        row < MAX_TOTAL_ROWS && self.words[row as usize / 64] >> (row % 64) & 1 == 1
    }

    /// Count of rows in the set.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether the set has no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rows of the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..MAX_TOTAL_ROWS).filter(|&row| self.contains(row))
    }

    /// The rows of this set that `other` lacks, ascending.
    pub fn without<'a>(&'a self, other: &'a RowSet) -> impl Iterator<Item = u32> + 'a {
        self.iter().filter(|&row| !other.contains(row))
    }
}

impl Default for RowSet {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<u32> for RowSet {
    fn from_iter<I: IntoIterator<Item = u32>>(rows: I) -> Self {
        let mut set = Self::new();
        rows.into_iter().for_each(|row| {
            set.insert(row);
        });
        set
    }
}

impl std::fmt::Debug for RowSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RowSet({} rows)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_no_blob_has_is_never_in_a_set() {
        let mut set: RowSet = [0, 64, MAX_TOTAL_ROWS - 1, MAX_TOTAL_ROWS, u32::MAX]
            .into_iter()
            .collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 64, MAX_TOTAL_ROWS - 1]);
        assert!(!set.insert(64) && set.remove(64) && !set.remove(64));
        assert_eq!(set.len(), 2);
    }
}

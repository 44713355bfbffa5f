//! Local parity: for each group of 32 rows their exclusive or, so that one row is rebuilt from 31 others instead of a thousand.
//!
//! A row that rots on disk is the most common thing to repair, and the ordinary repair reads the whole blob for it. A *local row* is kept by
//! an operator that has as few as can be of the group's own rows ([`owner`]); who misses one row reads the other 31 and the local
//! row, and has it ([`rebuild`]).
//!
//! **Nothing commits to local rows, and nothing has to.** What is rebuilt is believed only if its digest, with those of the 31, leads to the
//! group's root in the head. A wrong local row costs the ordinary repair, which would have been needed without it; and the 31 having been
//! checked by their own paths, it is known who gave it. Operators check a local row when they take it, all the same: the code is linear, so
//! its random combination is the exclusive or of the group's. That finds accidents, not malice: who knows the coefficients can make another row with
//! the same combination.
//!
//! No operator signs for local rows, the fee does not count them, and nobody is challenged for them: a blob has them if its disperser
//! handed them out ([`disperse`]), as a [`Publisher`](crate::Publisher) does, and as far as operators had room. Who keeps one and lost it makes it again
//! from the 32 rows. They are 1/32 of the rows, 3.1 %.
//!
//! **Of 1,024 data rows,** a group's exclusive or is the coefficient of degree 31 of the group's polynomial, and these coefficients are
//! themselves a codeword, of the code with 32 data rows. So only the data rows are added up, and the local rows of parity groups are coded from
//! those of data groups.

mod disperse;
#[cfg(test)]
mod tests;

pub use disperse::{LocalFailure, LocalFailureKind, disperse};

use crate::{
    CodedBlob, Committee, Row, RowChecker, VerifiedHead, VerifiedRow,
    committee::assign,
    shape::{MAX_ROW_BYTES, MIN_ROW_BYTES, Shape},
};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, Read, ReadExt, Write};
use crypto::{
    digest::{GROUP_ROWS, RowTree, row_digests},
    reed_solomon::{Code, DATA_ROWS_MAX},
};
use primitives::BlobRoot;
use std::ops::Range;

/// Rows that are read side by side: the more, the less often the sum is written; memory reads ahead for some streams only.
const ROWS_AT_ONCE: usize = 8;

/// The exclusive or of the rows of one group, as claimed by whoever sent it.
///
/// Encoded `group 4 | row bytes 4 | bytes`.
#[derive(Clone, PartialEq, Eq)]
pub struct LocalRow {
    /// Which group: rows `32·group .. 32·group + 32`.
    pub group: u32,
    /// Their exclusive or.
    pub bytes: Bytes,
}

impl std::fmt::Debug for LocalRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LocalRow({}, {} bytes)", self.group, self.bytes.len())
    }
}

impl LocalRow {
    /// The exclusive or of the rows of `group`, each of `row_bytes` bytes.
    ///
    /// # Panics
    ///
    /// When one is shorter: they were checked.
    pub(crate) fn of_rows(group: u32, rows: &[Row], row_bytes: u32) -> Self {
        let rows: Vec<&[u8]> = rows.iter().map(|row| &row.bytes[..]).collect();
        let bytes = sum_rows(&rows, row_bytes as usize).into();
        Self { group, bytes }
    }
}

/// The rows of group `group`.
pub fn rows_of(group: u32) -> Range<u32> {
    let first = group * GROUP_ROWS as u32;
    first..first + GROUP_ROWS as u32
}

/// The group of row `row`.
pub fn group_of(row: u32) -> u32 {
    row / GROUP_ROWS as u32
}

/// The groups of a blob of `shape`.
pub fn groups(shape: Shape) -> Range<u32> {
    let groups = shape.groups();
    groups.start as u32..groups.end as u32
}

/// The local rows of `blob`, in order: one reading of its data, and the work of coding a 32nd of it.
pub fn local_rows(blob: &CodedBlob) -> Vec<LocalRow> {
    let (shape, row_bytes) = (blob.head().shape(), blob.head().row_bytes() as usize);
    let sum = |group| {
        let rows: Vec<VerifiedRow> = rows_of(group).map(|row| blob.row(row)).collect();
        sum_rows(&rows.iter().map(|row| &row.bytes()[..]).collect::<Vec<_>>(), row_bytes)
    };
    let groups = groups(shape);
    if shape.data_rows() != DATA_ROWS_MAX || shape.is_added() {
        return groups
            .map(|group| LocalRow {
                group,
                bytes: sum(group).into(),
            })
            .collect();
    }
    let data_groups = DATA_ROWS_MAX / GROUP_ROWS as u32;
    let mut data = Vec::with_capacity(data_groups as usize * row_bytes);
    (0..data_groups).for_each(|group| data.extend_from_slice(&sum(group)));
    let code = Code::new(data_groups, groups.end).expect("a 32nd of a code that there is");
    let parity = Bytes::from(code.encode(&data, row_bytes));
    let data = Bytes::from(data);
    let starts = |bytes: Bytes| {
        (0..bytes.len())
            .step_by(row_bytes)
            .map(move |start| bytes.slice(start..start + row_bytes))
    };
    groups
        .zip(starts(data).chain(starts(parity)))
        .map(|(group, bytes)| LocalRow { group, bytes })
        .collect()
}

/// The exclusive or of rows of `row_bytes` bytes.
///
/// # Panics
///
/// When one is shorter.
fn sum_rows(rows: &[&[u8]], row_bytes: usize) -> Vec<u8> {
    const STEP: usize = MIN_ROW_BYTES as usize;
    let mut sum = vec![0; row_bytes];
    for rows in rows.chunks(ROWS_AT_ONCE) {
        for (step, start) in sum.chunks_exact_mut(STEP).zip((0..).step_by(STEP)) {
            let step: &mut [u8; STEP] = step.try_into().expect("an exact chunk");
            let mut so_far = *step;
            for row in rows {
                let part: &[u8; STEP] = row[start..start + STEP].try_into().expect("as long");
                so_far.iter_mut().zip(part).for_each(|(sum, byte)| *sum ^= byte);
            }
            *step = so_far;
        }
    }
    sum
}

/// The operator that keeps the local row of each group of the blob `root`, from the first group on: of those that own fewest of the group's
/// rows, the one whose turn it is, so that each keeps about as many.
pub fn owners(committee: &Committee, root: &BlobRoot, shape: Shape) -> Vec<u32> {
    let operators = committee.len();
    let mut owned = vec![vec![0u8; operators as usize]; shape.groups().len()];
    let first = shape.first_row();
    for (operator, rows) in assign(committee, root, shape).into_iter().enumerate() {
        for row in rows {
            owned[group_of(row - first) as usize][operator] += 1;
        }
    }
    (0u32..)
        .zip(owned)
        .map(|(group, owned)| {
            let turn = |operator: u32| (operator + operators - group % operators) % operators;
            let fewest = (0..operators).min_by_key(|&operator| (owned[operator as usize], turn(operator)));
            fewest.expect("a committee has an operator")
        })
        .collect()
}

/// The operator that keeps the local row of `group`; none when the blob has no such group.
pub fn owner(committee: &Committee, root: &BlobRoot, shape: Shape, group: u32) -> Option<u32> {
    let place = group.checked_sub(groups(shape).start)?;
    owners(committee, root, shape).get(place as usize).copied()
}

/// Why a local row is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    /// There is no such group.
    #[error("the blob has no group {group}")]
    OutOfRange {
        /// The group claimed.
        group: u32,
    },
    /// It is too short or too long.
    #[error("the local row of group {group} has {bytes} bytes, not {expected}")]
    WrongLength {
        /// Which group.
        group: u32,
        /// Its length.
        bytes: usize,
        /// The length of this blob's rows.
        expected: u32,
    },
    /// Its combination is not the exclusive or of the group's.
    #[error("the local row of group {group} is not the sum of the group's rows")]
    NotTheSum {
        /// Which group.
        group: u32,
    },
}

/// Checks that a local row combines to what its group's rows combine to, and has their length.
///
/// # Errors
///
/// [`LocalError`], naming the first check that failed.
pub fn check(checker: &RowChecker, local: &LocalRow) -> Result<(), LocalError> {
    let (head, group) = (checker.head(), local.group);
    if !groups(head.shape()).contains(&group) {
        return Err(LocalError::OutOfRange { group });
    }
    if local.bytes.len() != head.row_bytes() as usize {
        return Err(LocalError::WrongLength {
            group,
            bytes: local.bytes.len(),
            expected: head.row_bytes(),
        });
    }
    match checker.combines_to_sum(rows_of(group), &local.bytes) {
        true => Ok(()),
        false => Err(LocalError::NotTheSum { group }),
    }
}

/// Row `missing`, from the other 31 of its group, in order and checked, and the group's local row; none when the local row is wrong.
///
/// # Panics
///
/// When `others` are not the other rows of the group: they were asked for by index.
pub fn rebuild(head: &VerifiedHead, missing: u32, others: &[Row], local: &LocalRow) -> Option<VerifiedRow> {
    let row_bytes = head.row_bytes() as usize;
    let first = rows_of(local.group).start;
    assert!(
        rows_of(group_of(missing))
            .filter(|row| *row != missing)
            .eq(others.iter().map(|row| row.index)),
        "the other rows of the group of row {missing}"
    );
    if local.group != group_of(missing) || local.bytes.len() != row_bytes {
        return None;
    }
    let mut rows: Vec<&[u8]> = others.iter().map(|row| &row.bytes[..]).collect();
    if rows.iter().any(|row| row.len() != row_bytes) {
        return None;
    }
    rows.push(&local.bytes);
    let sum = sum_rows(&rows, row_bytes);
    rows.pop();
    rows.insert((missing - first) as usize, &sum);
    let path = RowTree::of_digests(&row_digests(&rows)).path(missing - first);
    let row = Row {
        index: missing,
        path,
        bytes: sum.into(),
    };
    // The path was computed here; that it ends in the head's root is what shows that the row is the one committed to.
    head.check_digest(&row).ok()?;
    Some(VerifiedRow::of_own(row))
}

impl Write for LocalRow {
    fn write(&self, buf: &mut impl BufMut) {
        self.group.write(buf);
        (self.bytes.len() as u32).write(buf);
        buf.put_slice(&self.bytes);
    }
}

impl EncodeSize for LocalRow {
    fn encode_size(&self) -> usize {
        4 + 4 + self.bytes.len()
    }
}

impl Read for LocalRow {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let group = u32::read(buf)?;
        let row_bytes = u32::read(buf)?;
        if !(MIN_ROW_BYTES..=MAX_ROW_BYTES).contains(&row_bytes) || row_bytes % MIN_ROW_BYTES != 0 {
            return Err(Error::Invalid("LocalRow", "row length"));
        }
        let bytes = buf.try_take_owned(row_bytes as usize).map_err(|_| Error::EndOfBuffer)?;
        Ok(Self { group, bytes })
    }
}

//! What a blob commits to, and what is checked against it.
//!
//! A [`Head`] is the header with the hashes it commits to: small enough to travel before the rows (about 20 KiB). Each type
//! here says how far its value was checked: a [`Head`] and a [`Row`] are claims, a [`VerifiedHead`] and a [`VerifiedRow`] hold.
//!
//! A row is good for two reasons, and both are needed: its digest is in the committed tree, and its random combination is
//! the one that the code gives it (`row·H == Enc(Z)[i]`, wrong with probability 2^-127 once the roots are fixed).

use crate::{
    header::{self, Header, Params},
    shape::{MAX_TOTAL_ROWS, Shape},
};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use crypto::{
    combination::{self, Coefficients, Combined},
    digest::{self, GROUP_ROWS, PATH_LEN},
    kzg::{self, LEAVES_MAX},
    reed_solomon::DATA_ROWS_MAX,
};
use primitives::{BlobRoot, Digest};
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Largest encoded [`Head`], in bytes.
pub const MAX_HEAD_BYTES: usize =
    header::MAX_HEADER_BYTES + MAX_TOTAL_ROWS as usize / GROUP_ROWS * Digest::SIZE + DATA_ROWS_MAX as usize * 16;

/// A header and the hashes it commits to, as claimed by whoever sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The header.
    pub header: Header,
    /// Roots of the groups of 32 rows: as many as the header's shape has.
    pub group_roots: Vec<Digest>,
    /// The random combination of each of the data rows.
    pub combinations: Vec<Combined>,
}

/// Why a head does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The groups root in the header is not that of the group roots and combinations sent with it.
    #[error("groups root is {found}, the header says {claimed}")]
    WrongGroupsRoot {
        /// What the header says.
        claimed: Digest,
        /// What the hashes give.
        found: Digest,
    },
    /// The KZG commitment in the header is not to the hashes sent with it.
    #[error("KZG commitment is not to these roots")]
    WrongCommitment,
}

impl Head {
    /// Checks that the header commits to these hashes: 1.2 ms, nearly all of it the commitment.
    ///
    /// # Errors
    ///
    /// [`HeadError`], naming which of the two commitments fails.
    pub fn check(self) -> Result<VerifiedHead, HeadError> {
        if commit(self.header.params.shape, &self.group_roots) != self.header.commitment {
            return Err(HeadError::WrongCommitment);
        }
        self.check_groups_root()
    }

    /// Checks the hash commitment only, to which BLAKE3 binds as firmly: rows can be checked against it. The other one is checked before an operator signs,
    /// of many blobs at once ([`wrong_commitment`]).
    pub(crate) fn check_groups_root(self) -> Result<VerifiedHead, HeadError> {
        let found = groups_root(&self.group_roots, &z_digest(&self.combinations));
        let claimed = self.header.groups_root;
        if found != claimed {
            return Err(HeadError::WrongGroupsRoot { claimed, found });
        }
        Ok(VerifiedHead(Arc::new(Named {
            root: self.header.root(),
            head: self,
        })))
    }
}

/// One of `heads` whose KZG commitment is not to its group roots, if there is one: one multi-scalar multiplication for all, and one more for each until it is
/// found.
pub(crate) fn wrong_commitment(heads: &[VerifiedHead]) -> Option<BlobRoot> {
    let of_head = |head: &VerifiedHead| leaves(head.shape(), &head.head().group_roots);
    let leaves: Vec<_> = heads.iter().map(of_head).collect();
    let claims: Vec<_> = heads
        .iter()
        .zip(&leaves)
        .map(|(head, leaves)| (head.header().commitment, &leaves[..]))
        .collect();
    if kzg::verify_commitments(&claims) {
        return None;
    }
    let wrong = claims.iter().position(|claim| !kzg::verify_commitments(&[*claim]));
    wrong.map(|place| heads[place].root())
}

/// Digest of the combinations.
pub(crate) fn z_digest(combinations: &[Combined]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/da/z/v1");
    combinations.iter().for_each(|z| {
        hasher.update(z);
    });
    hasher.finalize().into()
}

/// The hash commitment of the header.
pub(crate) fn groups_root(group_roots: &[Digest], z_digest: &Digest) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/da/groups/v1");
    group_roots.iter().chain([z_digest]).for_each(|digest| {
        hasher.update(digest.as_ref());
    });
    hasher.finalize().into()
}

/// What the KZG commitment of the header lists: each group's root at its place, zeros elsewhere.
pub(crate) fn leaves(shape: Shape, group_roots: &[Digest]) -> [[u8; 32]; LEAVES_MAX] {
    let mut leaves = [[0; 32]; LEAVES_MAX];
    for (leaf, root) in leaves[shape.groups()].iter_mut().zip(group_roots) {
        *leaf = kzg::scalar(root);
    }
    leaves
}

/// The KZG commitment of the header.
pub(crate) fn commit(shape: Shape, group_roots: &[Digest]) -> kzg::Commitment {
    kzg::commit(&leaves(shape, group_roots))
}

/// Coefficients of the random combination, drawn after the rows were fixed (Fiat–Shamir): they hash the parameters and every
/// group root, so a disperser who wants other coefficients needs other rows.
pub(crate) fn coefficients(params: &Params, group_roots: &[Digest]) -> Coefficients {
    Coefficients::derive(&seed(params, group_roots), params.row_bytes() as usize)
}

/// What the coefficients are drawn from.
pub(crate) fn seed(params: &Params, group_roots: &[Digest]) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("aloft/da/seed/v1");
    hasher.update(params.digest().as_ref());
    group_roots.iter().for_each(|root| {
        hasher.update(root.as_ref());
    });
    hasher.finalize().into()
}

/// A head whose header commits to its hashes, by the groups root at least, which is what rows are checked against. Cheap to clone.
#[derive(Clone, Debug)]
pub struct VerifiedHead(Arc<Named>);

#[derive(Debug)]
struct Named {
    root: BlobRoot,
    head: Head,
}

impl VerifiedHead {
    /// The head of rows that this process coded itself.
    pub(crate) fn of_own_rows(head: Head) -> Self {
        Self(Arc::new(Named {
            root: head.header.root(),
            head,
        }))
    }

    /// The blob's name.
    pub fn root(&self) -> BlobRoot {
        self.0.root
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.0.head.header
    }

    /// The whole head, as it is sent.
    pub fn head(&self) -> &Head {
        &self.0.head
    }

    /// Which rows it is.
    pub fn shape(&self) -> Shape {
        self.header().params.shape
    }

    /// Length of each row, in bytes.
    pub fn row_bytes(&self) -> u32 {
        self.header().params.row_bytes()
    }

    /// Whether this is the head of rows added to the blob of `base`: all that its header says of the payload is what that one says.
    pub fn is_added_to(&self, base: &VerifiedHead) -> bool {
        let (whole, params) = (&base.header().params, &self.header().params);
        !whole.shape.is_added()
            && params.shape.data_rows() == whole.shape.data_rows()
            && params.shape.first_row() >= whole.shape.row_count()
            && *params == whole.added(base.root(), params.shape)
    }

    /// Checks only that `row` is the committed one: for rows from our own disk, whose combination was checked before they
    /// were written.
    ///
    /// # Errors
    ///
    /// [`RowError`], all but [`RowError::NotCoded`].
    pub fn check_digest(&self, row: &Row) -> Result<(), RowError> {
        self.check_shape(row)?;
        self.check_path(row, digest::row_digest(&row.bytes))
    }

    /// Checks that there is such a row, of this length.
    fn check_shape(&self, row: &Row) -> Result<(), RowError> {
        let index = row.index;
        if !self.shape().rows().contains(&index) {
            return Err(RowError::OutOfRange { index });
        }
        if row.bytes.len() != self.row_bytes() as usize {
            return Err(RowError::WrongLength {
                index,
                bytes: row.bytes.len(),
                expected: self.row_bytes(),
            });
        }
        Ok(())
    }

    /// Checks that `digest`, that of `row`'s bytes, leads to the root of its group.
    fn check_path(&self, row: &Row, digest: Digest) -> Result<(), RowError> {
        self.check_group(row.index, digest::root_of_path(row.index, digest, &row.path))
    }

    /// Whether the group root that row `index` led to is the one committed to.
    fn check_group(&self, index: u32, found: Digest) -> Result<(), RowError> {
        if found != self.0.head.group_roots[(index - self.shape().first_row()) as usize / GROUP_ROWS] {
            return Err(RowError::NotCommitted {
                index,
                root: self.root(),
            });
        }
        Ok(())
    }
}

/// One row with the hashes that lead to its group's root, as claimed by whoever sent it.
///
/// Encoded `index 4 | path 5 x 32 | bytes`, on the wire and on disk.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// Which row of the code. The first rows, as many as are data, are the payload itself.
    pub index: u32,
    /// Siblings from the row's digest to its group's root, lowest first.
    pub path: [Digest; PATH_LEN],
    /// Its bytes.
    pub bytes: Bytes,
}

impl Row {
    /// Encoded bytes besides the row's own.
    pub const OVERHEAD_BYTES: usize = 4 + PATH_LEN * 32;

    /// Appends the encoded row.
    pub fn write(&self, buf: &mut impl BufMut) {
        self.index.write(buf);
        self.path.iter().for_each(|sibling| sibling.write(buf));
        buf.put_slice(&self.bytes);
    }

    /// Reads a row of `row_bytes` bytes, without copying them where the buffer owns its memory.
    ///
    /// # Errors
    ///
    /// [`Error::EndOfBuffer`] when fewer bytes remain.
    pub fn read(buf: &mut impl Buf, row_bytes: u32) -> Result<Self, Error> {
        let index = u32::read(buf)?;
        let path = <[[u8; 32]; PATH_LEN]>::read(buf)?.map(Digest::from);
        let bytes = buf.try_take_owned(row_bytes as usize).map_err(|_| Error::EndOfBuffer)?;
        Ok(Self { index, path, bytes })
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({}, {} bytes)", self.index, self.bytes.len())
    }
}

/// Why a row is not the one its blob committed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowError {
    /// There is no such row.
    #[error("the blob has no row {index}")]
    OutOfRange {
        /// The index claimed.
        index: u32,
    },
    /// The row is too short or too long.
    #[error("row {index} has {bytes} bytes, not {expected}")]
    WrongLength {
        /// Which row.
        index: u32,
        /// Its length.
        bytes: usize,
        /// The length of this blob's rows.
        expected: u32,
    },
    /// The row's digest does not lead to its group's root.
    #[error("row {index} is not the one that blob {root} commits to")]
    NotCommitted {
        /// Which row.
        index: u32,
        /// Of which blob.
        root: BlobRoot,
    },
    /// The row is the one committed to, but the disperser did not code it: its combination is not the code's.
    #[error("row {index} of blob {root} is not of the code")]
    NotCoded {
        /// Which row.
        index: u32,
        /// Of which blob.
        root: BlobRoot,
    },
}

impl RowError {
    /// Which row.
    pub fn index(&self) -> u32 {
        match *self {
            Self::OutOfRange { index }
            | Self::WrongLength { index, .. }
            | Self::NotCommitted { index, .. }
            | Self::NotCoded { index, .. } => index,
        }
    }
}

/// Checks rows against one head. Costs 0.2 ms to make for rows of 32 KiB, and more in proportion for longer
/// ones; then about 4 GB/s a core.
pub struct RowChecker {
    head: VerifiedHead,
    coefficients: Coefficients,
    /// `Enc(Z)`: the combination that the code gives each row of all cosets up to these.
    expected: Vec<Combined>,
}

impl RowChecker {
    /// Draws the coefficients of `head` and codes its combinations.
    pub fn new(head: VerifiedHead) -> Self {
        let coefficients = coefficients(&head.header().params, &head.head().group_roots);
        let expected = combination::extend(head.shape().code(), &head.head().combinations);
        Self {
            head,
            coefficients,
            expected,
        }
    }

    /// The head that rows are checked against.
    pub fn head(&self) -> &VerifiedHead {
        &self.head
    }

    /// Checks one row.
    ///
    /// # Errors
    ///
    /// [`RowError`], naming the first check that failed.
    pub fn check(&self, row: Row) -> Result<VerifiedRow, RowError> {
        self.head.check_digest(&row)?;
        self.check_code(&row)?;
        Ok(VerifiedRow(row))
    }

    /// Checks that `rows` of the blob that these rows are added to, in whatever order, are of the codeword that the combinations here are
    /// of: that is what ties added rows to what is there already.
    ///
    /// # Errors
    ///
    /// [`RowError::NotCoded`], naming a row that is not; then the added rows belong to something else.
    ///
    /// # Panics
    ///
    /// When a row is not of that blob, whose rows were checked.
    pub fn check_base(&self, rows: &[Row]) -> Result<(), RowError> {
        rows.iter().try_for_each(|row| self.check_code(row))
    }

    /// Whether the row is of the codeword.
    fn check_code(&self, row: &Row) -> Result<(), RowError> {
        match self.coefficients.combine(&row.bytes) == self.expected[row.index as usize] {
            true => Ok(()),
            false => Err(RowError::NotCoded {
                index: row.index,
                root: self.head.root(),
            }),
        }
    }

    /// Whether `sum` combines to the exclusive or of what `rows` combine to: as their own exclusive or does, for the code is linear.
    ///
    /// # Panics
    ///
    /// When the head has no such rows, or `sum` has another length.
    pub(crate) fn combines_to_sum(&self, rows: std::ops::Range<u32>, sum: &[u8]) -> bool {
        let expected = &self.expected[rows.start as usize..rows.end as usize];
        let expected = expected.iter().fold([0; 16], |sum: Combined, row| {
            std::array::from_fn(|byte| sum[byte] ^ row[byte])
        });
        self.coefficients.combine(sum) == expected
    }

    /// Checks many rows: faster than one by one, for they are hashed side by side.
    ///
    /// # Errors
    ///
    /// [`RowError`], naming a row that fails and the first check that it failed. The other rows may be good: check them one
    /// by one to know.
    pub fn check_all(&self, rows: Vec<Row>) -> Result<Vec<VerifiedRow>, RowError> {
        rows.iter().try_for_each(|row| self.head.check_shape(row))?;
        let at_once = (CHECKED_BYTES / self.head.row_bytes() as usize)
            .max(1)
            .next_multiple_of(digest::ROWS_AT_ONCE);
        for rows in rows.chunks(at_once) {
            let bytes: Vec<&[u8]> = rows.iter().map(|row| &row.bytes[..]).collect();
            let digests = digest::row_digests(&bytes);
            let paths = rows
                .iter()
                .zip(digests)
                .map(|(row, digest)| (row.index, digest, &row.path));
            for (row, found) in rows.iter().zip(digest::roots_of_paths(paths)) {
                self.head.check_group(row.index, found)?;
            }
            rows.iter().try_for_each(|row| self.check_code(row))?;
        }
        Ok(rows.into_iter().map(VerifiedRow).collect())
    }
}

/// Rows of at most this many bytes in all are hashed, then combined while they are in the second-level cache.
const CHECKED_BYTES: usize = 512 << 10;

/// A row that its blob committed to and that is of the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRow(Row);

impl VerifiedRow {
    /// A row that this process coded itself.
    pub(crate) fn of_own(row: Row) -> Self {
        Self(row)
    }

    /// Which row.
    pub fn index(&self) -> u32 {
        self.0.index
    }

    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0.bytes
    }

    /// The row as it is sent.
    pub fn row(&self) -> &Row {
        &self.0
    }
}

impl Write for Head {
    fn write(&self, buf: &mut impl BufMut) {
        self.header.write(buf);
        self.group_roots.iter().for_each(|root| root.write(buf));
        self.combinations.iter().for_each(|z| buf.put_slice(z));
    }
}

impl EncodeSize for Head {
    fn encode_size(&self) -> usize {
        self.header.encode_size()
            + self.group_roots.len() * Digest::SIZE
            + self.combinations.len() * size_of::<Combined>()
    }
}

impl Read for Head {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let header = Header::read(buf)?;
        let shape = header.params.shape;
        let group_roots = shape.groups().map(|_| Digest::read(buf)).collect::<Result<_, _>>()?;
        let combinations = (0..shape.data_rows())
            .map(|_| <Combined>::read(buf))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            header,
            group_roots,
            combinations,
        })
    }
}

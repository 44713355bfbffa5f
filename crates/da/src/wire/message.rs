//! The messages, and their bytes: a tag, then the fields in order, big endian. docs/spec/da.md has the table.

use super::MAX_MESSAGE_BYTES;
use crate::{
    Head, Permit, Row,
    certificate::MAX_BATCH,
    local::LocalRow,
    release,
    sample::{Challenge, MAX_SAMPLES, MAX_SAMPLES_BYTES},
    shape::{MAX_ROW_BYTES, MAX_TOTAL_ROWS, MIN_ROW_BYTES},
};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, BufsMut, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use crypto::bls;
use primitives::{Address, BlobRoot, Epoch, U256};

/// Most rows one [`Request::ReadRows`] asks for: all that an operator can own.
pub const MAX_ROWS_PER_READ: usize = MAX_TOTAL_ROWS as usize;

/// Encoded bytes of a message of rows besides the rows: tag, row length, count.
const ROWS_OVERHEAD_BYTES: usize = 1 + 4 + 4;

/// Rows from this length on are sent from where they are; shorter ones are copied, which costs less than a piece each.
const PIECE_BYTES_MIN: u32 = 4 * 1024;

/// Tags of the messages of rows.
const ROWS_REQUEST: u8 = 1;
const ROWS_RESPONSE: u8 = 4;
/// Tag of the request to sign.
const SIGN: u8 = 6;
/// Tag of what is said to and by the release committee, both ways: apart from those of rows, which count on.
const RELEASE: u8 = 16;
/// Tags of local rows, given and asked for.
const KEEP_LOCAL: u8 = 17;
const READ_LOCAL: u8 = 18;

/// How many rows of `row_bytes` fit in one message: at least one.
pub fn rows_per_message(row_bytes: u32) -> usize {
    (MAX_MESSAGE_BYTES as usize - ROWS_OVERHEAD_BYTES) / (Row::OVERHEAD_BYTES + row_bytes as usize)
}

/// Rows of one blob, all of one length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// Length of each row, in bytes: a multiple of 128.
    pub row_bytes: u32,
    /// The rows, at most [`rows_per_message`].
    pub rows: Vec<Row>,
}

/// What a disperser or reader asks of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Keep your rows of this blob: who promises to pay for it. Answered by `Accepted`, `Stored` (it has them all) or `Refused`.
    Disperse(Box<Head>, Permit),
    /// Rows of the blob last dispersed on this stream. Answered once, when none is missing any more: `Stored`; or `Refused`.
    Rows(Rows),
    /// Sign for these blobs together, in this order: 1 to [`MAX_BATCH`], of one committee. Answered by `Signed` when all rows of each are durable,
    /// `NotFound` when some are not there, or `Refused`.
    Sign(Vec<BlobRoot>),
    /// The head of a blob. Answered by `Head` or `NotFound`.
    ReadHead(BlobRoot),
    /// Rows of a blob. Answered by `Rows`, as often as needed, then `EndOfRows`; or `NotFound`.
    ReadRows {
        /// Which blob.
        root: BlobRoot,
        /// Which rows, at most [`MAX_ROWS_PER_READ`].
        rows: Vec<u32>,
    },
    /// How the operator is doing. Answered by `Status`.
    Status,
    /// Pieces of a blob with their proofs. Answered by `Samples` or `NotFound`.
    ReadSamples {
        /// Which blob.
        root: BlobRoot,
        /// Which pieces, at most [`MAX_SAMPLES`].
        challenges: Vec<Challenge>,
    },
    /// A share of a key, for a reader that the chain lets read. Answered by `Release`; or `NotFound` by who holds no share.
    Release(release::Request),
    /// Keep the local row of a group of this blob. Answered by `KeptLocal`, `NotFound` by who does not have the blob, or `Refused`.
    KeepLocal {
        /// Which blob.
        root: BlobRoot,
        /// The group and its local row.
        row: LocalRow,
    },
    /// The local row of a group. Answered by `LocalRow` or `NotFound`.
    ReadLocal {
        /// Which blob.
        root: BlobRoot,
        /// Which group.
        group: u32,
    },
}

/// What an operator answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The head holds; these rows of the operator's are not on its disk yet.
    Accepted {
        /// Which rows to send, ascending.
        missing: Vec<u32>,
    },
    /// All its rows of the blob are there. They may be lost again until it signs.
    Stored,
    /// All its rows of the blobs are on disk; its signature of the certificate's message.
    Signed(bls::Signature),
    /// The request is refused, and the stream ends.
    Refused(Refusal),
    /// The head asked for.
    Head(Box<Head>),
    /// Some of the rows asked for.
    Rows(Rows),
    /// No more rows come for this request.
    EndOfRows {
        /// Rows asked for that the operator does not have.
        missing: Vec<u32>,
    },
    /// The operator does not have the blob, or not all that it is to sign for.
    NotFound,
    /// How the operator is doing.
    Status(Status),
    /// The pieces asked for, as [`crate::sample::read_samples`] reads them: how long each is depends on the question.
    Samples(Bytes),
    /// What the member of the release committee says.
    Release(release::Response),
    /// The local row is on disk.
    KeptLocal,
    /// The local row asked for.
    LocalRow(LocalRow),
}

/// How an operator is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Epoch of its committee.
    pub epoch: Epoch,
    /// Last block it has seen.
    pub height: u64,
    /// Blobs of which it has rows.
    pub blobs: u64,
    /// Bytes its rows take, on disk.
    pub stored_bytes: u64,
    /// Bytes it gives to rows.
    pub capacity_bytes: u64,
}

/// Why an operator does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The header does not commit to the hashes sent with it.
    #[error("the head does not hold")]
    BadHead,
    /// The operator has no seat in the blob's committee: it is of another quorum, or of an epoch whose blobs are not taken.
    #[error("no seat in the blob's committee; the epoch is {current}")]
    NoSeat {
        /// The epoch that the operator knows.
        current: Epoch,
    },
    /// The blob expires in the past, or later than the chain lets it.
    #[error("expiry is not between block {height} and {limit}")]
    Expiry {
        /// The last block that the operator has seen.
        height: u64,
        /// The latest expiry it takes.
        limit: u64,
    },
    /// A row of another operator.
    #[error("row {row} is not mine")]
    NotMine {
        /// Which row.
        row: u32,
    },
    /// A row that its blob did not commit to, or that is not of the code.
    #[error("row {row} does not check")]
    BadRow {
        /// Which row.
        row: u32,
    },
    /// The permit is nobody's, over, or lasts longer than operators let it.
    #[error("the permit's deadline is not between block {height} and {limit}, or its signature is none")]
    Permit {
        /// The last block that the operator has seen.
        height: u64,
        /// The latest deadline it takes.
        limit: u64,
    },
    /// What the payer has in escrow does not cover the fee and what it promised before.
    #[error("{payer} has {escrow_wei} wei in escrow and promises {promised_wei}")]
    Unfunded {
        /// Who promises to pay.
        payer: Address,
        /// What is there and was not announced to leave.
        escrow_wei: U256,
        /// What it promised this operator in all and has not paid, this blob among it.
        promised_wei: U256,
    },
    /// The operator cannot ask the chain for the payer's escrow.
    #[error("the operator does not reach the chain")]
    Chain,
    /// No room on the operator's disk, or for blobs that nobody has paid for yet.
    #[error("no room")]
    Full,
    /// The operator's disk failed.
    #[error("the operator's disk failed")]
    Disk,
    /// Rows came before a head.
    #[error("rows without a head")]
    Unexpected,
    /// The rows are to be added to a blob that the operator does not hold whole, or that they are not of.
    #[error("the blob that the rows are added to is not held, or another")]
    Base,
}

impl Write for Rows {
    fn write(&self, buf: &mut impl BufMut) {
        self.row_bytes.write(buf);
        (self.rows.len() as u32).write(buf);
        for row in &self.rows {
            debug_assert_eq!(row.bytes.len(), self.row_bytes as usize);
            row.write(buf);
        }
    }

    fn write_bufs(&self, buf: &mut impl BufsMut) {
        if self.row_bytes < PIECE_BYTES_MIN {
            return self.write(buf);
        }
        self.row_bytes.write(buf);
        (self.rows.len() as u32).write(buf);
        for row in &self.rows {
            row.index.write(buf);
            row.path.iter().for_each(|sibling| sibling.write(buf));
            buf.push(row.bytes.clone());
        }
    }
}

impl EncodeSize for Rows {
    fn encode_size(&self) -> usize {
        8 + self.rows.len() * (Row::OVERHEAD_BYTES + self.row_bytes as usize)
    }

    fn encode_inline_size(&self) -> usize {
        match self.row_bytes < PIECE_BYTES_MIN {
            true => self.encode_size(),
            false => 8 + self.rows.len() * Row::OVERHEAD_BYTES,
        }
    }
}

impl Read for Rows {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        let row_bytes = u32::read(buf)?;
        if !(MIN_ROW_BYTES..=MAX_ROW_BYTES).contains(&row_bytes) || row_bytes % MIN_ROW_BYTES != 0 {
            return Err(Error::Invalid("Rows", "row length"));
        }
        let count = u32::read(buf)? as usize;
        if count > rows_per_message(row_bytes) {
            return Err(Error::InvalidLength(count));
        }
        let rows = (0..count)
            .map(|_| Row::read(buf, row_bytes))
            .collect::<Result<_, _>>()?;
        Ok(Self { row_bytes, rows })
    }
}

/// `count 4 | indices 4 each`.
fn write_indices(indices: &[u32], buf: &mut impl BufMut) {
    (indices.len() as u32).write(buf);
    indices.iter().for_each(|index| index.write(buf));
}

fn read_indices(buf: &mut impl Buf) -> Result<Vec<u32>, Error> {
    let count = u32::read(buf)? as usize;
    if count > MAX_ROWS_PER_READ {
        return Err(Error::InvalidLength(count));
    }
    (0..count).map(|_| u32::read(buf)).collect()
}

impl Write for Request {
    fn write(&self, buf: &mut impl BufMut) {
        match self {
            Self::Disperse(head, permit) => {
                0u8.write(buf);
                permit.write(buf);
                head.write(buf);
            }
            Self::Sign(roots) => {
                SIGN.write(buf);
                (roots.len() as u32).write(buf);
                roots.iter().for_each(|root| root.write(buf));
            }
            Self::Rows(rows) => {
                ROWS_REQUEST.write(buf);
                rows.write(buf);
            }
            Self::ReadHead(root) => {
                2u8.write(buf);
                root.write(buf);
            }
            Self::ReadRows { root, rows } => {
                3u8.write(buf);
                root.write(buf);
                write_indices(rows, buf);
            }
            Self::Status => 4u8.write(buf),
            Self::ReadSamples { root, challenges } => {
                5u8.write(buf);
                root.write(buf);
                (challenges.len() as u32).write(buf);
                challenges.iter().for_each(|challenge| challenge.write(buf));
            }
            Self::Release(request) => {
                RELEASE.write(buf);
                request.write(buf);
            }
            Self::KeepLocal { root, row } => {
                KEEP_LOCAL.write(buf);
                root.write(buf);
                row.write(buf);
            }
            Self::ReadLocal { root, group } => {
                READ_LOCAL.write(buf);
                root.write(buf);
                group.write(buf);
            }
        }
    }

    fn write_bufs(&self, buf: &mut impl BufsMut) {
        match self {
            Self::Rows(rows) => {
                ROWS_REQUEST.write(buf);
                rows.write_bufs(buf);
            }
            other => other.write(buf),
        }
    }
}

impl EncodeSize for Request {
    fn encode_size(&self) -> usize {
        1 + match self {
            Self::Disperse(head, _) => Permit::SIZE + head.encode_size(),
            Self::Rows(rows) => rows.encode_size(),
            Self::Sign(roots) => 4 + BlobRoot::SIZE * roots.len(),
            Self::ReadHead(_) => BlobRoot::SIZE,
            Self::ReadRows { rows, .. } => BlobRoot::SIZE + 4 + 4 * rows.len(),
            Self::Status => 0,
            Self::ReadSamples { challenges, .. } => BlobRoot::SIZE + 4 + Challenge::SIZE * challenges.len(),
            Self::Release(_) => release::Request::SIZE,
            Self::KeepLocal { row, .. } => BlobRoot::SIZE + row.encode_size(),
            Self::ReadLocal { .. } => BlobRoot::SIZE + 4,
        }
    }

    fn encode_inline_size(&self) -> usize {
        match self {
            Self::Rows(rows) => 1 + rows.encode_inline_size(),
            other => other.encode_size(),
        }
    }
}

impl Read for Request {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(match u8::read(buf)? {
            0 => {
                let permit = Permit::read(buf)?;
                Self::Disperse(Box::new(Head::read(buf)?), permit)
            }
            ROWS_REQUEST => Self::Rows(Rows::read(buf)?),
            2 => Self::ReadHead(BlobRoot::read(buf)?),
            3 => Self::ReadRows {
                root: BlobRoot::read(buf)?,
                rows: read_indices(buf)?,
            },
            4 => Self::Status,
            5 => {
                let root = BlobRoot::read(buf)?;
                let count = u32::read(buf)? as usize;
                if count > MAX_SAMPLES {
                    return Err(Error::InvalidLength(count));
                }
                // The blob's own rows may be shorter: the answer then lacks the piece.
                let challenges = (0..count).map(|_| Challenge::read_cfg(buf, &MAX_ROW_BYTES));
                Self::ReadSamples {
                    root,
                    challenges: challenges.collect::<Result<_, _>>()?,
                }
            }
            SIGN => {
                let count = u32::read(buf)? as usize;
                if !(1..=MAX_BATCH).contains(&count) {
                    return Err(Error::InvalidLength(count));
                }
                let roots = (0..count).map(|_| BlobRoot::read(buf));
                Self::Sign(roots.collect::<Result<_, _>>()?)
            }
            RELEASE => Self::Release(release::Request::read(buf)?),
            KEEP_LOCAL => Self::KeepLocal {
                root: BlobRoot::read(buf)?,
                row: LocalRow::read(buf)?,
            },
            READ_LOCAL => Self::ReadLocal {
                root: BlobRoot::read(buf)?,
                group: u32::read(buf)?,
            },
            other => return Err(Error::InvalidEnum(other)),
        })
    }
}

impl Write for Response {
    fn write(&self, buf: &mut impl BufMut) {
        match self {
            Self::Accepted { missing } => {
                0u8.write(buf);
                write_indices(missing, buf);
            }
            Self::Signed(signature) => {
                1u8.write(buf);
                buf.put_slice(&signature.to_bytes());
            }
            Self::Refused(refusal) => {
                2u8.write(buf);
                refusal.write(buf);
            }
            Self::Head(head) => {
                3u8.write(buf);
                head.write(buf);
            }
            Self::Rows(rows) => {
                ROWS_RESPONSE.write(buf);
                rows.write(buf);
            }
            Self::EndOfRows { missing } => {
                5u8.write(buf);
                write_indices(missing, buf);
            }
            Self::NotFound => 6u8.write(buf),
            Self::Status(status) => {
                7u8.write(buf);
                status.epoch.write(buf);
                status.height.write(buf);
                status.blobs.write(buf);
                status.stored_bytes.write(buf);
                status.capacity_bytes.write(buf);
            }
            Self::Samples(bytes) => {
                8u8.write(buf);
                (bytes.len() as u32).write(buf);
                buf.put_slice(bytes);
            }
            Self::Release(response) => {
                RELEASE.write(buf);
                response.write(buf);
            }
            Self::Stored => 9u8.write(buf),
            Self::KeptLocal => KEEP_LOCAL.write(buf),
            Self::LocalRow(row) => {
                READ_LOCAL.write(buf);
                row.write(buf);
            }
        }
    }

    fn write_bufs(&self, buf: &mut impl BufsMut) {
        match self {
            Self::Rows(rows) => {
                ROWS_RESPONSE.write(buf);
                rows.write_bufs(buf);
            }
            other => other.write(buf),
        }
    }
}

impl EncodeSize for Response {
    fn encode_size(&self) -> usize {
        1 + match self {
            Self::Accepted { missing } | Self::EndOfRows { missing } => 4 + 4 * missing.len(),
            Self::Signed(_) => bls::SIGNATURE_BYTES,
            Self::Refused(refusal) => refusal.encode_size(),
            Self::Head(head) => head.encode_size(),
            Self::Rows(rows) => rows.encode_size(),
            Self::Stored | Self::NotFound | Self::KeptLocal => 0,
            Self::Status(_) => 5 * 8,
            Self::Samples(bytes) => 4 + bytes.len(),
            Self::Release(response) => response.encode_size(),
            Self::LocalRow(row) => row.encode_size(),
        }
    }

    fn encode_inline_size(&self) -> usize {
        match self {
            Self::Rows(rows) => 1 + rows.encode_inline_size(),
            other => other.encode_size(),
        }
    }
}

impl Read for Response {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(match u8::read(buf)? {
            0 => Self::Accepted {
                missing: read_indices(buf)?,
            },
            1 => {
                let bytes = <[u8; bls::SIGNATURE_BYTES]>::read(buf)?;
                let signature = bls::Signature::from_bytes(&bytes);
                Self::Signed(signature.map_err(|_| Error::Invalid("Response", "signature"))?)
            }
            2 => Self::Refused(Refusal::read(buf)?),
            3 => Self::Head(Box::new(Head::read(buf)?)),
            ROWS_RESPONSE => Self::Rows(Rows::read(buf)?),
            5 => Self::EndOfRows {
                missing: read_indices(buf)?,
            },
            6 => Self::NotFound,
            7 => Self::Status(Status {
                epoch: Epoch::read(buf)?,
                height: u64::read(buf)?,
                blobs: u64::read(buf)?,
                stored_bytes: u64::read(buf)?,
                capacity_bytes: u64::read(buf)?,
            }),
            8 => {
                let length = u32::read(buf)? as usize;
                if length > MAX_SAMPLES_BYTES {
                    return Err(Error::InvalidLength(length));
                }
                Self::Samples(buf.try_take_owned(length).map_err(|_| Error::EndOfBuffer)?)
            }
            9 => Self::Stored,
            RELEASE => Self::Release(release::Response::read(buf)?),
            KEEP_LOCAL => Self::KeptLocal,
            READ_LOCAL => Self::LocalRow(LocalRow::read(buf)?),
            other => return Err(Error::InvalidEnum(other)),
        })
    }
}

impl Write for Refusal {
    fn write(&self, buf: &mut impl BufMut) {
        match self {
            Self::BadHead => 0u8.write(buf),
            Self::NoSeat { current } => {
                1u8.write(buf);
                current.write(buf);
            }
            Self::Expiry { height, limit } => {
                2u8.write(buf);
                height.write(buf);
                limit.write(buf);
            }
            Self::NotMine { row } => {
                3u8.write(buf);
                row.write(buf);
            }
            Self::BadRow { row } => {
                4u8.write(buf);
                row.write(buf);
            }
            Self::Full => 5u8.write(buf),
            Self::Disk => 6u8.write(buf),
            Self::Unexpected => 7u8.write(buf),
            Self::Base => 8u8.write(buf),
            Self::Permit { height, limit } => {
                9u8.write(buf);
                height.write(buf);
                limit.write(buf);
            }
            Self::Unfunded {
                payer,
                escrow_wei,
                promised_wei,
            } => {
                10u8.write(buf);
                buf.put_slice(payer.as_slice());
                buf.put_slice(&escrow_wei.to_be_bytes::<32>());
                buf.put_slice(&promised_wei.to_be_bytes::<32>());
            }
            Self::Chain => 11u8.write(buf),
        }
    }
}

impl EncodeSize for Refusal {
    fn encode_size(&self) -> usize {
        1 + match self {
            Self::NoSeat { .. } => 8,
            Self::Expiry { .. } | Self::Permit { .. } => 16,
            Self::NotMine { .. } | Self::BadRow { .. } => 4,
            Self::Unfunded { .. } => 20 + 2 * 32,
            Self::BadHead | Self::Full | Self::Disk | Self::Unexpected | Self::Base | Self::Chain => 0,
        }
    }
}

impl Read for Refusal {
    type Cfg = ();

    fn read_cfg(buf: &mut impl Buf, (): &()) -> Result<Self, Error> {
        Ok(match u8::read(buf)? {
            0 => Self::BadHead,
            1 => Self::NoSeat {
                current: Epoch::read(buf)?,
            },
            2 => Self::Expiry {
                height: u64::read(buf)?,
                limit: u64::read(buf)?,
            },
            3 => Self::NotMine { row: u32::read(buf)? },
            4 => Self::BadRow { row: u32::read(buf)? },
            5 => Self::Full,
            6 => Self::Disk,
            7 => Self::Unexpected,
            8 => Self::Base,
            9 => Self::Permit {
                height: u64::read(buf)?,
                limit: u64::read(buf)?,
            },
            10 => Self::Unfunded {
                payer: <[u8; 20]>::read(buf)?.into(),
                escrow_wei: U256::from_be_bytes(<[u8; 32]>::read(buf)?),
                promised_wei: U256::from_be_bytes(<[u8; 32]>::read(buf)?),
            },
            11 => Self::Chain,
            other => return Err(Error::InvalidEnum(other)),
        })
    }
}

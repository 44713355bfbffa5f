//! Samples: about 1.4 KiB each that show a light client, which knows only a blob's header, that some piece of it is there.
//!
//! A client draws random pieces of random rows ([`Challenge`]), asks whoever claims to hold the rows ([`Prover`]), and checks
//! the answers of many blobs at once ([`verify`]). A sample is a chunk of a row and three proofs, each of what the one before
//! it gives: BLAKE3's own tree leads from the chunk to the row's digest, the group's tree to its root, and a KZG opening to
//! the commitment in the header.
//!
//! ```text
//! chunk, 128 to 1,024 | hashes in the row, 32 each, lowest first | hashes in the group 5 x 32 | opening 48
//! ```
//!
//! How long each part is follows from the header and from what was asked, so no length is on the wire. The largest rows take
//! 1,456 bytes a sample.
//!
//! Samples show that pieces are there, not that the rows are of the code: that is what the quorum's signatures are for. They
//! rest on the KZG setup, because the header's hash of the group roots opens only to who has all of them.

mod ask;
mod chunk;
mod confidence;
mod prove;
#[cfg(test)]
mod tests;
mod verdict;

pub use ask::{SampleError, Sampled, ask};
pub use chunk::{CHUNK_BYTES, chunks};
pub use confidence::{Confidence, confidence, samples_for};
pub use prove::{ProveError, Prover};
pub use verdict::{Answer, Verdict, verify};

use crate::{
    Shape,
    shape::{MAX_ROW_BYTES, MAX_TOTAL_ROWS},
};
use bytes::{BufMut, Bytes, BytesMut};
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use crypto::{
    digest::{self, GROUP_ROWS, PATH_LEN},
    kzg::{self, Claim, Commitment, Opening},
};
use primitives::Digest;
use rand_core::CryptoRng;

/// Samples that leave fewer than a third of the rows a chance of 2^-40 to pass for all: what a client asks for unless it knows
/// better. See [`confidence`].
pub const SAMPLES: u32 = 26;
/// Most samples in one answer: that many of the largest fit in one message.
pub const MAX_SAMPLES: usize = 256;
/// Most bytes of an answer.
pub const MAX_SAMPLES_BYTES: usize = MAX_SAMPLES * (1 + Sample::MAX_BYTES);
const _: () = assert!(
    64 + MAX_SAMPLES_BYTES <= crate::wire::MAX_MESSAGE_BYTES as usize,
    "an answer fits in a message"
);

/// A piece of a blob that a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Challenge {
    /// Which row of the code.
    pub row: u32,
    /// Which kilobyte of it, below [`chunks`] of its length.
    pub chunk: u32,
}

impl Challenge {
    /// Draws `count` pieces of a blob of `shape` and rows of `row_bytes` bytes, each of all pieces with the same chance, so that one may come
    /// twice.
    ///
    /// Who is asked must not be able to guess them, or it can keep just these.
    pub fn draw(rng: &mut impl CryptoRng, shape: Shape, row_bytes: u32, count: u32) -> Vec<Self> {
        let mut below = |bound| below(bound, || rng.next_u32());
        (0..count)
            .map(|_| Self {
                row: shape.first_row() + below(shape.row_count()),
                chunk: below(chunks(row_bytes)),
            })
            .collect()
    }

    /// The `count` pieces that a public `seed` gives: for challenges that others must be able to repeat. The seed must be one
    /// that nobody knew when the rows were stored, and name the blob.
    pub fn derive(seed: &Digest, shape: Shape, row_bytes: u32, count: u32) -> Vec<Self> {
        let mut stream = blake3::Hasher::new_derive_key("aloft/da/challenge/v1")
            .update(seed.as_ref())
            .finalize_xof();
        let mut word = || {
            let mut bytes = [0; 4];
            stream.fill(&mut bytes);
            u32::from_be_bytes(bytes)
        };
        (0..count)
            .map(|_| Self {
                row: shape.first_row() + below(shape.row_count(), &mut word),
                chunk: below(chunks(row_bytes), &mut word),
            })
            .collect()
    }

    /// Whether a blob of rows of `row_bytes` bytes may have this piece, in some shape.
    fn exists(&self, row_bytes: u32) -> bool {
        (1..=MAX_ROW_BYTES).contains(&row_bytes) && self.row < MAX_TOTAL_ROWS && self.chunk < chunks(row_bytes)
    }
}

/// A number below `bound`, each with the same chance: words from the largest multiple of `bound` on are skipped.
fn below(bound: u32, mut word: impl FnMut() -> u32) -> u32 {
    let whole = u32::MAX - u32::MAX % bound;
    loop {
        let word = word();
        if word < whole {
            return word % bound;
        }
    }
}

/// A piece of a blob and what proves it, as claimed by whoever sent it. See the module's first lines for its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Sample {
    /// The bytes of the piece: [`CHUNK_BYTES`], or what is left at a row's end.
    pub chunk: Bytes,
    /// From the piece to the row's digest: siblings in BLAKE3's tree, lowest first.
    pub row_path: Vec<Digest>,
    /// From the row's digest to its group's root: siblings, lowest first.
    pub group_path: [Digest; PATH_LEN],
    /// From the group's root to the blob's commitment.
    pub opening: Opening,
}

impl Sample {
    /// Largest sample, in bytes.
    pub const MAX_BYTES: usize =
        CHUNK_BYTES + (MAX_ROW_BYTES as usize / CHUNK_BYTES).ilog2() as usize * 32 + PATH_LEN * 32 + kzg::POINT_BYTES;

    /// What the KZG opening of this sample must prove for it to be the piece that `challenge` asks for, if the hashes lead
    /// anywhere: `None` when a part has another length than the piece's.
    fn claim(&self, commitment: Commitment, shape: Shape, row_bytes: u32, challenge: &Challenge) -> Option<Claim> {
        if !challenge.exists(row_bytes) || !shape.rows().contains(&challenge.row) {
            return None;
        }
        let row_digest = chunk::row_digest(row_bytes, challenge.chunk, &self.chunk, &self.row_path)?;
        let group_root = digest::root_of_path(challenge.row, row_digest, &self.group_path);
        Some(Claim {
            commitment,
            index: challenge.row as usize / GROUP_ROWS,
            leaf: kzg::scalar(&group_root),
            opening: self.opening,
        })
    }
}

/// The samples of one answer, in the order asked: for each 0 when there is none, or 1 and the sample.
pub fn write_samples(samples: &[Option<Sample>]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(samples.len() * (1 + Sample::MAX_BYTES));
    samples.iter().for_each(|sample| sample.write(&mut bytes));
    bytes.freeze()
}

/// Reads an answer to `challenges` about a blob of rows of `row_bytes` bytes.
///
/// # Errors
///
/// When the bytes are not exactly one answer for each.
pub fn read_samples(mut bytes: Bytes, row_bytes: u32, challenges: &[Challenge]) -> Result<Vec<Option<Sample>>, Error> {
    let samples = challenges
        .iter()
        .map(|challenge| Option::<Sample>::read_cfg(&mut bytes, &(row_bytes, *challenge)))
        .collect::<Result<_, _>>()?;
    if bytes.is_empty() {
        Ok(samples)
    } else {
        Err(Error::ExtraData(bytes.len()))
    }
}

impl std::fmt::Debug for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sample({} bytes)", self.chunk.len())
    }
}

impl Write for Challenge {
    fn write(&self, buf: &mut impl BufMut) {
        self.row.write(buf);
        self.chunk.write(buf);
    }
}

impl FixedSize for Challenge {
    const SIZE: usize = 8;
}

impl Read for Challenge {
    /// Length of the blob's rows, in bytes.
    type Cfg = u32;

    fn read_cfg(buf: &mut impl Buf, row_bytes: &u32) -> Result<Self, Error> {
        let challenge = Self {
            row: u32::read(buf)?,
            chunk: u32::read(buf)?,
        };
        if !challenge.exists(*row_bytes) {
            return Err(Error::Invalid("Challenge", "the blob has no such piece"));
        }
        Ok(challenge)
    }
}

impl Write for Sample {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.chunk);
        self.row_path.iter().for_each(|sibling| sibling.write(buf));
        self.group_path.iter().for_each(|sibling| sibling.write(buf));
        self.opening.write(buf);
    }
}

impl EncodeSize for Sample {
    fn encode_size(&self) -> usize {
        self.chunk.len() + (self.row_path.len() + PATH_LEN) * Digest::SIZE + Opening::SIZE
    }
}

impl Read for Sample {
    /// Length of the blob's rows in bytes, and what was asked: together they say how long each part is.
    type Cfg = (u32, Challenge);

    fn read_cfg(buf: &mut impl Buf, (row_bytes, challenge): &(u32, Challenge)) -> Result<Self, Error> {
        if !challenge.exists(*row_bytes) {
            return Err(Error::Invalid("Sample", "the blob has no such piece"));
        }
        let chunk_bytes = chunk::range(*row_bytes, challenge.chunk).len();
        let chunk = buf.try_take_owned(chunk_bytes).map_err(|_| Error::EndOfBuffer)?;
        let row_path = (0..chunk::depth(*row_bytes, challenge.chunk))
            .map(|_| Digest::read(buf))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            chunk,
            row_path,
            group_path: <[[u8; 32]; PATH_LEN]>::read(buf)?.map(Digest::from),
            opening: Opening::read(buf)?,
        })
    }
}

//! Sampling over the network: what a light client does, which has a blob's record on chain and the committee, and nothing else.

use super::{Answer, Challenge, MAX_SAMPLES, Sample, Verdict, read_samples, verify};
use crate::{
    Committee, CommitteeId, Record, Runtime, Shape,
    disperse::{Peer, STALL_TIMEOUT},
    retrieve::ReadError,
    shape::{MAX_ROW_BYTES, MIN_ROW_BYTES},
    wire::{self, Request, Response},
};
use futures::future::join_all;
use primitives::BlobRoot;

/// What came of sampling a blob.
#[derive(Debug)]
pub struct Sampled {
    /// What was asked for.
    pub challenges: Vec<Challenge>,
    /// What the answers show.
    pub verdict: Verdict,
    /// Bytes of samples that came.
    pub received_bytes: u64,
    /// Operators that gave no answer, and why.
    pub failures: Vec<ReadError>,
}

/// Why nothing was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// Another committee has it.
    #[error("blob {root} is of {found}, the committee of {expected}")]
    WrongCommittee {
        /// Which blob.
        root: BlobRoot,
        /// Whose it is.
        found: CommitteeId,
        /// Who was asked.
        expected: CommitteeId,
    },
    /// The chain's record has rows that no blob has.
    #[error("blob {root} is recorded with rows of {row_bytes} bytes")]
    Shape {
        /// Which blob.
        root: BlobRoot,
        /// What the record says.
        row_bytes: u32,
    },
    /// More than a client may ask for at once.
    #[error("{count} samples: at most {MAX_SAMPLES} at once")]
    TooMany {
        /// How many.
        count: u32,
    },
}

/// Asks the operators for `count` random pieces of the blob of `record`, each of its row's owner, all at once, and checks what comes.
///
/// `added` are records of cosets that were added to it, as [`Record::read_added`] has them: the pieces are then of any row of all of them, since
/// any as many rows as are data give the blob. One that does not follow the rows before it is left out, and what follows it.
///
/// An operator that is away, refuses or lies leaves its pieces missing or wrong in the verdict: that is what is measured, so nothing
/// is asked for twice. At most [`STALL_TIMEOUT`] for each step of a stream.
///
/// # Errors
///
/// [`SampleError`], before anything is asked.
pub async fn ask<E: Runtime>(
    context: &mut E,
    peer: &Peer,
    committee: &Committee,
    record: &Record,
    added: &[Record],
    count: u32,
) -> Result<Sampled, SampleError> {
    let (root, found, expected) = (record.root(), record.committee(), committee.id());
    if found != expected {
        return Err(SampleError::WrongCommittee { root, found, expected });
    }
    if count as usize > MAX_SAMPLES {
        return Err(SampleError::TooMany { count });
    }
    let row_bytes = record.row_bytes();
    if !(MIN_ROW_BYTES..=MAX_ROW_BYTES).contains(&row_bytes) {
        return Err(SampleError::Shape { root, row_bytes });
    }
    let (parts, shape) = parts(record, added, committee);
    let challenges = Challenge::draw(context, shape, row_bytes, count);
    let asks = parts.iter().enumerate().flat_map(|(part, record)| {
        let challenges = &challenges;
        (0..committee.len()).filter_map(move |operator| {
            let owned = committee.rows_of(operator, &record.root(), record.shape());
            let own = challenges.iter().filter(|challenge| owned.contains(challenge.row));
            let asked: Vec<Challenge> = own.copied().collect();
            (!asked.is_empty()).then_some((part, *record, operator, asked))
        })
    });
    let context = &*context;
    let answers = join_all(asks.map(|(part, record, operator, asked)| async move {
        let answer = ask_one(context, peer, committee, record, operator, asked.clone()).await;
        (part, asked, answer)
    }))
    .await;

    // What was asked of each part, and what came.
    let mut asked_of: Vec<(Vec<Challenge>, Vec<Option<Sample>>)> = vec![Default::default(); parts.len()];
    let (mut failures, mut received_bytes) = (Vec::new(), 0);
    for (part, asked, answer) in answers {
        let (challenges, samples) = &mut asked_of[part];
        match answer {
            Ok((came, bytes)) => {
                received_bytes += bytes;
                samples.extend(came);
            }
            Err(error) => {
                failures.push(error);
                samples.extend(asked.iter().map(|_| None));
            }
        }
        challenges.extend(asked);
    }
    let answers: Vec<Answer<'_>> = parts
        .iter()
        .zip(&asked_of)
        .map(|(record, (challenges, samples))| Answer {
            commitment: record.commitment(),
            shape: record.shape(),
            row_bytes,
            challenges,
            samples,
        })
        .collect();
    Ok(Sampled {
        verdict: Verdict::of_parts(shape, verify(&answers)),
        challenges,
        received_bytes,
        failures,
    })
}

/// The records whose rows follow one another from those of `record` on, and the shape of all of them.
fn parts<'a>(record: &'a Record, added: &'a [Record], committee: &Committee) -> (Vec<&'a Record>, Shape) {
    let (mut parts, mut shape) = (vec![record], record.shape());
    for part in added {
        let follows = part.base() == Some(record.root())
            && part.shape().first_row() == shape.rows().end
            && part.shape().data_rows() == shape.data_rows()
            && part.row_bytes() == record.row_bytes()
            && part.committee() == committee.id();
        let wider = Shape::whole(
            shape.data_rows(),
            shape.cosets() + part.shape().row_count() / shape.data_rows(),
        );
        match wider {
            Ok(wider) if follows && !shape.is_added() => {
                parts.push(part);
                shape = wider;
            }
            _ => break,
        }
    }
    (parts, shape)
}

/// What one operator has of `asked`, and in how many bytes.
async fn ask_one<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    record: &Record,
    operator: u32,
    asked: Vec<Challenge>,
) -> Result<(Vec<Option<Sample>>, u64), ReadError> {
    let wire = |source| ReadError::Wire { operator, source };
    let member = &committee.operators()[operator as usize];
    let mut connection = wire::dial(context, &peer.stream_key, peer.domain.chain_id, member)
        .await
        .map_err(wire)?;
    let request = Request::ReadSamples {
        root: record.root(),
        challenges: asked.clone(),
    };
    connection.sender.send(&request, STALL_TIMEOUT).await.map_err(wire)?;
    match connection.receiver.receive(STALL_TIMEOUT).await.map_err(wire)? {
        Response::Samples(bytes) => {
            let received = bytes.len() as u64;
            let samples = read_samples(bytes, record.row_bytes(), &asked);
            Ok((samples.map_err(|_| ReadError::OutOfTurn { operator })?, received))
        }
        Response::NotFound => Err(ReadError::NotFound { operator }),
        _ => Err(ReadError::OutOfTurn { operator }),
    }
}

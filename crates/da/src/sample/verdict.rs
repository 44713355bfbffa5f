//! Checking answers, those of many blobs by one pairing equation.

use super::{Challenge, Confidence, Sample, confidence};
use crate::Shape;
use crypto::kzg::{self, BatchError, Commitment};

/// What was asked of one blob and what came.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The blob's commitment, from the chain.
    pub commitment: Commitment,
    /// Which rows it is, from the chain.
    pub shape: Shape,
    /// Length of its rows in bytes, from the chain.
    pub row_bytes: u32,
    /// What was asked.
    pub challenges: &'a [Challenge],
    /// What came, in the order asked; what is missing at the end did not come.
    pub samples: &'a [Option<Sample>],
}

/// What the answers about one blob show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which rows were asked for.
    pub shape: Shape,
    /// Samples that are what was asked for.
    pub found: u32,
    /// What did not come.
    pub missing: Vec<Challenge>,
    /// What came but is not the blob's.
    pub wrong: Vec<Challenge>,
}

impl Verdict {
    /// What the answers about the parts of a blob show of the whole, whose rows are those of `shape`.
    pub(super) fn of_parts(shape: Shape, parts: Vec<Self>) -> Self {
        let mut whole = Self {
            shape,
            found: 0,
            missing: Vec::new(),
            wrong: Vec::new(),
        };
        for part in parts {
            whole.found += part.found;
            whole.missing.extend(part.missing);
            whole.wrong.extend(part.wrong);
        }
        whole
    }

    /// Whether every piece asked for was found, and any was.
    pub fn all_found(&self) -> bool {
        self.found > 0 && self.missing.is_empty() && self.wrong.is_empty()
    }

    /// How many pieces were asked for.
    pub fn asked(&self) -> u32 {
        self.found + (self.missing.len() + self.wrong.len()) as u32
    }

    /// What it says of the blob that so many of the pieces were found.
    ///
    /// It holds for challenges drawn by [`Challenge::draw`], and for all that were drawn: a client that asks again for those that
    /// were not found, and forgets them, fools itself.
    pub fn confidence(&self) -> Confidence {
        confidence(self.found, self.asked(), self.shape.data_rows(), self.shape.row_count())
    }
}

/// Checks the answers about many blobs, and says of each what it shows. See `examples/sampling.rs` for its speed.
///
/// The openings are checked by one equation ([`kzg::verify_batch`]), the more of them the cheaper each; false ones among them
/// are found, at two and a half times the cost of checking each alone when all are false.
pub fn verify(answers: &[Answer<'_>]) -> Vec<Verdict> {
    let mut verdicts = Vec::with_capacity(answers.len());
    let mut claims = Vec::new();
    let mut claimed = Vec::new();
    for (blob, answer) in answers.iter().enumerate() {
        let mut verdict = Verdict {
            shape: answer.shape,
            found: 0,
            missing: Vec::new(),
            wrong: Vec::new(),
        };
        for (at, challenge) in answer.challenges.iter().enumerate() {
            let Some(Some(sample)) = answer.samples.get(at) else {
                verdict.missing.push(*challenge);
                continue;
            };
            match sample.claim(answer.commitment, answer.shape, answer.row_bytes, challenge) {
                Some(claim) => {
                    claims.push(claim);
                    claimed.push((blob, *challenge));
                    verdict.found += 1;
                }
                None => verdict.wrong.push(*challenge),
            }
        }
        verdicts.push(verdict);
    }
    if let Err(BatchError { false_claims, .. }) = kzg::verify_batch(&claims) {
        for claim in false_claims {
            let (blob, challenge) = claimed[claim];
            verdicts[blob].found -= 1;
            verdicts[blob].wrong.push(challenge);
        }
    }
    verdicts
}

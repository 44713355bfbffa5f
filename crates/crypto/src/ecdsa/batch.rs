//! Signers of many signatures at once: what [`super::recover`] accepts, worked out by [`keys`].

mod comb;
mod field;
mod keys;
mod lanes;
mod order;
mod point;
#[cfg(test)]
mod tests;

pub(super) use lanes::is_available;

use super::{Signature, SignatureError, address_at, recover as recover_one};
use keys::{Outcome, Task};
use lanes::LANES;
use order::{HALF_ORDER, ORDER, Words};
use primitives::{Address, B256};

/// Signatures that share their inversions: enough that those cost each next to nothing, few enough to stay in the cache.
pub(super) const SIGNATURES_MAX: usize = 1024;

/// Keys left over that are cheaper one by one than in eight lanes.
const REST_ONE_BY_ONE: usize = 1;

/// A signature that may be somebody's.
struct Candidate {
    index: usize,
    r: Words,
    s: Words,
    odd: bool,
}

/// The signer of each pair of a digest and a signature, in order.
///
/// # Panics
///
/// Where [`is_available`] is false.
pub(super) fn recover(signatures: &[(B256, Signature)]) -> Vec<Result<Address, SignatureError>> {
    let mut signers = vec![Err(SignatureError::Unrecoverable); signatures.len()];
    let mut candidates = Vec::with_capacity(signatures.len());
    for (index, (_, signature)) in signatures.iter().enumerate() {
        match vet(index, signature) {
            Ok(candidate) => candidates.push(candidate),
            Err(error) => signers[index] = Err(error),
        }
    }
    if candidates.len() % LANES <= REST_ONE_BY_ONE {
        for Candidate { index, .. } in candidates.drain(candidates.len() / LANES * LANES..) {
            let (digest, signature) = &signatures[index];
            signers[index] = recover_one(digest, signature);
        }
    }
    if candidates.is_empty() {
        return signers;
    }
    let outcomes = keys::outcomes(&tasks(signatures, &candidates));
    for (Candidate { index, .. }, outcome) in candidates.iter().zip(outcomes) {
        let (digest, signature) = &signatures[*index];
        signers[*index] = match outcome {
            Outcome::Key(coordinates) => Ok(address_at(&coordinates)),
            Outcome::OffCurve => Err(SignatureError::Unrecoverable),
            Outcome::Unknown => recover_one(digest, signature),
        };
    }
    signers
}

/// What the curve's arithmetic is to do for each candidate: the key is `(s R - digest G) / r`.
fn tasks(signatures: &[(B256, Signature)], candidates: &[Candidate]) -> Vec<Task> {
    let rs: Vec<Words> = candidates.iter().map(|candidate| candidate.r).collect();
    candidates
        .iter()
        .zip(order::inverses(&rs))
        .map(|(&Candidate { index, r, s, odd }, inverse)| {
            let digest = order::reduced(order::from_bytes(&signatures[index].0));
            Task {
                r,
                odd,
                u1: order::mul(&order::negative(&digest), &inverse),
                u2: order::split(&order::mul(&s, &inverse)),
            }
        })
        .collect()
}

/// The parts of a signature that contracts would look at further. Its recovery id is the parity of the ordinate of `R`: 27 and 28
/// leave no way to say that its abscissa is `r` and the order.
fn vet(index: usize, signature: &Signature) -> Result<Candidate, SignatureError> {
    let [compact @ .., v] = signature;
    let odd = match v {
        27 => false,
        28 => true,
        _ => return Err(SignatureError::RecoveryId { v: *v }),
    };
    let [r, s] = [0, 1].map(|half| order::from_bytes(&compact.as_chunks().0[half]));
    if [r, s].iter().any(|number| order::at_most(&ORDER, number)) {
        return Err(SignatureError::Unrecoverable);
    }
    if !order::at_most(&s, &HALF_ORDER) {
        return Err(SignatureError::HighS);
    }
    if [r, s].contains(&[0; 4]) {
        return Err(SignatureError::Unrecoverable);
    }
    Ok(Candidate { index, r, s, odd })
}

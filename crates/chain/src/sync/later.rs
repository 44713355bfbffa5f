//! A later block to begin with, when nobody keeps the state any longer that a node is taking.
//!
//! Committees are fixed two epochs before they vote: the state after an epoch's last block names those of the next two. Whoever has read these from a state
//! that is proved needs nothing more of it: their certificate of a later epoch's last block says what the operator said of the block that he named.
//! The few contracts that name committees come before the rest of a state, by [`super::Arriving::only`].

#[cfg(test)]
mod tests;

use super::{WrongAnswer, run::RunError};
use crate::{FinalityProof, keys::Committee};
use alloy_consensus::Header;
use alloy_primitives::B256;
use std::num::NonZeroU64;

/// Who votes in an epoch after the block with whose state a node begins, as that state names them.
#[derive(Clone, Debug)]
pub struct Successor {
    /// The epoch.
    pub epoch: u64,
    /// Who votes in it.
    pub committee: Committee,
}

/// Header of the block `expected`, which `proof` shows to be final and the last of an epoch of one of `successors`, in a chain with epochs of
/// `epoch_blocks`; `namespace` is [`crate::consensus::namespace`] of the chain.
///
/// # Errors
///
/// [`WrongAnswer`]: whoever sent the proof lied, or is damaged.
pub fn check_later(
    expected: B256,
    proof: &FinalityProof,
    successors: &[Successor],
    epoch_blocks: NonZeroU64,
    namespace: &[u8],
) -> Result<Header, WrongAnswer> {
    let header = proof.summary.header();
    let (height, hash) = (header.number, header.hash_slow());
    if hash != expected {
        return Err(WrongAnswer::Header { found: hash, expected });
    }
    let (epoch, voted) = (height / epoch_blocks, proof.epoch);
    if voted != epoch {
        return Err(RunError::Epoch {
            height,
            found: voted,
            expected: epoch,
        }
        .into());
    }
    let successor = successors.iter().find(|successor| successor.epoch == epoch);
    let successor = successor.filter(|_| height % epoch_blocks == epoch_blocks.get() - 1);
    let successor = successor.ok_or(WrongAnswer::NotLater { height })?;
    proof.verify(namespace, &successor.committee).map_err(RunError::from)?;
    Ok(header.clone())
}

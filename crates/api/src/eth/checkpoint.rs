//! Parts of the states that nodes which join can begin with, and the headers before them.

#[cfg(test)]
mod tests;

use super::error::EthError;
use alloy_primitives::{B256, Bytes, U64};
use chain::{Checkpoint, Ledger, sync::HEADERS_MAX};
use serde::Serialize;

/// A block after which a state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Named {
    number: U64,
    hash: B256,
}

/// The blocks whose states are kept, the oldest first.
pub(crate) fn all(ledger: &Ledger) -> Vec<Named> {
    let kept = ledger.checkpoints().into_iter();
    let named = kept.map(|Checkpoint { block, .. }| Named {
        number: U64::from(block.header.number),
        hash: block.hash,
    });
    named.collect()
}

/// The state after the block with this hash, if it is kept.
pub(crate) fn find(ledger: &Ledger, hash: B256) -> Option<Checkpoint> {
    let mut kept = ledger.checkpoints().into_iter();
    kept.find(|checkpoint| checkpoint.block.hash == hash)
}

/// Headers (RLP) from the height `first` on: `count` of them or [`HEADERS_MAX`], fewer where the chain has no more.
pub(crate) fn headers(ledger: &Ledger, first: u64, count: u64) -> Result<Vec<Bytes>, EthError> {
    let mut headers = Vec::new();
    for number in (first..).take(count.min(HEADERS_MAX as u64) as usize) {
        let Some(block) = ledger.by_number(number)? else { break };
        headers.push(alloy_rlp::encode(&block.header).into());
    }
    Ok(headers)
}

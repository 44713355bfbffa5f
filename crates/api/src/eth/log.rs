//! Which logs match a filter.

use super::{
    block::{require, show_log},
    error::EthError,
};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_rpc_types_eth::{Filter, FilterBlockOption, Log};
use chain::{Ledger, Sealed};
use std::ops::RangeInclusive;

/// Blocks one query may span. Most are skipped by their bloom filter; reading this many takes about a second.
pub(crate) const LOG_RANGE_BLOCKS_MAX: u64 = 100_000;
/// Logs one query may return: about 6 MB of JSON.
pub(crate) const LOGS_MAX: usize = 10_000;

/// The logs of a block that match, whatever blocks the filter names.
pub(crate) fn of_block(block: &Sealed, filter: &Filter) -> Vec<Log> {
    if !filter.matches_bloom(block.header.logs_bloom) {
        return vec![];
    }
    let mut found = Vec::new();
    let mut log_index = 0;
    for (index, receipt) in block.receipts.iter().enumerate() {
        for log in receipt.logs() {
            if filter.matches(log) {
                found.push(show_log(block, index, log_index, log.clone()));
            }
            log_index += 1;
        }
    }
    found
}

/// All logs that match.
///
/// # Errors
///
/// [`EthError::Limit`] for too wide a range or too many logs, [`EthError::HistoryGone`] where the node does not
/// have the first blocks, [`EthError::UnknownBlock`] for an unknown block hash.
pub(crate) fn query(ledger: &Ledger, filter: &Filter) -> Result<Vec<Log>, EthError> {
    match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => Ok(of_block(&*require(ledger, BlockId::from(hash))?, filter)),
        FilterBlockOption::Range { from_block, to_block } => match range(ledger, from_block, to_block)? {
            Some(blocks) => in_range(ledger, filter, blocks),
            None => Ok(vec![]),
        },
    }
}

/// The logs of the blocks in `range` that match.
pub(crate) fn in_range(ledger: &Ledger, filter: &Filter, range: RangeInclusive<u64>) -> Result<Vec<Log>, EthError> {
    let mut found = Vec::new();
    for number in range {
        let Some(block) = ledger.by_number(number)? else { break };
        found.extend(of_block(&block, filter));
        if found.len() > LOGS_MAX {
            return Err(EthError::Limit(format!("query returned more than {LOGS_MAX} results")));
        }
    }
    Ok(found)
}

fn range(
    ledger: &Ledger,
    from: Option<BlockNumberOrTag>,
    to: Option<BlockNumberOrTag>,
) -> Result<Option<RangeInclusive<u64>>, EthError> {
    let latest = ledger.latest().header.number;
    let number = |tag: Option<BlockNumberOrTag>| match tag {
        Some(BlockNumberOrTag::Number(number)) => number,
        Some(BlockNumberOrTag::Earliest) => ledger.first(),
        _ => latest,
    };
    let (from, to) = (number(from), number(to));
    if from > to {
        return Err(EthError::Invalid(format!("invalid block range: from {from} to {to}")));
    }
    if from > latest {
        return Ok(None);
    }
    // Logs that are missing would look like logs that there never were.
    if from < ledger.first() {
        return Err(EthError::HistoryGone {
            number: from,
            first: ledger.first(),
        });
    }
    let to = to.min(latest);
    if to - from >= LOG_RANGE_BLOCKS_MAX {
        return Err(EthError::Limit(format!(
            "query exceeds max block range {LOG_RANGE_BLOCKS_MAX}"
        )));
    }
    Ok(Some(from..=to))
}

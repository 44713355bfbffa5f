//! What gas has cost, and what to offer for it.

use super::{block, error::EthError};
use alloy_consensus::Transaction as _;
use alloy_eips::BlockNumberOrTag;
use alloy_rpc_types_eth::FeeHistory;
use chain::{Ledger, Sealed};

/// Tip suggested while nobody has paid one: a gwei, which every client shows sensibly and the chain accepts.
const DEFAULT_TIP: u128 = 1_000_000_000;
/// Most that is suggested as a tip, whatever others pay: 500 gwei, as geth.
const TIP_MAX: u128 = 500_000_000_000;
/// Recent blocks looked at for a suggestion.
const TIP_BLOCKS: u64 = 20;
/// Share of recent transactions whose tip the suggestion matches or exceeds, in percent.
const TIP_PERCENTILE: usize = 60;
/// Blocks one fee history may span.
const FEE_HISTORY_BLOCKS_MAX: u64 = 1024;
/// Percentiles one fee history may ask for.
const PERCENTILES_MAX: usize = 100;
/// A price for blob gas must be named although there are no blobs: the protocol's minimum.
pub(crate) const BLOB_BASE_FEE: u128 = 1;

/// A tip that suffices, in wei a unit of gas: that of most recent transactions.
pub(crate) fn suggested_tip(ledger: &Ledger) -> Result<u128, EthError> {
    let latest = ledger.latest().header.number;
    let mut tips = Vec::new();
    for number in latest.saturating_sub(TIP_BLOCKS - 1)..=latest {
        if let Some(block) = ledger.by_number(number)? {
            tips.extend(block.transactions.iter().map(|transaction| tip(&block, transaction)));
        }
    }
    tips.sort_unstable();
    let tip = tips
        .get(tips.len() * TIP_PERCENTILE / 100)
        .copied()
        .unwrap_or(DEFAULT_TIP);
    Ok(tip.clamp(1, TIP_MAX))
}

/// A legacy transaction's sufficient price, in wei a unit of gas.
pub(crate) fn gas_price(ledger: &Ledger) -> Result<u128, EthError> {
    Ok(u128::from(evm::next_base_fee(&ledger.latest().header)) + suggested_tip(ledger)?)
}

fn tip(block: &Sealed, transaction: &evm::Transaction) -> u128 {
    transaction
        .effective_tip_per_gas(block.header.base_fee_per_gas.unwrap_or_default())
        .unwrap_or_default()
}

/// Base fees, fullness and tips of the `count` blocks up to `newest`; fewer where the chain is younger, or begins later here.
pub(crate) fn history(
    ledger: &Ledger,
    count: u64,
    newest: BlockNumberOrTag,
    percentiles: &[f64],
) -> Result<FeeHistory, EthError> {
    let ordered = percentiles.windows(2).all(|pair| pair[0] <= pair[1]);
    if !ordered || percentiles.iter().any(|percentile| !(0.0..=100.0).contains(percentile)) {
        return Err(EthError::Invalid("reward percentiles must ascend from 0 to 100".into()));
    }
    if percentiles.len() > PERCENTILES_MAX {
        return Err(EthError::Limit(format!(
            "more than {PERCENTILES_MAX} reward percentiles"
        )));
    }
    let newest = block::require(ledger, newest.into())?;
    let there = newest.header.number + 1 - ledger.first();
    let count = count.min(FEE_HISTORY_BLOCKS_MAX).min(there);
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let oldest = newest.header.number + 1 - count;
    let mut history = FeeHistory {
        oldest_block: oldest,
        ..FeeHistory::default()
    };
    let mut rewards = Vec::new();
    for number in oldest..=newest.header.number {
        let block = block::require(ledger, number.into())?;
        history
            .base_fee_per_gas
            .push(block.header.base_fee_per_gas.unwrap_or_default().into());
        history
            .gas_used_ratio
            .push(block.header.gas_used as f64 / block.header.gas_limit as f64);
        history.base_fee_per_blob_gas.push(BLOB_BASE_FEE);
        history.blob_gas_used_ratio.push(0.0);
        rewards.push(tips_at(&block, percentiles));
    }
    history.base_fee_per_gas.push(evm::next_base_fee(&newest.header).into());
    history.base_fee_per_blob_gas.push(BLOB_BASE_FEE);
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    Ok(history)
}

/// The tips at these percentiles of the block's gas, its transactions in the order of their tips; zeros for an empty block.
fn tips_at(block: &Sealed, percentiles: &[f64]) -> Vec<u128> {
    let mut gas_before = 0;
    let mut paid: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .zip(&block.receipts)
        .map(|(transaction, receipt)| {
            let gas = receipt.cumulative_gas_used() - gas_before;
            gas_before = receipt.cumulative_gas_used();
            (tip(block, transaction), gas)
        })
        .collect();
    paid.sort_unstable();
    let mut paid = paid.into_iter();
    let mut current = paid.next();
    let mut gas_up_to_current = current.map_or(0, |(_, gas)| gas);
    let at = |percentile: &f64| {
        let threshold = (block.header.gas_used as f64 * percentile / 100.0) as u64;
        while gas_up_to_current < threshold {
            let Some(next) = paid.next() else { break };
            gas_up_to_current += next.1;
            current = Some(next);
        }
        current.map_or(0, |(tip, _)| tip)
    };
    percentiles.iter().map(at).collect()
}

//! `debug_trace*`: what a transaction did, executed again on the state that it met.

use super::{block, call, error::EthError};
use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_rpc_types_trace::{
    common::TraceResult,
    geth::{GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace},
};
use chain::{Ledger, Sealed};
use evm::{BlockContext, Tracer};

/// Bytes of the traces of one block together, as JSON: an answer that a client can be sent.
const BLOCK_TRACE_BYTES_MAX: usize = 24 << 20;

/// A tracer at the beginning of a block, on the state that its parent left.
fn tracer<'a>(ledger: &Ledger, block: &Sealed, hashes: &'a dyn evm::BlockHashes) -> Result<Tracer<'a>, EthError> {
    let parent = block.header.number.checked_sub(1).ok_or(EthError::GenesisTrace)?;
    let state = ledger.state_at(parent).ok_or(EthError::StateGone {
        number: parent,
        oldest: ledger.oldest_state(),
    })?;
    let context = BlockContext {
        beacon: block.beacon.clone(),
        ..BlockContext::of_header(&block.header)
    };
    Ok(Tracer::new(&state, context, ledger.chain_id(), hashes))
}

/// The trace of a final transaction.
pub(crate) fn transaction(
    ledger: &Ledger,
    hash: B256,
    options: GethDebugTracingOptions,
) -> Result<GethTrace, EthError> {
    let (block, index) = ledger.transaction(hash)?.ok_or(EthError::UnknownTransaction)?;
    let hashes = ledger.hashes();
    let mut tracer = tracer(ledger, &block, &hashes)?;
    for earlier in &block.transactions[..index] {
        tracer.skip(earlier)?;
    }
    Ok(tracer.trace(&block.transactions[index], index, options)?)
}

/// The traces of all transactions of a block.
pub(crate) fn block(
    ledger: &Ledger,
    id: BlockId,
    options: &GethDebugTracingOptions,
) -> Result<Vec<TraceResult<GethTrace, String>>, EthError> {
    let block = block::find(ledger, id)?.ok_or(EthError::BlockNotFound)?;
    let hashes = ledger.hashes();
    let mut tracer = tracer(ledger, &block, &hashes)?;
    let mut bytes = 0;
    let mut traces = Vec::with_capacity(block.transactions.len());
    for (index, transaction) in block.transactions.iter().enumerate() {
        let trace = tracer.trace(transaction, index, options.clone())?;
        bytes += serde_json::to_vec(&trace).map_or(0, |json| json.len());
        if bytes > BLOCK_TRACE_BYTES_MAX {
            return Err(EthError::Limit(format!(
                "the block's traces take more than {BLOCK_TRACE_BYTES_MAX} bytes: trace its transactions one by one"
            )));
        }
        traces.push(TraceResult::new_success(trace, Some(*transaction.tx_hash())));
    }
    Ok(traces)
}

/// The trace of a call on top of a block, or of the first `txIndex` transactions of it.
pub(crate) fn call(
    ledger: &Ledger,
    request: TransactionRequest,
    id: Option<BlockId>,
    options: GethDebugTracingCallOptions,
) -> Result<GethTrace, EthError> {
    let (mut context, mut state) = match options.tx_index {
        None => block::state(ledger, id)?,
        Some(index) => {
            let block = block::require(ledger, id.unwrap_or_default())?;
            let hashes = ledger.hashes();
            let mut tracer = tracer(ledger, &block, &hashes)?;
            let before = usize::try_from(index)
                .unwrap_or(usize::MAX)
                .min(block.transactions.len());
            for earlier in &block.transactions[..before] {
                tracer.skip(earlier)?;
            }
            (BlockContext::of_header(&block.header), tracer.state().clone())
        }
    };
    call::change(
        &mut context,
        &mut state,
        options.state_overrides,
        options.block_overrides,
    )?;
    let request = call::read(ledger, request)?;
    Ok(evm::trace_call(
        &state,
        &context,
        ledger.chain_id(),
        &ledger.hashes(),
        &request,
        options.tracing_options,
    )?)
}

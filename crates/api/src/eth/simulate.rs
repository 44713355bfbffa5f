//! `eth_simulateV1`: calls in blocks of the client's making, on top of a final block.

use super::{block, call, error::EthError};
use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{
    BlockOverrides,
    simulate::{MAX_SIMULATE_BLOCKS, SimBlock, SimCallResult, SimulateError, SimulatePayload, SimulatedBlock},
};
use chain::{Ledger, Sealed};
use evm::{BlockContext, CallEnd, CallOutcome, CallRequest, Imagined, Simulation, SimulationRules};

/// Calls of one simulation, in all its blocks together.
const CALLS_MAX: usize = 5000;
/// Seconds between imagined blocks that name no time.
const BLOCK_SECONDS: u64 = 1;

/// Codes of the method's own errors (execution-apis).
pub(crate) mod code {
    /// Block numbers do not ascend.
    pub(crate) const NUMBER_ORDER: i32 = -38020;
    /// Timestamps do not ascend.
    pub(crate) const TIMESTAMP_ORDER: i32 = -38021;
    /// Too many blocks.
    pub(crate) const BLOCKS: i32 = -38026;
    pub(crate) const NONCE_TOO_LOW: i32 = -38010;
    pub(crate) const NONCE_TOO_HIGH: i32 = -38011;
    pub(crate) const BASE_FEE: i32 = -38012;
    pub(crate) const INTRINSIC_GAS: i32 = -38013;
    pub(crate) const FUNDS: i32 = -38014;
    pub(crate) const BLOCK_GAS: i32 = -38015;
}

/// The blocks of `payload`, and those between them that it leaves out, empty.
pub(crate) fn simulate(
    ledger: &Ledger,
    payload: SimulatePayload,
    id: Option<BlockId>,
) -> Result<Vec<SimulatedBlock>, EthError> {
    let calls: usize = payload.block_state_calls.iter().map(|block| block.calls.len()).sum();
    if payload.block_state_calls.is_empty() {
        return Err(EthError::Invalid("empty input".into()));
    }
    if calls > CALLS_MAX {
        return Err(EthError::Limit(format!(
            "more than {CALLS_MAX} calls in one simulation"
        )));
    }
    let base = block::require(ledger, id.unwrap_or_default())?;
    let (_, state) = block::state(ledger, Some(base.hash.into()))?;
    let hashes = ledger.hashes();
    let rules = SimulationRules {
        validation: payload.validation,
        transfers: payload.trace_transfers,
    };
    let mut simulation = Simulation::new(state, ledger.chain_id(), &hashes, rules);
    let mut parent = (base.header.clone(), base.hash);
    let mut simulated = Vec::new();
    for wanted in with_gaps(base.header.number, payload.block_state_calls)? {
        let SimBlock {
            block_overrides,
            state_overrides,
            calls,
        } = wanted;
        let fields = block_overrides.unwrap_or_default();
        let mut context = next(&parent.0, parent.1, rules.validation);
        let time = fields.time;
        call::change(&mut context, simulation.state_mut(), state_overrides, Some(fields))?;
        if time.is_some_and(|time| time <= parent.0.timestamp) {
            let text = format!(
                "block timestamps must ascend: {} after {}",
                context.timestamp, parent.0.timestamp
            );
            return Err(EthError::Coded(code::TIMESTAMP_ORDER, text));
        }
        let calls: Vec<CallRequest> = calls
            .into_iter()
            .map(|request| call::read(ledger, request))
            .collect::<Result<_, _>>()?;
        let imagined = simulation.block(&context, &calls)?;
        parent = (imagined.header.clone(), imagined.header.hash_slow());
        simulated.push(show(imagined, parent.1, payload.return_full_transactions));
    }
    Ok(simulated)
}

/// The block after `parent`, where the client says nothing of it.
fn next(parent: &alloy_consensus::Header, hash: B256, validation: bool) -> BlockContext {
    let time = parent.timestamp.saturating_add(BLOCK_SECONDS);
    let mut context = BlockContext::after(parent, hash, time, parent.beneficiary, B256::ZERO);
    if !validation {
        context.base_fee = 0;
    }
    context
}

/// The wanted blocks with an empty one for each number they leap over.
fn with_gaps(base: u64, wanted: Vec<SimBlock>) -> Result<Vec<SimBlock>, EthError> {
    let mut last = base;
    let mut blocks = Vec::new();
    for mut block in wanted {
        let fields = block.block_overrides.get_or_insert_with(BlockOverrides::default);
        let number = match fields.number {
            None => last.saturating_add(1),
            Some(number) => {
                u64::try_from(number).map_err(|_| EthError::Invalid("number does not fit in 64 bits".into()))?
            }
        };
        if number <= last {
            let text = format!("block numbers must be in order: {number} <= {last}");
            return Err(EthError::Coded(code::NUMBER_ORDER, text));
        }
        if number - base > MAX_SIMULATE_BLOCKS {
            return Err(EthError::Coded(code::BLOCKS, "too many blocks".into()));
        }
        blocks.extend((last + 1..number).map(|_| SimBlock::default()));
        // The number is now the block's place.
        fields.number = None;
        blocks.push(block);
        last = number;
    }
    Ok(blocks)
}

fn show(imagined: Imagined, hash: B256, full: bool) -> SimulatedBlock {
    let sealed = Sealed {
        hash,
        header: imagined.header,
        beacon: Default::default(),
        transactions: imagined.transactions,
        receipts: imagined.receipts,
    };
    let mut log_index = 0;
    let calls = imagined.outcomes.into_iter().enumerate().map(|(index, outcome)| {
        let logs = outcome.logs.clone().into_iter().map(|log| {
            log_index += 1;
            block::show_log(&sealed, index, log_index - 1, log)
        });
        let logs = logs.collect();
        result(outcome, logs)
    });
    let calls = calls.collect();
    SimulatedBlock {
        inner: block::show(&sealed, full),
        calls,
    }
}

fn result(outcome: CallOutcome, logs: Vec<alloy_rpc_types_eth::Log>) -> SimCallResult {
    let status = outcome.succeeded();
    let (return_data, error) = match outcome.end {
        CallEnd::Returned(data) => (data, None),
        CallEnd::Reverted(data) => {
            let error = SimulateError {
                code: SimulateError::EXECUTION_REVERTED_CODE,
                message: EthError::Reverted(data.clone()).to_string(),
                data: Some(data.clone()),
            };
            (data, Some(error))
        }
        CallEnd::OutOfGas => (Default::default(), Some(fault("out of gas".into()))),
        CallEnd::Halted(reason) => (Default::default(), Some(fault(reason))),
    };
    SimCallResult {
        return_data,
        logs,
        gas_used: outcome.gas_used,
        max_used_gas: Some(outcome.gas_used + outcome.gas_refunded),
        status,
        error,
    }
}

fn fault(message: String) -> SimulateError {
    SimulateError {
        code: SimulateError::VM_EXECUTION_ERROR_CODE,
        message,
        data: None,
    }
}

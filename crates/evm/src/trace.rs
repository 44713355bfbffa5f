//! What a transaction did, step by step or call by call, in the words of geth's tracers.
//!
//! Transactions are executed again, each on the state that it met. A recording costs memory: what one transaction may have recorded
//! is bounded ([`TRACE_BYTES_MAX`]), and one that exceeds it is refused rather than shown in part.

mod budget;

use crate::{
    block::{BlockContext, BlockHashes, SPEC},
    call::{CALL_GAS_MAX, CallRequest, seen_by, simulation},
    database::Reader,
    pack::{configuration, context, refusal},
    state::{Diff, State, stored_slot},
    transaction::{Refusal, Transaction, environment},
};
use alloy_consensus::Transaction as _;
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::{Address, B256, U256};
use budget::Budget;
use revm::{
    DatabaseRef, ExecuteEvm, MainBuilder, SystemCallEvm,
    bytecode::Bytecode,
    context::{CfgEnv, TxEnv},
    context_interface::result::{EVMError, ExecutionResult, ResultAndState},
    inspector::InspectEvm,
    state::AccountInfo,
};
use revm_inspectors::tracing::{DebugInspector, DebugInspectorError, TransactionContext};
use std::convert::Infallible;

pub use alloy_rpc_types_trace::geth::{GethDebugTracingOptions, GethTrace};

/// Bytes that the recording of one transaction may take in memory: about what a server's largest answer needs.
pub const TRACE_BYTES_MAX: usize = 64 << 20;

/// Why a transaction could not be traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It cannot begin in this place.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No such tracer, or not with these options. Tracers in JavaScript are not run.
    #[error("tracer: {0}")]
    Tracer(#[from] DebugInspectorError),
    /// The recording exceeds [`TRACE_BYTES_MAX`].
    #[error("the trace takes more than {TRACE_BYTES_MAX} bytes")]
    TooLarge,
}

/// Goes through a block's transactions in order, each of which is traced or only executed.
pub struct Tracer<'a> {
    state: State,
    block: BlockContext,
    chain_id: u64,
    hashes: &'a dyn BlockHashes,
}

impl<'a> Tracer<'a> {
    /// Begins a block on top of `parent`, as [`crate::Packer::new`] does.
    pub fn new(parent: &State, block: BlockContext, chain_id: u64, hashes: &'a dyn BlockHashes) -> Self {
        let mut state = parent.clone();
        let config = configuration(SPEC, chain_id);
        let mut evm = context(Reader::new(parent.clone(), hashes), &block, config).build_mainnet();
        // A state without the history contract (another network's) takes no note of the parent, as that network did not.
        if evm
            .system_call_one(HISTORY_STORAGE_ADDRESS, block.parent_hash.into())
            .is_ok()
        {
            block.beacon.apply(&mut evm);
            let journal = evm.finalize();
            state.apply(&Diff::of_journal(parent, journal));
        }
        Self {
            state,
            block,
            chain_id,
            hashes,
        }
    }

    /// The state after the transactions so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Executes a transaction, recording nothing.
    ///
    /// # Errors
    ///
    /// [`Refusal`] where it cannot be in this place.
    pub fn skip(&mut self, transaction: &Transaction) -> Result<(), Refusal> {
        let reader = Reader::new(self.state.clone(), self.hashes);
        let config = replaying(self.chain_id);
        let mut evm = context(reader, &self.block, config).build_mainnet();
        let fee = transaction.max_fee_per_gas();
        evm.transact_one(environment(transaction.as_recovered_ref())?)
            .map_err(|error| refusal(error, fee, self.block.base_fee))?;
        let journal = evm.finalize();
        self.state.apply(&Diff::of_journal(&self.state, journal));
        Ok(())
    }

    /// Executes the transaction at `index` and gives what `options` ask to be recorded.
    ///
    /// # Errors
    ///
    /// [`TraceError`].
    pub fn trace(
        &mut self,
        transaction: &Transaction,
        index: usize,
        options: GethDebugTracingOptions,
    ) -> Result<GethTrace, TraceError> {
        let place = TransactionContext {
            block_hash: None,
            tx_hash: Some(*transaction.tx_hash()),
            tx_index: Some(index),
        };
        let config = replaying(self.chain_id);
        let (trace, diff) = record(
            &self.state,
            &self.block,
            config,
            self.hashes,
            environment(transaction.as_recovered_ref())?,
            Some(place),
            options,
        )?;
        self.state.apply(&diff);
        Ok(trace)
    }
}

/// For transactions that a block holds already, some of a development chain's in the name of a contract.
fn replaying(chain_id: u64) -> CfgEnv {
    let mut config = configuration(SPEC, chain_id);
    config.disable_eip3607 = true;
    config
}

/// What the call that `request` asks for would do on top of `state`, as [`crate::call()`] executes it.
///
/// # Errors
///
/// [`TraceError`].
pub fn trace_call(
    state: &State,
    block: &BlockContext,
    chain_id: u64,
    hashes: &dyn BlockHashes,
    request: &CallRequest,
    options: GethDebugTracingOptions,
) -> Result<GethTrace, TraceError> {
    let transaction = request.environment(chain_id, CALL_GAS_MAX);
    let config = simulation(chain_id, transaction.gas_price);
    let block = seen_by(block, transaction.gas_price);
    record(state, &block, config, hashes, transaction, None, options).map(|(trace, _)| trace)
}

fn record(
    state: &State,
    block: &BlockContext,
    config: CfgEnv,
    hashes: &dyn BlockHashes,
    transaction: TxEnv,
    place: Option<TransactionContext>,
    options: GethDebugTracingOptions,
) -> Result<(GethTrace, Diff), TraceError> {
    let budget = Budget::new(&options, TRACE_BYTES_MAX);
    let inspector = (budget, DebugInspector::new(options)?);
    let reader = Reader::new(state.clone(), hashes);
    let mut evm = context(reader, block, config).build_mainnet_with_inspector(inspector);
    let outcome: Result<ExecutionResult, EVMError<Infallible>> = evm.inspect_one_tx(transaction.clone());
    if evm.inspector.0.is_exceeded() {
        return Err(TraceError::TooLarge);
    }
    let result = outcome.map_err(|error| refusal(error, transaction.gas_price, block.base_fee))?;
    let result = ResultAndState::new(result, evm.finalize());
    let inspector = &mut evm.inspector.1;
    let trace = inspector.get_result(place, &transaction, &block.env(), &result, &mut Before(state))?;
    Ok((trace, Diff::of_journal(state, result.state)))
}

/// The state that the traced transaction met.
struct Before<'a>(&'a State);

impl DatabaseRef for Before<'_> {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.0.account(&address).map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            account_id: None,
            code: self.0.bytecode(&account.code_hash),
        }))
    }

    fn code_by_hash_ref(&self, hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.0.bytecode(&hash).unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, slot: U256) -> Result<U256, Infallible> {
        Ok(self
            .0
            .stored(&address)
            .map_or(U256::ZERO, |stored| stored_slot(&stored.storage, slot)))
    }

    fn block_hash_ref(&self, _: u64) -> Result<B256, Infallible> {
        // Tracers show accounts and slots; no one of them asks for a block.
        Ok(B256::ZERO)
    }
}

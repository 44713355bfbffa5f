//! Run a transaction that is not in any block: what a wallet asks before it signs.
//!
//! Unlike a block's transactions these pay no gas unless they name a price, and their sender may have any nonce, or code.

use crate::{
    block::{BlockContext, BlockHashes, SPEC},
    database::Reader,
    pack::{Evm, configuration, context, refusal},
    state::State,
    transaction::Refusal,
};
use alloy_consensus::TxType;
use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_primitives::{Address, Bytes, Log, TxKind, U256};
use revm::{
    ExecuteEvm, MainBuilder,
    context::{CfgEnv, TxEnv, either::Either},
    context_interface::result::{ExecutionResult, HaltReason, Output},
    inspector::InspectEvm,
};
use revm_inspectors::access_list::AccessListInspector;

mod estimate;

pub use estimate::{EstimateError, estimate_gas};

/// Gas that one simulated call may use: bounds the time a question from outside can take. The same as geth's.
pub const CALL_GAS_MAX: u64 = 50_000_000;
/// Times an access list is widened by what the call reads with it; the list of nearly every call is stable after two.
const ACCESS_LIST_ROUNDS_MAX: usize = 10;

/// A transaction to try out. Whatever is left out does not limit the call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Who sends; the zero address by default.
    pub from: Option<Address>,
    /// Whom to call; `None` creates a contract.
    pub to: Option<Address>,
    /// Wei sent along. The sender must have it.
    pub value: U256,
    /// Call data, or creation code.
    pub data: Bytes,
    /// Nonce, where a simulation checks it; others take any.
    pub nonce: Option<u64>,
    /// Gas limit; at most [`CALL_GAS_MAX`] counts.
    pub gas: Option<u64>,
    /// Highest price per gas in wei; `None` or zero: gas is free.
    pub max_fee: Option<u128>,
    /// Tip per gas in wei, in a transaction that has one.
    pub tip: Option<u128>,
    /// Slots and addresses to load beforehand (EIP-2930).
    pub access_list: Option<AccessList>,
    /// Delegations to set beforehand (EIP-7702).
    pub authorizations: Vec<SignedAuthorization>,
}

/// What a simulated call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// Gas used after refunds.
    pub gas_used: u64,
    /// Gas given back for cleared storage.
    pub gas_refunded: u64,
    /// Events it would have emitted.
    pub logs: Vec<Log>,
    /// How it ended.
    pub end: CallEnd,
}

impl CallOutcome {
    /// Whether it returned.
    pub fn succeeded(&self) -> bool {
        matches!(self.end, CallEnd::Returned(_))
    }
}

/// How a simulated call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// Returned these bytes: the contract's code, for a creation.
    Returned(Bytes),
    /// Reverted with these bytes. [`crate::revert_reason`] reads them.
    Reverted(Bytes),
    /// Ran out of gas.
    OutOfGas,
    /// Stopped by another fault, named here.
    Halted(String),
}

/// Executes `request` on top of `state`, as if in the block `block`.
///
/// # Errors
///
/// [`Refusal`] where it could not even begin: the sender lacks the value, say.
pub fn call(
    state: &State,
    block: &BlockContext,
    chain_id: u64,
    hashes: &dyn BlockHashes,
    request: &CallRequest,
) -> Result<CallOutcome, Refusal> {
    let transaction = request.environment(chain_id, CALL_GAS_MAX);
    run(state, block, hashes, transaction)
}

/// An access list under which `request` loads nothing unlisted, with the outcome of the call under it.
///
/// # Errors
///
/// [`Refusal`] as for [`call`].
pub fn create_access_list(
    state: &State,
    block: &BlockContext,
    chain_id: u64,
    hashes: &dyn BlockHashes,
    request: &CallRequest,
) -> Result<(AccessList, CallOutcome), Refusal> {
    let mut transaction = request.environment(chain_id, CALL_GAS_MAX);
    if transaction.tx_type == u8::from(TxType::Legacy) {
        transaction.tx_type = TxType::Eip2930.into();
    }
    let mut rounds = 0;
    loop {
        rounds += 1;
        let inspector = AccessListInspector::new(transaction.access_list.clone());
        let config = simulation(chain_id, transaction.gas_price);
        let reader = Reader::new(state.clone(), hashes);
        let seen = seen_by(block, transaction.gas_price);
        let mut evm: Evm<'_, _> = context(reader, &seen, config).build_mainnet_with_inspector(inspector);
        let result = evm
            .inspect_one_tx(transaction.clone())
            .map_err(|error| refusal(error, transaction.gas_price, block.base_fee))?;
        let list = evm.inspector.access_list();
        if list == transaction.access_list || rounds == ACCESS_LIST_ROUNDS_MAX {
            return Ok((list, outcome(result)));
        }
        transaction.access_list = list;
    }
}

impl CallRequest {
    pub(crate) fn environment(&self, chain_id: u64, gas_max: u64) -> TxEnv {
        let kind = if !self.authorizations.is_empty() {
            TxType::Eip7702
        } else if self.tip.is_some() {
            TxType::Eip1559
        } else if self.access_list.is_some() {
            TxType::Eip2930
        } else {
            TxType::Legacy
        };
        TxEnv {
            tx_type: kind.into(),
            caller: self.from.unwrap_or_default(),
            gas_limit: self.gas.map_or(gas_max, |gas| gas.min(gas_max)),
            gas_price: self.max_fee.unwrap_or_default(),
            kind: self.to.map_or(TxKind::Create, TxKind::Call),
            value: self.value,
            data: self.data.clone(),
            chain_id: Some(chain_id),
            access_list: self.access_list.clone().unwrap_or_default(),
            gas_priority_fee: self.tip,
            authorization_list: self.authorizations.iter().cloned().map(Either::Left).collect(),
            ..TxEnv::default()
        }
    }
}

pub(crate) fn simulation(chain_id: u64, gas_price: u128) -> CfgEnv {
    let mut config = configuration(SPEC, chain_id);
    config.disable_nonce_check = true;
    config.disable_block_gas_limit = true;
    config.disable_eip3607 = true;
    config.disable_base_fee = gas_price == 0;
    config
}

/// The block as a call sees it that pays `gas_price`: one that pays nothing sees a base fee of nothing, as in geth.
pub(crate) fn seen_by(block: &BlockContext, gas_price: u128) -> BlockContext {
    let base_fee = if gas_price == 0 { 0 } else { block.base_fee };
    BlockContext {
        base_fee,
        ..block.clone()
    }
}

fn run(
    state: &State,
    block: &BlockContext,
    hashes: &dyn BlockHashes,
    transaction: TxEnv,
) -> Result<CallOutcome, Refusal> {
    let fee = transaction.gas_price;
    let config = simulation(transaction.chain_id.expect("set for every call"), fee);
    let reader = Reader::new(state.clone(), hashes);
    let mut evm = context(reader, &seen_by(block, fee), config).build_mainnet();
    evm.transact_one(transaction)
        .map(outcome)
        .map_err(|error| refusal(error, fee, block.base_fee))
}

pub(crate) fn outcome(result: ExecutionResult) -> CallOutcome {
    let gas = *result.gas();
    let (end, logs) = match result {
        ExecutionResult::Success {
            output: Output::Call(data) | Output::Create(data, _),
            logs,
            ..
        } => (CallEnd::Returned(data), logs),
        ExecutionResult::Revert { output, logs, .. } => (CallEnd::Reverted(output), logs),
        ExecutionResult::Halt {
            reason: HaltReason::OutOfGas(_),
            logs,
            ..
        } => (CallEnd::OutOfGas, logs),
        ExecutionResult::Halt { reason, logs, .. } => (CallEnd::Halted(reason.to_string()), logs),
    };
    CallOutcome {
        gas_used: gas.tx_gas_used(),
        gas_refunded: gas.final_refunded(),
        logs,
        end,
    }
}

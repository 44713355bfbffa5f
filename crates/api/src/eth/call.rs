//! Calls, estimates and access lists on top of a final block.

use super::{block, error::EthError};
use alloy_eips::BlockId;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256, map::B256HashMap};
use alloy_rpc_types_eth::{
    AccessListResult, BlockOverrides, TransactionRequest,
    state::{AccountOverride, StateOverride},
};
use chain::Ledger;
use evm::{Account, AccountDiff, BlockContext, CallEnd, CallOutcome, CallRequest, Diff, State};

/// Accounts that the overrides of one call may change.
const OVERRIDES_MAX: usize = 1024;

/// The bytes that a call returns.
pub(crate) fn call(
    ledger: &Ledger,
    request: TransactionRequest,
    id: Option<BlockId>,
    accounts: Option<StateOverride>,
    fields: Option<BlockOverrides>,
) -> Result<Bytes, EthError> {
    let (context, state) = place(ledger, id, accounts, fields)?;
    let request = read(ledger, request)?;
    returned(evm::call(
        &state,
        &context,
        ledger.chain_id(),
        &ledger.hashes(),
        &request,
    )?)
}

/// The least gas with which a transaction succeeds, within 1.5 %. On top of the pending block unless told otherwise.
pub(crate) fn estimate_gas(
    ledger: &Ledger,
    request: TransactionRequest,
    id: Option<BlockId>,
    accounts: Option<StateOverride>,
) -> Result<u64, EthError> {
    let (context, state) = place(ledger, Some(id.unwrap_or(BlockId::pending())), accounts, None)?;
    let request = read(ledger, request)?;
    Ok(evm::estimate_gas(
        &state,
        &context,
        ledger.chain_id(),
        &ledger.hashes(),
        &request,
    )?)
}

/// An access list for the call, with the gas it uses under it. A call that fails still gets one, with the failure named.
pub(crate) fn create_access_list(
    ledger: &Ledger,
    request: TransactionRequest,
    id: Option<BlockId>,
) -> Result<AccessListResult, EthError> {
    let (context, state) = place(ledger, Some(id.unwrap_or(BlockId::pending())), None, None)?;
    let request = read(ledger, request)?;
    let (access_list, outcome) =
        evm::create_access_list(&state, &context, ledger.chain_id(), &ledger.hashes(), &request)?;
    let gas_used = U256::from(outcome.gas_used);
    let error = returned(outcome).err().map(|error| error.to_string());
    Ok(AccessListResult {
        access_list,
        gas_used,
        error,
    })
}

fn returned(outcome: CallOutcome) -> Result<Bytes, EthError> {
    match outcome.end {
        CallEnd::Returned(data) => Ok(data),
        CallEnd::Reverted(data) => Err(EthError::Reverted(data)),
        CallEnd::OutOfGas => Err(EthError::Halted("out of gas".into())),
        CallEnd::Halted(fault) => Err(EthError::Halted(fault)),
    }
}

/// The transaction to try, out of what clients send.
pub(crate) fn read(ledger: &Ledger, request: TransactionRequest) -> Result<CallRequest, EthError> {
    let invalid = |text: &str| Err(EthError::Invalid(text.into()));
    if request.chain_id.is_some_and(|id| id != ledger.chain_id()) {
        return invalid("chainId does not match node's");
    }
    if request.gas_price.is_some() && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        return invalid("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
    }
    if request.blob_versioned_hashes.is_some() || request.sidecar.is_some() {
        return invalid("blob transactions are not supported by this chain");
    }
    let Ok(data) = request.input.try_into_unique_input() else {
        return invalid("both \"data\" and \"input\" are set and not equal");
    };
    Ok(CallRequest {
        from: request.from,
        to: request.to.and_then(|kind| kind.into_to()),
        value: request.value.unwrap_or_default(),
        data: data.unwrap_or_default(),
        nonce: request.nonce,
        gas: request.gas,
        max_fee: request.gas_price.or(request.max_fee_per_gas),
        tip: request.max_priority_fee_per_gas,
        access_list: request.access_list,
        authorizations: request.authorization_list.unwrap_or_default(),
    })
}

/// Where a call runs: the block and its state, as changed by the overrides.
fn place(
    ledger: &Ledger,
    id: Option<BlockId>,
    accounts: Option<StateOverride>,
    fields: Option<BlockOverrides>,
) -> Result<(BlockContext, State), EthError> {
    let (mut context, mut state) = block::state(ledger, id)?;
    change(&mut context, &mut state, accounts, fields)?;
    Ok((context, state))
}

/// Makes the changes that a client asks for before its call.
pub(crate) fn change(
    context: &mut BlockContext,
    state: &mut State,
    accounts: Option<StateOverride>,
    fields: Option<BlockOverrides>,
) -> Result<(), EthError> {
    if let Some(fields) = fields {
        override_block(context, fields)?;
    }
    if let Some(accounts) = accounts {
        if accounts.len() > OVERRIDES_MAX {
            return Err(EthError::Limit(format!(
                "more than {OVERRIDES_MAX} accounts overridden"
            )));
        }
        for (address, change) in accounts {
            override_account(state, address, change)?;
        }
    }
    Ok(())
}

fn override_block(context: &mut BlockContext, fields: BlockOverrides) -> Result<(), EthError> {
    let quantity = |value: U256, name: &str| {
        u64::try_from(value).map_err(|_| EthError::Invalid(format!("{name} does not fit in 64 bits")))
    };
    if fields.block_hash.is_some() || fields.beacon_root.is_some() || fields.blob_base_fee.is_some() {
        return Err(EthError::Invalid(
            "block hashes, beacon roots and blob fees cannot be overridden".into(),
        ));
    }
    if let Some(number) = fields.number {
        context.number = quantity(number, "number")?;
    }
    if let Some(fee) = fields.base_fee {
        context.base_fee = quantity(fee, "baseFee")?;
    }
    context.timestamp = fields.time.unwrap_or(context.timestamp);
    context.gas_limit = fields.gas_limit.unwrap_or(context.gas_limit);
    context.beneficiary = fields.coinbase.unwrap_or(context.beneficiary);
    context.prev_randao = fields.random.unwrap_or(context.prev_randao);
    Ok(())
}

fn override_account(state: &mut State, address: Address, change: AccountOverride) -> Result<(), EthError> {
    if change.move_precompile_to.is_some() {
        return Err(EthError::Invalid("precompiles cannot be moved".into()));
    }
    if change.state.is_some() && change.state_diff.is_some() {
        return Err(EthError::Invalid(format!(
            "account {address} has both 'state' and 'stateDiff'"
        )));
    }
    if change.move_precompile_to.is_some() {
        return Err(EthError::Invalid("precompiled contracts cannot be moved here".into()));
    }
    let mut diff = Diff::default();
    let mut account = state.account(&address).unwrap_or(Account::with_balance(U256::ZERO));
    account.balance = change.balance.unwrap_or(account.balance);
    account.nonce = change.nonce.unwrap_or(account.nonce);
    if let Some(code) = change.code {
        account.code_hash = if code.is_empty() {
            KECCAK256_EMPTY
        } else {
            keccak256(&code)
        };
        if !code.is_empty() {
            diff.codes.insert(account.code_hash, code);
        }
    }
    let wiped = change.state.is_some();
    let slots: B256HashMap<B256> = change.state.or(change.state_diff).unwrap_or_default();
    let slots = slots
        .into_iter()
        .map(|(slot, value)| (slot.into(), value.into()))
        .collect();
    diff.accounts.insert(
        address,
        AccountDiff {
            account: Some(account),
            wiped,
            slots,
        },
    );
    state.apply(&diff);
    Ok(())
}

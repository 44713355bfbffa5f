//! Blocks that are only imagined: what lists of calls would do, block after block (`eth_simulateV1`).

use crate::{
    block::{BlockContext, BlockHashes, SPEC},
    call::{CALL_GAS_MAX, CallOutcome, CallRequest, outcome, simulation},
    database::Reader,
    pack::{Receipt, configuration, context, envelope, refusal},
    state::{Diff, State},
    transaction::{Refusal, Transaction},
    trie::ordered_root,
};
use alloy_consensus::{
    Header, Receipt as ReceiptBody, SignableTransaction as _, TxEip1559, TxEip2930, TxEip7702, TxLegacy,
    TypedTransaction,
};
use alloy_eips::{eip2718::Encodable2718 as _, eip2935::HISTORY_STORAGE_ADDRESS};
use alloy_primitives::{B256, Bloom, Signature, U256};
use revm::{
    ExecuteEvm, MainBuilder, SystemCallEvm,
    context::{TxEnv, either::Either},
    inspector::InspectEvm,
};
use revm_inspectors::transfer::TransferInspector;
use std::collections::BTreeMap;

/// How a simulation is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SimulationRules {
    /// Whether nonces, fees and senders must be as in a real block.
    pub validation: bool,
    /// Whether each transfer of coins also shows as an ERC-20 event of the address `0xee…ee`.
    pub transfers: bool,
}

/// Why a simulation cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    /// A call could not begin.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A call asks for more gas than its block has left.
    #[error("block gas limit reached: the call may use {gas}, the block has {left} left")]
    BlockFull {
        /// Gas of the call.
        gas: u64,
        /// Gas left in the block.
        left: u64,
    },
    /// All calls together use more than [`CALL_GAS_MAX`].
    #[error("the simulation uses more than {CALL_GAS_MAX} gas")]
    GasSpent,
}

/// A block that was imagined.
#[derive(Clone, Debug)]
pub struct Imagined {
    /// Its header, with the roots of what happened in it.
    pub header: Header,
    /// The calls as transactions, unsigned: zeros stand for the signatures.
    pub transactions: Vec<Transaction>,
    /// One for each transaction.
    pub receipts: Vec<Receipt>,
    /// What each call returned.
    pub outcomes: Vec<CallOutcome>,
}

/// Blocks imagined one on top of another.
pub struct Simulation<'a> {
    state: State,
    chain_id: u64,
    hashes: Hashes<'a>,
    rules: SimulationRules,
    gas_left: u64,
}

struct Hashes<'a> {
    real: &'a dyn BlockHashes,
    imagined: BTreeMap<u64, B256>,
}

impl BlockHashes for Hashes<'_> {
    fn block_hash(&self, number: u64) -> Option<B256> {
        let imagined = self.imagined.get(&number).copied();
        imagined
            .or_else(|| self.real.block_hash(number))
            // A client may number its blocks as it likes: those it left out were never made.
            .or(Some(B256::ZERO))
    }
}

impl<'a> Simulation<'a> {
    /// Begins on top of `state`.
    pub fn new(state: State, chain_id: u64, hashes: &'a dyn BlockHashes, rules: SimulationRules) -> Self {
        Self {
            state,
            chain_id,
            hashes: Hashes {
                real: hashes,
                imagined: BTreeMap::new(),
            },
            rules,
            gas_left: CALL_GAS_MAX,
        }
    }

    /// The state as it stands, for a client's own changes before a block.
    pub fn state_mut(&mut self) -> &mut State {
        &mut self.state
    }

    /// Executes `calls` in a block. Their nonces and gas limits are chosen where they leave them open.
    ///
    /// # Errors
    ///
    /// [`SimulationError`]; one call that cannot begin ends the simulation.
    pub fn block(&mut self, block: &BlockContext, calls: &[CallRequest]) -> Result<Imagined, SimulationError> {
        self.begin(block);
        let (mut transactions, mut receipts, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
        let (mut gas_used, mut bloom) = (0u64, Bloom::ZERO);
        for call in calls {
            let left = block.gas_limit - gas_used;
            if let Some(gas) = call.gas.filter(|gas| *gas > left) {
                return Err(SimulationError::BlockFull { gas, left });
            }
            let transaction = self.transaction(call, left);
            let outcome = self.execute(block, transaction.clone())?;
            self.gas_left = self
                .gas_left
                .checked_sub(outcome.gas_used)
                .ok_or(SimulationError::GasSpent)?;
            gas_used += outcome.gas_used;
            let transaction = unsigned(&transaction);
            let receipt = envelope(
                transaction.tx_type(),
                ReceiptBody {
                    status: outcome.succeeded().into(),
                    cumulative_gas_used: gas_used,
                    logs: outcome.logs.clone(),
                },
            );
            bloom.accrue_bloom(receipt.logs_bloom());
            transactions.push(transaction);
            receipts.push(receipt);
            outcomes.push(outcome);
        }
        let encoded: Vec<_> = transactions.iter().map(|one| one.encoded_2718()).collect();
        let proved: Vec<_> = receipts.iter().map(|receipt| receipt.encoded_2718()).collect();
        let header = Header {
            state_root: self.state.root(),
            transactions_root: ordered_root(&encoded),
            receipts_root: ordered_root(&proved),
            logs_bloom: bloom,
            gas_used,
            ..block.header()
        };
        self.hashes.imagined.insert(header.number, header.hash_slow());
        Ok(Imagined {
            header,
            transactions,
            receipts,
            outcomes,
        })
    }

    /// Records the parent's hash, as every block does (EIP-2935).
    fn begin(&mut self, block: &BlockContext) {
        let reader = Reader::new(self.state.clone(), &self.hashes);
        let mut evm = context(reader, block, configuration(SPEC, self.chain_id)).build_mainnet();
        if evm
            .system_call_one(HISTORY_STORAGE_ADDRESS, block.parent_hash.into())
            .is_ok()
        {
            let journal = evm.finalize();
            drop(evm);
            self.state.apply(&Diff::of_journal(&self.state, journal));
        }
    }

    fn transaction(&self, call: &CallRequest, left: u64) -> TxEnv {
        let mut transaction = call.environment(self.chain_id, left.min(self.gas_left));
        let account = self.state.account(&transaction.caller);
        transaction.nonce = call.nonce.unwrap_or_else(|| account.map_or(0, |account| account.nonce));
        // Unless it says otherwise, a call is a transaction of today.
        if call.max_fee.is_none() && transaction.tx_type == 0 {
            transaction.tx_type = 2;
            transaction.gas_priority_fee = Some(0);
        }
        transaction
    }

    fn execute(&mut self, block: &BlockContext, transaction: TxEnv) -> Result<CallOutcome, Refusal> {
        let fee = transaction.gas_price;
        let config = if self.rules.validation {
            configuration(SPEC, self.chain_id)
        } else {
            simulation(self.chain_id, fee)
        };
        let reader = Reader::new(self.state.clone(), &self.hashes);
        let context = context(reader, block, config);
        let (result, journal) = if self.rules.transfers {
            let inspector = TransferInspector::new(false).with_logs(true);
            let mut evm = context.build_mainnet_with_inspector(inspector);
            (evm.inspect_one_tx(transaction), evm.finalize())
        } else {
            let mut evm = context.build_mainnet();
            (evm.transact_one(transaction), evm.finalize())
        };
        let result = result.map_err(|error| refusal(error, fee, block.base_fee))?;
        self.state.apply(&Diff::of_journal(&self.state, journal));
        Ok(outcome(result))
    }
}

/// The transaction that would have done this, had it been signed.
fn unsigned(from: &TxEnv) -> Transaction {
    let (chain_id, nonce, gas_limit, value) = (
        from.chain_id.unwrap_or_default(),
        from.nonce,
        from.gas_limit,
        from.value,
    );
    let (to, input, access_list) = (from.kind, from.data.clone(), from.access_list.clone());
    let tip = from.gas_priority_fee.unwrap_or_default();
    let transaction: TypedTransaction = match from.tx_type {
        0 => TxLegacy {
            chain_id: None,
            nonce,
            gas_price: from.gas_price,
            gas_limit,
            to,
            value,
            input,
        }
        .into(),
        1 => TxEip2930 {
            chain_id,
            nonce,
            gas_price: from.gas_price,
            gas_limit,
            to,
            value,
            access_list,
            input,
        }
        .into(),
        4 => TxEip7702 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: from.gas_price,
            max_priority_fee_per_gas: tip,
            to: to.to().copied().unwrap_or_default(),
            value,
            access_list,
            authorization_list: from
                .authorization_list
                .iter()
                .filter_map(|authorization| match authorization {
                    Either::Left(signed) => Some(signed.clone()),
                    Either::Right(_) => None,
                })
                .collect(),
            input,
        }
        .into(),
        _ => TxEip1559 {
            chain_id,
            nonce,
            gas_limit,
            max_fee_per_gas: from.gas_price,
            max_priority_fee_per_gas: tip,
            to,
            value,
            access_list,
            input,
        }
        .into(),
    };
    let signature = Signature::new(U256::ZERO, U256::ZERO, false);
    Transaction::new_unchecked(transaction.into_signed(signature).into(), from.caller)
}

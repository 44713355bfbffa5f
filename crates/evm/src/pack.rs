//! Build a block: transactions are executed as they are put in.

use crate::{
    block::{BlockContext, BlockHashes, SPEC},
    database::Reader,
    state::{Account, Diff, HashedDiff, State},
    transaction::{Refusal, Transaction, environment},
    trie::ordered_root,
};
use alloy_consensus::{
    Header, Receipt as ReceiptBody, ReceiptEnvelope, ReceiptWithBloom, Transaction as _, TxEnvelope, TxType,
    transaction::Recovered,
};
use alloy_eips::{
    eip2718::Encodable2718,
    eip2935::{HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE},
};
use alloy_primitives::{Address, Bloom, Bytes, KECCAK256_EMPTY, Log};
use alloy_sol_types::SolCall;
use contracts::{abi, addresses::NETWORK_REGISTRY};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext, SystemCallEvm,
    context::{CfgEnv, TxEnv},
    context_interface::result::{EVMError, ExecutionResult},
    handler::{MainnetContext, MainnetEvm},
    primitives::hardfork::SpecId,
};

/// What a transaction did: its status, the gas used up to and with it in the block, its logs.
pub type Receipt = ReceiptEnvelope;

/// revm over a [`Reader`].
pub(crate) type Evm<'a, I = ()> = MainnetEvm<MainnetContext<Reader<'a>>, I>;

pub(crate) fn configuration(spec: SpecId, chain_id: u64) -> CfgEnv {
    CfgEnv::new_with_spec(spec).with_chain_id(chain_id)
}

pub(crate) fn context<'a>(reader: Reader<'a>, block: &BlockContext, config: CfgEnv) -> MainnetContext<Reader<'a>> {
    Context::mainnet()
        .with_db(reader)
        .with_cfg(config)
        .with_block(block.env())
}

/// A block under construction. One journal spans its transactions: an account is read from the state once a block.
pub struct Packer<'a> {
    evm: Evm<'a>,
    block: BlockContext,
    encoded: Vec<Vec<u8>>,
    receipts: Vec<Receipt>,
    gas_used: u64,
    bloom: Bloom,
}

/// Why [`Packer::push`] left a transaction out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The block's gas does not suffice; a later block's may.
    #[error("the block has {left} gas left, the transaction may use {gas_limit}")]
    Full {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// Gas left in the block.
        left: u64,
    },
    /// The transaction cannot be here; others may.
    #[error(transparent)]
    Skip(#[from] Refusal),
}

/// A block that was executed.
#[derive(Clone, Debug)]
pub struct Executed {
    /// The state after the block.
    pub state: State,
    /// How it differs from the parent's.
    pub diff: Diff,
    /// The same under the names that tries have.
    pub hashed: HashedDiff,
    /// One for each transaction.
    pub receipts: Vec<Receipt>,
    /// Gas used by all transactions.
    pub gas_used: u64,
    /// The header that the block must have.
    pub header: Header,
}

impl<'a> Packer<'a> {
    /// Begins a block on top of `parent`, and makes the protocol's own calls: records the parent's hash in the history contract
    /// (EIP-2935), closes what committees are to be closed in the block's epoch (`NetworkRegistry.closeEpoch`), and hands over what the
    /// block brings for the randomness beacon ([`crate::BeaconNews`]).
    ///
    /// These calls pay nothing and leave no receipt, hence their events are in no receipt either.
    pub fn new(parent: &State, block: BlockContext, chain_id: u64, hashes: &'a dyn BlockHashes) -> Self {
        Self::begin(parent, block, configuration(SPEC, chain_id), hashes)
    }

    /// As [`Packer::new`], but the sender of a transaction may have code (EIP-3607 is off): on a development chain one can send as
    /// anybody, also as a contract. A validator would refuse such a block.
    pub fn for_any_sender(parent: &State, block: BlockContext, chain_id: u64, hashes: &'a dyn BlockHashes) -> Self {
        let mut config = configuration(SPEC, chain_id);
        config.disable_eip3607 = true;
        Self::begin(parent, block, config, hashes)
    }

    fn begin(parent: &State, block: BlockContext, config: CfgEnv, hashes: &'a dyn BlockHashes) -> Self {
        let mut packer = Self::with_spec(parent, block, config, hashes);
        let hash = Bytes::copy_from_slice(packer.block.parent_hash.as_slice());
        let outcome = packer.evm.system_call_one(HISTORY_STORAGE_ADDRESS, hash);
        assert!(
            outcome.is_ok(),
            "a system call pays nothing and depends on no sender: {outcome:?}"
        );
        packer.close_epoch(parent);
        packer.block.beacon.apply(&mut packer.evm);
        packer
    }

    /// Calls `closeEpoch`, where there is such a contract. Whether it succeeds changes nothing for the block: a call that fails leaves
    /// no trace, and committees stay as they were.
    fn close_epoch(&mut self, parent: &State) {
        let has_code = |account: Account| account.code_hash != KECCAK256_EMPTY;
        if !parent.account(&NETWORK_REGISTRY).is_some_and(has_code) {
            return;
        }
        let data = abi::NetworkRegistry::closeEpochCall {}.abi_encode().into();
        // A revert or a halt is an outcome; an error would be one of the environment, which the caller's block has, too.
        let _ = self.evm.system_call_one(NETWORK_REGISTRY, data);
    }

    pub(crate) fn with_spec(parent: &State, block: BlockContext, config: CfgEnv, hashes: &'a dyn BlockHashes) -> Self {
        let evm = context(Reader::new(parent.clone(), hashes), &block, config).build_mainnet();
        Self {
            evm,
            block,
            encoded: Vec::new(),
            receipts: Vec::new(),
            gas_used: 0,
            bloom: Bloom::ZERO,
        }
    }

    /// Makes room for so many more transactions: what grows as they come is copied each time that it does, and is megabytes in a full block.
    pub fn reserve(&mut self, transactions: usize) {
        self.encoded.reserve_exact(transactions);
        self.receipts.reserve_exact(transactions);
        // Most have a sender and a receiver.
        self.evm.ctx.journaled_state.inner.state.reserve(2 * transactions);
    }

    /// Reads the accounts of those who send and receive coins in `transactions`, which are going to be pushed.
    pub(crate) fn read_ahead(&mut self, transactions: &[TxEnvelope], senders: &[Address]) {
        self.reserve(transactions.len());
        let receivers = transactions.iter().filter_map(TxEnvelope::to);
        let touched = receivers.chain(senders.iter().copied()).collect();
        self.evm.ctx.journaled_state.database.read_ahead(touched);
    }

    /// Gas that transactions may still use.
    pub fn gas_left(&self) -> u64 {
        self.block.gas_limit - self.gas_used
    }

    /// Executes a transaction and puts it last in the block. A transaction left out leaves no trace.
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] where its gas limit exceeds what is left, [`PushError::Skip`] where it is not valid here.
    pub fn push(&mut self, transaction: &Transaction) -> Result<(), PushError> {
        self.push_ref(transaction.as_recovered_ref())
    }

    pub(crate) fn push_ref(&mut self, transaction: Recovered<&TxEnvelope>) -> Result<(), PushError> {
        let (gas_limit, left) = (transaction.gas_limit(), self.gas_left());
        if gas_limit > left {
            return Err(PushError::Full { gas_limit, left });
        }
        let result = self.run(environment(transaction)?)?;
        self.gas_used += result.tx_gas_used();
        let receipt = self.receipt(transaction.tx_type(), result);
        self.bloom.accrue_bloom(receipt.logs_bloom());
        self.receipts.push(receipt);
        self.encoded.push(transaction.encoded_2718());
        Ok(())
    }

    pub(crate) fn run(&mut self, transaction: TxEnv) -> Result<ExecutionResult, Refusal> {
        let fee = transaction.gas_price;
        self.evm
            .transact_one(transaction)
            .map_err(|error| refusal(error, fee, self.block.base_fee))
    }

    fn receipt(&self, kind: TxType, result: ExecutionResult) -> Receipt {
        envelope(
            kind,
            ReceiptBody {
                status: result.is_success().into(),
                cumulative_gas_used: self.gas_used,
                logs: result.into_logs(),
            },
        )
    }

    /// Ends the block: the state after it, and the header that commits to all.
    pub fn finish(mut self) -> Executed {
        let journal = self.evm.finalize();
        let reader = &self.evm.ctx.journaled_state.database;
        let diff = Diff::of_journal(reader.parent(), journal);
        let mut state = reader.state().clone();
        let hashed = diff.hashed();
        state.apply_hashed(&hashed);
        let receipts: Vec<Vec<u8>> = self.receipts.iter().map(Encodable2718::encoded_2718).collect();
        let header = Header {
            state_root: state.root(),
            transactions_root: ordered_root(&self.encoded),
            receipts_root: ordered_root(&receipts),
            logs_bloom: self.bloom,
            gas_used: self.gas_used,
            ..self.block.header()
        };
        // Kept as long as the block is, with no more room than they need.
        self.receipts.shrink_to_fit();
        Executed {
            state,
            diff,
            hashed,
            receipts: self.receipts,
            gas_used: self.gas_used,
            header,
        }
    }
}

/// A receipt as a transaction of its kind has it, with the bloom of its logs.
pub(crate) fn envelope(kind: TxType, body: ReceiptBody<Log>) -> Receipt {
    let receipt = ReceiptWithBloom::from(body);
    match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    }
}

/// The code of the history contract, which every genesis state must hold for [`Packer::new`] to record parents in it.
pub(crate) fn history_contract() -> (Address, Bytes) {
    (HISTORY_STORAGE_ADDRESS, HISTORY_STORAGE_CODE.clone())
}

pub(crate) fn refusal(error: EVMError<std::convert::Infallible>, fee: u128, base_fee: u64) -> Refusal {
    match error {
        EVMError::Transaction(invalid) => Refusal::new(invalid, fee, base_fee),
        EVMError::Database(never) => match never {},
        EVMError::Header(error) => unreachable!("the block environment is complete: {error}"),
        EVMError::Custom(fault) => Refusal::Fault(fault),
        EVMError::CustomAny(fault) => Refusal::Fault(fault.to_string()),
    }
}

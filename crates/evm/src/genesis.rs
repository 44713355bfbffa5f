//! The first block: balances, contracts and the calls that set them up.

use crate::{
    beacon::BeaconNews,
    block::{BlockContext, BlockHashes, SPEC},
    database::Reader,
    pack::{configuration, context, history_contract},
    state::{Account, AccountDiff, Diff, State},
};
use alloy_consensus::Header;
use alloy_eips::eip1559::INITIAL_BASE_FEE;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use contracts::GenesisContract;
use revm::{
    ExecuteEvm, MainBuilder,
    context::TxEnv,
    context_interface::result::{ExecutionResult, Output},
    handler::SYSTEM_ADDRESS,
};

/// Gas a genesis contract's constructor or a genesis call may use: far above any real one, so that only an endless loop meets it.
const GENESIS_GAS: u64 = 1 << 32;

/// A call made while the genesis state is built. Its sender pays no gas and keeps its nonce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisCall {
    /// Who calls.
    pub from: Address,
    /// Which contract.
    pub to: Address,
    /// ABI-encoded call.
    pub data: Bytes,
    /// Wei sent along, out of the caller's allocation.
    pub value: U256,
}

/// All that fixes the first block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    /// Gas limit of this and every later block.
    pub gas_limit: u64,
    /// The first block's `prevRandao`: where a local network keeps the beacon value that it was dealt.
    pub prev_randao: B256,
    /// Balances in wei.
    pub allocations: Vec<(Address, U256)>,
    /// Contracts, constructed in this order.
    pub contracts: Vec<GenesisContract>,
    /// Calls, made in this order once all contracts exist.
    pub calls: Vec<GenesisCall>,
}

/// Why a genesis state cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// An address is given two balances or two contracts.
    #[error("{0} is given twice")]
    Duplicate(Address),
    /// A constructor failed.
    #[error("constructor of {name} at {address}: {reason}")]
    Constructor {
        /// The contract's name.
        name: &'static str,
        /// Its address.
        address: Address,
        /// How it failed.
        reason: String,
    },
    /// A call failed.
    #[error("genesis call {index} to {to}: {reason}")]
    Call {
        /// Its place in the list.
        index: usize,
        /// The contract called.
        to: Address,
        /// How it failed.
        reason: String,
    },
}

impl Genesis {
    /// Builds the first block: its header, the state after it, and that state as a difference from nothing.
    ///
    /// Constructors run in place: at the contract's own address, so that what they compute from it (EIP-712 domains,
    /// immutables) is right. Their caller is the system address `0xff…fe`. Unlike in a creation, the address already has code then.
    ///
    /// # Errors
    ///
    /// [`GenesisError`] where an address is given twice, or a constructor or call reverts.
    pub fn build(&self) -> Result<(Header, State, Diff), GenesisError> {
        let mut builder = Builder {
            genesis: self,
            state: State::empty(),
            diff: Diff::default(),
        };
        for (address, balance) in &self.allocations {
            if builder.state.account(address).is_some() {
                return Err(GenesisError::Duplicate(*address));
            }
            if !balance.is_zero() {
                builder.put(*address, Account::with_balance(*balance), None);
            }
        }
        let (history, code) = history_contract();
        builder.put_contract(history, code);
        for contract in &self.contracts {
            builder.construct(contract)?;
        }
        for (index, call) in self.calls.iter().enumerate() {
            builder
                .call(call.from, call.to, call.data.clone(), call.value)
                .map_err(|reason| GenesisError::Call {
                    index,
                    to: call.to,
                    reason,
                })?;
        }
        let header = Header {
            state_root: builder.state.root(),
            // Two networks that differ in the chain id alone differ in their genesis hash.
            extra_data: Bytes::copy_from_slice(&self.chain_id.to_be_bytes()),
            ..self.context().header()
        };
        Ok((header, builder.state, builder.diff))
    }

    fn context(&self) -> BlockContext {
        BlockContext {
            number: 0,
            timestamp: self.timestamp,
            base_fee: INITIAL_BASE_FEE,
            gas_limit: self.gas_limit,
            beneficiary: Address::ZERO,
            prev_randao: self.prev_randao,
            parent_hash: B256::ZERO,
            beacon: BeaconNews::default(),
        }
    }
}

struct Builder<'a> {
    genesis: &'a Genesis,
    state: State,
    diff: Diff,
}

impl Builder<'_> {
    fn apply(&mut self, diff: Diff) {
        self.state.apply(&diff);
        self.diff.append(diff);
    }

    /// Sets an account, leaving its storage as it is.
    fn put(&mut self, address: Address, account: Account, code: Option<Bytes>) {
        let change = AccountDiff {
            account: Some(account),
            ..AccountDiff::default()
        };
        let mut diff = Diff {
            accounts: [(address, change)].into(),
            ..Diff::default()
        };
        if let Some(code) = code {
            diff.codes.insert(account.code_hash, code);
        }
        self.apply(diff);
    }

    /// Gives an address code, and the nonce 1 that a created contract begins with (EIP-161).
    fn put_contract(&mut self, address: Address, code: Bytes) {
        let existing = self
            .state
            .account(&address)
            .unwrap_or(Account::with_balance(U256::ZERO));
        let account = Account {
            nonce: existing.nonce.max(1),
            code_hash: keccak256(&code),
            ..existing
        };
        self.put(address, account, Some(code));
    }

    fn construct(&mut self, contract: &GenesisContract) -> Result<(), GenesisError> {
        let address = contract.address;
        if self.state.account(&address).is_some_and(|account| account.nonce > 0) {
            return Err(GenesisError::Duplicate(address));
        }
        // The creation code is called as if it were the contract's code; what it returns becomes the code.
        self.put_contract(address, contract.init_code.clone());
        let failed = |reason| GenesisError::Constructor {
            name: contract.name,
            address,
            reason,
        };
        let code = self
            .call(SYSTEM_ADDRESS, address, Bytes::new(), U256::ZERO)
            .map_err(failed)?;
        if code.is_empty() {
            return Err(failed("returned no code".into()));
        }
        self.put_contract(address, code);
        self.diff.codes.remove(&keccak256(&contract.init_code));
        Ok(())
    }

    fn call(&mut self, from: Address, to: Address, data: Bytes, value: U256) -> Result<Bytes, String> {
        let mut config = configuration(SPEC, self.genesis.chain_id);
        config.disable_nonce_check = true;
        config.disable_base_fee = true;
        config.disable_block_gas_limit = true;
        config.disable_eip3607 = true;
        let reader = Reader::new(self.state.clone(), &NoAncestors);
        let mut evm = context(reader, &self.genesis.context(), config).build_mainnet();
        let transaction = TxEnv {
            caller: from,
            kind: TxKind::Call(to),
            data,
            value,
            gas_limit: GENESIS_GAS,
            gas_price: 0,
            chain_id: Some(self.genesis.chain_id),
            ..TxEnv::default()
        };
        let nonce = self.state.account(&from).map_or(0, |account| account.nonce);
        let result = evm.transact_one(transaction).map_err(|error| error.to_string())?;
        let mut journal = evm.finalize();
        if let Some(caller) = journal.get_mut(&from) {
            caller.info.nonce = nonce;
        }
        self.apply(Diff::of_journal(&self.state, journal));
        match result {
            ExecutionResult::Success {
                output: Output::Call(data) | Output::Create(data, _),
                ..
            } => Ok(data),
            ExecutionResult::Revert { output, .. } => {
                let reason = crate::revert_reason(&output);
                Err(reason.unwrap_or_else(|| format!("reverted with {output}")))
            }
            ExecutionResult::Halt { reason, .. } => Err(format!("halted: {reason:?}")),
        }
    }
}

/// The genesis block has no ancestors; `BLOCKHASH` does not ask for any at height 0.
struct NoAncestors;

impl BlockHashes for NoAncestors {
    fn block_hash(&self, _: u64) -> Option<B256> {
        None
    }
}

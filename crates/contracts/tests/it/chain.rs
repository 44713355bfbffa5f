//! A chain of one machine: state, a clock that tests set, calls that succeed or say why not.

use crate::keys::Operator;
use alloy_sol_types::{SolCall, SolEvent};
use contracts::{
    Founder, GenesisContract, ReleaseKey, SetupCall, Terms, founding_calls, genesis_contracts_with, releasing_calls,
};
use primitives::{Address, B256, Bytes, U256};
use revm::{
    Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext,
    context::{CfgEnv, TxEnv, result::ExecutionResult},
    database::{CacheDB, DbAccount, EmptyDB},
    primitives::{Log, TxKind, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};
use std::fmt;

pub const CHAIN_ID: u64 = primitives::CHAIN_ID;
/// What contracts see as `PREVRANDAO`, in genesis too: there it is the beacon of a local network.
pub const BEACON: B256 = B256::repeat_byte(0xbe);

/// Gas limit of a call unless a test says otherwise: a block's.
pub const GAS_LIMIT: u64 = 30_000_000;

pub struct Chain {
    db: CacheDB<EmptyDB>,
    /// Its EIP-155 chain id.
    pub id: u64,
    pub block: u64,
    pub time: u64,
    pub gas_limit: u64,
}

/// A call that succeeded.
pub struct Sent<R> {
    pub result: R,
    pub gas: u64,
    logs: Vec<Log>,
}

/// What a call returned has no words of its own.
impl<R> fmt::Debug for Sent<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a call of {} gas that succeeded", self.gas)
    }
}

impl<R> Sent<R> {
    /// The events of one kind, in order.
    pub fn events<E: SolEvent>(&self) -> Vec<E> {
        self.logs
            .iter()
            .filter_map(|log| E::decode_log(log).ok())
            .map(|log| log.data)
            .collect()
    }
}

impl Chain {
    /// Genesis with `operators`, then block 1.
    pub fn genesis(faucet: Address, operators: &[Operator]) -> Self {
        let founders: Vec<_> = operators.iter().map(Operator::founder).collect();
        Self::founded(faucet, &founders)
    }

    /// Genesis with `founders`, then block 1.
    pub fn founded(faucet: Address, founders: &[Founder]) -> Self {
        Self::founded_with(faucet, founders, ReleaseKey::Dealt)
    }

    /// As [`Self::founded`], where all founders release keys if their key is to be generated.
    pub fn founded_with(faucet: Address, founders: &[Founder], release_key: ReleaseKey) -> Self {
        let mut chain = Self::empty();
        let terms = Terms {
            faucet,
            release_key,
            ..Terms::default()
        };
        for contract in genesis_contracts_with(&terms) {
            chain.construct(&contract);
        }
        for founder in founders {
            chain.fund(founder.account, founder.stake_wei);
        }
        for call in founding_calls(founders) {
            chain.set_up(call);
        }
        if release_key == ReleaseKey::Generated {
            releasing_calls(founders)
                .into_iter()
                .for_each(|call| chain.set_up(call));
        }
        chain.block = 1;
        chain
    }

    pub fn empty() -> Self {
        Self {
            db: CacheDB::default(),
            id: CHAIN_ID,
            block: 0,
            time: 1_800_000_000,
            gas_limit: GAS_LIMIT,
        }
    }

    /// Runs creation code at its own address, as genesis does.
    pub fn construct(&mut self, contract: &GenesisContract) {
        let code = |code: Bytes| AccountInfo::default().with_code(Bytecode::new_raw(code)).with_nonce(1);
        self.db
            .insert_account_info(contract.address, code(contract.init_code.clone()));
        let (runtime, ..) = self
            .execute(Address::ZERO, contract.address, Bytes::new(), U256::ZERO, true)
            .unwrap_or_else(|reason| panic!("constructor of {}: {reason}", contract.name));
        assert!(
            runtime.len() <= 24_576,
            "{} is longer than EIP-170 allows",
            contract.name
        );
        self.db.insert_account_info(contract.address, code(runtime));
    }

    pub fn fund(&mut self, account: Address, wei: U256) {
        let mut info = self
            .db
            .cache
            .accounts
            .get(&account)
            .map(|a| a.info.clone())
            .unwrap_or_default();
        info.balance += wei;
        self.db.insert_account_info(account, info);
    }

    /// Every account with its storage.
    pub fn accounts(&self) -> impl Iterator<Item = (&Address, &DbAccount)> {
        self.db.cache.accounts.iter()
    }

    /// A call that genesis makes.
    pub fn set_up(&mut self, call: SetupCall) {
        self.execute(call.from, call.to, call.data, call.value, true)
            .unwrap_or_else(|reason| panic!("genesis: {reason}"));
    }

    /// Writes a word of a contract's storage.
    pub fn set_storage(&mut self, contract: Address, slot: u64, value: U256) {
        self.set_word(contract, U256::from(slot), value);
    }

    /// Writes a word of a contract's storage, at any place.
    pub fn set_word(&mut self, contract: Address, slot: U256, value: U256) {
        let written = self.db.insert_account_storage(contract, slot, value);
        written.expect("an empty database does not fail");
    }

    pub fn balance(&self, account: Address) -> U256 {
        self.db
            .cache
            .accounts
            .get(&account)
            .map(|a| a.info.balance)
            .unwrap_or_default()
    }

    /// A transaction; the error is the contract's, as people read it.
    pub fn send<C: SolCall>(&mut self, from: Address, to: Address, call: &C) -> Result<Sent<C::Return>, String> {
        self.pay(from, to, call, U256::ZERO)
    }

    /// A transaction with `value` wei.
    pub fn pay<C: SolCall>(
        &mut self,
        from: Address,
        to: Address,
        call: &C,
        value: U256,
    ) -> Result<Sent<C::Return>, String> {
        let (output, gas, logs) = self.execute(from, to, call.abi_encode().into(), value, true)?;
        let result = C::abi_decode_returns_validate(&output).expect("the function returns what its ABI says");
        Ok(Sent { result, gas, logs })
    }

    /// A call that changes nothing.
    pub fn view<C: SolCall>(&mut self, to: Address, call: &C) -> C::Return {
        let (output, ..) = self
            .execute(Address::ZERO, to, call.abi_encode().into(), U256::ZERO, false)
            .unwrap_or_else(|reason| panic!("{}: {reason}", C::SIGNATURE));
        C::abi_decode_returns_validate(&output).expect("the function returns what its ABI says")
    }

    fn execute(
        &mut self,
        from: Address,
        to: Address,
        data: Bytes,
        value: U256,
        commit: bool,
    ) -> Result<(Bytes, u64, Vec<Log>), String> {
        let mut config = CfgEnv::new_with_spec(SpecId::PRAGUE).with_chain_id(self.id);
        config.disable_nonce_check = true;
        config.disable_eip3607 = true;
        // Constructors run as calls of code that is longer than a contract may be.
        config.limit_contract_code_size = Some(usize::MAX);
        let (id, block, time, gas_limit) = (self.id, self.block, self.time, self.gas_limit);
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .with_cfg(config)
            .modify_block_chained(|env| {
                env.number = U256::from(block);
                env.timestamp = U256::from(time);
                env.gas_limit = GAS_LIMIT;
                env.prevrandao = Some(BEACON);
            })
            .build_mainnet();
        let transaction = TxEnv {
            caller: from,
            kind: TxKind::Call(to),
            data,
            value,
            gas_limit,
            chain_id: Some(id),
            ..TxEnv::default()
        };
        let outcome = evm.transact(transaction).map_err(|error| format!("{error:?}"))?;
        if commit {
            self.db.commit(outcome.state);
        }
        match outcome.result {
            ExecutionResult::Success { gas, logs, output, .. } => Ok((output.into_data(), gas.tx_gas_used(), logs)),
            ExecutionResult::Revert { output, .. } => Err(contracts::revert_reason(&output)),
            ExecutionResult::Halt { reason, .. } => Err(format!("{reason:?}")),
        }
    }
}

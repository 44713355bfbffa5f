//! A chain that runs the contracts themselves: every transaction is a block.

use super::chain::{SEED, keys, payer};
use crate::{
    Certificate, Committee, CommitteeId, Domain, Header, Payer, Permit, Purchase, permit::LIFETIME_BLOCKS, quorum,
};
use alloy_sol_types::SolCall;
use commonware_cryptography::Signer;
use commonware_utils::sync::Mutex;
use contracts::{
    DA_SERVICE, EPOCH_BLOCKS, Event, EventFilter, Founder, Mined, Provider, ProviderError, ReleaseKey, Request,
    SLASH_WEI, Terms,
    abi::{DAEntrance, NetworkRegistry},
    addresses, founding_calls, genesis_contracts_with, releasing_calls,
};
use primitives::{Address, B256, Bytes, CHAIN_ID, U256};
use revm::{
    Context, DatabaseCommit, ExecuteEvm, MainBuilder, MainContext,
    context::{CfgEnv, TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    primitives::{TxKind, hardfork::SpecId},
    state::{AccountInfo, Bytecode},
};
use std::{net::SocketAddr, sync::Arc};

/// What each operator has at stake in genesis.
pub(super) const STAKE_WEI: u128 = 5 * SLASH_WEI;

/// Who makes the protocol's calls of a block.
const SYSTEM: Address = Address::repeat_byte(0xfe);

/// Gas limit of every call.
const GAS_LIMIT: u64 = 30_000_000;

/// The chain on behalf of one account. Clones and [`EvmChain::of`] share it.
#[derive(Clone)]
pub(super) struct EvmChain {
    state: Arc<Mutex<State>>,
    account: Address,
}

struct State {
    db: CacheDB<EmptyDB>,
    block: u64,
    events: Vec<Event>,
}

/// Account of operator `index`.
pub(super) fn account(index: u32) -> Address {
    Address::repeat_byte(index as u8 + 1)
}

impl EvmChain {
    /// Genesis with an operator at each of `endpoints`, each account and `rich` having `wei`.
    pub(super) fn genesis(endpoints: &[SocketAddr], rich: Address, wei: U256) -> Self {
        Self::genesis_with(endpoints, rich, wei, ReleaseKey::Dealt)
    }

    /// As [`Self::genesis`], where all operators release keys if their key is to be generated.
    pub(super) fn genesis_with(endpoints: &[SocketAddr], rich: Address, wei: U256, release_key: ReleaseKey) -> Self {
        let mut state = State {
            db: CacheDB::default(),
            block: 0,
            events: Vec::new(),
        };
        let terms = Terms {
            release_key,
            ..Terms::default()
        };
        for contract in genesis_contracts_with(&terms) {
            let code = |code: Bytes| AccountInfo::default().with_code(Bytecode::new_raw(code)).with_nonce(1);
            state.db.insert_account_info(contract.address, code(contract.init_code));
            let runtime = state
                .execute(Address::ZERO, contract.address, Bytes::new(), U256::ZERO, true)
                .unwrap();
            state.db.insert_account_info(contract.address, code(runtime.0));
        }
        let founders: Vec<Founder> = (0..)
            .zip(endpoints)
            .map(|(index, endpoint)| {
                let (stream_key, bls_key) = keys(index);
                Founder {
                    account: account(index),
                    stream_key: B256::from_slice(stream_key.public_key().as_ref()),
                    bls_key: bls_key.public_key().to_eip2537().into(),
                    possession: bls_key.prove_possession(account(index)).to_eip2537().into(),
                    endpoint: endpoint.to_string(),
                    stake_wei: U256::from(STAKE_WEI),
                    validator: None,
                }
            })
            .collect();
        for founder in &founders {
            state.fund(founder.account, wei);
        }
        for call in founding_calls(&founders) {
            state.execute(call.from, call.to, call.data, call.value, true).unwrap();
        }
        if release_key == ReleaseKey::Generated {
            for call in releasing_calls(&founders) {
                state.execute(call.from, call.to, call.data, call.value, true).unwrap();
            }
        }
        state.fund(rich, wei);
        // Unless it is the test's business.
        if rich != payer().address() {
            state.fill_escrow();
        }
        Self {
            state: Arc::new(Mutex::new(state)),
            account: rich,
        }
    }

    /// The same chain on behalf of another account.
    pub(super) fn of(&self, account: Address) -> Self {
        Self {
            state: self.state.clone(),
            account,
        }
    }

    /// The present committee of the first quorum.
    pub(super) async fn committee(&self) -> Committee {
        self.committee_of(DA_SERVICE).await
    }

    /// The present committee of a quorum.
    pub(super) async fn committee_of(&self, quorum: u32) -> Committee {
        let epoch = quorum::epoch(self).await.unwrap();
        Committee::read(self, CommitteeId { quorum, epoch }).await.unwrap()
    }

    /// A promise to pay for the blob of `header`, of who has the money.
    pub(super) fn permit(&self, header: &Header) -> Permit {
        let deadline = self.state.lock().block + LIFETIME_BLOCKS;
        Permit::sign(&payer(), &Domain::of_chain(CHAIN_ID), header, None, deadline)
    }

    /// Records a certificate, and pays for it.
    pub(super) async fn submit(&self, certificate: &Certificate) {
        let (domain, headers) = (Domain::of_chain(CHAIN_ID), certificate.headers());
        let committee = Committee::read(self, headers[0].params.committee).await.unwrap();
        let permits: Vec<_> = headers.iter().map(|header| self.permit(header)).collect();
        self.send(certificate.submission(&domain, &committee, &permits))
            .await
            .unwrap();
    }

    /// Gives an account coins.
    pub(super) fn fund(&self, account: Address, wei: U256) {
        self.state.lock().fund(account, wei);
    }

    /// The first block of `epoch`, with what it does before its transactions.
    pub(super) fn begin_epoch(&self, epoch: u64) {
        let mut state = self.state.lock();
        assert!(state.block < epoch * EPOCH_BLOCKS, "it has begun");
        state.block = epoch * EPOCH_BLOCKS;
        let data = NetworkRegistry::closeEpochCall {}.abi_encode().into();
        state
            .execute(SYSTEM, addresses::NETWORK_REGISTRY, data, U256::ZERO, true)
            .unwrap();
    }

    pub(super) fn mine(&self, blocks: u64) {
        self.state.lock().block += blocks;
    }

    /// Writes a word of a contract's storage.
    pub(super) fn set_storage(&self, contract: Address, slot: u64, value: U256) {
        let mut state = self.state.lock();
        state
            .db
            .insert_account_storage(contract, U256::from(slot), value)
            .unwrap();
    }

    pub(super) fn balance(&self, account: Address) -> U256 {
        let state = self.state.lock();
        let account = state.db.cache.accounts.get(&account);
        account.map(|account| account.info.balance).unwrap_or_default()
    }
}

impl State {
    fn fund(&mut self, account: Address, wei: U256) {
        self.db
            .insert_account_info(account, AccountInfo::default().with_balance(wei));
    }

    /// Puts enough into the payer's escrow for every blob of a test.
    fn fill_escrow(&mut self) {
        let deposit = DAEntrance::depositCall {
            payer: payer().address(),
        };
        let wei = U256::from(10).pow(U256::from(20));
        self.fund(addresses::FAUCET, wei);
        let data = deposit.abi_encode().into();
        self.execute(addresses::FAUCET, addresses::DA_ENTRANCE, data, wei, true)
            .unwrap();
    }

    /// Runs a transaction in the present block, or (without `commit`) a call that changes nothing.
    fn execute(
        &mut self,
        from: Address,
        to: Address,
        data: Bytes,
        value: U256,
        commit: bool,
    ) -> Result<(Bytes, u64), ProviderError> {
        let mut config = CfgEnv::new_with_spec(SpecId::PRAGUE).with_chain_id(CHAIN_ID);
        config.disable_nonce_check = true;
        config.disable_eip3607 = true;
        // Constructors run as calls of code that is longer than a contract may be.
        config.limit_contract_code_size = Some(usize::MAX);
        let block = self.block;
        let mut evm = Context::mainnet()
            .with_db(&mut self.db)
            .with_cfg(config)
            .modify_block_chained(|env| {
                env.number = U256::from(block);
                env.gas_limit = GAS_LIMIT;
                env.prevrandao = Some(SEED.0);
            })
            .build_mainnet();
        let transaction = TxEnv {
            caller: from,
            kind: TxKind::Call(to),
            data,
            value,
            gas_limit: GAS_LIMIT,
            chain_id: Some(CHAIN_ID),
            ..TxEnv::default()
        };
        let outcome = evm.transact(transaction).expect("the transaction is well formed");
        if commit {
            self.db.commit(outcome.state);
        }
        match outcome.result {
            ExecutionResult::Success { gas, logs, output, .. } => {
                if commit {
                    let first = self.events.len() as u64;
                    self.events.extend((first..).zip(logs).map(|(log_index, log)| Event {
                        address: log.address,
                        topics: log.data.topics().to_vec(),
                        data: log.data.data,
                        block,
                        transaction: B256::ZERO,
                        log_index,
                    }));
                }
                Ok((output.into_data(), gas.tx_gas_used()))
            }
            ExecutionResult::Revert { output, .. } => Err(ProviderError::reverted(output)),
            ExecutionResult::Halt { reason, .. } => panic!("{reason:?}"),
        }
    }
}

/// Whose account is [`payer`]'s.
impl Payer for EvmChain {
    fn account(&self) -> Address {
        self.account
    }

    fn promise(&self, domain: &Domain, header: &Header, purchase: Option<Purchase>, deadline: u64) -> Permit {
        Permit::sign(&payer(), domain, header, purchase, deadline)
    }
}

impl Provider for EvmChain {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        let result = self.state.lock().execute(self.account, to, data, U256::ZERO, false);
        result.map(|(output, _)| output)
    }

    async fn send(&self, request: Request) -> Result<Mined, ProviderError> {
        let to = request.to.expect("nobody creates contracts here");
        let mut state = self.state.lock();
        state.block += 1;
        let (_, gas_used) = state.execute(self.account, to, request.data, request.value, true)?;
        Ok(Mined {
            hash: B256::ZERO,
            block: state.block,
            gas_used,
            created: None,
        })
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, ProviderError> {
        let blocks = filter.from_block..=filter.to_block.unwrap_or(u64::MAX);
        let state = self.state.lock();
        let selected = state.events.iter().filter(|event| {
            blocks.contains(&event.block)
                && filter.addresses.contains(&event.address)
                && filter.topic0.contains(&event.topics[0])
        });
        Ok(selected.cloned().collect())
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        Ok(self.state.lock().block)
    }
}

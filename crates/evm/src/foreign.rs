//! Execute the blocks of another Ethereum network, each by the rules of its own fork.
//!
//! For conformance suites, which bring a chain of their own: that of execution-apis begins before the merge. No node runs this;
//! Aloft's own blocks know one fork, in [`crate::execute`]. Seals, difficulties, gas limits and base fees are taken as they are: what
//! is checked is that execution gives the roots that the header names.

use crate::{
    block::BlockHashes,
    database::Reader,
    pack::{Receipt, configuration, envelope, refusal},
    state::{Account, AccountDiff, Diff, State},
    transaction::{Refusal, Transaction, environment_with_blobs},
    trie::ordered_root,
};
use alloy_consensus::{
    Block, BlockHeader as _, Eip658Value, Header, Receipt as ReceiptBody, Transaction as _, TxEnvelope,
};
use alloy_eips::{
    eip2718::Encodable2718 as _, eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
    eip7840::BlobParams,
};
use alloy_primitives::{Address, B256, Bytes, U256};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext, SystemCallEvm,
    context::{BlockEnv, CfgEnv},
    context_interface::block::BlobExcessGasAndPrice,
    state::EvmState,
};

pub use revm::primitives::hardfork::SpecId;

/// Wei in a gwei, the unit of withdrawals.
const GWEI: u64 = 1_000_000_000;

/// A fork: from which block on it holds, and what it brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fork {
    /// First height, for a fork of before the merge; 0 for a later one.
    pub number: u64,
    /// First timestamp in seconds, for a fork of after the merge; 0 for an earlier one.
    pub timestamp: u64,
    /// Rules of execution.
    pub spec: SpecId,
    /// How much room blobs have, and how their price moves; `None` before there were any.
    pub blobs: Option<BlobParams>,
}

/// A network's rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Its forks, in the order in which they came; the first holds from the genesis block on.
    pub forks: Vec<Fork>,
}

/// A block after its execution.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// The state after it.
    pub state: State,
    /// How it differs from the parent's.
    pub diff: Diff,
    /// One for each transaction.
    pub receipts: Vec<Receipt>,
}

/// Why a block could not be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A transaction cannot be where it is.
    #[error("block {number}: transaction {index}")]
    Transaction {
        /// The block's height.
        number: u64,
        /// Its place in the block.
        index: usize,
        /// Why.
        source: Refusal,
    },
    /// The contract that a fork calls at each block's beginning or end failed.
    #[error("block {number}: system call to {address}: {reason}")]
    System {
        /// The block's height.
        number: u64,
        /// The contract.
        address: Address,
        /// How it failed.
        reason: String,
    },
    /// Execution gives something else than the header says.
    #[error("block {number}: {field} is {found}, the header says {expected}")]
    Differs {
        /// The block's height.
        number: u64,
        /// Name of the field.
        field: &'static str,
        /// What the header says.
        expected: B256,
        /// What execution gave.
        found: B256,
    },
}

impl Network {
    /// The fork in force at a height and time, both of the block itself.
    pub fn fork(&self, number: u64, timestamp: u64) -> Option<&Fork> {
        let holds = |fork: &&Fork| fork.number <= number && fork.timestamp <= timestamp;
        self.forks.iter().rev().find(holds)
    }

    /// Executes `block` on the state of its parent and checks the roots, the logs' bloom and the gas that its header names.
    ///
    /// `senders` are the recovered signers of the block's transactions, in order; the caller answers for them.
    ///
    /// # Errors
    ///
    /// [`ReplayError`] says what is wrong first.
    ///
    /// # Panics
    ///
    /// Where the network has no fork for the block.
    pub fn replay(
        &self,
        parent: &State,
        block: &Block<TxEnvelope>,
        senders: &[Address],
        hashes: &dyn BlockHashes,
    ) -> Result<Replayed, ReplayError> {
        let header = &block.header;
        let fork = self
            .fork(header.number, header.timestamp)
            .expect("a network's first fork holds from the genesis block on");
        let mut replay = Replay {
            header,
            hashes,
            config: self.configuration(fork),
            env: environment(header, fork),
            state: parent.clone(),
            diff: Diff::default(),
        };
        replay.begin(fork.spec)?;
        let mut receipts = Vec::with_capacity(senders.len());
        let mut gas_used = 0;
        for (index, (transaction, sender)) in block.body.transactions.iter().zip(senders).enumerate() {
            let transaction = Transaction::new_unchecked(transaction.clone(), *sender);
            let receipt = replay
                .transaction(&transaction, fork.spec, &mut gas_used)
                .map_err(|source| ReplayError::Transaction {
                    number: header.number,
                    index,
                    source,
                })?;
            receipts.push(receipt);
        }
        replay.end(fork.spec, block)?;
        replay.check(gas_used, &receipts)?;
        Ok(Replayed {
            state: replay.state,
            diff: replay.diff,
            receipts,
        })
    }

    fn configuration(&self, fork: &Fork) -> CfgEnv {
        let mut config = configuration(fork.spec, self.chain_id);
        if let Some(blobs) = &fork.blobs {
            config.blob_base_fee_update_fraction = u64::try_from(blobs.update_fraction).ok();
            config.max_blobs_per_tx = Some(blobs.max_blobs_per_tx);
        }
        config
    }
}

fn environment(header: &Header, fork: &Fork) -> BlockEnv {
    let price = |excess, blobs: &BlobParams| {
        BlobExcessGasAndPrice::new(excess, u64::try_from(blobs.update_fraction).unwrap_or(u64::MAX))
    };
    BlockEnv {
        number: U256::from(header.number),
        beneficiary: header.beneficiary,
        timestamp: U256::from(header.timestamp),
        gas_limit: header.gas_limit,
        basefee: header.base_fee_per_gas.unwrap_or_default(),
        difficulty: header.difficulty,
        prevrandao: fork.spec.is_enabled_in(SpecId::MERGE).then_some(header.mix_hash),
        blob_excess_gas_and_price: header
            .excess_blob_gas
            .zip(fork.blobs.as_ref())
            .map(|(excess, blobs)| price(excess, blobs)),
        ..BlockEnv::default()
    }
}

/// A block under execution. Each step has a journal of its own, because early receipts hold the state root after each transaction.
struct Replay<'a> {
    header: &'a Header,
    hashes: &'a dyn BlockHashes,
    config: CfgEnv,
    env: BlockEnv,
    state: State,
    diff: Diff,
}

impl Replay<'_> {
    fn change(&mut self, diff: Diff) {
        self.state.apply(&diff);
        self.diff.append(diff);
    }

    fn keep(&mut self, journal: EvmState) {
        let diff = if self.config.spec.is_enabled_in(SpecId::SPURIOUS_DRAGON) {
            Diff::of_journal(&self.state, journal)
        } else {
            Diff::of_journal_with_empty(&self.state, journal)
        };
        self.change(diff);
    }

    fn transaction(&mut self, transaction: &Transaction, spec: SpecId, gas_used: &mut u64) -> Result<Receipt, Refusal> {
        let mut evm = Context::mainnet()
            .with_db(Reader::new(self.state.clone(), self.hashes))
            .with_cfg(self.config.clone())
            .with_block(self.env.clone())
            .build_mainnet();
        let fee = transaction.max_fee_per_gas();
        let result = evm
            .transact_one(environment_with_blobs(transaction.as_recovered_ref()))
            .map_err(|error| refusal(error, fee, self.env.basefee))?;
        let journal = evm.finalize();
        drop(evm);
        self.keep(journal);
        *gas_used += result.tx_gas_used();
        let status = if spec.is_enabled_in(SpecId::BYZANTIUM) {
            Eip658Value::Eip658(result.is_success())
        } else {
            Eip658Value::PostState(self.state.root())
        };
        let body = ReceiptBody {
            status,
            cumulative_gas_used: *gas_used,
            logs: result.into_logs(),
        };
        Ok(envelope(transaction.tx_type(), body))
    }

    fn system_call(&mut self, address: Address, data: Bytes) -> Result<(), ReplayError> {
        let mut evm = Context::mainnet()
            .with_db(Reader::new(self.state.clone(), self.hashes))
            .with_cfg(self.config.clone())
            .with_block(self.env.clone())
            .build_mainnet();
        let failed = |reason: String| ReplayError::System {
            number: self.header.number,
            address,
            reason,
        };
        let result = evm
            .system_call_one(address, data)
            .map_err(|error| failed(error.to_string()))?;
        if !result.is_success() {
            return Err(failed(format!("{result:?}")));
        }
        let journal = evm.finalize();
        drop(evm);
        self.keep(journal);
        Ok(())
    }

    /// What forks record at the beginning of a block (EIP-4788, EIP-2935).
    fn begin(&mut self, spec: SpecId) -> Result<(), ReplayError> {
        if spec.is_enabled_in(SpecId::CANCUN) {
            let root = self.header.parent_beacon_block_root.unwrap_or_default();
            self.system_call(BEACON_ROOTS_ADDRESS, root.into())?;
        }
        if spec.is_enabled_in(SpecId::PRAGUE) {
            self.system_call(HISTORY_STORAGE_ADDRESS, self.header.parent_hash.into())?;
        }
        Ok(())
    }

    /// What a block pays and collects at its end: mining rewards, withdrawals, requests (EIP-4895, EIP-7002, EIP-7251).
    fn end(&mut self, spec: SpecId, block: &Block<TxEnvelope>) -> Result<(), ReplayError> {
        if spec.is_enabled_in(SpecId::PRAGUE) {
            self.system_call(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, Bytes::new())?;
            self.system_call(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS, Bytes::new())?;
        }
        if !spec.is_enabled_in(SpecId::MERGE) {
            let reward = U256::from(block_reward_gwei(spec)) * U256::from(GWEI);
            let ommers = &block.body.ommers;
            for ommer in ommers {
                // An ommer earns an eighth less for each block it is late.
                let late = self.header.number.saturating_sub(ommer.number).min(8);
                self.credit(ommer.beneficiary, reward * U256::from(8 - late) / U256::from(8));
            }
            let nephew = reward * U256::from(ommers.len()) / U256::from(32);
            self.credit(self.header.beneficiary, reward + nephew);
        }
        for withdrawal in block.body.withdrawals.iter().flatten() {
            self.credit(withdrawal.address, U256::from(withdrawal.amount) * U256::from(GWEI));
        }
        Ok(())
    }

    fn credit(&mut self, address: Address, wei: U256) {
        if wei.is_zero() {
            return;
        }
        let mut account = self
            .state
            .account(&address)
            .unwrap_or(Account::with_balance(U256::ZERO));
        account.balance = account.balance.saturating_add(wei);
        let change = AccountDiff {
            account: Some(account),
            ..AccountDiff::default()
        };
        self.change(Diff {
            accounts: [(address, change)].into(),
            ..Diff::default()
        });
    }

    fn check(&self, gas_used: u64, receipts: &[Receipt]) -> Result<(), ReplayError> {
        let encoded: Vec<Vec<u8>> = receipts.iter().map(|receipt| receipt.encoded_2718()).collect();
        let gas = |gas: u64| B256::from(U256::from(gas));
        let fields = [
            ("gasUsed", gas(self.header.gas_used()), gas(gas_used)),
            ("receiptsRoot", self.header.receipts_root, ordered_root(&encoded)),
            ("stateRoot", self.header.state_root, self.state.root()),
        ];
        for (field, expected, found) in fields {
            if expected != found {
                return Err(ReplayError::Differs {
                    number: self.header.number,
                    field,
                    expected,
                    found,
                });
            }
        }
        Ok(())
    }
}

/// What a block earned before the merge, in gwei (EIP-649, EIP-1234).
fn block_reward_gwei(spec: SpecId) -> u64 {
    let coins = match spec {
        spec if spec.is_enabled_in(SpecId::PETERSBURG) => 2,
        spec if spec.is_enabled_in(SpecId::BYZANTIUM) => 3,
        _ => 5,
    };
    coins * GWEI
}

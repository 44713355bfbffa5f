//! Users and chains for tests.

use crate::{Ledger, MemoryDisk, PoolLimits, Sealed, Store, ledger::LedgerError};
use alloy_consensus::{SignableTransaction as _, TxEip1559, TxEnvelope};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use crypto::ecdsa::Secret;
use std::sync::Arc;

pub(crate) const CHAIN_ID: u64 = 16602;
pub(crate) const GWEI: u128 = 1_000_000_000;

/// A user's key.
#[derive(Clone)]
pub(crate) struct Wallet(Secret);

impl Wallet {
    pub(crate) fn nth(index: u64) -> Self {
        Self(Secret::from_bytes(&keccak256(index.to_be_bytes()).0).unwrap())
    }

    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }

    pub(crate) fn sign(&self, transaction: TxEip1559) -> TxEnvelope {
        let signature = self.0.sign(&transaction.signature_hash());
        transaction
            .into_signed(Signature::from_raw_array(&signature).unwrap())
            .into()
    }

    pub(crate) fn transfer(&self, nonce: u64) -> Bytes {
        self.sign(transfer(nonce)).encoded_2718().into()
    }
}

/// One wei to nobody in particular.
pub(crate) fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(Address::repeat_byte(0xaa)),
        value: U256::from(1),
        ..TxEip1559::default()
    }
}

/// A chain on which the first eight users have 1,000 coins each.
pub(crate) fn genesis() -> evm::Genesis {
    let rich = U256::from(1_000) * U256::from(10).pow(U256::from(18));
    evm::Genesis {
        chain_id: CHAIN_ID,
        timestamp: 1_000,
        gas_limit: 36_000_000,
        prev_randao: Default::default(),
        allocations: (0..8).map(|index| (Wallet::nth(index).address(), rich)).collect(),
        contracts: Vec::new(),
        calls: Vec::new(),
    }
}

pub(crate) fn ledger_on(disk: &MemoryDisk) -> Result<Ledger, LedgerError> {
    Ledger::open(&genesis(), Store::in_memory(disk)?, PoolLimits::default())
}

pub(crate) fn ledger() -> Ledger {
    ledger_on(&MemoryDisk::new()).unwrap()
}

/// A candidate on top of `parent`, a second later, that pays `beneficiary`.
pub(crate) fn propose(ledger: &Ledger, parent: &Sealed, beneficiary: u8) -> Arc<Sealed> {
    let (time, payee) = (parent.header.timestamp + 1, Address::repeat_byte(beneficiary));
    ledger
        .propose(parent.hash, time, payee, B256::ZERO, &mut || false)
        .unwrap()
}

/// The same block as others receive it.
pub(crate) fn ethereum(block: &Sealed) -> crate::block::EthereumBlock {
    let transactions = block
        .transactions
        .iter()
        .map(|transaction| transaction.inner().clone())
        .collect();
    crate::Block::new(place(), block.header.clone(), transactions)
        .ethereum()
        .clone()
}

/// A place in the vote.
pub(crate) fn place() -> crate::block::Context {
    use commonware_consensus::types::{Epoch, Round, View};
    crate::block::Context {
        round: Round::new(Epoch::zero(), View::new(7)),
        leader: crate::ValidatorKeys::from_seed(&[1; 32]).identity(),
        parent: (View::new(6), commonware_cryptography::sha256::Digest([9; 32])),
    }
}

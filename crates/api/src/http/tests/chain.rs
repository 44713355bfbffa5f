//! A chain in memory: the real contracts in the real EVM, a block a transaction, no consensus.

use alloy_consensus::{Header, SignableTransaction, TxEip1559, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Signature, TxKind};
use compute::price::WHOLE_BPS;
use contracts::{
    Event, EventFilter, Mined, Provider, ProviderError, Request,
    abi::{RevenueSplitter, SplitterFactory},
    addresses, read, write,
};
use evm::{BlockContext, BlockHashes, CallEnd, CallRequest, Genesis, Packer, State};
use primitives::{Address, B256, BlobRoot, Bytes, U256};
use std::sync::{Arc, Mutex};

pub(super) const CHAIN_ID: u64 = primitives::CHAIN_ID;
const START: u64 = 1_700_000_000;

struct NoHashes;

impl BlockHashes for NoHashes {
    fn block_hash(&self, _: u64) -> Option<B256> {
        None
    }
}

struct Tip {
    header: Header,
    state: State,
    transactions: u64,
}

/// A provider of the account `sender`.
#[derive(Clone)]
pub(super) struct Chain {
    sender: Address,
    tip: Arc<Mutex<Tip>>,
}

impl Chain {
    /// A chain on which `rich` has all USDX and `sender` has coin for gas.
    pub(super) fn new(rich: Address, sender: Address) -> Self {
        let genesis = Genesis {
            chain_id: CHAIN_ID,
            timestamp: START,
            gas_limit: 30_000_000,
            prev_randao: Default::default(),
            allocations: vec![(sender, U256::from(10u64.pow(18)))],
            contracts: contracts::genesis_contracts_with(&contracts::Terms {
                faucet: rich,
                ..contracts::Terms::default()
            }),
            calls: Vec::new(),
        };
        let (header, state, _) = genesis.build().unwrap();
        Self {
            sender,
            tip: Arc::new(Mutex::new(Tip {
                header,
                state,
                transactions: 0,
            })),
        }
    }

    /// The splitter of a model, with legs for compute, storage, the trainer, and the data.
    pub(super) async fn create_splitter(&self, model: BlobRoot) -> Address {
        let leg = |byte: u8, bps: u16, kind: u8| SplitterFactory::Leg {
            account: Address::repeat_byte(byte),
            bps,
            kind,
        };
        let legs = vec![
            leg(0xc0, 6000, 0),
            leg(0x5a, 500, 1),
            leg(0x7a, 1400, 2),
            leg(0xda, 2100, 3),
        ];
        assert_eq!(legs.iter().map(|leg| leg.bps).sum::<u16>(), WHOLE_BPS);
        let predict = SplitterFactory::predictCall {
            modelRoot: model.0,
            legs: legs.clone(),
        };
        let splitter = read(self, addresses::SPLITTER_FACTORY, &predict).await.unwrap();
        let create = SplitterFactory::createCall {
            modelRoot: model.0,
            legs,
        };
        write(self, addresses::SPLITTER_FACTORY, &create, U256::ZERO)
            .await
            .unwrap();
        assert_eq!(
            read(self, splitter, &RevenueSplitter::modelRootCall {}).await.unwrap(),
            model.0
        );
        splitter
    }

    pub(super) fn transactions(&self) -> u64 {
        self.tip.lock().unwrap().transactions
    }

    pub(super) fn nonce(&self, account: Address) -> u64 {
        self.tip
            .lock()
            .unwrap()
            .state
            .account(&account)
            .map_or(0, |account| account.nonce)
    }

    /// Seconds since 1970, by the chain.
    pub(super) fn now(&self) -> u64 {
        self.tip.lock().unwrap().header.timestamp
    }

    fn next(tip: &Tip) -> BlockContext {
        let hash = tip.header.hash_slow();
        BlockContext::after(&tip.header, hash, tip.header.timestamp + 1, Address::ZERO, B256::ZERO)
    }

    fn run(&self, tip: &Tip, to: Option<Address>, value: U256, data: Bytes) -> Result<(Bytes, u64), ProviderError> {
        let request = CallRequest {
            from: Some(self.sender),
            to,
            value,
            data,
            ..CallRequest::default()
        };
        let outcome = evm::call(&tip.state, &Self::next(tip), CHAIN_ID, &NoHashes, &request);
        let outcome = outcome.map_err(|error| ProviderError::Transport {
            cause: error.to_string(),
        })?;
        match outcome.end {
            CallEnd::Returned(output) => Ok((output, outcome.gas_used)),
            CallEnd::Reverted(data) => Err(ProviderError::reverted(data)),
            other => Err(ProviderError::Transport {
                cause: format!("{other:?}"),
            }),
        }
    }
}

impl Provider for Chain {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        let tip = self.tip.lock().unwrap();
        Ok(self.run(&tip, Some(to), U256::ZERO, data)?.0)
    }

    async fn send(&self, request: Request) -> Result<Mined, ProviderError> {
        let mut tip = self.tip.lock().unwrap();
        self.run(&tip, request.to, request.value, request.data.clone())?;
        let block = Self::next(&tip);
        let transaction = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce: tip.state.account(&self.sender).map_or(0, |account| account.nonce),
            gas_limit: 10_000_000,
            max_fee_per_gas: u128::from(block.base_fee),
            max_priority_fee_per_gas: 0,
            to: request.to.map_or(TxKind::Create, TxKind::Call),
            value: request.value,
            input: request.data,
            ..TxEip1559::default()
        };
        // Signatures are recovered before execution; here the sender is known.
        let signed = TxEnvelope::from(transaction.into_signed(Signature::test_signature()));
        let hash = *signed.tx_hash();
        let number = block.number;
        let mut packer = Packer::new(&tip.state, block, CHAIN_ID, &NoHashes);
        packer.push(&Recovered::new_unchecked(signed, self.sender)).unwrap();
        let executed = packer.finish();
        assert!(
            executed.receipts[0].status(),
            "what a call just did, a transaction does"
        );
        *tip = Tip {
            header: executed.header,
            state: executed.state,
            transactions: tip.transactions + 1,
        };
        Ok(Mined {
            hash,
            block: number,
            gas_used: executed.gas_used,
            created: None,
        })
    }

    async fn events(&self, _: EventFilter) -> Result<Vec<Event>, ProviderError> {
        Ok(Vec::new())
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        Ok(self.tip.lock().unwrap().header.number)
    }
}

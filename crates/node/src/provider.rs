//! The chain as a node's own services see it: the ledger in the same process, without HTTP.

use alloy_consensus::{Transaction as _, TxEip1559};
use chain::{Ledger, PoolError, StoreError};
use client::Wallet;
use contracts::{Event, EventFilter, Mined, Provider, ProviderError, Request};
use da::{Domain, Header, Payer, Permit, Purchase};
use evm::{BlockContext, CallEnd, CallRequest, State};
use primitives::{Address, B256, Bytes, U256};
use std::{sync::Arc, time::Duration};
use tokio::sync::Mutex;

/// How long [`LedgerProvider::send`] waits for a transaction to be final.
const FINAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Tip of a service's own transactions, in wei a unit of gas: what `eth_maxPriorityFeePerGas` answers users, too.
const TIP_WEI: u128 = 1_000_000_000;

/// Blocks that one question about events may span; services ask on from where the answer ends.
const MAX_EVENT_BLOCKS: u64 = 100_000;

/// Gas is estimated on the latest state and spent on a later one: the limit is the estimate and a quarter more.
const GAS_MARGIN_DIVISOR: u64 = 4;

/// The ledger on behalf of one wallet. Clones share the wallet and its order of nonces.
#[derive(Clone)]
pub struct LedgerProvider {
    ledger: Ledger,
    wallet: Arc<Wallet>,
    /// Held from choosing a nonce until the pool has the transaction.
    sending: Arc<Mutex<()>>,
}

impl LedgerProvider {
    /// Sees `ledger` and signs with `wallet`.
    pub fn new(ledger: Ledger, wallet: Arc<Wallet>) -> Self {
        Self {
            ledger,
            wallet,
            sending: Arc::default(),
        }
    }

    /// What it sees.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    fn request(&self, request: &Request) -> CallRequest {
        CallRequest {
            from: Some(self.wallet.address()),
            to: request.to,
            value: request.value,
            data: request.data.clone(),
            ..CallRequest::default()
        }
    }

    fn execute(&self, (context, state): &(BlockContext, State), request: &CallRequest) -> Result<Bytes, ProviderError> {
        let hashes = self.ledger.hashes();
        let outcome = evm::call(state, context, self.ledger.chain_id(), &hashes, request).map_err(failed)?;
        match outcome.end {
            CallEnd::Returned(data) => Ok(data),
            CallEnd::Reverted(data) => Err(ProviderError::reverted(data)),
            CallEnd::OutOfGas => Err(ProviderError::Transport {
                cause: "the call ran out of gas".into(),
            }),
            CallEnd::Halted(fault) => Err(ProviderError::Transport {
                cause: format!("the call stopped: {fault}"),
            }),
        }
    }

    /// The transaction of `request`, without its nonce.
    fn prepare(&self, request: &Request) -> Result<TxEip1559, ProviderError> {
        let pending = self.ledger.pending();
        let call = self.request(request);
        // A refusal must come back with its reason, which an estimate does not keep.
        self.execute(&pending, &call)?;
        let (context, state) = pending;
        let hashes = self.ledger.hashes();
        let gas = evm::estimate_gas(&state, &context, self.ledger.chain_id(), &hashes, &call).map_err(failed)?;
        Ok(TxEip1559 {
            chain_id: self.ledger.chain_id(),
            gas_limit: gas.saturating_add(gas / GAS_MARGIN_DIVISOR),
            max_fee_per_gas: u128::from(context.base_fee) * 2 + TIP_WEI,
            max_priority_fee_per_gas: TIP_WEI,
            to: request.to.into(),
            value: request.value,
            input: request.data.clone(),
            ..Default::default()
        })
    }

    /// Signs with the account's next nonce and gives it to the pool.
    fn submit(&self, mut transaction: TxEip1559) -> Result<B256, ProviderError> {
        let account = self.wallet.address();
        loop {
            let (_, state) = self.ledger.pending();
            let final_nonce = state.account(&account).map_or(0, |account| account.nonce);
            transaction.nonce = self.ledger.pool().next_nonce(&account, final_nonce);
            let (hash, raw) = self.wallet.sign_transaction(transaction.clone());
            match self.ledger.submit(&raw) {
                Ok(_) => return Ok(hash),
                // A block was finalized since the state was read, and took our last transactions out of the pool. Each turn of the
                // loop takes another block, so there are few.
                Err(PoolError::NonceTooLow { next, .. }) if next > final_nonce => {}
                Err(refusal) => return Err(failed(refusal)),
            }
        }
    }
}

impl Payer for LedgerProvider {
    fn account(&self) -> Address {
        self.wallet.address()
    }

    fn promise(&self, domain: &Domain, header: &Header, purchase: Option<Purchase>, deadline: u64) -> Permit {
        Permit::sign(self.wallet.secret(), domain, header, purchase, deadline)
    }
}

impl Provider for LedgerProvider {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        let request = Request {
            to: Some(to),
            value: U256::ZERO,
            data,
        };
        self.execute(&self.ledger.pending(), &self.request(&request))
    }

    async fn send(&self, request: Request) -> Result<Mined, ProviderError> {
        let mut finals = self.ledger.subscribe();
        let hash = {
            let _order = self.sending.lock().await;
            self.submit(self.prepare(&request)?)?
        };
        let wait = async {
            loop {
                if let Some((block, index)) = self
                    .ledger
                    .transaction(hash)
                    .map_err(|error: StoreError| failed(error))?
                {
                    let receipt = &block.receipts[index];
                    if !receipt.status() {
                        // Executed alone it succeeded; what came before it in the block made it fail.
                        let again = self.execute(&self.ledger.pending(), &self.request(&request)).err();
                        let lost = || ProviderError::Reverted {
                            reason: "failed in its block".into(),
                            data: Bytes::new(),
                        };
                        return Err(again.unwrap_or_else(lost));
                    }
                    let before = index
                        .checked_sub(1)
                        .map_or(0, |before| block.receipts[before].cumulative_gas_used());
                    let gas_used = receipt.cumulative_gas_used() - before;
                    let transaction = &block.transactions[index];
                    let created = request
                        .to
                        .is_none()
                        .then(|| transaction.signer().create(transaction.nonce()));
                    return Ok(Mined {
                        hash,
                        block: block.header.number,
                        gas_used,
                        created,
                    });
                }
                // A receiver that fell behind looks again just the same; only a closed channel ends the wait.
                if let Err(tokio::sync::broadcast::error::RecvError::Closed) = finals.recv().await {
                    return Err(ProviderError::Transport {
                        cause: "the chain stopped".into(),
                    });
                }
            }
        };
        let timed_out = ProviderError::TimedOut {
            transaction: hash,
            waited_ms: FINAL_TIMEOUT.as_millis() as u64,
        };
        tokio::time::timeout(FINAL_TIMEOUT, wait)
            .await
            .unwrap_or(Err(timed_out))
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, ProviderError> {
        let latest = self.ledger.latest().header.number;
        let last = filter.to_block.unwrap_or(latest).min(latest);
        let span = last.saturating_sub(filter.from_block);
        if span > MAX_EVENT_BLOCKS {
            return Err(ProviderError::Transport {
                cause: format!("{span} blocks of events at once: at most {MAX_EVENT_BLOCKS}"),
            });
        }
        let mut found = Vec::new();
        // A node whose state came from others has no blocks before it, and nothing to do with what was in them.
        for number in filter.from_block.max(self.ledger.first())..=last {
            let Some(block) = self.ledger.by_number(number).map_err(failed)? else {
                break;
            };
            let mut log_index = 0;
            for (transaction, receipt) in block.transactions.iter().zip(&block.receipts) {
                for log in receipt.logs() {
                    let topics = log.data.topics();
                    let address = filter.addresses.is_empty() || filter.addresses.contains(&log.address);
                    let topic =
                        filter.topic0.is_empty() || topics.first().is_some_and(|topic| filter.topic0.contains(topic));
                    if address && topic {
                        found.push(Event {
                            address: log.address,
                            topics: topics.to_vec(),
                            data: log.data.data.clone(),
                            block: number,
                            transaction: *transaction.tx_hash(),
                            log_index,
                        });
                    }
                    log_index += 1;
                }
            }
        }
        Ok(found)
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        Ok(self.ledger.latest().header.number)
    }
}

/// A failure underneath, in its own words.
fn failed(error: impl std::error::Error) -> ProviderError {
    ProviderError::Transport {
        cause: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chain::{MemoryDisk, PoolLimits, Store};

    /// A block between the estimate of gas and the pool takes the nonce that was next.
    #[tokio::test]
    async fn a_block_that_comes_while_gas_is_estimated_makes_no_nonce_stale() {
        let wallet: Wallet = "11".repeat(32).parse().unwrap();
        let genesis = evm::Genesis {
            chain_id: 16602,
            timestamp: 1,
            gas_limit: 36_000_000,
            prev_randao: B256::ZERO,
            allocations: vec![(wallet.address(), U256::from(10).pow(U256::from(20)))],
            contracts: Vec::new(),
            calls: Vec::new(),
        };
        let store = Store::in_memory(&MemoryDisk::new()).unwrap();
        let ledger = Ledger::open(&genesis, store, PoolLimits::default()).unwrap();
        let provider = LedgerProvider::new(ledger.clone(), Arc::new(wallet));
        let payment = Request {
            to: Some(Address::repeat_byte(7)),
            value: U256::from(1),
            data: Bytes::new(),
        };
        let (first, second) = (provider.prepare(&payment).unwrap(), provider.prepare(&payment).unwrap());
        provider.submit(first).unwrap();
        let parent = ledger.latest();
        let block = ledger
            .propose(parent.hash, 2, Address::ZERO, B256::ZERO, &mut || false)
            .unwrap();
        ledger.finalize(block.hash).unwrap();
        assert_eq!(block.transactions.len(), 1);

        let hash = provider.submit(second).unwrap();
        assert_eq!(ledger.pool().get(&hash).unwrap().transaction.nonce(), 1);
        assert_eq!(provider.height().await.unwrap(), 1);
    }
}

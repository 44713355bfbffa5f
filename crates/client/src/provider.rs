//! The chain over HTTP, on behalf of one wallet.

use crate::{
    rpc::{Rpc, RpcError},
    wallet::Wallet,
};
use alloy_consensus::TxEip1559;
use contracts::{Event, EventFilter, Mined, Provider, ProviderError, Request};
use da::{Domain, Header, Payer, Permit, Purchase};
use primitives::{Address, B256, Bytes, Causes, U256, hex};
use serde::Deserialize;
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// How long [`HttpProvider::send`] waits for a transaction to be final: a hundred blocks of a healthy chain.
const FINAL_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause between two looks for a receipt: a fraction of a block.
const RECEIPT_POLL: Duration = Duration::from_millis(40);

/// Gas is estimated on the latest state and spent on a later one: the limit is the estimate and a quarter more.
const GAS_MARGIN_DIVISOR: u64 = 4;

/// A connection to a node's JSON-RPC that signs with one wallet. Clones share the wallet and its order of nonces.
#[derive(Clone, Debug)]
pub struct HttpProvider {
    rpc: Rpc,
    wallet: Arc<Wallet>,
    chain_id: u64,
    /// Held from choosing a nonce until the node has the transaction, so that two sends never choose the same one.
    sending: Arc<Mutex<()>>,
}

/// The fields of a receipt that [`Mined`] needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    block_number: U256,
    gas_used: U256,
    status: U256,
    contract_address: Option<Address>,
}

/// The fields of a log that [`Event`] needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Log {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    block_number: U256,
    transaction_hash: B256,
    log_index: U256,
}

/// The fields of a block that fees need.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    base_fee_per_gas: U256,
}

impl HttpProvider {
    /// Connects to the node behind `rpc`, asking it for its chain id.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Transport`] when nothing answers there.
    pub async fn connect(rpc: Rpc, wallet: Arc<Wallet>) -> Result<Self, ProviderError> {
        let chain_id: U256 = rpc.call("eth_chainId", json!([])).await.map_err(failed)?;
        Ok(Self {
            rpc,
            wallet,
            chain_id: number(chain_id)?,
            sending: Arc::default(),
        })
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The wallet that signs.
    pub fn wallet(&self) -> &Arc<Wallet> {
        &self.wallet
    }

    /// The endpoint.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The same endpoint on behalf of another wallet.
    pub fn with_wallet(&self, wallet: Arc<Wallet>) -> Self {
        Self {
            wallet,
            sending: Arc::default(),
            ..self.clone()
        }
    }

    /// Native balance of an account, wei, at the latest final block.
    ///
    /// # Errors
    ///
    /// [`ProviderError::Transport`] when the node does not answer.
    pub async fn balance(&self, account: Address) -> Result<U256, ProviderError> {
        self.rpc
            .call("eth_getBalance", json!([account, "latest"]))
            .await
            .map_err(failed)
    }

    async fn submit(&self, request: &Request) -> Result<B256, ProviderError> {
        let _order = self.sending.lock().await;
        let from = self.wallet.address();
        let call = json!({ "from": from, "to": request.to, "value": request.value, "data": request.data });
        let (nonce, gas, tip, block) = tokio::try_join!(
            self.rpc
                .call::<U256>("eth_getTransactionCount", json!([from, "pending"])),
            self.rpc.call::<U256>("eth_estimateGas", json!([call])),
            self.rpc.call::<U256>("eth_maxPriorityFeePerGas", json!([])),
            self.rpc.call::<Block>("eth_getBlockByNumber", json!(["latest", false])),
        )
        .map_err(failed)?;
        let (gas, tip): (u64, u128) = (number(gas)?, number(tip)?);
        let base_fee: u128 = number(block.base_fee_per_gas)?;
        let transaction = TxEip1559 {
            chain_id: self.chain_id,
            nonce: number(nonce)?,
            gas_limit: gas.saturating_add(gas / GAS_MARGIN_DIVISOR),
            // The base fee grows by an eighth a block at most: twice today's holds for six full blocks.
            max_fee_per_gas: base_fee.saturating_mul(2).saturating_add(tip),
            max_priority_fee_per_gas: tip,
            to: request.to.into(),
            value: request.value,
            input: request.data.clone(),
            ..Default::default()
        };
        let (hash, raw) = self.wallet.sign_transaction(transaction);
        self.rpc
            .call::<B256>("eth_sendRawTransaction", json!([raw]))
            .await
            .map_err(failed)?;
        Ok(hash)
    }

    async fn wait(&self, request: &Request, hash: B256) -> Result<Mined, ProviderError> {
        let started = Instant::now();
        while started.elapsed() < FINAL_TIMEOUT {
            let receipt: Option<Receipt> = self
                .rpc
                .call("eth_getTransactionReceipt", json!([hash]))
                .await
                .map_err(failed)?;
            let Some(receipt) = receipt else {
                tokio::time::sleep(RECEIPT_POLL).await;
                continue;
            };
            let block = number(receipt.block_number)?;
            if receipt.status.is_zero() {
                return Err(self.reason(request, block).await);
            }
            let gas_used = number(receipt.gas_used)?;
            return Ok(Mined {
                hash,
                block,
                gas_used,
                created: receipt.contract_address,
            });
        }
        Err(ProviderError::TimedOut {
            transaction: hash,
            waited_ms: FINAL_TIMEOUT.as_millis() as u64,
        })
    }

    /// Why a transaction of `block` failed: a receipt does not say, so the call is made once more on that block's state.
    async fn reason(&self, request: &Request, block: u64) -> ProviderError {
        let call =
            json!({ "from": self.wallet.address(), "to": request.to, "value": request.value, "data": request.data });
        let again = self
            .rpc
            .call::<Bytes>("eth_call", json!([call, U256::from(block)]))
            .await;
        match again.map_err(failed) {
            Err(reverted @ ProviderError::Reverted { .. }) => reverted,
            _ => ProviderError::Reverted {
                reason: format!("the transaction failed in block {block}, and does not when called again"),
                data: Bytes::new(),
            },
        }
    }
}

impl Payer for HttpProvider {
    fn account(&self) -> Address {
        self.wallet.address()
    }

    fn promise(&self, domain: &Domain, header: &Header, purchase: Option<Purchase>, deadline: u64) -> Permit {
        Permit::sign(self.wallet.secret(), domain, header, purchase, deadline)
    }
}

impl Provider for HttpProvider {
    async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ProviderError> {
        let call = json!({ "from": self.wallet.address(), "to": to, "data": data });
        self.rpc.call("eth_call", json!([call, "latest"])).await.map_err(failed)
    }

    async fn send(&self, request: Request) -> Result<Mined, ProviderError> {
        let hash = self.submit(&request).await?;
        self.wait(&request, hash).await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>, ProviderError> {
        let to_block = filter
            .to_block
            .map_or(json!("latest"), |block| json!(U256::from(block)));
        let mut query = json!({ "fromBlock": U256::from(filter.from_block), "toBlock": to_block });
        if !filter.addresses.is_empty() {
            query["address"] = json!(filter.addresses);
        }
        if !filter.topic0.is_empty() {
            query["topics"] = json!([filter.topic0]);
        }
        let logs: Vec<Log> = self.rpc.call("eth_getLogs", json!([query])).await.map_err(failed)?;
        logs.into_iter()
            .map(|log| {
                Ok(Event {
                    address: log.address,
                    topics: log.topics,
                    data: log.data,
                    block: number(log.block_number)?,
                    transaction: log.transaction_hash,
                    log_index: number(log.log_index)?,
                })
            })
            .collect()
    }

    async fn height(&self) -> Result<u64, ProviderError> {
        number(
            self.rpc
                .call::<U256>("eth_blockNumber", json!([]))
                .await
                .map_err(failed)?,
        )
    }
}

/// A quantity that must fit what the protocol gives it; a node that says otherwise is not understood.
fn number<T: TryFrom<U256>>(quantity: U256) -> Result<T, ProviderError> {
    T::try_from(quantity).map_err(|_| ProviderError::Transport {
        cause: format!("quantity {quantity} is out of range"),
    })
}

/// JSON-RPC's code for a revert, with its data: what Ethereum clients answer.
const REVERTED: i64 = 3;

fn failed(error: RpcError) -> ProviderError {
    match error {
        RpcError::Refused {
            code: REVERTED, data, ..
        } => {
            let data = data.and_then(|data| hex::decode(data).ok()).unwrap_or_default();
            ProviderError::reverted(data.into())
        }
        error => ProviderError::Transport {
            cause: Causes(&error).to_string(),
        },
    }
}

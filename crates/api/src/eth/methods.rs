//! The methods, as clients call them. A parameter in an `Option` may be left out or null.

use super::{checkpoint, config::Capabilities, fill, finality::Finality, pool, prefixed::Prefixed};
use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::{
    AccessListResult, AccountInfo, Block, BlockOverrides, EIP1186AccountProofResponse, FeeHistory, Filter,
    FilterChanges, Header, Index, Log, StorageValuesRequest, SyncStatus, Transaction, TransactionReceipt,
    TransactionRequest,
    pubsub::{Params, SubscriptionKind},
    simulate::{SimulatePayload, SimulatedBlock},
    state::StateOverride,
};
use alloy_rpc_types_trace::{
    common::TraceResult,
    geth::{GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace},
};
use alloy_serde::JsonStorageKey;
use jsonrpsee::{core::RpcResult, proc_macros::rpc};
use std::collections::BTreeMap;

/// What wallets and libraries ask of a chain.
#[rpc(server, namespace = "eth")]
pub(crate) trait Eth {
    #[method(name = "chainId")]
    fn chain_id(&self) -> RpcResult<U64>;
    #[method(name = "blockNumber")]
    fn block_number(&self) -> RpcResult<U64>;
    #[method(name = "syncing")]
    fn syncing(&self) -> RpcResult<SyncStatus>;
    #[method(name = "accounts")]
    fn accounts(&self) -> RpcResult<Vec<Address>>;
    #[method(name = "coinbase")]
    fn coinbase(&self) -> RpcResult<Address>;

    #[method(name = "gasPrice")]
    fn gas_price(&self) -> RpcResult<U256>;
    #[method(name = "maxPriorityFeePerGas")]
    fn max_priority_fee_per_gas(&self) -> RpcResult<U256>;
    #[method(name = "blobBaseFee")]
    fn blob_base_fee(&self) -> RpcResult<U256>;
    #[method(name = "baseFee")]
    fn base_fee(&self) -> RpcResult<U64>;
    #[method(name = "config")]
    fn config(&self) -> RpcResult<alloy_eips::eip7910::EthConfig>;
    #[method(name = "capabilities")]
    fn capabilities(&self) -> RpcResult<Capabilities>;
    #[method(name = "feeHistory")]
    async fn fee_history(
        &self,
        count: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory>;

    #[method(name = "getBalance")]
    fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256>;
    #[method(name = "getStorageAt")]
    fn storage_at(&self, address: Address, slot: JsonStorageKey, block: Option<BlockId>) -> RpcResult<B256>;
    #[method(name = "getTransactionCount")]
    fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64>;
    #[method(name = "getCode")]
    fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes>;
    #[method(name = "getAccountInfo")]
    fn account_info(&self, address: Address, block: Option<BlockId>) -> RpcResult<AccountInfo>;
    #[method(name = "getStorageValues")]
    async fn storage_values(
        &self,
        slots: StorageValuesRequest,
        block: Option<BlockId>,
    ) -> RpcResult<BTreeMap<Address, Vec<B256>>>;
    #[method(name = "getProof")]
    async fn proof(
        &self,
        address: Address,
        slots: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> RpcResult<EIP1186AccountProofResponse>;

    #[method(name = "call")]
    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        accounts: Option<StateOverride>,
        fields: Option<BlockOverrides>,
    ) -> RpcResult<Bytes>;
    #[method(name = "estimateGas")]
    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        accounts: Option<StateOverride>,
    ) -> RpcResult<U64>;
    #[method(name = "createAccessList")]
    async fn create_access_list(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
    ) -> RpcResult<AccessListResult>;

    #[method(name = "fillTransaction")]
    async fn fill_transaction(&self, request: TransactionRequest) -> RpcResult<fill::Filled>;

    #[method(name = "simulateV1")]
    async fn simulate(&self, payload: SimulatePayload, block: Option<BlockId>) -> RpcResult<Vec<SimulatedBlock>>;

    #[method(name = "sendRawTransaction")]
    async fn send_raw_transaction(&self, raw: Bytes) -> RpcResult<B256>;
    #[method(name = "sendRawTransactionSync")]
    async fn send_raw_transaction_sync(&self, raw: Bytes, wait_ms: Option<U64>) -> RpcResult<TransactionReceipt>;

    #[method(name = "getBlockByNumber")]
    fn block_by_number(&self, block: BlockNumberOrTag, full: Option<bool>) -> RpcResult<Option<Block>>;
    #[method(name = "getBlockByHash")]
    fn block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<Block>>;
    #[method(name = "getHeaderByNumber")]
    fn header_by_number(&self, block: BlockNumberOrTag) -> RpcResult<Option<Header>>;
    #[method(name = "getHeaderByHash")]
    fn header_by_hash(&self, hash: B256) -> RpcResult<Option<Header>>;
    #[method(name = "getBlockTransactionCountByNumber")]
    fn transaction_count_by_number(&self, block: BlockNumberOrTag) -> RpcResult<Option<U64>>;
    #[method(name = "getBlockTransactionCountByHash")]
    fn transaction_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;
    #[method(name = "getUncleCountByBlockNumber")]
    fn uncle_count_by_number(&self, block: BlockNumberOrTag) -> RpcResult<Option<U64>>;
    #[method(name = "getUncleCountByBlockHash")]
    fn uncle_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>>;
    #[method(name = "getUncleByBlockNumberAndIndex")]
    fn uncle_by_number(&self, block: BlockNumberOrTag, index: Index) -> RpcResult<Option<Block>>;
    #[method(name = "getUncleByBlockHashAndIndex")]
    fn uncle_by_hash(&self, hash: B256, index: Index) -> RpcResult<Option<Block>>;
    #[method(name = "getBlockReceipts")]
    fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>>;

    #[method(name = "getTransactionByHash")]
    fn transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Transaction>>;
    #[method(name = "getTransactionByBlockNumberAndIndex")]
    fn transaction_by_number(&self, block: BlockNumberOrTag, index: Index) -> RpcResult<Option<Transaction>>;
    #[method(name = "getTransactionByBlockHashAndIndex")]
    fn transaction_by_block_hash(&self, hash: B256, index: Index) -> RpcResult<Option<Transaction>>;
    #[method(name = "getRawTransactionByHash")]
    fn raw_transaction(&self, hash: B256) -> RpcResult<Option<Bytes>>;
    #[method(name = "getTransactionReceipt")]
    fn transaction_receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>>;

    #[method(name = "getLogs")]
    async fn logs(&self, filter: Filter) -> RpcResult<Vec<Log>>;
    #[method(name = "newFilter")]
    fn new_filter(&self, filter: Filter) -> RpcResult<U256>;
    #[method(name = "newBlockFilter")]
    fn new_block_filter(&self) -> RpcResult<U256>;
    #[method(name = "newPendingTransactionFilter")]
    fn new_pending_transaction_filter(&self) -> RpcResult<U256>;
    #[method(name = "getFilterChanges")]
    async fn filter_changes(&self, id: U256) -> RpcResult<FilterChanges>;
    #[method(name = "getFilterLogs")]
    async fn filter_logs(&self, id: U256) -> RpcResult<Vec<Log>>;
    #[method(name = "uninstallFilter")]
    fn uninstall_filter(&self, id: U256) -> RpcResult<bool>;

    #[subscription(name = "subscribe" => "subscription", unsubscribe = "unsubscribe", item = serde_json::Value)]
    async fn subscribe(&self, kind: SubscriptionKind, params: Option<Params>) -> jsonrpsee::core::SubscriptionResult;
}

/// What developers and explorers ask: encodings as they are on the wire, and traces.
#[rpc(server, namespace = "debug")]
pub(crate) trait Debug {
    #[method(name = "getRawHeader")]
    fn raw_header(&self, block: BlockId) -> RpcResult<Bytes>;
    #[method(name = "getRawBlock")]
    fn raw_block(&self, block: BlockId) -> RpcResult<Bytes>;
    #[method(name = "getRawReceipts")]
    fn raw_receipts(&self, block: BlockId) -> RpcResult<Vec<Bytes>>;
    #[method(name = "getRawTransaction")]
    fn raw_transaction(&self, hash: Prefixed<B256>) -> RpcResult<Bytes>;
    #[method(name = "traceTransaction")]
    async fn trace_transaction(&self, hash: B256, options: Option<GethDebugTracingOptions>) -> RpcResult<GethTrace>;
    #[method(name = "traceCall")]
    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<GethTrace>;
    #[method(name = "traceBlockByNumber")]
    async fn trace_block_by_number(
        &self,
        block: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult<GethTrace, String>>>;
    #[method(name = "traceBlockByHash")]
    async fn trace_block_by_hash(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult<GethTrace, String>>>;
}

/// What is asked of the node rather than of the chain.
#[rpc(server, namespace = "net")]
pub(crate) trait Net {
    /// The chain id in decimal, as wallets compare it.
    #[method(name = "version")]
    fn version(&self) -> RpcResult<String>;
    #[method(name = "listening")]
    fn listening(&self) -> RpcResult<bool>;
    #[method(name = "peerCount")]
    fn peer_count(&self) -> RpcResult<U64>;
}

/// The two methods left of web3.
#[rpc(server, namespace = "web3")]
pub(crate) trait Web3 {
    #[method(name = "clientVersion")]
    fn client_version(&self) -> RpcResult<String>;
    #[method(name = "sha3")]
    fn sha3(&self, data: Bytes) -> RpcResult<B256>;
}

/// What waits for a block.
#[rpc(server, namespace = "txpool")]
pub(crate) trait TxPool {
    #[method(name = "status")]
    async fn status(&self) -> RpcResult<pool::Status>;
    #[method(name = "content")]
    async fn content(&self) -> RpcResult<pool::Content<Transaction>>;
    #[method(name = "contentFrom")]
    async fn content_from(&self, sender: Address) -> RpcResult<pool::ContentFrom>;
    #[method(name = "inspect")]
    async fn inspect(&self) -> RpcResult<pool::Content<String>>;
}

/// What other chains ask.
#[rpc(server, namespace = "aloft")]
pub(crate) trait Aloft {
    /// The first block from `block` on that has a certificate, with it.
    #[method(name = "getFinality")]
    async fn finality(&self, block: U64) -> RpcResult<Option<Finality>>;
    /// Final blocks from `first` on, as validators exchange them: `count` of them, or fewer.
    #[method(name = "getBlocks")]
    async fn blocks(&self, first: U64, count: U64) -> RpcResult<Vec<Bytes>>;
    /// The blocks with whose states a node that joins can begin, the oldest first.
    #[method(name = "getCheckpoints")]
    fn checkpoints(&self) -> RpcResult<Vec<checkpoint::Named>>;
    /// A proved page of the accounts of the state after a checkpoint, from a hashed address on; null where that state is not kept.
    #[method(name = "getAccounts")]
    async fn accounts_of(&self, checkpoint: B256, first: B256, count: U64) -> RpcResult<Option<Bytes>>;
    /// Proved pages of the slots of accounts, each by its hashed address and the hashed slot to begin at; null where the state is not kept.
    #[method(name = "getSlots")]
    async fn slots_of(&self, checkpoint: B256, storages: Vec<(B256, B256)>) -> RpcResult<Option<Vec<Bytes>>>;
    /// Codes by their hashes, the first of those asked for; null where the state is not kept.
    #[method(name = "getCodes")]
    async fn codes_of(&self, checkpoint: B256, hashes: Vec<B256>) -> RpcResult<Option<Vec<Bytes>>>;
    /// Headers from a height on.
    #[method(name = "getHeaders")]
    async fn headers(&self, first: U64, count: U64) -> RpcResult<Vec<Bytes>>;
    /// What fixes the network's first block, and the nodes that it began with.
    #[method(name = "getNetwork")]
    fn network(&self) -> RpcResult<Option<serde_json::Value>>;
}

//! The server: one port for HTTP and WebSocket, with a bound on everything a client can make it do.

use super::{
    account,
    batch::Batches,
    block, call, checkpoint, config, development,
    error::EthError,
    fee, fill, filter,
    filter::Filters,
    finality::{self, Finality},
    intake::Intake,
    log,
    methods::{self, AloftServer, DebugServer, NetServer, TxPoolServer, Web3Server},
    metrics::{EthMetrics, Measure},
    pool,
    prefixed::Prefixed,
    raw, simulate,
    subscription::{self, SubscriptionIds},
    trace, transaction,
};
use crate::http::listen::Bounded;
use alloy_eips::{BlockId, BlockNumberOrTag, eip2718::Encodable2718};
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
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
use axum::serve::Listener as _;
use chain::{Checkpoint, Ledger, consensus::Certificates};
use jsonrpsee::{
    PendingSubscriptionSink, RpcModule,
    core::{RpcResult, SubscriptionResult, middleware::RpcServiceBuilder},
    server::{
        BatchRequestConfig, PingConfig, Server, ServerConfig, ServerHandle, serve_with_graceful_shutdown, stop_channel,
    },
};
use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, broadcast},
};
use tower_http::cors::{Any, CorsLayer};

/// Bytes of one request, batch or WebSocket message: the largest transaction takes 256 KiB in hexadecimal.
const REQUEST_BYTES_MAX: u32 = 5 << 20;
/// Bytes of one answer: fits the most logs that one query returns several times over.
const RESPONSE_BYTES_MAX: u32 = 32 << 20;
/// Calls in one batch, as geth.
const BATCH_CALLS_MAX: u32 = 1000;
/// Clients connected at once; the one that was quiet longest gives way to a newcomer.
const CONNECTIONS_MAX: u32 = 512;
/// Subscriptions of one connection.
const SUBSCRIPTIONS_MAX: u32 = 64;
/// Messages waiting for one slow WebSocket client before its requests wait too.
const MESSAGES_MAX: u32 = 256;
/// Calls, log queries and the like that run at once; others wait for their turn, so that consensus keeps its share of the cores.
const HEAVY_REQUESTS_MAX: usize = 4;
/// Rewinds of a development chain that a subscription may be behind before it ends.
const REWINDS_MAX: usize = 256;

/// How a node serves JSON-RPC.
#[derive(Clone, Debug)]
pub struct EthConfig {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// What `web3_clientVersion` says, e.g. `aloft/0.1.0`.
    pub client_version: String,
    /// Other validators this node talks to, for `net_peerCount`.
    pub peer_count: u32,
    /// Counts and times of its requests.
    pub metrics: EthMetrics,
    /// Certificates of final blocks, for `aloft_getFinality`.
    pub certificates: Certificates,
    /// What `aloft_getNetwork` answers: the public file of the network, from which others build its first block. None of a chain that nobody joins.
    pub network: Option<serde_json::Value>,
}

impl EthConfig {
    /// For a chain of one process, on which nobody votes and which nobody joins: no peers, no certificates, and metrics of its own.
    pub fn alone(listen: SocketAddr, client_version: &str) -> Self {
        Self {
            listen,
            client_version: client_version.into(),
            peer_count: 0,
            metrics: EthMetrics::default(),
            certificates: Certificates::default(),
            network: None,
        }
    }
}

/// A running server. It stops when this is dropped.
#[derive(Debug)]
pub struct EthServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl EthServer {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, ends connections, and returns once all have ended.
    pub async fn stop(self) {
        // An error says that it has stopped already.
        let _ = self.handle.stop();
        self.handle.stopped().await;
    }
}

/// Begins to serve `ledger`, on the current tokio runtime.
///
/// Any web page may ask (CORS is open): there is nothing here that a page could not ask of a public node.
///
/// # Errors
///
/// The address cannot be listened on.
pub async fn serve(config: EthConfig, ledger: Ledger) -> io::Result<EthServer> {
    let (address, metrics) = (config.listen, config.metrics.clone());
    listen(address, metrics, module(config, ledger)).await
}

/// Begins to answer by `module`, counted in `metrics`.
pub(super) async fn listen(listen: SocketAddr, metrics: EthMetrics, module: RpcModule<()>) -> io::Result<EthServer> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let limits = ServerConfig::builder()
        .max_request_body_size(REQUEST_BYTES_MAX)
        .max_response_body_size(RESPONSE_BYTES_MAX)
        .set_batch_request_config(BatchRequestConfig::Limit(BATCH_CALLS_MAX))
        .max_connections(CONNECTIONS_MAX)
        .max_subscriptions_per_connection(SUBSCRIPTIONS_MAX)
        .set_message_buffer_capacity(MESSAGES_MAX)
        .enable_ws_ping(PingConfig::new())
        .set_id_provider(SubscriptionIds)
        .build();
    let cors = CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(Any);
    let counted = RpcServiceBuilder::new()
        .layer(Measure::new(&module, metrics))
        .layer_fn(|calls| Batches::new(calls, RESPONSE_BYTES_MAX as usize));
    let services = Server::builder()
        .set_config(limits)
        .set_http_middleware(tower::ServiceBuilder::new().layer(cors))
        .set_rpc_middleware(counted)
        .to_service_builder();
    let (stop, handle) = stop_channel();
    // The server's own loop takes every connection and counts only those that ask something: idle ones would use up the process' descriptors,
    // and a journal that cannot be opened ends a validator.
    let mut listener = Bounded::new(listener, CONNECTIONS_MAX as usize);
    tokio::spawn(async move {
        loop {
            let (connection, _) = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.clone().shutdown() => return,
            };
            let service = services.clone().build(module.clone(), stop.clone());
            let served = serve_with_graceful_shutdown(connection, service, stop.clone().shutdown());
            tokio::spawn(async move {
                if let Err(error) = served.await {
                    tracing::debug!(error, "a connection ended");
                }
            });
        }
    });
    Ok(EthServer { address, handle })
}

/// All that a network's node answers.
pub(super) fn module(config: EthConfig, ledger: Ledger) -> RpcModule<()> {
    let mut module = methods_of(&Node::new(config, ledger, vec![]));
    development::refuse(&mut module);
    module
}

/// What every node answers.
pub(super) fn methods_of(node: &Node) -> RpcModule<()> {
    let mut module = RpcModule::new(());
    let parts: [jsonrpsee::Methods; 6] = [
        methods::EthServer::into_rpc(node.clone()).into(),
        DebugServer::into_rpc(node.clone()).into(),
        NetServer::into_rpc(node.clone()).into(),
        Web3Server::into_rpc(node.clone()).into(),
        TxPoolServer::into_rpc(node.clone()).into(),
        AloftServer::into_rpc(node.clone()).into(),
    ];
    for part in parts {
        module.merge(part).expect("no two namespaces share a method's name");
    }
    module
}

/// What answers: the ledger, and what clients left here to ask again.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) ledger: Ledger,
    intake: Intake,
    filters: Arc<Filters>,
    /// Heights to which the chain went back, which only a development chain does.
    rewinds: broadcast::Sender<u64>,
    heavy: Arc<Semaphore>,
    pub(super) config: Arc<EthConfig>,
    /// Accounts that the node signs for.
    accounts: Arc<[Address]>,
}

impl Node {
    /// Begins, on the current tokio runtime, to take in transactions for `ledger`.
    pub(super) fn new(config: EthConfig, ledger: Ledger, accounts: Vec<Address>) -> Self {
        Self {
            intake: Intake::start(ledger.clone()),
            ledger,
            filters: Arc::default(),
            rewinds: broadcast::Sender::new(REWINDS_MAX),
            heavy: Arc::new(Semaphore::new(HEAVY_REQUESTS_MAX)),
            config: Arc::new(config),
            accounts: accounts.into(),
        }
    }

    /// Tells filters and subscriptions that the blocks above `height` are gone, and that others may come in their place.
    pub(super) fn rewound(&self, height: u64) {
        self.filters.rewind(height);
        // An error only says that nobody is subscribed.
        let _ = self.rewinds.send(height);
    }

    /// Runs long work off the runtime's threads, a few at a time.
    pub(super) async fn heavy<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, EthError> + Send + 'static,
    ) -> RpcResult<T> {
        let turn = self
            .heavy
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let node = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work(&node)
        });
        Ok(answer.await.map_err(|fault| EthError::Internal(fault.into()))??)
    }

    /// What `part` takes of the state after a checkpoint; `None` where that is not kept.
    async fn of_checkpoint<T: Send + 'static>(
        &self,
        hash: B256,
        part: impl FnOnce(&Checkpoint) -> T + Send + 'static,
    ) -> RpcResult<Option<T>> {
        self.heavy(move |node| Ok(checkpoint::find(&node.ledger, hash).map(|kept| part(&kept))))
            .await
    }
}

#[jsonrpsee::core::async_trait]
impl methods::EthServer for Node {
    fn chain_id(&self) -> RpcResult<U64> {
        Ok(U64::from(self.ledger.chain_id()))
    }

    fn block_number(&self) -> RpcResult<U64> {
        Ok(U64::from(self.ledger.latest().header.number))
    }

    fn syncing(&self) -> RpcResult<SyncStatus> {
        Ok(SyncStatus::None)
    }

    fn accounts(&self) -> RpcResult<Vec<Address>> {
        Ok(self.accounts.to_vec())
    }

    fn coinbase(&self) -> RpcResult<Address> {
        Ok(self.ledger.latest().header.beneficiary)
    }

    fn gas_price(&self) -> RpcResult<U256> {
        Ok(U256::from(fee::gas_price(&self.ledger)?))
    }

    fn max_priority_fee_per_gas(&self) -> RpcResult<U256> {
        Ok(U256::from(fee::suggested_tip(&self.ledger)?))
    }

    fn blob_base_fee(&self) -> RpcResult<U256> {
        Ok(U256::from(fee::BLOB_BASE_FEE))
    }

    fn base_fee(&self) -> RpcResult<U64> {
        Ok(U64::from(evm::next_base_fee(&self.ledger.latest().header)))
    }

    fn config(&self) -> RpcResult<alloy_eips::eip7910::EthConfig> {
        Ok(config::config(&self.ledger))
    }

    fn capabilities(&self) -> RpcResult<config::Capabilities> {
        Ok(config::capabilities(&self.ledger))
    }

    async fn fee_history(
        &self,
        count: U64,
        newest: BlockNumberOrTag,
        percentiles: Option<Vec<f64>>,
    ) -> RpcResult<FeeHistory> {
        let percentiles = percentiles.unwrap_or_default();
        self.heavy(move |node| fee::history(&node.ledger, count.to(), newest, &percentiles))
            .await
    }

    fn balance(&self, address: Address, block: Option<BlockId>) -> RpcResult<U256> {
        Ok(account::balance(&self.ledger, address, block)?)
    }

    fn storage_at(&self, address: Address, slot: JsonStorageKey, block: Option<BlockId>) -> RpcResult<B256> {
        Ok(account::storage(&self.ledger, address, slot, block)?)
    }

    fn transaction_count(&self, address: Address, block: Option<BlockId>) -> RpcResult<U64> {
        Ok(U64::from(account::nonce(&self.ledger, address, block)?))
    }

    fn code(&self, address: Address, block: Option<BlockId>) -> RpcResult<Bytes> {
        Ok(account::code(&self.ledger, address, block)?)
    }

    fn account_info(&self, address: Address, block: Option<BlockId>) -> RpcResult<AccountInfo> {
        Ok(account::info(&self.ledger, address, block)?)
    }

    async fn storage_values(
        &self,
        slots: StorageValuesRequest,
        block: Option<BlockId>,
    ) -> RpcResult<BTreeMap<Address, Vec<B256>>> {
        self.heavy(move |node| account::storage_values(&node.ledger, slots, block))
            .await
    }

    async fn proof(
        &self,
        address: Address,
        slots: Vec<JsonStorageKey>,
        block: Option<BlockId>,
    ) -> RpcResult<EIP1186AccountProofResponse> {
        self.heavy(move |node| account::proof(&node.ledger, address, slots, block))
            .await
    }

    async fn call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        accounts: Option<StateOverride>,
        fields: Option<BlockOverrides>,
    ) -> RpcResult<Bytes> {
        self.heavy(move |node| call::call(&node.ledger, request, block, accounts, fields))
            .await
    }

    async fn estimate_gas(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        accounts: Option<StateOverride>,
    ) -> RpcResult<U64> {
        self.heavy(move |node| call::estimate_gas(&node.ledger, request, block, accounts).map(U64::from))
            .await
    }

    async fn create_access_list(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
    ) -> RpcResult<AccessListResult> {
        self.heavy(move |node| call::create_access_list(&node.ledger, request, block))
            .await
    }

    async fn fill_transaction(&self, request: TransactionRequest) -> RpcResult<fill::Filled> {
        self.heavy(move |node| fill::fill(&node.ledger, request)).await
    }

    async fn simulate(&self, payload: SimulatePayload, block: Option<BlockId>) -> RpcResult<Vec<SimulatedBlock>> {
        self.heavy(move |node| simulate::simulate(&node.ledger, payload, block))
            .await
    }

    async fn send_raw_transaction(&self, raw: Bytes) -> RpcResult<B256> {
        Ok(self.intake.submit(raw).await?)
    }

    async fn send_raw_transaction_sync(&self, raw: Bytes, wait_ms: Option<U64>) -> RpcResult<TransactionReceipt> {
        Ok(transaction::submit_and_wait(&self.ledger, &self.intake, raw, wait_ms.map(|ms| ms.to())).await?)
    }

    fn block_by_number(&self, block: BlockNumberOrTag, full: Option<bool>) -> RpcResult<Option<Block>> {
        let found = block::find(&self.ledger, block.into())?;
        Ok(found.map(|found| block::show(&found, full.unwrap_or_default())))
    }

    fn block_by_hash(&self, hash: B256, full: Option<bool>) -> RpcResult<Option<Block>> {
        let found = block::find(&self.ledger, hash.into())?;
        Ok(found.map(|found| block::show(&found, full.unwrap_or_default())))
    }

    fn header_by_number(&self, block: BlockNumberOrTag) -> RpcResult<Option<Header>> {
        Ok(block::find(&self.ledger, block.into())?.map(|found| block::header(&found)))
    }

    fn header_by_hash(&self, hash: B256) -> RpcResult<Option<Header>> {
        Ok(block::find(&self.ledger, hash.into())?.map(|found| block::header(&found)))
    }

    fn transaction_count_by_number(&self, block: BlockNumberOrTag) -> RpcResult<Option<U64>> {
        Ok(block::find(&self.ledger, block.into())?.map(|found| U64::from(found.transactions.len())))
    }

    fn transaction_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        Ok(block::find(&self.ledger, hash.into())?.map(|found| U64::from(found.transactions.len())))
    }

    fn uncle_count_by_number(&self, block: BlockNumberOrTag) -> RpcResult<Option<U64>> {
        Ok(block::find(&self.ledger, block.into())?.map(|_| U64::ZERO))
    }

    fn uncle_count_by_hash(&self, hash: B256) -> RpcResult<Option<U64>> {
        Ok(block::find(&self.ledger, hash.into())?.map(|_| U64::ZERO))
    }

    fn uncle_by_number(&self, _: BlockNumberOrTag, _: Index) -> RpcResult<Option<Block>> {
        Ok(None)
    }

    fn uncle_by_hash(&self, _: B256, _: Index) -> RpcResult<Option<Block>> {
        Ok(None)
    }

    fn block_receipts(&self, block: BlockId) -> RpcResult<Option<Vec<TransactionReceipt>>> {
        Ok(block::find(&self.ledger, block)?.map(|found| block::receipts(&found)))
    }

    fn transaction_by_hash(&self, hash: B256) -> RpcResult<Option<Transaction>> {
        Ok(transaction::find(&self.ledger, hash)?)
    }

    fn transaction_by_number(&self, block: BlockNumberOrTag, index: Index) -> RpcResult<Option<Transaction>> {
        Ok(block::transaction_at(&self.ledger, block.into(), index.0)?)
    }

    fn transaction_by_block_hash(&self, hash: B256, index: Index) -> RpcResult<Option<Transaction>> {
        Ok(block::transaction_at(&self.ledger, hash.into(), index.0)?)
    }

    fn raw_transaction(&self, hash: B256) -> RpcResult<Option<Bytes>> {
        Ok(transaction::find(&self.ledger, hash)?.map(|found| found.inner.encoded_2718().into()))
    }

    fn transaction_receipt(&self, hash: B256) -> RpcResult<Option<TransactionReceipt>> {
        Ok(transaction::receipt(&self.ledger, hash)?)
    }

    async fn logs(&self, filter: Filter) -> RpcResult<Vec<Log>> {
        self.heavy(move |node| log::query(&node.ledger, &filter)).await
    }

    fn new_filter(&self, filter: Filter) -> RpcResult<U256> {
        Ok(self.filters.install(&self.ledger, filter::Kind::Logs(filter.into()))?)
    }

    fn new_block_filter(&self) -> RpcResult<U256> {
        Ok(self.filters.install(&self.ledger, filter::Kind::Blocks)?)
    }

    fn new_pending_transaction_filter(&self) -> RpcResult<U256> {
        Ok(self.filters.install(&self.ledger, filter::Kind::PoolTransactions)?)
    }

    async fn filter_changes(&self, id: U256) -> RpcResult<FilterChanges> {
        self.heavy(move |node| node.filters.changes(&node.ledger, &id)).await
    }

    async fn filter_logs(&self, id: U256) -> RpcResult<Vec<Log>> {
        self.heavy(move |node| node.filters.logs(&node.ledger, &id)).await
    }

    fn uninstall_filter(&self, id: U256) -> RpcResult<bool> {
        Ok(self.filters.uninstall(&id))
    }

    async fn subscribe(
        &self,
        pending: PendingSubscriptionSink,
        kind: SubscriptionKind,
        params: Option<Params>,
    ) -> SubscriptionResult {
        subscription::serve(self.ledger.clone(), self.rewinds.subscribe(), pending, kind, params).await;
        Ok(())
    }
}

#[jsonrpsee::core::async_trait]
impl DebugServer for Node {
    fn raw_header(&self, block: BlockId) -> RpcResult<Bytes> {
        Ok(raw::header(&self.ledger, block)?)
    }

    fn raw_block(&self, block: BlockId) -> RpcResult<Bytes> {
        Ok(raw::block(&self.ledger, block)?)
    }

    fn raw_receipts(&self, block: BlockId) -> RpcResult<Vec<Bytes>> {
        Ok(raw::receipts(&self.ledger, block)?)
    }

    fn raw_transaction(&self, hash: Prefixed<B256>) -> RpcResult<Bytes> {
        Ok(raw::transaction(&self.ledger, hash.0)?)
    }

    async fn trace_transaction(&self, hash: B256, options: Option<GethDebugTracingOptions>) -> RpcResult<GethTrace> {
        self.heavy(move |node| trace::transaction(&node.ledger, hash, options.unwrap_or_default()))
            .await
    }

    async fn trace_call(
        &self,
        request: TransactionRequest,
        block: Option<BlockId>,
        options: Option<GethDebugTracingCallOptions>,
    ) -> RpcResult<GethTrace> {
        self.heavy(move |node| trace::call(&node.ledger, request, block, options.unwrap_or_default()))
            .await
    }

    async fn trace_block_by_number(
        &self,
        block: BlockNumberOrTag,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult<GethTrace, String>>> {
        self.heavy(move |node| trace::block(&node.ledger, block.into(), &options.unwrap_or_default()))
            .await
    }

    async fn trace_block_by_hash(
        &self,
        hash: B256,
        options: Option<GethDebugTracingOptions>,
    ) -> RpcResult<Vec<TraceResult<GethTrace, String>>> {
        self.heavy(move |node| trace::block(&node.ledger, hash.into(), &options.unwrap_or_default()))
            .await
    }
}

impl NetServer for Node {
    fn version(&self) -> RpcResult<String> {
        Ok(self.ledger.chain_id().to_string())
    }

    fn listening(&self) -> RpcResult<bool> {
        Ok(true)
    }

    fn peer_count(&self) -> RpcResult<U64> {
        Ok(U64::from(self.config.peer_count))
    }
}

impl Web3Server for Node {
    fn client_version(&self) -> RpcResult<String> {
        Ok(self.config.client_version.clone())
    }

    fn sha3(&self, data: Bytes) -> RpcResult<B256> {
        Ok(keccak256(data))
    }
}

#[jsonrpsee::core::async_trait]
impl TxPoolServer for Node {
    async fn status(&self) -> RpcResult<pool::Status> {
        self.heavy(|node| Ok(pool::status(&node.ledger))).await
    }

    async fn content(&self) -> RpcResult<pool::Content<Transaction>> {
        self.heavy(|node| Ok(pool::content(&node.ledger))).await
    }

    async fn content_from(&self, sender: Address) -> RpcResult<pool::ContentFrom> {
        self.heavy(move |node| Ok(pool::content_from(&node.ledger, sender)))
            .await
    }

    async fn inspect(&self) -> RpcResult<pool::Content<String>> {
        self.heavy(|node| Ok(pool::inspect(&node.ledger))).await
    }
}

#[jsonrpsee::core::async_trait]
impl AloftServer for Node {
    async fn finality(&self, block: U64) -> RpcResult<Option<Finality>> {
        Ok(finality::finality(&self.config.certificates, block.to()).await?)
    }

    async fn blocks(&self, first: U64, count: U64) -> RpcResult<Vec<Bytes>> {
        Ok(finality::blocks(&self.config.certificates, first.to(), count.to()).await)
    }

    fn checkpoints(&self) -> RpcResult<Vec<checkpoint::Named>> {
        Ok(checkpoint::all(&self.ledger))
    }

    async fn accounts_of(&self, checkpoint: B256, first: B256, count: U64) -> RpcResult<Option<Bytes>> {
        self.of_checkpoint(checkpoint, move |kept| kept.accounts(&first, count.saturating_to()))
            .await
    }

    async fn slots_of(&self, checkpoint: B256, storages: Vec<(B256, B256)>) -> RpcResult<Option<Vec<Bytes>>> {
        self.of_checkpoint(checkpoint, move |kept| kept.slots(&storages)).await
    }

    async fn codes_of(&self, checkpoint: B256, hashes: Vec<B256>) -> RpcResult<Option<Vec<Bytes>>> {
        self.of_checkpoint(checkpoint, move |kept| kept.codes(&hashes)).await
    }

    async fn headers(&self, first: U64, count: U64) -> RpcResult<Vec<Bytes>> {
        self.heavy(move |node| checkpoint::headers(&node.ledger, first.to(), count.to()))
            .await
    }

    fn network(&self) -> RpcResult<Option<serde_json::Value>> {
        Ok(self.config.network.clone())
    }
}

//! A development chain: `anvil_*`, `evm_*` and `hardhat_*` beside all that a network's node answers, and the making of blocks.
//!
//! Only a [`chain::Development`] can be served so, and that makes its own ledger in memory. On a network's node the names answer
//! that they are not there, and what is.

mod accounts;
mod clock;
mod controls;
mod methods;
mod state;
#[cfg(test)]
mod tests;

use super::{
    error::EthError,
    server::{self, EthConfig, EthServer, Node},
};
use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rpc_types_eth::TransactionRequest;
use chain::{AccountChange, Development};
use controls::{Controls, Settings, machine_time};
use crypto::ecdsa::Secret;
use jsonrpsee::{RpcModule, core::RpcResult, types::ErrorObjectOwned};
use methods::{DevelopmentServer as _, MineOptions};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinHandle;

pub use controls::Sealing;
pub use state::{SavedState, StateError};

/// Blocks that one call may make.
const MINE_MAX: u64 = 100_000;
/// Accounts that can be impersonated at once.
const IMPERSONATED_MAX: usize = 4096;
/// Shortest pause between two blocks made at intervals.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// How a development chain is served.
pub struct DevelopmentConfig {
    /// As for a network's node.
    pub eth: EthConfig,
    /// Keys of the accounts that the node signs for.
    pub keys: Vec<Secret>,
    /// When blocks are made.
    pub sealing: Sealing,
    /// Seconds that the chain's clock is ahead of the machine's at first.
    pub ahead_s: i64,
}

/// A development chain that is served. It stops when this is dropped.
pub struct DevelopmentChain {
    server: EthServer,
    controls: Arc<Controls>,
    sealing: JoinHandle<()>,
}

impl DevelopmentChain {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Stops answering, and gives the chain as it is then.
    ///
    /// # Errors
    ///
    /// Its blocks could not be read back, which a disk in memory does not do.
    pub async fn stop(self) -> io::Result<SavedState> {
        self.sealing.abort();
        self.server.stop().await;
        self.controls.save().map_err(io::Error::other)
    }
}

/// Begins to serve `chain`, and to make its blocks, on the current tokio runtime.
///
/// # Errors
///
/// The address cannot be listened on.
pub async fn serve(config: DevelopmentConfig, chain: Development) -> io::Result<DevelopmentChain> {
    let (listen, metrics) = (config.eth.listen, config.eth.metrics.clone());
    let bench = Bench::new(config, chain);
    let server = server::listen(listen, metrics, bench.module()).await?;
    let controls = bench.controls.clone();
    let sealing = tokio::spawn(bench.make_blocks());
    Ok(DevelopmentChain {
        server,
        controls,
        sealing,
    })
}

/// Makes a network's node say, of each method that only a development chain has, where it is.
pub(super) fn refuse(module: &mut RpcModule<()>) {
    for method in methods::NAMES {
        module
            .register_method(method, move |_, _, _| {
                Err::<(), ErrorObjectOwned>(EthError::DevelopmentOnly { method }.into())
            })
            .expect("no network's method has a development chain's name");
    }
}

/// What answers.
#[derive(Clone)]
struct Bench {
    node: Node,
    controls: Arc<Controls>,
    keys: Arc<HashMap<Address, Secret>>,
    /// One transaction at a time is given its nonce.
    sending: Arc<std::sync::Mutex<()>>,
}

impl Bench {
    fn new(config: DevelopmentConfig, chain: Development) -> Self {
        let addresses = config.keys.iter().map(Secret::address).collect();
        let keys = config.keys.into_iter().map(|key| (key.address(), key));
        Self {
            node: Node::new(config.eth, chain.ledger().clone(), addresses),
            controls: Arc::new(Controls::new(Arc::new(chain), config.sealing, config.ahead_s)),
            keys: Arc::new(keys.collect()),
            sending: Arc::default(),
        }
    }

    fn module(&self) -> RpcModule<()> {
        let mut module = server::methods_of(&self.node);
        module
            .merge(self.clone().into_rpc())
            .expect("no network's method has a development chain's name");
        module
    }

    fn chain(&self) -> &Development {
        &self.controls.chain
    }

    /// Makes blocks as the settings say, for ever.
    async fn make_blocks(self) {
        let mut arrivals = self.chain().ledger().pool().arrivals();
        loop {
            arrivals.forget();
            let Some(sealing) = self.off_threads(|controls| controls.settings().sealing).await else {
                return;
            };
            match sealing {
                Sealing::Instant => {
                    self.make_block(|controls| controls.seal_all()).await;
                    tokio::select! {
                        () = arrivals.changed() => {}
                        () = self.controls.changed.notified() => {}
                    }
                }
                Sealing::Every(pause) => tokio::select! {
                    () = tokio::time::sleep(pause.max(INTERVAL_MIN)) => {
                        self.make_block(|controls| controls.seal(true).map(drop)).await;
                    }
                    () = self.controls.changed.notified() => {}
                },
                Sealing::Told => self.controls.changed.notified().await,
            }
        }
    }

    async fn make_block(&self, make: impl FnOnce(&Controls) -> Result<(), EthError> + Send + 'static) {
        if let Some(Err(error)) = self.off_threads(make).await {
            tracing::error!(%error, "could not make a block");
        }
    }

    /// Does `work` off the runtime's threads; `None` where the runtime ends.
    async fn off_threads<T: Send + 'static>(&self, work: impl FnOnce(&Controls) -> T + Send + 'static) -> Option<T> {
        let controls = self.controls.clone();
        tokio::task::spawn_blocking(move || work(&controls)).await.ok()
    }

    /// Does `work` with the settings at hand, off the runtime's threads: blocks are not made meanwhile.
    async fn set<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Settings, &Self) -> Result<T, EthError> + Send + 'static,
    ) -> RpcResult<T> {
        let bench = self.clone();
        let work = move |_: &Node| work(&mut bench.controls.settings(), &bench);
        self.node.heavy(work).await
    }

    async fn change(&self, address: Address, change: AccountChange) -> RpcResult<()> {
        self.set(move |_, bench| Ok(bench.chain().change([(address, change)].into())?))
            .await
    }

    async fn seal_by(&self, sealing: Sealing) -> RpcResult<()> {
        self.set(move |settings, bench| {
            settings.sealing = sealing;
            bench.controls.changed.notify_one();
            Ok(())
        })
        .await
    }
}

/// Makes `count` blocks, `interval` seconds from each to the next if said.
fn mine(settings: &mut Settings, chain: &Development, count: u64, interval: Option<u64>) -> Result<(), EthError> {
    if count > MINE_MAX {
        return Err(EthError::Limit(format!("more than {MINE_MAX} blocks in one call")));
    }
    for number in 0..count {
        if number > 0
            && let Some(seconds) = interval
        {
            let latest = chain.ledger().latest().header.timestamp;
            settings.clock.tell(latest.saturating_add(seconds));
        }
        settings.seal(chain, true)?;
    }
    Ok(())
}

/// A time that the next block can have.
fn not_before_latest(chain: &Development, time: u64) -> Result<u64, EthError> {
    let latest = chain.ledger().latest().header.timestamp;
    if time < latest {
        return Err(EthError::Invalid(format!(
            "timestamp {time} is before the last block's, {latest}"
        )));
    }
    Ok(time)
}

#[jsonrpsee::core::async_trait]
impl methods::DevelopmentServer for Bench {
    async fn snapshot(&self) -> RpcResult<U64> {
        self.set(|settings, bench| {
            let number = bench.chain().snapshot()?;
            settings.clocks.insert(number, settings.clock);
            Ok(U64::from(number))
        })
        .await
    }

    async fn revert(&self, snapshot: U64) -> RpcResult<bool> {
        self.set(move |settings, bench| {
            let number = snapshot.to();
            if !bench.chain().revert(number)? {
                return Ok(false);
            }
            let mut later = settings.clocks.split_off(&number);
            settings.clock = later.remove(&number).unwrap_or_default();
            bench.went_back(settings);
            Ok(true)
        })
        .await
    }

    async fn reset(&self, options: Option<Value>) -> RpcResult<()> {
        if options.is_some_and(|options| options.get("forking").is_some_and(|forking| !forking.is_null())) {
            let text = "forking: this chain begins with a genesis of its own, and forks no other";
            return Err(EthError::Invalid(text.into()).into());
        }
        self.set(|settings, bench| {
            bench.chain().reset()?;
            settings.clocks.clear();
            settings.clock = Default::default();
            settings.impersonated.clear();
            settings.anyone_impersonated = false;
            bench.went_back(settings);
            Ok(())
        })
        .await
    }

    async fn dump_state(&self) -> RpcResult<Bytes> {
        let bench = self.clone();
        let dump = move |_: &Node| Ok(bench.controls.save()?.to_json().into());
        self.node.heavy(dump).await
    }

    async fn load_state(&self, state: Bytes) -> RpcResult<bool> {
        self.set(move |_, bench| {
            let accounts = state::accounts(&state).map_err(|error| EthError::Invalid(error.to_string()))?;
            let changes = accounts.into_iter().map(|(address, whole)| (address, whole.into()));
            bench.chain().change(changes.collect())?;
            Ok(true)
        })
        .await
    }

    async fn mine_one(&self, options: Option<MineOptions>) -> RpcResult<&'static str> {
        self.set(move |settings, bench| {
            let (time, blocks) = match options {
                None => (None, None),
                Some(MineOptions::Timestamp(time)) => (Some(time), None),
                Some(MineOptions::Options { timestamp, blocks }) => (timestamp, blocks),
            };
            if let Some(time) = time {
                settings.clock.tell(not_before_latest(bench.chain(), time.to())?);
            }
            mine(settings, bench.chain(), blocks.map_or(1, |blocks| blocks.to()), None)?;
            Ok("0x0")
        })
        .await
    }

    async fn mine(&self, blocks: Option<U64>, interval: Option<U64>) -> RpcResult<()> {
        self.set(move |settings, bench| {
            let count = blocks.map_or(1, |blocks| blocks.to());
            mine(settings, bench.chain(), count, interval.map(|seconds| seconds.to()))
        })
        .await
    }

    async fn set_automine(&self, on: bool) -> RpcResult<()> {
        self.seal_by(if on { Sealing::Instant } else { Sealing::Told }).await
    }

    async fn automine(&self) -> RpcResult<bool> {
        self.set(|settings, _| Ok(settings.sealing == Sealing::Instant)).await
    }

    async fn set_interval_mining(&self, seconds: U64) -> RpcResult<()> {
        let sealing = match seconds.to() {
            0 => Sealing::Told,
            seconds => Sealing::Every(Duration::from_secs(seconds)),
        };
        self.seal_by(sealing).await
    }

    async fn increase_time(&self, seconds: U64) -> RpcResult<i64> {
        self.set(move |settings, bench| {
            let ahead = settings
                .clock
                .advance(i64::try_from(seconds.to::<u64>()).unwrap_or(i64::MAX));
            settings.tell_time(bench.chain());
            Ok(ahead)
        })
        .await
    }

    async fn set_next_block_timestamp(&self, time: U64) -> RpcResult<()> {
        self.set(move |settings, bench| {
            settings.clock.tell(not_before_latest(bench.chain(), time.to())?);
            settings.tell_time(bench.chain());
            Ok(())
        })
        .await
    }

    async fn set_time(&self, time: U64) -> RpcResult<u64> {
        self.set(move |settings, bench| {
            let moved = settings.clock.set(time.to(), machine_time());
            settings.tell_time(bench.chain());
            // As anvil: how far it moved ahead, and nothing of how far back.
            Ok(u64::try_from(moved).unwrap_or(0))
        })
        .await
    }

    async fn set_next_base_fee(&self, wei: U64) -> RpcResult<()> {
        self.set(move |settings, _| {
            settings.base_fee = Some(wei.to());
            Ok(())
        })
        .await
    }

    async fn set_prev_randao(&self, value: U256) -> RpcResult<()> {
        self.set(move |settings, _| {
            settings.prev_randao = Some(value.into());
            Ok(())
        })
        .await
    }

    async fn set_coinbase(&self, address: Address) -> RpcResult<()> {
        self.set(move |settings, _| {
            settings.beneficiary = address;
            Ok(())
        })
        .await
    }

    async fn set_balance(&self, address: Address, wei: U256) -> RpcResult<()> {
        let balance = Some(wei);
        let change = AccountChange {
            balance,
            ..AccountChange::default()
        };
        self.change(address, change).await
    }

    async fn set_code(&self, address: Address, code: Bytes) -> RpcResult<()> {
        let code = Some(code);
        let change = AccountChange {
            code,
            ..AccountChange::default()
        };
        self.change(address, change).await
    }

    async fn set_nonce(&self, address: Address, nonce: U64) -> RpcResult<()> {
        let nonce = Some(nonce.to());
        let change = AccountChange {
            nonce,
            ..AccountChange::default()
        };
        self.change(address, change).await
    }

    async fn set_storage_at(&self, address: Address, slot: U256, value: B256) -> RpcResult<bool> {
        let slots = [(slot, value.into())].into();
        let change = AccountChange {
            slots,
            ..AccountChange::default()
        };
        self.change(address, change).await?;
        Ok(true)
    }

    async fn impersonate(&self, address: Address) -> RpcResult<()> {
        self.set(move |settings, _| {
            if settings.impersonated.len() >= IMPERSONATED_MAX && !settings.impersonated.contains(&address) {
                let text = format!("more than {IMPERSONATED_MAX} accounts impersonated");
                return Err(EthError::Limit(text));
            }
            settings.impersonated.insert(address);
            Ok(())
        })
        .await
    }

    async fn stop_impersonating(&self, address: Address) -> RpcResult<bool> {
        self.set(move |settings, _| Ok(settings.impersonated.remove(&address)))
            .await
    }

    async fn impersonate_anyone(&self, on: bool) -> RpcResult<()> {
        self.set(move |settings, _| {
            settings.anyone_impersonated = on;
            Ok(())
        })
        .await
    }

    async fn drop_transaction(&self, hash: B256) -> RpcResult<Option<B256>> {
        Ok(self.chain().drop_transaction(&hash).then_some(hash))
    }

    fn node_info(&self) -> RpcResult<Value> {
        let ledger = self.chain().ledger();
        let latest = ledger.latest();
        Ok(json!({
            "currentBlockNumber": U64::from(latest.header.number),
            "currentBlockTimestamp": latest.header.timestamp,
            "currentBlockHash": latest.hash,
            "hardFork": "prague",
            "transactionOrder": "fees",
            "environment": {
                "baseFee": U256::from(evm::next_base_fee(&latest.header)),
                "chainId": ledger.chain_id(),
                "gasLimit": U64::from(latest.header.gas_limit),
                "gasPrice": U256::from(super::fee::gas_price(ledger)?),
            },
            "forkConfig": { "forkUrl": null, "forkBlockNumber": null, "forkRetryBackoff": null },
        }))
    }

    fn metadata(&self) -> RpcResult<Value> {
        let ledger = self.chain().ledger();
        let latest = ledger.latest();
        let mut snapshots = BTreeMap::new();
        for (number, height) in self.chain().snapshots() {
            let block = ledger.by_number(height).map_err(EthError::from)?;
            snapshots.insert(U64::from(number), (height, block.map(|block| block.hash)));
        }
        Ok(json!({
            "clientVersion": self.node.config.client_version,
            "chainId": ledger.chain_id(),
            // A chain's name for as long as it runs: its genesis block's hash and nothing of chance.
            "instanceId": ledger.genesis().hash_slow(),
            "latestBlockNumber": latest.header.number,
            "latestBlockHash": latest.hash,
            "snapshots": snapshots,
        }))
    }

    async fn send_transaction(&self, request: TransactionRequest) -> RpcResult<B256> {
        let bench = self.clone();
        self.node.heavy(move |_| bench.send(request)).await
    }

    fn sign(&self, address: Address, message: Bytes) -> RpcResult<Bytes> {
        Ok(self.sign_message(address, &message)?)
    }

    fn sign_typed_data(&self, address: Address, data: TypedData) -> RpcResult<Bytes> {
        Ok(self.sign_data(address, &data)?)
    }

    fn personal_sign(&self, message: Bytes, address: Address) -> RpcResult<Bytes> {
        Ok(self.sign_message(address, &message)?)
    }
}

//! Adds a shard to a local network: registers it on the root chain, brings the operators in, and writes down what its processes begin with.
//!
//! Each step looks first at what was done before, on the chain or in the shard's file: one that was cut off goes on where it was.

use super::{Endowment, ShardFile, ShardFileError, ShardSettings};
use crate::{
    keys::{KeyFileError, NodeKeys},
    layout::{Layout, Ports},
};
use alloy_sol_types::SolEvent;
use client::{HttpProvider, Rpc, RpcError};
use contracts::{
    CONSENSUS_MIN_STAKE_WEI, CallError, Event, EventFilter, Provider as _, ProviderError, Request,
    SERVICE_CREATION_WEI,
    abi::{Mailbox, NetworkRegistry, OperatorRegistry, ShardRegistry},
    addresses::{MAILBOX, NETWORK_REGISTRY, OPERATOR_REGISTRY, SHARD_REGISTRY},
    read, write,
};
use primitives::{Address, Bytes, U256};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{Instant, sleep};

/// What each carrier has on either chain when a shard begins, wei: ten coins, thousands of messages.
const CARRIER_WEI: u128 = 10_000_000_000_000_000_000;
/// A carrier with less on the root chain is given more when the shard is added again.
const CARRIER_LOW_WEI: u128 = CARRIER_WEI / 2;
/// Chain ids of a network's shards begin with the root chain's: 16602 has 16602001 and so on.
const CHAIN_IDS_EACH: u64 = 1_000;
/// Blocks of which events are asked for at a time.
const SCAN_BLOCKS: u64 = 10_000;
/// Pause between two looks at the chain.
const POLL: Duration = Duration::from_millis(500);
/// Times that a transaction of an operator is tried: its node sends transactions of the same account.
const TRIES: u32 = 5;
/// How long a shard's processes may take from their file to the first block.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// `ServiceState` in `INetworkRegistry.sol`.
const PENDING: u8 = 0;
const ACTIVE: u8 = 1;

/// Why a shard was not added. What was done by then is done; adding it again goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// The shard's file.
    #[error(transparent)]
    File(#[from] ShardFileError),
    /// An operator's key file.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// A chain did not do what was asked.
    #[error("{what}")]
    Chain {
        /// What was asked.
        what: String,
        /// What it said.
        source: ProviderError,
    },
    /// A contract's answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The chain id belongs to another shard.
    #[error("chain id {chain} is taken by a shard that {founder} registered: name another with --chain")]
    Taken {
        /// The chain id.
        chain: u64,
        /// Who has it.
        founder: Address,
    },
    /// No chain id is free.
    #[error("the root chain has a shard for each of the chain ids that are tried: name one with --chain")]
    NoChainId,
    /// The shard's service was drained.
    #[error("shard {chain} was retired: add another")]
    Retired {
        /// The shard.
        chain: u64,
    },
    /// The shard's processes did not begin.
    #[error(
        "shard {chain} has its file, but {url} made no block in {} s: its processes are those of aloft up, which has to run; see {log}",
        START_TIMEOUT.as_secs()
    )]
    Silent {
        /// The shard.
        chain: u64,
        /// Where its first validator is to answer.
        url: String,
        /// Path of the merged log.
        log: String,
        /// What it last said.
        source: Option<RpcError>,
    },
}

/// What has been done, as it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoundingStep {
    /// The file was written: what the shard is to be.
    Planned {
        /// Its chain id.
        chain: u64,
    },
    /// The root chain knows it.
    Registered {
        /// Number of its service.
        service: u32,
    },
    /// An operator votes on it when its committee is closed.
    Joined {
        /// Name of its node.
        node: String,
    },
    /// Its committees are closed from now on.
    Activated,
    /// Carriers have coins on the root chain.
    Funded {
        /// How many were given some.
        carriers: usize,
    },
    /// Coins are locked for what its first block gives away.
    Endowed {
        /// How much, wei.
        wei: U256,
    },
    /// The first committee is not closed yet.
    Waiting {
        /// The root chain's last block.
        height: u64,
        /// The block from which on it is.
        until: u64,
    },
    /// The root chain announced it, and the file says so.
    Founded {
        /// Its validators.
        validators: usize,
    },
    /// Its processes make blocks.
    Running {
        /// Where the first one answers.
        url: String,
    },
}

impl std::fmt::Display for FoundingStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Planned { chain } => write!(f, "shard {chain} is planned"),
            Self::Registered { service } => write!(f, "registered on the root chain as service {service}"),
            Self::Joined { node } => write!(f, "{node}'s operator joined"),
            Self::Activated => write!(f, "its committees are closed from the next epoch on"),
            Self::Funded { carriers } => write!(f, "{carriers} carriers of messages have coins on the root chain"),
            Self::Endowed { wei } => write!(f, "{wei} wei are locked for what its first block gives to accounts"),
            Self::Waiting { height, until } => {
                write!(
                    f,
                    "its first committee is fixed with block {until}, {} from now",
                    until.saturating_sub(*height)
                )
            }
            Self::Founded { validators } => write!(f, "announced, with {validators} validators"),
            Self::Running { url } => write!(f, "its processes make blocks: {url}"),
        }
    }
}

/// The URL of the JSON-RPC of a network's node 0.
pub fn root_url(layout: &Layout) -> Option<String> {
    let node = layout.network.nodes.first()?;
    Some(format!("http://{}", Ports::loopback(node.ports.rpc)))
}

/// The URL of the JSON-RPC of a shard's first validator.
pub fn shard_url(shard: &ShardFile) -> Option<String> {
    Some(format!("http://{}", Ports::loopback(shard.nodes.first()?.ports.rpc)))
}

/// Adds a shard to the network of `layout`, which runs, on behalf of `root`'s account, which pays for it. Begun once, it goes on where it was: with the shard
/// that `settings` names, or the one that is not founded yet.
///
/// It returns when the shard makes blocks. Its first committee is fixed two epochs of the root chain after its service becomes active, so that takes
/// up to two of them.
///
/// # Errors
///
/// [`FoundingError`].
pub async fn add_shard(
    layout: &Layout,
    root: &HttpProvider,
    settings: &ShardSettings,
    mut said: impl FnMut(FoundingStep),
) -> Result<ShardFile, FoundingError> {
    let mut shard = plan(layout, root, settings).await?;
    said(FoundingStep::Planned { chain: shard.chain_id });
    if shard.retired {
        return Err(FoundingError::Retired { chain: shard.chain_id });
    }
    if shard.founding.is_none() {
        let adding = Adding {
            layout,
            root,
            shard: &shard,
        };
        let service = adding.register().await?;
        said(FoundingStep::Registered { service });
        for node in &shard.nodes {
            if adding.join(service, node.index).await? {
                let node = layout.network.nodes[node.index].name.clone();
                said(FoundingStep::Joined { node });
            }
        }
        if adding.activate(service).await? {
            said(FoundingStep::Activated);
        }
        said(FoundingStep::Funded {
            carriers: adding.fund().await?,
        });
        said(FoundingStep::Endowed {
            wei: adding.endow().await?,
        });
        let told = adding.announced(service, &mut said).await?;
        shard.founding = Some(told);
        shard.genesis_time = now_s();
        // Found wanting here rather than by each of its processes.
        drop(shard.genesis(&layout.network)?);
        shard.save(&layout.dir)?;
        said(FoundingStep::Founded {
            validators: shard.nodes.len(),
        });
    }
    let url = wait_for_blocks(layout, &shard).await?;
    said(FoundingStep::Running { url });
    Ok(shard)
}

/// The shard to go on with, or a new one.
async fn plan(layout: &Layout, root: &HttpProvider, settings: &ShardSettings) -> Result<ShardFile, FoundingError> {
    let known = ShardFile::all(&layout.dir)?;
    let begun = known.iter().find(|shard| match settings.chain_id {
        Some(chain) => shard.chain_id == chain,
        None => shard.founding.is_none() && !shard.retired,
    });
    if let Some(begun) = begun {
        return Ok(begun.clone());
    }
    let chain = match settings.chain_id {
        Some(chain) => chain,
        None => free_chain_id(root, &known).await?,
    };
    let mut shard = ShardFile::plan(layout, chain, settings, now_s())?;
    for node in &shard.nodes {
        let keys = NodeKeys::open(&layout.node_dir(node.index).join("seed"))?;
        shard.endowments.push(Endowment {
            account: keys.carrier(chain).address(),
            wei: U256::from(CARRIER_WEI),
        });
    }
    shard.save(&layout.dir)?;
    Ok(shard)
}

async fn free_chain_id(root: &HttpProvider, known: &[ShardFile]) -> Result<u64, FoundingError> {
    let first = root.chain_id().saturating_mul(CHAIN_IDS_EACH);
    for chain in (first..first.saturating_add(CHAIN_IDS_EACH)).skip(1) {
        if known.iter().all(|shard| shard.chain_id != chain) && registered(root, chain).await?.is_none() {
            return Ok(chain);
        }
    }
    Err(FoundingError::NoChainId)
}

/// A shard as the root chain has it; `None` when it has none of that chain id.
pub(super) async fn registered(root: &HttpProvider, chain: u64) -> Result<Option<ShardRegistry::Shard>, CallError> {
    match read(root, SHARD_REGISTRY, &ShardRegistry::shardOfCall { chain }).await {
        Ok(shard) => Ok(Some(shard)),
        Err(CallError::Provider(ProviderError::Reverted { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// All events of one kind of a contract, in the order of the chain.
pub(super) async fn all_events<E: SolEvent>(
    chain: &HttpProvider,
    contract: Address,
) -> Result<Vec<(Event, E)>, ProviderError> {
    let height = chain.height().await?;
    let mut found = Vec::new();
    let mut from_block = 0;
    while from_block <= height {
        let last = height.min(from_block + SCAN_BLOCKS - 1);
        let filter = EventFilter {
            addresses: vec![contract],
            topic0: vec![E::SIGNATURE_HASH],
            from_block,
            to_block: Some(last),
        };
        let events = chain.events(filter).await?.into_iter();
        found.extend(events.filter_map(|event| event.decode().ok().map(|decoded| (event, decoded))));
        from_block = last + 1;
    }
    Ok(found)
}

/// Puts words in front of what a chain said.
pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(ProviderError) -> FoundingError {
    let what = what.into();
    move |source| FoundingError::Chain { what, source }
}

/// Sends a call of an operator's account, whose own node sends others: a nonce that was taken meanwhile is another try's.
pub(super) async fn write_as<C: alloy_sol_types::SolCall + Sync>(
    chain: &HttpProvider,
    to: Address,
    call: &C,
    value: U256,
) -> Result<(), ProviderError> {
    for _ in 1..TRIES {
        match write(chain, to, call, value).await {
            Ok(_) => return Ok(()),
            // What was sent, and may still be final, is not sent twice.
            Err(end @ (ProviderError::Reverted { .. } | ProviderError::TimedOut { .. })) => return Err(end),
            Err(error) => tracing::debug!(%error, "a transaction is sent again"),
        }
        sleep(POLL).await;
    }
    write(chain, to, call, value).await.map(drop)
}

fn now_s() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |elapsed| elapsed.as_secs())
}

/// A shard that is being added.
struct Adding<'a> {
    layout: &'a Layout,
    root: &'a HttpProvider,
    shard: &'a ShardFile,
}

impl Adding<'_> {
    /// Registers the chain id; the number of its service.
    async fn register(&self) -> Result<u32, FoundingError> {
        let chain = self.shard.chain_id;
        if registered(self.root, chain).await?.is_none() {
            let call = ShardRegistry::registerCall {
                chain,
                network: self.shard.network,
                blocks: self.shard.epoch_blocks.get(),
                seats: self.shard.seats,
                minStake: CONSENSUS_MIN_STAKE_WEI,
            };
            let sent = write(self.root, SHARD_REGISTRY, &call, U256::from(SERVICE_CREATION_WEI)).await;
            sent.map_err(failed(format!("register shard {chain}")))?;
        }
        let found = read(self.root, SHARD_REGISTRY, &ShardRegistry::shardOfCall { chain }).await?;
        if found.network != self.shard.network || found.founder != self.root.wallet().address() {
            let founder = found.founder;
            return Err(FoundingError::Taken { chain, founder });
        }
        Ok(found.service)
    }

    /// Brings the operator of node `index` into the service, and says where its validator listens. Whether anything was left to do.
    async fn join(&self, service: u32, index: usize) -> Result<bool, FoundingError> {
        let (chain, node) = (self.shard.chain_id, &self.layout.network.nodes[index]);
        let keys = NodeKeys::open(&self.layout.node_dir(index).join("seed"))?;
        let own = self.root.with_wallet(Arc::new(keys.wallet));
        let call = OperatorRegistry::numberOfCall { account: node.account };
        let operator = read(&own, OPERATOR_REGISTRY, &call).await?;
        let members = read(&own, NETWORK_REGISTRY, &NetworkRegistry::membersOfCall { service }).await?;
        let mut done = false;
        if !members.contains(&operator) {
            let displaced = operator;
            let call = NetworkRegistry::optInCall { service, displaced };
            let sent = write_as(&own, NETWORK_REGISTRY, &call, U256::ZERO).await;
            sent.map_err(failed(format!("let {}'s operator join shard {chain}", node.name)))?;
            done = true;
        }
        let ports = self.shard.node(index).map(|node| node.ports.p2p);
        let endpoint = Ports::loopback(ports.unwrap_or_default()).to_string();
        let moved = all_events::<ShardRegistry::ShardValidatorMoved>(&own, SHARD_REGISTRY).await;
        let moved = moved.map_err(failed("look for where validators listen"))?;
        let mut own_moves = moved.iter().rev().map(|(_, moved)| moved);
        let last = own_moves.find(|moved| moved.chain == chain && moved.operator == operator);
        if last.is_none_or(|last| last.endpoint != endpoint) {
            let call = ShardRegistry::setEndpointCall { chain, endpoint };
            let sent = write_as(&own, SHARD_REGISTRY, &call, U256::ZERO).await;
            sent.map_err(failed(format!("say where {}'s validator listens", node.name)))?;
            done = true;
        }
        Ok(done)
    }

    /// Has the service's committees closed. Whether that was left to do.
    async fn activate(&self, service: u32) -> Result<bool, FoundingError> {
        let chain = self.shard.chain_id;
        let found = read(self.root, NETWORK_REGISTRY, &NetworkRegistry::serviceOfCall { service }).await?;
        if found.state > ACTIVE {
            return Err(FoundingError::Retired { chain });
        }
        if found.state != PENDING {
            return Ok(false);
        }
        let call = ShardRegistry::activateCall { chain };
        let sent = write(self.root, SHARD_REGISTRY, &call, U256::ZERO).await;
        sent.map_err(failed(format!("activate shard {chain}")))?;
        Ok(true)
    }

    /// Gives coins to those carriers that have few; how many that were.
    async fn fund(&self) -> Result<usize, FoundingError> {
        let mut given = 0;
        for node in &self.shard.nodes {
            let keys = NodeKeys::open(&self.layout.node_dir(node.index).join("seed"))?;
            let carrier = keys.carrier(self.shard.chain_id).address();
            let has = self
                .root
                .balance(carrier)
                .await
                .map_err(failed("ask what a carrier has"))?;
            if has >= U256::from(CARRIER_LOW_WEI) {
                continue;
            }
            let request = Request {
                to: Some(carrier),
                value: U256::from(CARRIER_WEI),
                data: Bytes::new(),
            };
            self.root.send(request).await.map_err(failed("give a carrier coins"))?;
            given += 1;
        }
        Ok(given)
    }

    /// Locks what is missing of what the first block gives away; all of that.
    async fn endow(&self) -> Result<U256, FoundingError> {
        let (shard, founder) = (self.shard.chain_id, self.root.wallet().address());
        let total = self.shard.endowed_wei();
        let endowed = all_events::<Mailbox::Endowed>(self.root, MAILBOX).await;
        let endowed = endowed.map_err(failed("look for what was locked"))?;
        // Counted by its giver: what is locked for messages is not the first block's.
        let own = endowed
            .iter()
            .filter(|(_, gift)| gift.shard == shard && gift.sender == founder);
        let locked = own.fold(U256::ZERO, |sum, (_, gift)| sum.saturating_add(gift.value));
        let missing = total.saturating_sub(locked);
        if !missing.is_zero() {
            let sent = write(self.root, MAILBOX, &Mailbox::endowCall { shard }, missing).await;
            sent.map_err(failed(format!("lock {missing} wei for shard {shard}")))?;
        }
        Ok(total)
    }

    /// What the root chain announced last, once its first committee is fixed.
    async fn announced(&self, service: u32, said: &mut impl FnMut(FoundingStep)) -> Result<Bytes, FoundingError> {
        let chain = self.shard.chain_id;
        let blocks = read(self.root, NETWORK_REGISTRY, &NetworkRegistry::epochBlocksCall {}).await?;
        let moved = all_events::<NetworkRegistry::ServiceMoved>(self.root, NETWORK_REGISTRY).await;
        let moved = moved.map_err(failed("look for when the service became active"))?;
        let active = moved
            .iter()
            .find(|(_, moved)| moved.service == service && moved.state == ACTIVE);
        let epoch = active.map_or(0, |(event, _)| event.block.checked_div(blocks).unwrap_or(0));
        // Closed in the next epoch for the second one after it, which is announced in the epoch before.
        let until = (epoch + 2).saturating_mul(blocks);
        loop {
            if let Some(told) = self.last_announcement().await? {
                return Ok(told);
            }
            let height = self
                .root
                .height()
                .await
                .map_err(failed("ask for the root chain's height"))?;
            if height < until {
                said(FoundingStep::Waiting { height, until });
            }
            while self
                .root
                .height()
                .await
                .map_err(failed("wait for the first committee"))?
                < until
            {
                sleep(POLL).await;
            }
            let call = ShardRegistry::announceCall { chain };
            match write(self.root, SHARD_REGISTRY, &call, U256::ZERO).await {
                Ok(_) => sleep(POLL).await,
                // Right after an epoch began its committees may not be closed yet.
                Err(ProviderError::Reverted { .. }) if height < until.saturating_add(2 * blocks) => sleep(POLL).await,
                Err(error) => return Err(failed(format!("announce shard {chain}"))(error)),
            }
        }
    }

    async fn last_announcement(&self) -> Result<Option<Bytes>, FoundingError> {
        let sent = all_events::<Mailbox::MessageSent>(self.root, MAILBOX).await;
        let sent = sent.map_err(failed("look for what was announced"))?;
        let to_shard =
            |message: &Mailbox::Message| message.destination == self.shard.chain_id && message.sender == SHARD_REGISTRY;
        let last = sent.into_iter().rev().find(|(_, sent)| to_shard(&sent.message));
        Ok(last.map(|(_, sent)| sent.message.data))
    }
}

/// Waits until the first validator of a shard has its first block; its URL.
async fn wait_for_blocks(layout: &Layout, shard: &ShardFile) -> Result<String, FoundingError> {
    let url = shard_url(shard).unwrap_or_default();
    let (rpc, begun) = (Rpc::new(&url), Instant::now());
    loop {
        let answer = rpc.call::<U256>("eth_blockNumber", json!([])).await;
        if answer.as_ref().is_ok_and(|height| !height.is_zero()) {
            return Ok(url);
        }
        if begun.elapsed() > START_TIMEOUT {
            return Err(FoundingError::Silent {
                chain: shard.chain_id,
                url,
                log: layout.log_path().display().to_string(),
                source: answer.err(),
            });
        }
        sleep(POLL).await;
    }
}

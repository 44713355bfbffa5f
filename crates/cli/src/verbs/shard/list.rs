//! `aloft shard list`

use super::Chains;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::coins, done},
};
use anyhow::Context as _;
use client::HttpProvider;
use contracts::{
    CallError, Provider as _,
    abi::{ChainClient, Mailbox, NetworkRegistry, ShardRegistry, ShardValidators},
    addresses::{CHAIN_CLIENT, MAILBOX, NETWORK_REGISTRY, SHARD_REGISTRY, SHARD_VALIDATORS},
};
use node::ShardFile;
use primitives::U256;
use serde::Serialize;
use std::fmt;

/// Shards listed at most: some questions to two chains for each.
const LISTED_MAX: u64 = 256;
/// What a service's state is called, in the order of `ServiceState` in `INetworkRegistry.sol`.
const STATES: [&str; 4] = ["founding", "active", "retired", "closed"];

/// Show the shards of the network: how high they are, who votes, what is locked for them, and how far each side knows the other.
///
/// Example: aloft shard list
#[derive(clap::Args)]
pub struct List {
    #[command(flatten)]
    chains: Chains,
}

#[derive(Serialize)]
struct Listed {
    chain_id: u64,
    /// Of its service on the root chain.
    state: &'static str,
    service: u32,
    /// The epoch of the root chain for which its committee was announced last.
    announced_epoch: u64,
    /// Locked for it on the root chain, wei.
    locked_wei: U256,
    /// Its last block that the root chain knows; 0 before the first.
    root_knows_block: u64,
    rpc_urls: Vec<String>,
    /// What the shard itself says; none where it does not answer, or does not run here.
    live: Option<Live>,
}

#[derive(Serialize)]
struct Live {
    height: u64,
    epoch: u64,
    /// Operators in its committee.
    validators: usize,
    /// The root chain's last block that it knows; 0 before the first.
    knows_root_block: u64,
}

#[derive(Serialize)]
struct Shards {
    root_chain: u64,
    root_height: u64,
    root_epoch: u64,
    shards: Vec<Listed>,
}

impl fmt::Display for Shards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "root chain {}, block {}, epoch {}",
            self.root_chain, self.root_height, self.root_epoch
        )?;
        if self.shards.is_empty() {
            return write!(f, "\nno shards. Add one with: aloft shard add");
        }
        write!(
            f,
            "\n{:>10}  {:8}  {:>8} {:>6} {:>10} {:>10}  {:>9} {:>9}  JSON-RPC",
            "chain id", "state", "height", "epoch", "validators", "locked", "up lag", "down lag"
        )?;
        for shard in &self.shards {
            let live = |value: fn(&Live) -> u64| {
                let live = shard.live.as_ref();
                live.map_or_else(|| "-".to_owned(), |live| value(live).to_string())
            };
            let lag = shard.live.as_ref();
            let up = lag.map(|live| live.height.saturating_sub(shard.root_knows_block));
            let down = lag.map(|live| self.root_height.saturating_sub(live.knows_root_block));
            let blocks = |lag: Option<u64>| lag.map_or_else(|| "-".to_owned(), |blocks| blocks.to_string());
            write!(
                f,
                "\n{:>10}  {:8}  {:>8} {:>6} {:>10} {:>10}  {:>9} {:>9}  {}",
                shard.chain_id,
                shard.state,
                live(|live| live.height),
                live(|live| live.epoch),
                live(|live| live.validators as u64),
                coins(shard.locked_wei),
                blocks(up),
                blocks(down),
                shard.rpc_urls.first().map_or("-", String::as_str),
            )?;
        }
        write!(
            f,
            "\nlags are blocks since the last that was shown to the other chain: one is shown when a message needs it"
        )
    }
}

impl List {
    /// Asks the root chain, and each shard that answers.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let layout = self.chains.layout()?;
        let root = self.chains.root(&layout).await?;
        let files = ShardFile::all(&layout.dir)?;
        let count = contracts::read(&root, SHARD_REGISTRY, &ShardRegistry::shardCountCall {}).await;
        let count = count.context("ask the root chain for its shards")?;
        let mut shards = Vec::new();
        for index in 0..u64::try_from(count).unwrap_or(LISTED_MAX).min(LISTED_MAX) {
            let call = ShardRegistry::chainAtCall {
                index: U256::from(index),
            };
            let chain = contracts::read(&root, SHARD_REGISTRY, &call).await?;
            let file = files.iter().find(|file| file.chain_id == chain);
            let mut listed = registered(&root, chain)
                .await
                .with_context(|| format!("ask about shard {chain}"))?;
            if let Some(file) = file {
                let ports = file.nodes.iter().map(|node| node.ports.rpc);
                listed.rpc_urls = ports.map(|port| format!("http://127.0.0.1:{port}")).collect();
                listed.live = self.live(file, root.chain_id()).await;
            }
            shards.push(listed);
        }
        let root_epoch = contracts::read(&root, NETWORK_REGISTRY, &NetworkRegistry::epochCall {}).await?;
        done(
            output,
            &Shards {
                root_chain: root.chain_id(),
                root_height: root.height().await?,
                root_epoch,
                shards,
            },
        )
    }

    /// What a shard says of itself; none if it does not answer.
    async fn live(&self, file: &ShardFile, root_chain: u64) -> Option<Live> {
        if file.founding.is_none() || file.retired {
            return None;
        }
        let shard = self.chains.shard(file).await.ok()?;
        let epoch = contracts::read(&shard, SHARD_VALIDATORS, &ShardValidators::epochCall {})
            .await
            .ok()?;
        let call = ShardValidators::committeeCall { atEpoch: epoch };
        let validators = contracts::read(&shard, SHARD_VALIDATORS, &call).await.ok()?.len();
        let call = ChainClient::latestOfCall { chain: root_chain };
        Some(Live {
            height: shard.height().await.ok()?,
            epoch,
            validators,
            knows_root_block: contracts::read(&shard, CHAIN_CLIENT, &call).await.ok()?,
        })
    }
}

/// What the root chain says of a shard.
async fn registered(root: &HttpProvider, chain: u64) -> Result<Listed, CallError> {
    let service = contracts::read(root, SHARD_REGISTRY, &ShardRegistry::shardOfCall { chain })
        .await?
        .service;
    let call = NetworkRegistry::serviceOfCall { service };
    let state = contracts::read(root, NETWORK_REGISTRY, &call).await?.state;
    let call = ShardRegistry::lastAnnouncedCall { chain };
    Ok(Listed {
        chain_id: chain,
        state: STATES.get(usize::from(state)).copied().unwrap_or("unknown"),
        service,
        announced_epoch: contracts::read(root, SHARD_REGISTRY, &call).await?,
        locked_wei: contracts::read(root, MAILBOX, &Mailbox::lockedForCall { chain }).await?,
        root_knows_block: contracts::read(root, CHAIN_CLIENT, &ChainClient::latestOfCall { chain }).await?,
        rpc_urls: Vec::new(),
        live: None,
    })
}

//! `aloft shard add`

use super::Chains;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::done,
};
use node::{SHARD_GAS_LIMIT_MIN, ShardSettings, add_shard};
use serde::Serialize;
use std::{fmt, num::NonZeroU64};

/// Start another chain beside a running network, secured by the same stake; run again after a crash, it goes on where it was.
///
/// It costs 100 coins, which are burnt, and 20 for each validator, which carry messages. Its first committee is fixed two epochs later: 40 minutes of an
/// idle network, unless that was made with shorter ones (aloft up --epoch-blocks 60).
///
/// Example: aloft shard add
#[derive(clap::Args)]
pub struct Add {
    /// Its chain id; the next that is free when left out.
    #[arg(long, value_name = "ID")]
    chain: Option<u64>,
    /// Validators, each with the keys of one of the network's nodes; all nodes when left out.
    #[arg(long, value_name = "COUNT")]
    validators: Option<usize>,
    /// Blocks of its epochs; a sixteenth of the root chain's when left out.
    #[arg(long, value_name = "BLOCKS")]
    epoch_blocks: Option<NonZeroU64>,
    /// Gas limit of its blocks.
    #[arg(long, value_name = "GAS", default_value_t = node::GAS_LIMIT,
          value_parser = clap::value_parser!(u64).range(SHARD_GAS_LIMIT_MIN..))]
    gas_limit: u64,
    /// Least time from one of its blocks to the next, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 150, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    interval_ms: u64,
    #[command(flatten)]
    chains: Chains,
}

#[derive(Serialize)]
struct Added {
    chain_id: u64,
    rpc_urls: Vec<String>,
    metrics_urls: Vec<String>,
    validators: usize,
    epoch_blocks: u64,
}

impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain_id, .. } = self;
        writeln!(f, "chain id  {chain_id}")?;
        writeln!(f, "JSON-RPC  {}", self.rpc_urls.join("  "))?;
        write!(
            f,
            "\nTry: aloft shard send {chain_id} 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 1.5"
        )
    }
}

impl Add {
    /// Adds it, saying each step.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let layout = self.chains.layout()?;
        let root = self.chains.root(&layout).await?;
        let settings = ShardSettings {
            chain_id: self.chain,
            epoch_blocks: self.epoch_blocks,
            gas_limit: self.gas_limit,
            block_interval_ms: self.interval_ms,
            validators: self.validators,
            endowments: Vec::new(),
        };
        let shard = add_shard(&layout, &root, &settings, |step| output.say(step)).await?;
        let urls = |port: fn(&node::ShardPorts) -> u16| {
            let ports = shard.nodes.iter().map(|node| port(&node.ports));
            ports.map(|port| format!("http://127.0.0.1:{port}")).collect::<Vec<_>>()
        };
        let metrics = urls(|ports| ports.http).into_iter().map(|url| url + "/metrics");
        done(
            output,
            &Added {
                chain_id: shard.chain_id,
                rpc_urls: urls(|ports| ports.rpc),
                metrics_urls: metrics.collect(),
                validators: shard.nodes.len(),
                epoch_blocks: shard.epoch_blocks.get(),
            },
        )
    }
}

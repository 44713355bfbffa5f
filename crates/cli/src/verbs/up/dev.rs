//! `aloft up --dev`

use super::{Funded, funded};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use node::{DevelopmentNode, DevelopmentOptions};
use serde::Serialize;
use std::{fmt, net::Ipv4Addr, path::PathBuf, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

/// Longest pause between blocks: a day.
const BLOCK_TIME_MAX_S: f64 = 86_400.0;

/// What a development chain is to be.
#[derive(clap::Args)]
#[command(next_help_heading = "Development chain")]
pub struct Dev {
    /// Run a development chain in this process instead of a network: nobody votes, blocks come as transactions do, anvil_*, evm_* and
    /// hardhat_* methods work, and nothing is kept but by --state.
    #[arg(long, conflicts_with_all = ["nodes", "dir", "reset", "logs", "generate_release_key"])]
    pub dev: bool,
    /// Make a block every so many seconds, instead of when a transaction comes.
    #[arg(long, value_name = "SECONDS", requires = "dev", value_parser = parse_seconds)]
    block_time: Option<Duration>,
    /// Go on with the chain in this file, if it is there, and write the chain to it at the end.
    #[arg(long, value_name = "FILE", requires = "dev")]
    state: Option<PathBuf>,
    /// Port of JSON-RPC on loopback; 0 takes any free one.
    #[arg(long, requires = "dev", default_value_t = 8545)]
    port: u16,
    /// Chain id; 16602 for a new chain.
    #[arg(long, value_name = "ID", requires = "dev")]
    chain_id: Option<u64>,
}

#[derive(Serialize)]
struct Running {
    chain_id: u64,
    height: u64,
    rpc_url: String,
    accounts: Vec<Funded>,
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Funded::list(&self.accounts, f)?;
        writeln!(f, "\nchain id  {}", self.chain_id)?;
        if self.height > 0 {
            writeln!(f, "height    {}", self.height)?;
        }
        writeln!(f, "JSON-RPC  {}", self.rpc_url)?;
        write!(f, "\nTry: aloft chain block latest      Stop: Ctrl-C")
    }
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= BLOCK_TIME_MAX_S => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!(
            "{text} is not a number of seconds such as 0.5, of a day at most"
        )),
    }
}

impl Dev {
    /// Starts the chain, says where it is, and waits for Ctrl-C or a termination signal.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let mut interrupted = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
        let mut terminated = signal(SignalKind::terminate()).context("listen for termination")?;
        let options = DevelopmentOptions {
            listen: (Ipv4Addr::LOCALHOST, self.port).into(),
            chain_id: self.chain_id,
            block_time: self.block_time,
            state: self.state,
        };
        let node = DevelopmentNode::start(options).await?;
        output.value(&Running {
            chain_id: node.chain_id(),
            height: node.height(),
            rpc_url: format!("http://{}", node.address()),
            accounts: funded(),
        });
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        output.say("stopping");
        node.stop().await?;
        Ok(ExitCode::Done)
    }
}

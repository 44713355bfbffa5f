//! `aloft up`

mod dev;

use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use contracts::ReleaseKey;
use node::{DEVELOPMENT_KEYS, Layout, LocalNetwork, development_wallets};
use primitives::Address;
use serde::Serialize;
use std::{fmt, num::NonZeroU64, path::PathBuf};
use tokio::signal::unix::{SignalKind, signal};

/// Run a local network until Ctrl-C; started again with the same folder, it goes on where it was.
///
/// Example: aloft up --nodes 4
///
/// Example: aloft up --dev --state chain.json
#[derive(clap::Args)]
pub struct Up {
    /// Nodes; 4 for a new network.
    #[arg(long)]
    nodes: Option<usize>,
    /// Blocks of an epoch of a new network, at whose end committees change; 1200 when left out. Shorter ones make a shard's committee, and stake,
    /// count sooner.
    #[arg(long, value_name = "BLOCKS")]
    epoch_blocks: Option<NonZeroU64>,
    /// Folder of the network.
    #[arg(long, default_value = ".aloft")]
    dir: PathBuf,
    /// Have the nodes of a new network make the key that releases others among themselves, on the chain, in its first epoch, instead of dealing it
    /// to them: nobody ever knows it. Epochs must not be shorter than some forty blocks then.
    #[arg(long)]
    generate_release_key: bool,
    /// Begin anew: delete the network in the folder first.
    #[arg(long)]
    reset: bool,
    /// Show the merged log of all nodes.
    #[arg(long)]
    logs: bool,
    #[command(flatten)]
    dev: dev::Dev,
}

#[derive(Serialize)]
struct Running {
    chain_id: u64,
    rpc_urls: Vec<String>,
    http_urls: Vec<String>,
    alt_da_urls: Vec<String>,
    disperser_urls: Vec<String>,
    accounts: Vec<Funded>,
    log: PathBuf,
}

#[derive(Serialize)]
struct Funded {
    address: Address,
    private_key: &'static str,
}

impl Funded {
    /// Shows who has what, as people read it.
    fn list(accounts: &[Self], f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nFunded accounts, 10000 coins and 1000000 USDX each (everybody knows these keys):"
        )?;
        for (index, account) in accounts.iter().enumerate() {
            writeln!(f, "  ({index}) {}  {}", account.address, account.private_key)?;
        }
        Ok(())
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Funded::list(&self.accounts, f)?;
        writeln!(f, "\nchain id  {}", self.chain_id)?;
        let listeners = [
            ("JSON-RPC", &self.rpc_urls),
            ("HTTP", &self.http_urls),
            ("alt-DA", &self.alt_da_urls),
            ("0G gRPC", &self.disperser_urls),
        ];
        for (name, urls) in listeners.into_iter().filter(|(_, urls)| !urls.is_empty()) {
            writeln!(f, "{name:9} {}", urls.join("  "))?;
        }
        if let Some(first) = self.http_urls.first() {
            writeln!(f, "metrics   {first}/metrics, and so on")?;
        }
        writeln!(f, "log       {}", self.log.display())?;
        write!(f, "\nTry: aloft put README.md      Stop: Ctrl-C")
    }
}

impl Up {
    /// Starts the network, says where it is, and waits for Ctrl-C or a termination signal.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        if self.dev.dev {
            return self.dev.run(output).await;
        }
        if self.reset {
            remove_network(&self.dir)?;
        }
        let mut interrupted = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
        let mut terminated = signal(SignalKind::terminate()).context("listen for termination")?;
        let release_key = match self.generate_release_key {
            true => ReleaseKey::Generated,
            false => ReleaseKey::Dealt,
        };
        let layout = Layout::open_or_create_with(&self.dir, self.nodes, self.epoch_blocks, release_key)?;
        let starting = output.spinner("starting the nodes");
        let network = tokio::select! {
            network = LocalNetwork::start(layout, self.logs) => Some(network?),
            _ = interrupted.recv() => None,
            _ = terminated.recv() => None,
        };
        starting.finish_and_clear();
        let Some(mut network) = network else {
            return Ok(ExitCode::Done);
        };
        let count = network.layout().network.nodes.len();
        let running = Running {
            chain_id: network.layout().network.chain_id,
            rpc_urls: (0..count).map(|index| network.rpc_url(index)).collect(),
            http_urls: (0..count).map(|index| network.http_url(index)).collect(),
            alt_da_urls: (0..count).filter_map(|index| network.alt_da_url(index)).collect(),
            disperser_urls: (0..count).filter_map(|index| network.disperser_url(index)).collect(),
            accounts: funded(),
            log: network.layout().log_path(),
        };
        output.value(&running);
        let ended = tokio::select! {
            _ = interrupted.recv() => None,
            _ = terminated.recv() => None,
            end = network.first_end() => Some(end),
        };
        output.say("stopping");
        let clean = network.stop().await?;
        if let Some((name, status)) = ended {
            return Err(anyhow::anyhow!("{name} ended by itself, {status}: see {}", running.log.display()).into());
        }
        if !clean {
            return Err(anyhow::anyhow!("a node had to be killed: see {}", running.log.display()).into());
        }
        Ok(ExitCode::Done)
    }
}

/// The accounts that every chain made here funds.
fn funded() -> Vec<Funded> {
    development_wallets()
        .iter()
        .zip(DEVELOPMENT_KEYS)
        .map(|(wallet, private_key)| Funded {
            address: wallet.address(),
            private_key,
        })
        .collect()
}

/// Deletes a network's folder, and only that: a folder that holds something else is left alone.
fn remove_network(dir: &std::path::Path) -> anyhow::Result<()> {
    if !dir.exists() {
        return Ok(());
    }
    let entries = std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
    for entry in entries {
        let name = entry.with_context(|| format!("read {}", dir.display()))?.file_name();
        let name = name.to_string_lossy();
        anyhow::ensure!(
            name.starts_with("network.") || name.starts_with("node-") || name == "shards",
            "{} holds {name}, which is not a network's: nothing was deleted",
            dir.display()
        );
    }
    std::fs::remove_dir_all(dir).with_context(|| format!("delete {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--reset --dir ~` must not cost anybody their home.
    #[test]
    fn reset_deletes_a_network_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let network = folder.path().join("net");
        Layout::open_or_create(&network, Some(1)).unwrap();
        std::fs::write(network.join("thesis.tex"), "years of work").unwrap();
        assert!(remove_network(&network).unwrap_err().to_string().contains("thesis.tex"));
        assert!(network.join("thesis.tex").exists());
        std::fs::remove_file(network.join("thesis.tex")).unwrap();
        remove_network(&network).unwrap();
        assert!(!network.exists());
        remove_network(&network).unwrap();
    }
}

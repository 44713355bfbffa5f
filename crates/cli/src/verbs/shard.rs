//! `aloft shard`

mod add;
mod list;
mod retire;
mod run;
mod send;

use super::connection::Key;
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{HttpProvider, Rpc};
use node::{Layout, ShardFile};
use std::path::PathBuf;

/// Add further chains that the same stake secures, see them, send between them, and take them away.
#[derive(clap::Args)]
pub struct Shard {
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(clap::Subcommand)]
pub enum Command {
    Add(add::Add),
    List(list::List),
    Send(send::Send),
    Retire(retire::Retire),
    Run(run::Run),
}

impl Command {
    /// Does it.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        match self {
            Self::Add(verb) => verb.run(output).await,
            Self::List(verb) => verb.run(output).await,
            Self::Send(verb) => verb.run(output).await,
            Self::Retire(verb) => verb.run(output).await,
            Self::Run(verb) => verb.run(),
        }
    }
}

/// Which local network, and on whose behalf.
#[derive(clap::Args)]
#[command(next_help_heading = "Network")]
struct Chains {
    /// Folder of the network, which runs: aloft up.
    #[arg(long, value_name = "DIR", default_value = ".aloft")]
    network: PathBuf,
    #[command(flatten)]
    key: Key,
}

impl Chains {
    fn layout(&self) -> anyhow::Result<Layout> {
        let layout = Layout::open(&self.network);
        layout.with_context(|| {
            format!(
                "is {} a network's folder? Make one with: aloft up",
                self.network.display()
            )
        })
    }

    /// Connects to the root chain, which is shard 0.
    async fn root(&self, layout: &Layout) -> anyhow::Result<HttpProvider> {
        let url = node::root_url(layout).context("the network has no node")?;
        let provider = HttpProvider::connect(Rpc::new(&url), self.key.wallet()?).await;
        provider.with_context(|| format!("is the network running at {url}? Start it with: aloft up"))
    }

    /// Connects to a shard.
    async fn shard(&self, shard: &ShardFile) -> anyhow::Result<HttpProvider> {
        let url = node::shard_url(shard).context("the shard has no validator")?;
        let provider = HttpProvider::connect(Rpc::new(&url), self.key.wallet()?).await;
        provider.with_context(|| {
            let chain = shard.chain_id;
            format!(
                "does shard {chain} run at {url}? Its processes are those of aloft up; network.log says what they do"
            )
        })
    }

    /// Connects to a chain of the network: the root chain, or a shard that is not retired.
    async fn chain(&self, layout: &Layout, chain: u64) -> anyhow::Result<HttpProvider> {
        if chain == layout.network.chain_id {
            return self.root(layout).await;
        }
        let shard = ShardFile::open(&layout.dir, chain)?;
        anyhow::ensure!(!shard.retired, "shard {chain} is retired: it makes no blocks any more");
        self.shard(&shard).await
    }
}

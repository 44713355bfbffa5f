//! `aloft node join`

use super::log_to_standard_error;
use crate::output::{ExitCode, Failure};
use anyhow::Context as _;
use node::{Addresses, CheckpointName, Joined, fetch_network};
use primitives::B256;
use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

/// Join a network with a node of your own, and run it in this process until it is told to stop.
///
/// The node takes what fixes the network's first block from one of the nodes to follow, and refuses any block but the one whose hash you give: have that
/// from somebody whom you trust. It executes every block since, and believes nothing but the certificates of committees that its own state names. It
/// takes part in agreeing on blocks when its operator's stake gives it seats: see aloft operator.
///
/// With --checkpoint it begins with the state after a recent block instead, which it takes from the nodes to follow, every part proved against that block, and
/// executes only the blocks after it. That block's hash, too, has to come from somebody whom you trust, and has to be younger than the time that stake takes to
/// be paid out (aloft operator show); it is the last of one of the last two epochs, which `aloft chain checkpoints` asks a node for. When its state is no longer
/// kept before all of it is here, the node begins again with that of a later block which the first one proves.
///
/// Started again in the same folder it goes on, and the other options are not needed.
///
/// Example: aloft node join mynode --genesis 0x5e0b… --follow http://203.0.113.7:8545
#[derive(clap::Args)]
pub struct Join {
    /// The node's folder, which is made if need be; keys that `aloft node keys` made there are used.
    dir: PathBuf,
    /// Hash of the network's first block, as `aloft chain block 0` prints it.
    #[arg(long, value_name = "HASH")]
    genesis: Option<B256>,
    /// JSON-RPC URL of a node to follow; may be given several times.
    #[arg(long, value_name = "URL")]
    follow: Vec<String>,
    /// Begin with the state after this block, an epoch's last: its height and hash, or its hash. A node that has a chain already goes on with that.
    #[arg(long, value_name = "HEIGHT:HASH")]
    checkpoint: Option<CheckpointName>,
    /// Address on which to take connections of other operators; 0.0.0.0 for all.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// Stop when standard input ends, as it does when the program that started this one is gone.
    #[arg(long, hide = true)]
    supervised: bool,
}

impl Join {
    /// Makes the folder unless it is there, and runs the node.
    pub fn run(self) -> Result<ExitCode, Failure> {
        match (Joined::is_there(&self.dir), self.checkpoint) {
            (false, _) => self.prepare()?,
            // The one that was named before may not be there any longer.
            (true, Some(checkpoint)) => Joined::open(&self.dir)?.begin_with(checkpoint)?,
            (true, None) => {}
        }
        log_to_standard_error();
        node::run_joined(&self.dir, self.supervised)?;
        Ok(ExitCode::Done)
    }

    fn prepare(&self) -> anyhow::Result<()> {
        let dir = self.dir.display();
        let genesis = self
            .genesis
            .with_context(|| format!("{dir} holds no node yet: name the first block by --genesis"))?;
        let fetched = self.fetch()?;
        let addresses = Addresses::free(self.listen)?;
        Joined::create(
            &self.dir,
            &fetched,
            genesis,
            addresses,
            self.follow.clone(),
            self.checkpoint,
        )?;
        Ok(())
    }

    /// The network's file from the first node that gives it.
    fn fetch(&self) -> anyhow::Result<serde_json::Value> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("start a runtime")?;
        let mut failed = anyhow::anyhow!("name a node to follow by --follow");
        for url in &self.follow {
            match runtime.block_on(fetch_network(url)) {
                Ok(network) => return Ok(network),
                Err(error) => failed = anyhow::Error::new(error).context(format!("ask {url} for its network")),
            }
        }
        Err(failed)
    }
}

//! `aloft shard run`

use crate::{
    output::{ExitCode, Failure},
    verbs::node::log_to_standard_error,
};
use std::path::PathBuf;

/// Run one validator of a shard in this process, with the keys of one of the network's nodes. `aloft up` runs them all.
///
/// Example: aloft shard run --network .aloft --chain 16602001 --index 0
#[derive(clap::Args)]
pub struct Run {
    /// Folder of the network.
    #[arg(long, value_name = "DIR")]
    network: PathBuf,
    /// Chain id of the shard.
    #[arg(long)]
    chain: u64,
    /// Which of the network's nodes has the keys.
    #[arg(long)]
    index: usize,
    /// Stop when standard input ends, as it does when the program that started this one is gone.
    #[arg(long, hide = true)]
    supervised: bool,
}

impl Run {
    /// Runs the validator until it is told to stop.
    pub fn run(self) -> Result<ExitCode, Failure> {
        log_to_standard_error();
        node::run_shard(&self.network, self.chain, self.index, self.supervised)?;
        Ok(ExitCode::Done)
    }
}

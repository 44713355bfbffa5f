//! `aloft node`

mod join;
mod keys;
mod status;

pub use join::Join;

use crate::output::{ExitCode, Failure, Output};
use std::path::PathBuf;

/// Make a node's keys, join a network with a node, run one of a local network, or ask one how it is.
#[derive(clap::Args)]
pub struct Node {
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done with a node.
#[derive(clap::Subcommand)]
pub enum Command {
    Keys(keys::Keys),
    Join(Join),
    Run(Run),
    Status(status::Status),
}

/// Run one node of a local network in this process. `aloft up` runs them all.
///
/// Example: aloft node run --network .aloft --index 0
#[derive(clap::Args)]
pub struct Run {
    /// Folder of the network.
    #[arg(long, value_name = "DIR")]
    network: PathBuf,
    /// Which of its nodes.
    #[arg(long)]
    index: usize,
    /// Stop when standard input ends, as it does when the program that started this one is gone.
    #[arg(long, hide = true)]
    supervised: bool,
}

impl Run {
    /// Runs the node until it is told to stop.
    pub fn run(self) -> Result<ExitCode, Failure> {
        log_to_standard_error();
        node::run(&self.network, self.index, self.supervised)?;
        Ok(ExitCode::Done)
    }
}

/// Has a process that runs for long say what it does, on standard error.
pub(super) fn log_to_standard_error() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new("warn,node=info,chain=info,da=info,api=info,compute=info")
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    // A panic ends the node with an error that says what to do: here it needs one line, for whoever looks for its place.
    std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
}

impl Command {
    /// Carries out a command that asks a running node.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        match self {
            Self::Keys(keys) => keys.run(output),
            Self::Join(join) => join.run(),
            Self::Run(run) => run.run(),
            Self::Status(status) => status.run(output).await,
        }
    }
}

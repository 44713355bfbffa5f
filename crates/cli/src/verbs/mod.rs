//! What `aloft` can do, one file a verb.

mod balance;
mod chain;
mod connection;
mod cost;
mod da;
pub mod demo;
mod get;
mod infer;
mod ls;
pub mod node;
mod operator;
mod put;
mod readers;
mod send;
pub mod shard;
mod stake;
mod stat;
pub mod train;
mod up;
pub mod verify;

use crate::output::{ExitCode, Failure, Output};
use clap::Subcommand;
use commonware_runtime::tokio::Context;

/// All verbs.
#[derive(Subcommand)]
pub enum Verb {
    Demo(demo::Demo),
    Up(up::Up),
    Put(put::Put),
    Get(get::Get),
    Ls(ls::Ls),
    Stat(stat::Stat),
    Cost(cost::Cost),
    Readers(readers::Readers),
    Da(da::Da),
    Infer(infer::Infer),
    Verify(verify::Verify),
    Balance(balance::Balance),
    Send(send::Send),
    Chain(chain::Chain),
    Shard(shard::Shard),
    Stake(stake::Stake),
    Operator(operator::Operator),
    Node(node::Node),
    #[command(hide = true)]
    Train(train::Train),
}

impl Verb {
    /// Carries the verb out, prints what it has to say, and gives the exit code.
    pub async fn run(self, context: Context, output: &Output) -> ExitCode {
        let result = match self {
            Self::Demo(verb) => verb.run(context, output).await,
            Self::Up(verb) => verb.run(output).await,
            Self::Put(verb) => verb.run(context, output).await,
            Self::Get(verb) => verb.run(context, output).await,
            Self::Ls(verb) => verb.run(output).await,
            Self::Stat(verb) => verb.run(context, output).await,
            Self::Cost(verb) => verb.run(output).await,
            Self::Readers(verb) => verb.run(context, output).await,
            Self::Da(verb) => verb.run(context, output).await,
            Self::Infer(verb) => verb.run(output).await,
            Self::Verify(verb) => verb.run(context, output).await,
            Self::Balance(verb) => verb.run(output).await,
            Self::Send(verb) => verb.run(output).await,
            Self::Chain(verb) => verb.run(output).await,
            Self::Shard(verb) => verb.command.run(output).await,
            Self::Stake(verb) => verb.run(output).await,
            Self::Operator(verb) => verb.run(output).await,
            Self::Node(verb) => verb.command.run(output).await,
            Self::Train(verb) => verb.run(context, output).await,
        };
        output.end(result)
    }
}

/// Prints a value and ends well.
fn done(output: &Output, value: &(impl serde::Serialize + std::fmt::Display)) -> Result<ExitCode, Failure> {
    output.value(value);
    Ok(ExitCode::Done)
}

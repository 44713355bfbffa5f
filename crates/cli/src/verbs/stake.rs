//! `aloft stake`

mod deposit;
mod leave;
pub(super) mod show;
mod withdraw;

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::operator::own_number,
};
use client::HttpProvider;

/// Put coins behind an operator, take them back, and see who has how much and which seats.
#[derive(clap::Args)]
pub struct Stake {
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(clap::Subcommand)]
enum Command {
    Show(show::Show),
    Deposit(deposit::Deposit),
    Leave(leave::Leave),
    Withdraw(withdraw::Withdraw),
}

impl Stake {
    /// Does it.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Show(verb) => verb.run(output).await,
            Command::Deposit(verb) => verb.run(output).await,
            Command::Leave(verb) => verb.run(output).await,
            Command::Withdraw(verb) => verb.run(output).await,
        }
    }
}

/// The operator that was named, or else the one that the caller is.
async fn operator(named: Option<u32>, provider: &HttpProvider) -> anyhow::Result<u32> {
    match named {
        Some(operator) => Ok(operator),
        None => own_number(provider).await,
    }
}

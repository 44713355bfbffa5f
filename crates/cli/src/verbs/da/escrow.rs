//! `aloft da escrow`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins, parse_coins},
        done,
    },
};
use anyhow::Context as _;
use client::HttpProvider;
use contracts::{
    Mined, Provider as _,
    abi::DAEntrance::{self, announceWithdrawalCall, depositCall, escrowOfCall, withdrawEscrowCall},
    addresses::DA_ENTRANCE,
};
use primitives::{Address, B256, U256};
use serde::Serialize;
use std::fmt;

/// See the coins set aside for storing files, set more aside, and take them back.
///
/// Nodes take a file's rows on the promise to pay for them, and look whether the coins are there. `aloft put` sets aside what it needs by itself.
#[derive(clap::Args)]
pub struct Escrow {
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(clap::Subcommand)]
enum Command {
    Show(Show),
    Deposit(Deposit),
    Leave(Leave),
    Withdraw(Withdraw),
}

/// Show what an account has set aside.
///
/// Example: aloft da escrow show
#[derive(clap::Args)]
struct Show {
    /// Whose; this wallet's when left out.
    account: Option<Address>,
    #[command(flatten)]
    connection: Connection,
}

/// Set coins aside for files to come.
///
/// Example: aloft da escrow deposit 0.5
#[derive(clap::Args)]
struct Deposit {
    /// How many coins, such as 0.5.
    #[arg(value_parser = parse_coins)]
    amount: U256,
    #[command(flatten)]
    connection: Connection,
}

/// Announce that coins will be taken back: they are free 2,400 blocks later, when every promise made before is kept or over.
///
/// Takes the place of what was announced before.
///
/// Example: aloft da escrow leave 0.5
#[derive(clap::Args)]
struct Leave {
    /// How many coins, such as 0.5; all that are there when left out.
    #[arg(value_parser = parse_coins)]
    amount: Option<U256>,
    #[command(flatten)]
    connection: Connection,
}

/// Take back the coins that were announced and are free.
///
/// Example: aloft da escrow withdraw
#[derive(clap::Args)]
struct Withdraw {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Report {
    account: Address,
    /// What is there, wei.
    balance_wei: U256,
    /// What of it was announced to be taken back, wei.
    leaving_wei: U256,
    /// Block from which that is free.
    free_block: u64,
    height: u64,
    /// What was taken back now, wei.
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn_wei: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<B256>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(withdrawn) = self.withdrawn_wei {
            writeln!(f, "withdrew {}", coins(withdrawn))?;
        }
        write!(f, "{} has {} set aside", self.account, coins(self.balance_wei))?;
        if self.leaving_wei.is_zero() {
            return Ok(());
        }
        write!(f, ", of which {} ", coins(self.leaving_wei))?;
        match self.free_block.checked_sub(self.height) {
            None | Some(0) => write!(f, "can be withdrawn"),
            Some(blocks) => write!(f, "are free in {blocks} blocks"),
        }
    }
}

impl Escrow {
    /// Does it.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Show(Show { account, connection }) => {
                let provider = connection.provider().await?;
                let account = account.unwrap_or_else(|| provider.wallet().address());
                done(output, &report(&provider, account, None, None).await?)
            }
            Command::Deposit(Deposit { amount, connection }) => {
                let provider = connection.provider().await?;
                let payer = provider.wallet().address();
                let mined = contracts::write(&provider, DA_ENTRANCE, &depositCall { payer }, amount)
                    .await
                    .context("set coins aside")?;
                done(output, &report(&provider, payer, None, Some(mined)).await?)
            }
            Command::Leave(Leave { amount, connection }) => {
                let provider = connection.provider().await?;
                let payer = provider.wallet().address();
                let amount = match amount {
                    Some(amount) => amount.saturating_to(),
                    None => escrow(&provider, payer).await?.balance,
                };
                let call = announceWithdrawalCall { amount };
                let mined = contracts::write(&provider, DA_ENTRANCE, &call, U256::ZERO)
                    .await
                    .context("announce that coins will be taken back")?;
                done(output, &report(&provider, payer, None, Some(mined)).await?)
            }
            Command::Withdraw(Withdraw { connection }) => {
                let provider = connection.provider().await?;
                let payer = provider.wallet().address();
                let leaving = escrow(&provider, payer).await?.leaving;
                let mined = contracts::write(&provider, DA_ENTRANCE, &withdrawEscrowCall {}, U256::ZERO)
                    .await
                    .context("take coins back")?;
                let withdrawn = Some(U256::from(leaving));
                done(output, &report(&provider, payer, withdrawn, Some(mined)).await?)
            }
        }
    }
}

async fn escrow(provider: &HttpProvider, payer: Address) -> Result<DAEntrance::Escrow, Failure> {
    let escrow = contracts::read(provider, DA_ENTRANCE, &escrowOfCall { payer }).await;
    Ok(escrow.context("ask what is set aside")?)
}

async fn report(
    provider: &HttpProvider,
    account: Address,
    withdrawn_wei: Option<U256>,
    mined: Option<Mined>,
) -> Result<Report, Failure> {
    let escrow = escrow(provider, account).await?;
    Ok(Report {
        account,
        balance_wei: U256::from(escrow.balance),
        leaving_wei: U256::from(escrow.leaving),
        free_block: escrow.freeBlock,
        height: provider.height().await.context("ask for the height")?,
        withdrawn_wei,
        transaction: mined.map(|mined| mined.hash),
    })
}

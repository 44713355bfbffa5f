//! `aloft da bond`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins, parse_coins},
        done,
    },
};
use anyhow::Context as _;
use client::challenges;
use contracts::{abi::GenesisOperatorRegistry::accountOfCall, addresses::OPERATOR_REGISTRY};
use primitives::{Address, B256, U256};
use serde::Serialize;
use std::fmt;

/// Put coins at stake for an operator: it loses one of them for each challenge that it does not answer.
///
/// Example: aloft da bond 10 --operator 0
#[derive(clap::Args)]
pub struct Bond {
    /// How many coins, such as 1.5.
    #[arg(value_parser = parse_coins)]
    amount: U256,
    /// Index of the operator, in the order of the registry.
    #[arg(long, value_name = "INDEX")]
    operator: u32,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Bonded {
    operator: u32,
    account: Address,
    /// Wei at stake now.
    held_wei: U256,
    /// Challenges that wait for its answer.
    open: u32,
    transaction: B256,
    block: u64,
}

impl fmt::Display for Bonded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "operator {} ({}) has {} at stake, {} challenges open",
            self.operator,
            self.account,
            coins(self.held_wei),
            self.open
        )
    }
}

impl Bond {
    /// Sends the coins, and says what is at stake then.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let mined = challenges::bond(&provider, self.operator, self.amount)
            .await
            .context("bond")?;
        let call = accountOfCall { index: self.operator };
        let account = contracts::read(&provider, OPERATOR_REGISTRY, &call)
            .await
            .context("ask who the operator is")?;
        let bond = challenges::bond_of(&provider, account).await.context("read the bond")?;
        done(
            output,
            &Bonded {
                operator: self.operator,
                account,
                held_wei: U256::from(bond.held),
                open: bond.open,
                transaction: mined.hash,
                block: mined.block,
            },
        )
    }
}

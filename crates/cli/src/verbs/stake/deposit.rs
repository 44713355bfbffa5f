//! `aloft stake deposit`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins, parse_coins},
        done,
        stake::operator,
    },
};
use anyhow::Context as _;
use contracts::{abi::StakeVault, addresses::STAKE_VAULT};
use primitives::{B256, U256};
use serde::Serialize;
use std::fmt;

/// Put coins at stake behind an operator: they count for its seats four epochs later, and are lost in part with what it does wrong.
///
/// Example: aloft stake deposit 10 --operator 0
#[derive(clap::Args)]
pub struct Deposit {
    /// How many coins, such as 1.5; a thousandth at least.
    #[arg(value_parser = parse_coins)]
    amount: U256,
    /// Number of the operator, as `aloft stake show` lists it; the account's own when left out.
    #[arg(long, value_name = "NUMBER")]
    operator: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Deposited {
    operator: u32,
    amount_wei: U256,
    /// What this account has behind the operator already, wei.
    active_wei: U256,
    /// What does not count yet, wei.
    joining_wei: U256,
    /// Epoch from which on that counts.
    join_epoch: u64,
    transaction: B256,
    block: u64,
}

impl fmt::Display for Deposited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (joining, active) = (coins(self.joining_wei), coins(self.active_wei));
        write!(
            f,
            "{joining} behind operator {} counts from epoch {} on, beside {active} that counts",
            self.operator, self.join_epoch
        )
    }
}

impl Deposit {
    /// Sends the coins, and says when they count.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let operator = operator(self.operator, &provider).await?;
        let call = StakeVault::depositCall { operator };
        let mined = contracts::write(&provider, STAKE_VAULT, &call, self.amount)
            .await
            .context("deposit")?;
        let account = provider.wallet().address();
        let call = StakeVault::delegationOfCall { operator, account };
        let held = contracts::read(&provider, STAKE_VAULT, &call)
            .await
            .context("read the stake")?;
        done(
            output,
            &Deposited {
                operator,
                amount_wei: self.amount,
                active_wei: U256::from(held.active),
                joining_wei: U256::from(held.joining),
                join_epoch: held.joinEpoch,
                transaction: mined.hash,
                block: mined.block,
            },
        )
    }
}

//! `aloft stake withdraw`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins},
        done,
    },
};
use anyhow::Context as _;
use contracts::{abi::StakeVault, addresses::STAKE_VAULT};
use primitives::{B256, U256};
use serde::Serialize;
use std::fmt;

/// Draw what is yours: stake that has left, rewards, and what challenges earned you.
///
/// Example: aloft stake withdraw --operator 0 --epoch 12
#[derive(clap::Args)]
pub struct Withdraw {
    /// Number of an operator: its rewards are drawn first.
    #[arg(long, value_name = "NUMBER")]
    operator: Option<u32>,
    /// Epoch in which stake left it, as `aloft stake leave` said: that stake is drawn, too.
    #[arg(long, value_name = "EPOCH", requires = "operator")]
    epoch: Option<u64>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Withdrawn {
    amount_wei: U256,
    transaction: B256,
    block: u64,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "withdrew {}", coins(self.amount_wei))
    }
}

impl Withdraw {
    /// Moves it to the account.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        if let Some(operator) = self.operator {
            let call = StakeVault::drawRewardsCall { operator };
            contracts::write(&provider, STAKE_VAULT, &call, U256::ZERO)
                .await
                .context("draw rewards")?;
            if let Some(epoch) = self.epoch {
                let call = StakeVault::releaseCall {
                    operator,
                    releaseEpoch: epoch,
                };
                contracts::write(&provider, STAKE_VAULT, &call, U256::ZERO)
                    .await
                    .context("draw the stake that left")?;
            }
        }
        let call = StakeVault::balancesCall {
            account: provider.wallet().address(),
        };
        let amount_wei = contracts::read(&provider, STAKE_VAULT, &call)
            .await
            .context("ask what there is")?;
        let mined = contracts::write(&provider, STAKE_VAULT, &StakeVault::withdrawCall {}, U256::ZERO)
            .await
            .context("withdraw")?;
        done(
            output,
            &Withdrawn {
                amount_wei,
                transaction: mined.hash,
                block: mined.block,
            },
        )
    }
}

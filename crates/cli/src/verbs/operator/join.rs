//! `aloft operator join`

use super::{epoch_blocks, first_committee, own_number, parse_service};
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins},
        done,
    },
};
use anyhow::Context as _;
use client::HttpProvider;
use contracts::{
    abi::{NetworkRegistry, StakeVault},
    addresses::{NETWORK_REGISTRY, STAKE_VAULT},
};
use primitives::{B256, U256};
use serde::Serialize;
use std::fmt;

/// Put the operator of the account into a service: to vote on blocks, to keep blobs, or whatever else the service is for.
///
/// It needs as much stake that counts as the service asks for. One stake may secure several services; each can take all of it.
///
/// Example: aloft operator join consensus --keys mynode
#[derive(clap::Args)]
pub struct Join {
    /// Which: `consensus`, `availability`, or its number.
    #[arg(value_parser = parse_service)]
    service: u32,
    /// Operator whose place it takes when the service has 256: one with less at stake.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    displaced: u32,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Joined {
    operator: u32,
    service: u32,
    /// First epoch whose committee it can be in.
    from_epoch: u64,
    transaction: B256,
    block: u64,
}

impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operator,
            service,
            from_epoch,
            ..
        } = self;
        write!(
            f,
            "operator {operator} is in service {service}; it gets seats from epoch {from_epoch} on"
        )
    }
}

impl Join {
    /// Opts in, and says from when on it has seats.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let (service, provider) = (self.service, self.connection.provider().await?);
        let operator = own_number(&provider).await?;
        check_stake(&provider, service, operator).await?;
        let call = NetworkRegistry::optInCall {
            service,
            displaced: self.displaced,
        };
        let mined = contracts::write(&provider, NETWORK_REGISTRY, &call, U256::ZERO)
            .await
            .context("join the service")?;
        let blocks = epoch_blocks(&provider).await.context("ask for the epoch")?;
        done(
            output,
            &Joined {
                operator,
                service,
                from_epoch: first_committee(&mined, blocks),
                transaction: mined.hash,
                block: mined.block,
            },
        )
    }
}

/// Whether the operator has the stake: the contract's refusal says how much is missing, and not when a deposit counts.
async fn check_stake(provider: &HttpProvider, service: u32, operator: u32) -> anyhow::Result<()> {
    let call = NetworkRegistry::serviceOfCall { service };
    let least = contracts::read(provider, NETWORK_REGISTRY, &call).await?.minStake;
    let stake = contracts::read(provider, STAKE_VAULT, &StakeVault::stakeOfCall { operator }).await?;
    let [active, joining, least] = [stake.active, stake.joining, least].map(U256::from);
    anyhow::ensure!(
        active >= least,
        "service {service} asks for {}; {} count for operator {operator}, and {} were deposited and will (aloft operator show says when)",
        coins(least),
        coins(active),
        coins(joining)
    );
    Ok(())
}

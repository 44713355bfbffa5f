//! `aloft stake show`

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
    CallError, DA_SERVICE,
    abi::{NetworkRegistry, OperatorRegistry, StakeVault},
    addresses::{NETWORK_REGISTRY, OPERATOR_REGISTRY, STAKE_VAULT},
};
use primitives::{Address, U256};
use serde::Serialize;
use std::fmt;

/// Operators listed at most: three questions to the node for each.
const LISTED_MAX: u32 = 256;

/// Show what is at stake behind each operator, and its seats in the first quorum that keeps blobs. For the others: aloft da quorums.
///
/// Example: aloft stake show
#[derive(clap::Args)]
pub struct Show {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Operator {
    operator: u32,
    account: Address,
    active_wei: U256,
    joining_wei: U256,
    leaving_wei: U256,
    /// Seats in this epoch's committee.
    seats: u32,
    /// Seats in the next epoch's.
    next_seats: u32,
    endpoint: String,
}

#[derive(Serialize)]
struct Stakes {
    epoch: u64,
    seats: u32,
    operators: Vec<Operator>,
    /// How many there are in all.
    operator_count: u32,
}

impl fmt::Display for Stakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "epoch {}, {} seats", self.epoch, self.seats)?;
        write!(
            f,
            "{:>8}  {:42}  {:>12} {:>12} {:>12} {:>6} {:>6}",
            "operator", "account", "at stake", "joining", "leaving", "seats", "next"
        )?;
        for entry in &self.operators {
            write!(
                f,
                "\n{:>8}  {:42}  {:>12} {:>12} {:>12} {:>6} {:>6}",
                entry.operator,
                entry.account.to_string(),
                coins(entry.active_wei),
                coins(entry.joining_wei),
                coins(entry.leaving_wei),
                entry.seats,
                entry.next_seats
            )?;
        }
        let more = self.operator_count.saturating_sub(self.operators.len() as u32);
        if more > 0 {
            write!(f, "\nand {more} more")?;
        }
        Ok(())
    }
}

impl Show {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let stakes = stakes(&provider).await.context("ask the chain")?;
        done(output, &stakes)
    }
}

async fn stakes(provider: &HttpProvider) -> Result<Stakes, CallError> {
    let epoch = contracts::read(provider, NETWORK_REGISTRY, &NetworkRegistry::epochCall {}).await?;
    let committee = async |at_epoch| {
        let call = NetworkRegistry::committeeCall {
            service: DA_SERVICE,
            atEpoch: at_epoch,
        };
        contracts::read(provider, NETWORK_REGISTRY, &call).await
    };
    let (now, next) = (committee(epoch).await?, committee(epoch + 1).await?);
    let seats = |members: &[NetworkRegistry::Member], operator: u32| {
        let own = members.iter().find(|member| member.operator == operator);
        own.map_or(0, |member| member.endSeat.saturating_sub(member.firstSeat))
    };
    let operator_count = contracts::read(provider, OPERATOR_REGISTRY, &OperatorRegistry::operatorCountCall {}).await?;
    let mut operators = Vec::new();
    for operator in 0..operator_count.min(LISTED_MAX) {
        let call = OperatorRegistry::operatorOfCall { operator };
        let entry = contracts::read(provider, OPERATOR_REGISTRY, &call).await?;
        let stake = contracts::read(provider, STAKE_VAULT, &StakeVault::stakeOfCall { operator }).await?;
        operators.push(Operator {
            operator,
            account: entry.account,
            active_wei: U256::from(stake.active),
            joining_wei: U256::from(stake.joining),
            leaving_wei: U256::from(stake.leaving),
            seats: seats(&now.members, operator),
            next_seats: seats(&next.members, operator),
            endpoint: entry.endpoint,
        });
    }
    Ok(Stakes {
        epoch,
        seats: now.seats,
        operators,
        operator_count,
    })
}

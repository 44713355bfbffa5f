//! `aloft da quorums`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins},
        done,
    },
};
use ::da::{Domain, committee::CommitteeError, quorum};
use anyhow::Context as _;
use client::HttpProvider;
use contracts::{
    CallError,
    abi::{DAEntrance, NetworkRegistry, OperatorRegistry},
    addresses::{DA_ENTRANCE, NETWORK_REGISTRY, OPERATOR_REGISTRY},
};
use primitives::{Address, U256};
use serde::Serialize;
use std::fmt;

/// List the quorums: which operators keep blobs together, and with how many seats.
///
/// A file, or each stripe of a large one, is kept by one quorum. There is one until others are opened.
///
/// Example: aloft da quorums
#[derive(clap::Args)]
pub struct Quorums {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Operator {
    operator: u32,
    account: Address,
    seats: u32,
    endpoint: String,
}

#[derive(Serialize)]
struct Quorum {
    quorum: u32,
    /// Whether blobs of it are certified now.
    open: bool,
    /// Seats of this epoch's committee; 0 when it has none yet.
    seats: u32,
    /// Operators that opted in. Those that are not in the committee yet have no seats.
    members: u32,
    min_stake_wei: U256,
    steward: Address,
    operators: Vec<Operator>,
}

#[derive(Serialize)]
struct Report {
    epoch: u64,
    quorums: Vec<Quorum>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.epoch)?;
        for entry in &self.quorums {
            let state = if entry.open { "open" } else { "takes no blobs" };
            write!(
                f,
                "\nquorum {}: {state}, {} operators with {} seats in this epoch, {} opted in, each with at least {} coins at stake",
                entry.quorum,
                entry.operators.len(),
                entry.seats,
                entry.members,
                coins(entry.min_stake_wei)
            )?;
            for operator in &entry.operators {
                write!(
                    f,
                    "\n{:>8}  {}  {:>3} seats  {}",
                    operator.operator, operator.account, operator.seats, operator.endpoint
                )?;
            }
        }
        Ok(())
    }
}

impl Quorums {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let domain = Domain::of_chain(provider.chain_id());
        let asked = async {
            let epoch = quorum::epoch(&provider).await?.0;
            let mut quorums = Vec::new();
            for number in quorum::list(&provider, &domain).await? {
                let entry = describe(&provider, number, epoch).await;
                quorums.push(entry.map_err(|error| CommitteeError::Registry(error.into()))?);
            }
            Ok::<_, CommitteeError>(Report { epoch, quorums })
        };
        done(output, &asked.await.context("ask the chain")?)
    }
}

/// A quorum as it is in `epoch`.
async fn describe(provider: &HttpProvider, quorum: u32, epoch: u64) -> Result<Quorum, CallError> {
    let call = NetworkRegistry::serviceOfCall { service: quorum };
    let service = contracts::read(provider, NETWORK_REGISTRY, &call).await?;
    let call = NetworkRegistry::membersOfCall { service: quorum };
    let members = contracts::read(provider, NETWORK_REGISTRY, &call).await?.len() as u32;
    let open = contracts::read(provider, DA_ENTRANCE, &DAEntrance::isOpenCall { quorum }).await?;
    let call = NetworkRegistry::committeeCall {
        service: quorum,
        atEpoch: epoch,
    };
    let committee = match contracts::read(provider, NETWORK_REGISTRY, &call).await {
        // There is none yet.
        Err(CallError::Provider(contracts::ProviderError::Reverted { .. })) => Vec::new(),
        committee => committee?.members,
    };
    let call = OperatorRegistry::operatorsOfCall {
        operators: committee.iter().map(|member| member.operator).collect(),
    };
    let entries = contracts::read(provider, OPERATOR_REGISTRY, &call).await?;
    let operators: Vec<Operator> = (committee.iter().zip(entries))
        .map(|(member, entry)| Operator {
            operator: member.operator,
            account: member.account,
            seats: member.endSeat.saturating_sub(member.firstSeat),
            endpoint: entry.endpoint,
        })
        .collect();
    Ok(Quorum {
        quorum,
        open,
        seats: operators.iter().map(|operator| operator.seats).sum(),
        members,
        min_stake_wei: U256::from(service.minStake),
        steward: service.steward,
        operators,
    })
}

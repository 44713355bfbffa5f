//! `aloft operator show`

use super::own_number;
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
    CONSENSUS_SERVICE, CallError, DA_SERVICE, ProviderError, UNBONDING_EPOCHS,
    abi::{NetworkRegistry, OperatorRegistry, StakeVault, ValidatorRegistry},
    addresses::{NETWORK_REGISTRY, OPERATOR_REGISTRY, STAKE_VAULT, VALIDATOR_REGISTRY},
};
use crypto::bls::PUBLIC_KEY_BYTES;
use primitives::{Address, U256};
use serde::Serialize;
use std::fmt;

/// Services looked through at most: three questions to the node for each.
const SERVICES_MAX: u32 = 64;

/// Epochs back in which stake that is free and was not drawn is looked for.
const FREE_EPOCHS: u64 = 32;

/// Show how far an operator is: its stake, what of it counts and what leaves, its services, seats and votes.
///
/// Example: aloft operator show --keys mynode
#[derive(clap::Args)]
pub struct Show {
    /// Number of the operator; the account's own when left out.
    #[arg(long, value_name = "NUMBER")]
    operator: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

/// How far an operator is on its way in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    /// Nothing is at stake.
    Registered,
    /// Its deposit does not count yet.
    Joining,
    /// Its stake counts; it is in no service.
    Ready,
    /// It is in a service and has no seat yet.
    Admitted,
    /// It has seats.
    Serving,
    /// It left its services, and has seats still.
    Draining,
    /// What it had at stake is leaving.
    Unbonding,
    /// It gets no seats for a while.
    Jailed,
}

/// What is known of an operator that decides its standing.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    jailed: bool,
    active: bool,
    joining: bool,
    leaving: bool,
    member: bool,
    seats: bool,
}

impl Standing {
    fn of(facts: Facts) -> Self {
        match facts {
            Facts { jailed: true, .. } => Self::Jailed,
            Facts {
                member: true,
                seats: true,
                ..
            } => Self::Serving,
            Facts { seats: true, .. } => Self::Draining,
            Facts { member: true, .. } => Self::Admitted,
            Facts { active: true, .. } => Self::Ready,
            Facts { joining: true, .. } => Self::Joining,
            Facts { leaving: true, .. } => Self::Unbonding,
            _ => Self::Registered,
        }
    }

    /// The state in words, and what comes next.
    fn words(self) -> &'static str {
        match self {
            Self::Registered => "registered; put coins behind it by aloft stake deposit",
            Self::Joining => "joining: its deposit does not count yet",
            Self::Ready => "ready: it can join services by aloft operator join",
            Self::Admitted => "admitted: it is in a service, and gets seats when the next committees begin",
            Self::Serving => "serving",
            Self::Draining => "draining: it left, and serves until its seats end",
            Self::Unbonding => "unbonding: what it had at stake is leaving",
            Self::Jailed => "jailed: it gets no seats",
        }
    }
}

/// Stake that leaves.
#[derive(Serialize)]
struct Leaving {
    amount_wei: U256,
    /// Epoch from which on `aloft stake withdraw --epoch` draws it.
    release_epoch: u64,
}

/// An operator's part in one service.
#[derive(Serialize)]
struct Service {
    service: u32,
    /// Whether it is in it: else it left, and its seats end.
    member: bool,
    /// Seats in this epoch.
    seats: u32,
    /// Seats in the next one.
    next_seats: u32,
}

#[derive(Serialize)]
struct Shown {
    operator: u32,
    account: Address,
    standing: Standing,
    epoch: u64,
    /// Wei of the account that pays its gas.
    balance_wei: U256,
    /// What counts of all that backs it, wei.
    active_wei: U256,
    /// What was deposited and does not count yet, wei.
    joining_wei: U256,
    /// Epoch from which on the account's own deposit counts; none when none waits.
    join_epoch: Option<u64>,
    /// The account's own stake that leaves or is free and was not drawn.
    leaving: Vec<Leaving>,
    services: Vec<Service>,
    /// Vote keys that count in this epoch.
    vote_keys: u64,
    /// Its votes on blocks in this epoch.
    votes: usize,
    next_votes: usize,
    /// Epoch until which it gets no seats, if it is punished so.
    jailed_until: Option<u64>,
    endpoint: String,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "operator  {}, account {}", self.operator, self.account)?;
        writeln!(f, "standing  {} (epoch {})", self.standing.words(), self.epoch)?;
        write!(f, "stake     {} count", coins(self.active_wei))?;
        match self.join_epoch {
            Some(epoch) => writeln!(f, ", {} join (its own from epoch {epoch} on)", coins(self.joining_wei))?,
            None => writeln!(f, ", {} join", coins(self.joining_wei))?,
        }
        for part in &self.leaving {
            let (amount, epoch) = (coins(part.amount_wei), part.release_epoch);
            let is = if epoch > self.epoch {
                "leave, free in"
            } else {
                "free since"
            };
            writeln!(f, "          {amount} {is} epoch {epoch}")?;
        }
        for service in &self.services {
            let Service {
                service: number,
                member,
                seats,
                next_seats,
            } = service;
            let name = match *number {
                CONSENSUS_SERVICE => "consensus".to_owned(),
                DA_SERVICE => "availability".to_owned(),
                other => format!("number {other}"),
            };
            let left = if *member { "" } else { ", left" };
            writeln!(
                f,
                "service   {name}: {seats} seats, {next_seats} in the next epoch{left}"
            )?;
        }
        writeln!(
            f,
            "votes     {} now, {} in the next epoch; {} vote keys count",
            self.votes, self.next_votes, self.vote_keys
        )?;
        if let Some(until) = self.jailed_until {
            writeln!(f, "jail      no seats until epoch {until}")?;
        }
        writeln!(f, "rows at   {}", self.endpoint)?;
        write!(f, "gas       {} in its account", coins(self.balance_wei))
    }
}

impl Show {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let operator = match self.operator {
            Some(operator) => operator,
            None => own_number(&provider).await?,
        };
        let shown = shown(&provider, operator).await.context("ask the chain")?;
        done(output, &shown)
    }
}

async fn shown(provider: &HttpProvider, operator: u32) -> anyhow::Result<Shown> {
    let epoch = contracts::read(provider, NETWORK_REGISTRY, &NetworkRegistry::epochCall {}).await?;
    let entry = contracts::read(
        provider,
        OPERATOR_REGISTRY,
        &OperatorRegistry::operatorOfCall { operator },
    )
    .await?;
    let account = entry.account;
    let stake = contracts::read(provider, STAKE_VAULT, &StakeVault::stakeOfCall { operator }).await?;
    let own = StakeVault::delegationOfCall { operator, account };
    let own = contracts::read(provider, STAKE_VAULT, &own).await?;
    let leaving = leaving(provider, operator, account, epoch).await?;
    let services = services(provider, operator, epoch).await?;
    let (votes, next_votes) = (
        votes(provider, operator, epoch).await?,
        votes(provider, operator, epoch + 1).await?,
    );
    let call = ValidatorRegistry::keysAtCall {
        operator,
        atEpoch: epoch,
    };
    let vote_keys = contracts::read(provider, VALIDATOR_REGISTRY, &call).await?;
    let standing = Standing::of(Facts {
        jailed: entry.jailedUntil > epoch,
        active: stake.active > 0,
        joining: stake.joining > 0,
        leaving: stake.leaving > 0,
        member: services.iter().any(|service| service.member),
        seats: services
            .iter()
            .any(|service| service.seats > 0 || service.next_seats > 0),
    });
    Ok(Shown {
        operator,
        account,
        standing,
        epoch,
        balance_wei: provider.balance(account).await?,
        active_wei: U256::from(stake.active),
        joining_wei: U256::from(stake.joining),
        join_epoch: (own.joining > 0).then_some(own.joinEpoch),
        leaving,
        services,
        vote_keys: u64::try_from(vote_keys).context("the registry counts more vote keys than it takes")?,
        votes,
        next_votes,
        jailed_until: (entry.jailedUntil > epoch).then_some(entry.jailedUntil),
        endpoint: entry.endpoint,
    })
}

/// What the operator's account asked back and did not draw: what is free in the next epochs, and what was in the last ones.
async fn leaving(
    provider: &HttpProvider,
    operator: u32,
    account: Address,
    epoch: u64,
) -> Result<Vec<Leaving>, CallError> {
    let mut leaving = Vec::new();
    for release_epoch in epoch.saturating_sub(FREE_EPOCHS)..=epoch + UNBONDING_EPOCHS {
        let call = StakeVault::leavingOfCall {
            operator,
            account,
            releaseEpoch: release_epoch,
        };
        let amount = contracts::read(provider, STAKE_VAULT, &call).await?;
        if amount > 0 {
            leaving.push(Leaving {
                amount_wei: U256::from(amount),
                release_epoch,
            });
        }
    }
    Ok(leaving)
}

/// The services that the operator is in, or has seats of.
async fn services(provider: &HttpProvider, operator: u32, epoch: u64) -> Result<Vec<Service>, CallError> {
    let count = contracts::read(provider, NETWORK_REGISTRY, &NetworkRegistry::serviceCountCall {}).await?;
    let mut services = Vec::new();
    for service in 0..count.min(SERVICES_MAX) {
        let members = NetworkRegistry::membersOfCall { service };
        let members = contracts::read(provider, NETWORK_REGISTRY, &members).await?;
        let found = Service {
            service,
            member: members.contains(&operator),
            seats: seats(provider, service, operator, epoch).await?,
            next_seats: seats(provider, service, operator, epoch + 1).await?,
        };
        if found.member || found.seats > 0 || found.next_seats > 0 {
            services.push(found);
        }
    }
    Ok(services)
}

/// Seats of the operator in one committee; none where there is no committee.
async fn seats(provider: &HttpProvider, service: u32, operator: u32, at_epoch: u64) -> Result<u32, CallError> {
    let call = NetworkRegistry::committeeCall {
        service,
        atEpoch: at_epoch,
    };
    match contracts::read(provider, NETWORK_REGISTRY, &call).await {
        Ok(committee) => {
            let own = committee.members.iter().find(|member| member.operator == operator);
            Ok(own.map_or(0, |member| member.endSeat.saturating_sub(member.firstSeat)))
        }
        // A service that was never active.
        Err(CallError::Provider(ProviderError::Reverted { .. })) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Votes of the operator on the blocks of an epoch.
async fn votes(provider: &HttpProvider, operator: u32, at_epoch: u64) -> Result<usize, CallError> {
    let call = ValidatorRegistry::committeeCall { atEpoch: at_epoch };
    let committee = contracts::read(provider, VALIDATOR_REGISTRY, &call).await?;
    let own = committee.iter().find(|entry| entry.operator == operator);
    Ok(own.map_or(0, |entry| entry.voteKeys.len() / PUBLIC_KEY_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One story: from coins to seats and back.
    #[test]
    fn an_operator_goes_from_registered_to_serving_and_back_in_steps_that_have_names() {
        let mut facts = Facts::default();
        let mut steps = vec![Standing::of(facts)];
        let changes: [fn(&mut Facts); 8] = [
            |facts| facts.joining = true,
            |facts| (facts.joining, facts.active) = (false, true),
            |facts| facts.member = true,
            |facts| facts.seats = true,
            |facts| facts.member = false,
            |facts| facts.seats = false,
            |facts| (facts.active, facts.leaving) = (false, true),
            |facts| facts.jailed = true,
        ];
        for change in changes {
            change(&mut facts);
            steps.push(Standing::of(facts));
        }
        use Standing::*;
        assert_eq!(
            steps,
            [
                Registered, Joining, Ready, Admitted, Serving, Draining, Ready, Unbonding, Jailed
            ]
        );
    }
}

//! `aloft operator leave`

use super::{epoch_blocks, first_committee, own_number, parse_service};
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use anyhow::Context as _;
use contracts::{LOOKAHEAD_EPOCHS, UNBONDING_EPOCHS, abi::NetworkRegistry, addresses::NETWORK_REGISTRY};
use primitives::{B256, U256};
use serde::Serialize;
use std::fmt;

/// Take the operator of the account out of a service. It serves until its seats end, and can be punished for six epochs more.
///
/// Example: aloft operator leave consensus --keys mynode
#[derive(clap::Args)]
pub struct Leave {
    /// Which: `consensus`, `availability`, or its number.
    #[arg(value_parser = parse_service)]
    service: u32,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Left {
    operator: u32,
    service: u32,
    /// First epoch in which it has no seats: until then its node must go on.
    without_seats_from_epoch: u64,
    /// Last epoch in which it can still be punished for what it did.
    answerable_until_epoch: u64,
    transaction: B256,
    block: u64,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operator,
            service,
            without_seats_from_epoch,
            answerable_until_epoch,
            ..
        } = self;
        write!(
            f,
            "operator {operator} leaves service {service}: keep its node running until epoch {without_seats_from_epoch}, from which on it has no \
             seats; it can be punished until epoch {answerable_until_epoch}"
        )
    }
}

impl Leave {
    /// Opts out, and says until when it has duties.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let (service, provider) = (self.service, self.connection.provider().await?);
        let operator = own_number(&provider).await?;
        let call = NetworkRegistry::optOutCall { service };
        let mined = contracts::write(&provider, NETWORK_REGISTRY, &call, U256::ZERO)
            .await
            .context("leave the service")?;
        let blocks = epoch_blocks(&provider).await.context("ask for the epoch")?;
        let without_seats = first_committee(&mined, blocks);
        let left_in = without_seats - 1 - LOOKAHEAD_EPOCHS;
        done(
            output,
            &Left {
                operator,
                service,
                without_seats_from_epoch: without_seats,
                answerable_until_epoch: left_in + UNBONDING_EPOCHS,
                transaction: mined.hash,
                block: mined.block,
            },
        )
    }
}

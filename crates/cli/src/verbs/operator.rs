//! `aloft operator`

mod join;
mod leave;
mod register;
mod show;

use crate::output::{ExitCode, Failure, Output};
use alloy_sol_types::SolError as _;
use client::HttpProvider;
use contracts::{
    CONSENSUS_SERVICE, CallError, DA_SERVICE, LOOKAHEAD_EPOCHS, Mined, ProviderError,
    abi::{NetworkRegistry, OperatorRegistry},
    addresses::{NETWORK_REGISTRY, OPERATOR_REGISTRY},
};
use primitives::Address;

/// Become an operator, join the services that its stake secures, leave them, and see how far it is.
///
/// From coins to a seat: `aloft operator register`, `aloft stake deposit` (counts four epochs later), `aloft operator join` (seats from the third epoch
/// after that on). And back: `aloft operator leave`, `aloft stake leave` (free six epochs later), `aloft stake withdraw`.
#[derive(clap::Args)]
pub struct Operator {
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(clap::Subcommand)]
enum Command {
    Register(register::Register),
    Join(join::Join),
    Leave(leave::Leave),
    Show(show::Show),
}

impl Operator {
    /// Does it.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Register(verb) => verb.run(output).await,
            Command::Join(verb) => verb.run(output).await,
            Command::Leave(verb) => verb.run(output).await,
            Command::Show(verb) => verb.run(output).await,
        }
    }
}

/// Number of an account's operator; `None` when it is none.
pub(super) async fn number_of(provider: &HttpProvider, account: Address) -> Result<Option<u32>, CallError> {
    let call = OperatorRegistry::numberOfCall { account };
    match contracts::read(provider, OPERATOR_REGISTRY, &call).await {
        Err(CallError::Provider(ProviderError::Reverted { data, .. }))
            if data.starts_with(&OperatorRegistry::NotAnOperator::SELECTOR) =>
        {
            Ok(None)
        }
        answer => answer.map(Some),
    }
}

/// Number of the operator that the caller is.
///
/// # Errors
///
/// When it is none: says how to become one.
pub(super) async fn own_number(provider: &HttpProvider) -> anyhow::Result<u32> {
    let account = provider.wallet().address();
    let found = number_of(provider, account).await?;
    found.ok_or_else(|| anyhow::anyhow!("{account} is no operator: make it one by aloft operator register"))
}

/// A service as a person names it: `consensus`, `availability`, or its number.
fn parse_service(text: &str) -> Result<u32, String> {
    match text {
        "consensus" => Ok(CONSENSUS_SERVICE),
        "availability" => Ok(DA_SERVICE),
        _ => text
            .parse()
            .map_err(|_| format!("{text} is no service: consensus, availability, or a number")),
    }
}

/// Blocks of an epoch.
async fn epoch_blocks(provider: &HttpProvider) -> Result<u64, CallError> {
    contracts::read(provider, NETWORK_REGISTRY, &NetworkRegistry::epochBlocksCall {}).await
}

/// First epoch whose committee shows what a transaction changed of a service: the committees of its own epoch are closed already, the next closing is
/// the first that sees it.
fn first_committee(mined: &Mined, epoch_blocks: u64) -> u64 {
    mined.block.checked_div(epoch_blocks).unwrap_or(0) + 1 + LOOKAHEAD_EPOCHS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_is_named_by_what_it_does_or_by_its_number() {
        for (text, service) in [("consensus", CONSENSUS_SERVICE), ("availability", DA_SERVICE), ("7", 7)] {
            assert_eq!(parse_service(text).unwrap(), service);
        }
        for text in ["", "voting", "-1", "4294967296"] {
            assert!(parse_service(text).unwrap_err().contains(text));
        }
    }
}

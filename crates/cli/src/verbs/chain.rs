//! `aloft chain`

mod beacon;
mod block;
mod call;
mod checkpoints;
mod logs;
mod send;
mod tx;
mod validators;

use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use primitives::{Bytes, U256, hex};

/// Look at blocks, transactions and logs, call contracts and send to them, and see who makes the blocks.
#[derive(clap::Args)]
pub struct Chain {
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(clap::Subcommand)]
enum Command {
    Block(block::Block),
    Tx(tx::Tx),
    Call(call::Call),
    Send(send::Send),
    Logs(logs::Logs),
    Validators(validators::Validators),
    Beacon(beacon::Beacon),
    Checkpoints(checkpoints::Checkpoints),
    Stake(super::stake::show::Show),
}

impl Chain {
    /// Does it.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Block(verb) => verb.run(output).await,
            Command::Tx(verb) => verb.run(output).await,
            Command::Call(verb) => verb.run(output).await,
            Command::Send(verb) => verb.run(output).await,
            Command::Logs(verb) => verb.run(output).await,
            Command::Validators(verb) => verb.run(output).await,
            Command::Beacon(verb) => verb.run(output).await,
            Command::Checkpoints(verb) => verb.run(output).await,
            Command::Stake(verb) => verb.run(output).await,
        }
    }
}

/// A block as a person names it, as JSON-RPC does: `latest`, `earliest`, or a height in decimal.
fn parse_height(text: &str) -> Result<String, String> {
    match text {
        "latest" | "earliest" => Ok(text.into()),
        _ => text
            .parse::<u64>()
            .map(|number| format!("{number:#x}"))
            .map_err(|_| format!("{text} is no block: a height such as 12, latest or earliest")),
    }
}

/// Reads bytes in hexadecimal, with or without `0x`.
pub(super) fn parse_bytes(text: &str) -> Result<Bytes, String> {
    let bytes = hex::decode(text);
    bytes
        .map(Into::into)
        .map_err(|_| format!("{text} is not an even number of hexadecimal digits"))
}

/// A quantity that fits in 64 bits, as every height, time and gas does.
fn number(value: U256) -> anyhow::Result<u64> {
    u64::try_from(value).context("the node answers with a number of more than 64 bits")
}

/// A price per gas as people read it.
fn gwei(wei: U256) -> String {
    let unit = U256::from(1_000_000_000u64);
    let fraction = format!("{:09}", wei % unit);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction} gwei", wei / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_named_by_its_height_or_by_its_place() {
        for (text, name) in [
            ("latest", "latest"),
            ("earliest", "earliest"),
            ("0", "0x0"),
            ("255", "0xff"),
        ] {
            assert_eq!(parse_height(text).unwrap(), name);
        }
        for text in ["", "newest", "-1", "0x10", "1.5"] {
            assert!(parse_height(text).unwrap_err().contains(text));
        }
    }

    #[test]
    fn a_price_shows_all_its_digits_and_no_more() {
        for (wei, text) in [
            (0u64, "0 gwei"),
            (1, "0.000000001 gwei"),
            (1_500_000_000, "1.5 gwei"),
            (2_000_000_000, "2 gwei"),
        ] {
            assert_eq!(gwei(U256::from(wei)), text);
        }
    }
}

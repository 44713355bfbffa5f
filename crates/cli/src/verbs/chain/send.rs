//! `aloft chain send`

use super::parse_bytes;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, parse_address, parse_coins},
        done,
    },
};
use anyhow::Context as _;
use contracts::{Provider, Request};
use primitives::{Address, B256, Bytes, U256};
use serde::Serialize;
use std::fmt;

/// Send a transaction with data, or create a contract, and wait until it is final. For coins alone: aloft send.
///
/// Example: aloft chain send 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 0x --value 0.1
#[derive(clap::Args)]
pub struct Send {
    /// The contract; "create" makes one of the code that DATA is.
    #[arg(value_parser = parse_receiver)]
    to: Receiver,
    /// The ABI-encoded call, or the creation code, hexadecimal.
    #[arg(value_parser = parse_bytes)]
    data: Bytes,
    /// Coins to send along, such as 1.5.
    #[arg(long, value_name = "COINS", value_parser = parse_coins, default_value = "0")]
    value: U256,
    #[command(flatten)]
    connection: Connection,
}

/// Whom a transaction is for.
#[derive(Clone, Copy, Debug)]
enum Receiver {
    Account(Address),
    Creation,
}

fn parse_receiver(text: &str) -> Result<Receiver, String> {
    match text {
        "create" => Ok(Receiver::Creation),
        _ => parse_address(text).map(Receiver::Account),
    }
}

#[derive(Serialize)]
struct Sent {
    transaction: B256,
    block: u64,
    gas_used: u64,
    /// The contract that it created.
    created: Option<Address>,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(created) = self.created {
            writeln!(f, "created {created}")?;
        }
        let Self {
            block,
            transaction,
            gas_used,
            ..
        } = self;
        write!(f, "final in block {block}, {gas_used} gas: {transaction}")
    }
}

impl Send {
    /// Signs, sends and waits.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let waiting = output.spinner("waiting for the block");
        let request = Request {
            to: match self.to {
                Receiver::Account(to) => Some(to),
                Receiver::Creation => None,
            },
            value: self.value,
            data: self.data,
        };
        let mined = provider.send(request).await;
        waiting.finish_and_clear();
        let mined = mined.context("send")?;
        let sent = Sent {
            transaction: mined.hash,
            block: mined.block,
            gas_used: mined.gas_used,
            created: mined.created,
        };
        done(output, &sent)
    }
}

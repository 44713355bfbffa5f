//! `aloft send`

use super::{
    connection::{Connection, parse_address, parse_coins, parse_decimal},
    done,
};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use contracts::{Provider, Request, abi, addresses};
use primitives::{Address, B256, Bytes};
use serde::Serialize;
use std::fmt;

/// Send coins, or USDX with --usdx, and wait until the transfer is final.
///
/// Example: aloft send 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 1.5
#[derive(clap::Args)]
pub struct Send {
    /// Who receives.
    #[arg(value_parser = parse_address)]
    to: Address,
    /// How much, such as 1.5.
    amount: String,
    /// Send USDX instead of the native coin.
    #[arg(long)]
    usdx: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Sent {
    transaction: B256,
    block: u64,
    gas_used: u64,
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "final in block {}: {}", self.block, self.transaction)
    }
}

impl Send {
    /// Signs, sends and waits.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let amount = if self.usdx {
            parse_decimal(&self.amount, 6)
        } else {
            parse_coins(&self.amount)
        };
        let amount = amount.map_err(anyhow::Error::msg).context("read the amount")?;
        let provider = self.connection.provider().await?;
        let waiting = output.spinner("waiting for the block");
        let mined = if self.usdx {
            let transfer = abi::USDX::transferCall {
                to: self.to,
                value: amount,
            };
            contracts::write(&provider, addresses::USDX, &transfer, primitives::U256::ZERO).await
        } else {
            provider
                .send(Request {
                    to: Some(self.to),
                    value: amount,
                    data: Bytes::new(),
                })
                .await
        };
        waiting.finish_and_clear();
        let mined = mined.context("send")?;
        done(
            output,
            &Sent {
                transaction: mined.hash,
                block: mined.block,
                gas_used: mined.gas_used,
            },
        )
    }
}

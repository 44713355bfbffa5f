//! `aloft chain call`

use super::{parse_bytes, parse_height};
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, parse_address},
        done,
    },
};
use anyhow::Context as _;
use primitives::{Address, Bytes};
use serde::Serialize;
use serde_json::json;
use std::fmt;

/// Call a contract without a transaction, and print the bytes that it returns.
///
/// Example: aloft chain call 0xa10f700000000000000000000000000000000003 0x18160ddd
#[derive(clap::Args)]
pub struct Call {
    /// The contract.
    #[arg(value_parser = parse_address)]
    to: Address,
    /// The ABI-encoded call, hexadecimal.
    #[arg(value_parser = parse_bytes, default_value = "0x", hide_default_value = true)]
    data: Bytes,
    /// On top of which block: a height, latest or earliest.
    #[arg(long, value_parser = parse_height, default_value = "latest")]
    block: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Returned {
    returned: Bytes,
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.returned)
    }
}

impl Call {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let from = provider.wallet().address();
        let call = json!([{ "from": from, "to": self.to, "input": self.data }, self.block]);
        let returned = provider.rpc().call("eth_call", call).await;
        let returned = returned.with_context(|| format!("call {}", self.to))?;
        done(output, &Returned { returned })
    }
}

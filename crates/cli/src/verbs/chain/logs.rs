//! `aloft chain logs`

use super::{number, parse_height};
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, parse_address},
        done,
    },
};
use primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

/// Show the logs of contracts, in the order in which they were written.
///
/// Example: aloft chain logs --address 0xa10f700000000000000000000000000000000003 --from 0
#[derive(clap::Args)]
pub struct Logs {
    /// Only of this contract; may be repeated.
    #[arg(long, value_name = "ADDRESS", value_parser = parse_address)]
    address: Vec<Address>,
    /// Only with this first topic, the hash of an event's signature; may be repeated.
    #[arg(long, value_name = "HASH")]
    topic: Vec<B256>,
    /// First block.
    #[arg(long, value_parser = parse_height, default_value = "earliest")]
    from: String,
    /// Last block.
    #[arg(long, value_parser = parse_height, default_value = "latest")]
    to: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    block_number: U256,
    log_index: U256,
    transaction_hash: B256,
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
}

#[derive(Serialize)]
struct Log {
    block: u64,
    index: u64,
    transaction: B256,
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
}

#[derive(Serialize)]
struct Shown {
    logs: Vec<Log>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for log in &self.logs {
            writeln!(f, "block {}, log {}, of {}", log.block, log.index, log.address)?;
            for topic in &log.topics {
                writeln!(f, "  {topic}")?;
            }
            writeln!(f, "  {}", log.data)?;
        }
        write!(f, "{} logs", self.logs.len())
    }
}

impl Logs {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let mut filter = json!({ "fromBlock": self.from, "toBlock": self.to });
        if !self.address.is_empty() {
            filter["address"] = json!(self.address);
        }
        if !self.topic.is_empty() {
            filter["topics"] = json!([self.topic]);
        }
        let answers: Vec<Answer> = provider.rpc().call("eth_getLogs", json!([filter])).await?;
        let logs = answers.into_iter().map(|log| {
            Ok(Log {
                block: number(log.block_number)?,
                index: number(log.log_index)?,
                transaction: log.transaction_hash,
                address: log.address,
                topics: log.topics,
                data: log.data,
            })
        });
        let logs = logs.collect::<anyhow::Result<_>>()?;
        done(output, &Shown { logs })
    }
}

//! `aloft chain block`

use super::{gwei, number, parse_height};
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use anyhow::Context as _;
use primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

/// Hexadecimal digits of a hash with its `0x`.
const HASH_TEXT: usize = 66;

/// Show a block and the hashes of its transactions.
///
/// Example: aloft chain block latest
#[derive(clap::Args)]
pub struct Block {
    /// Height, hash, latest or earliest.
    #[arg(default_value = "latest")]
    block: String,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    number: U256,
    hash: B256,
    parent_hash: B256,
    timestamp: U256,
    miner: Address,
    gas_used: U256,
    gas_limit: U256,
    base_fee_per_gas: U256,
    state_root: B256,
    transactions: Vec<B256>,
}

#[derive(Serialize)]
struct Shown {
    number: u64,
    hash: B256,
    parent_hash: B256,
    timestamp: u64,
    /// Account of who made it.
    proposer: Address,
    gas_used: u64,
    gas_limit: u64,
    base_fee_wei: U256,
    state_root: B256,
    transactions: Vec<B256>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "block     {} {}", self.number, self.hash)?;
        writeln!(f, "parent    {}", self.parent_hash)?;
        writeln!(f, "time      {} s since 1970", self.timestamp)?;
        writeln!(f, "proposer  {}", self.proposer)?;
        writeln!(f, "gas       {} of {}", self.gas_used, self.gas_limit)?;
        writeln!(f, "base fee  {}", gwei(self.base_fee_wei))?;
        writeln!(f, "state     {}", self.state_root)?;
        write!(f, "holds     {} transactions", self.transactions.len())?;
        for hash in &self.transactions {
            write!(f, "\n  {hash}")?;
        }
        Ok(())
    }
}

impl Block {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let hash = (self.block.len() == HASH_TEXT)
            .then(|| self.block.parse::<B256>().ok())
            .flatten();
        let (method, name) = match hash {
            Some(hash) => ("eth_getBlockByHash", hash.to_string()),
            None => {
                let height = parse_height(&self.block).map_err(anyhow::Error::msg);
                ("eth_getBlockByNumber", height.context("read which block")?)
            }
        };
        let provider = self.connection.provider().await?;
        let answer: Option<Answer> = provider.rpc().call(method, json!([name, false])).await?;
        let answer = answer.with_context(|| format!("there is no block {}", self.block))?;
        let shown = Shown {
            number: number(answer.number)?,
            hash: answer.hash,
            parent_hash: answer.parent_hash,
            timestamp: number(answer.timestamp)?,
            proposer: answer.miner,
            gas_used: number(answer.gas_used)?,
            gas_limit: number(answer.gas_limit)?,
            base_fee_wei: answer.base_fee_per_gas,
            state_root: answer.state_root,
            transactions: answer.transactions,
        };
        done(output, &shown)
    }
}

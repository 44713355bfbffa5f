//! `aloft chain validators`

use super::number;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use anyhow::Context as _;
use primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeMap, fmt};

/// Blocks looked at most: as many questions to the node.
const BLOCKS_MAX: u64 = 10_000;

/// Show who made the last blocks. A validator whose turns all passed without a block is not seen.
///
/// Example: aloft chain validators --blocks 100
#[derive(clap::Args)]
pub struct Validators {
    /// How many of the last blocks to look at.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=BLOCKS_MAX))]
    blocks: u64,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    miner: Address,
    timestamp: U256,
}

#[derive(Serialize)]
struct Validator {
    account: Address,
    /// Of the blocks looked at.
    blocks: u64,
    last_block: u64,
}

#[derive(Serialize)]
struct Shown {
    first_block: u64,
    last_block: u64,
    seconds: u64,
    validators: Vec<Validator>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first_block,
            last_block,
            seconds,
            ..
        } = self;
        writeln!(f, "blocks {first_block} to {last_block}, {seconds} s")?;
        write!(f, "{:42}  {:>8} {:>10}", "account", "blocks", "last")?;
        for validator in &self.validators {
            let account = validator.account.to_string();
            write!(
                f,
                "\n{account:42}  {:>8} {:>10}",
                validator.blocks, validator.last_block
            )?;
        }
        Ok(())
    }
}

impl Validators {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let rpc = provider.rpc();
        let last_block = number(rpc.call("eth_blockNumber", json!([])).await?)?;
        // The genesis block is nobody's.
        let first_block = (last_block + 1).saturating_sub(self.blocks).max(1);
        let mut made: BTreeMap<Address, Validator> = BTreeMap::new();
        let (mut first_time, mut last_time) = (None, 0);
        let looking = output.bar("reading headers", last_block + 1 - first_block.min(last_block + 1));
        for height in first_block..=last_block {
            let header: Option<Header> = rpc
                .call("eth_getHeaderByNumber", json!([format!("{height:#x}")]))
                .await?;
            let header = header.with_context(|| format!("block {height} is gone"))?;
            last_time = number(header.timestamp)?;
            first_time.get_or_insert(last_time);
            let account = header.miner;
            let validator = made.entry(account).or_insert(Validator {
                account,
                blocks: 0,
                last_block: 0,
            });
            validator.blocks += 1;
            validator.last_block = height;
            looking.inc(1);
        }
        looking.finish_and_clear();
        let mut validators: Vec<_> = made.into_values().collect();
        validators.sort_by_key(|validator| std::cmp::Reverse(validator.blocks));
        let shown = Shown {
            first_block,
            last_block,
            seconds: last_time.saturating_sub(first_time.unwrap_or(last_time)),
            validators,
        };
        done(output, &shown)
    }
}

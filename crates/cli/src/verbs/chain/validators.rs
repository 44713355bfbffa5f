//! `aloft chain validators`

use super::number;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use anyhow::Context as _;
use client::HttpProvider;
use contracts::{
    CallError,
    abi::{NetworkRegistry, ValidatorRegistry},
    addresses::{NETWORK_REGISTRY, VALIDATOR_REGISTRY},
};
use primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::{collections::BTreeMap, fmt};

/// Blocks looked at most: as many questions to the node.
const BLOCKS_MAX: u64 = 10_000;

/// Bytes of a compressed vote key.
const VOTE_KEY_BYTES: usize = 48;

/// Show who votes on blocks in this epoch and the next, and who made the last blocks.
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
    /// Number of its operator; none of who made blocks and votes no more.
    operator: Option<u32>,
    /// Its votes in this epoch.
    votes: usize,
    /// Its votes in the next epoch.
    next_votes: usize,
    /// Of the blocks looked at.
    blocks: u64,
    last_block: Option<u64>,
}

impl Validator {
    fn of(account: Address) -> Self {
        Self {
            account,
            operator: None,
            votes: 0,
            next_votes: 0,
            blocks: 0,
            last_block: None,
        }
    }
}

#[derive(Serialize)]
struct Shown {
    first_block: u64,
    last_block: u64,
    seconds: u64,
    epoch: u64,
    /// First block of the next epoch.
    next_epoch_block: u64,
    validators: Vec<Validator>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first_block,
            last_block,
            seconds,
            epoch,
            next_epoch_block,
            ..
        } = self;
        writeln!(f, "epoch {epoch}; the next begins with block {next_epoch_block}")?;
        writeln!(f, "blocks {first_block} to {last_block}, {seconds} s")?;
        write!(
            f,
            "{:>8}  {:42}  {:>6} {:>6} {:>8} {:>10}",
            "operator", "account", "votes", "next", "blocks", "last"
        )?;
        let or_dash = |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
        for validator in &self.validators {
            write!(
                f,
                "\n{:>8}  {:42}  {:>6} {:>6} {:>8} {:>10}",
                or_dash(validator.operator.map(u64::from)),
                validator.account.to_string(),
                validator.votes,
                validator.next_votes,
                validator.blocks,
                or_dash(validator.last_block),
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
            let validator = made.entry(account).or_insert_with(|| Validator::of(account));
            validator.blocks += 1;
            validator.last_block = Some(height);
            looking.inc(1);
        }
        looking.finish_and_clear();
        let (epoch, next_epoch_block) = add_votes(&provider, &mut made).await.context("ask who votes")?;
        let mut validators: Vec<_> = made.into_values().collect();
        validators.sort_by_key(|validator| std::cmp::Reverse((validator.votes, validator.blocks)));
        let shown = Shown {
            first_block,
            last_block,
            seconds: last_time.saturating_sub(first_time.unwrap_or(last_time)),
            epoch,
            next_epoch_block,
            validators,
        };
        done(output, &shown)
    }
}

/// Adds what each validator has of this epoch's votes and of the next one's. Returns the epoch and the first block of the next.
async fn add_votes(
    provider: &HttpProvider,
    validators: &mut BTreeMap<Address, Validator>,
) -> Result<(u64, u64), CallError> {
    let epoch = contracts::read(provider, NETWORK_REGISTRY, &NetworkRegistry::epochCall {}).await?;
    let blocks = contracts::read(provider, NETWORK_REGISTRY, &NetworkRegistry::epochBlocksCall {}).await?;
    for next in [false, true] {
        let at_epoch = epoch + u64::from(next);
        let call = ValidatorRegistry::committeeCall { atEpoch: at_epoch };
        let found = match contracts::read(provider, VALIDATOR_REGISTRY, &call).await {
            Ok(found) => found,
            // A chain without validators, one for development.
            Err(CallError::Provider(contracts::ProviderError::Reverted { .. })) => Vec::new(),
            Err(error) => return Err(error),
        };
        for entry in found {
            let account = entry.account;
            let validator = validators.entry(account).or_insert_with(|| Validator::of(account));
            validator.operator = Some(entry.operator);
            let votes = entry.voteKeys.len() / VOTE_KEY_BYTES;
            *(if next {
                &mut validator.next_votes
            } else {
                &mut validator.votes
            }) = votes;
        }
    }
    Ok((epoch, (epoch + 1) * blocks))
}

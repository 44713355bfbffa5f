//! `aloft chain tx`

use super::{gwei, number};
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins},
        done,
    },
};
use anyhow::Context as _;
use primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

/// Show a transaction, and what came of it once it is in a block.
///
/// Example: aloft chain tx 0x2b1c…
#[derive(clap::Args)]
pub struct Tx {
    /// The transaction's hash.
    hash: B256,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Deserialize)]
struct Transaction {
    from: Address,
    to: Option<Address>,
    nonce: U256,
    value: U256,
    input: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    block_number: U256,
    transaction_index: U256,
    status: U256,
    gas_used: U256,
    effective_gas_price: U256,
    contract_address: Option<Address>,
    logs: Vec<serde_json::Value>,
}

#[derive(Serialize)]
struct Shown {
    hash: B256,
    from: Address,
    /// None: it creates a contract.
    to: Option<Address>,
    nonce: u64,
    value_wei: U256,
    input: Bytes,
    /// None: it waits.
    outcome: Option<Outcome>,
}

#[derive(Serialize)]
struct Outcome {
    block: u64,
    index: u64,
    succeeded: bool,
    gas_used: u64,
    gas_price_wei: U256,
    created: Option<Address>,
    logs: usize,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "hash     {}", self.hash)?;
        writeln!(f, "from     {}, nonce {}", self.from, self.nonce)?;
        match self.to {
            Some(to) => writeln!(f, "to       {to}")?,
            None => writeln!(f, "creates  a contract")?,
        }
        writeln!(f, "value    {}", coins(self.value_wei))?;
        writeln!(f, "input    {} bytes", self.input.len())?;
        let Some(outcome) = &self.outcome else {
            return write!(f, "waits for a block");
        };
        let end = if outcome.succeeded { "succeeded" } else { "failed" };
        writeln!(f, "{end} in block {}, place {}", outcome.block, outcome.index)?;
        write!(f, "gas      {} at {}", outcome.gas_used, gwei(outcome.gas_price_wei))?;
        if let Some(created) = outcome.created {
            write!(f, "\ncreated  {created}")?;
        }
        write!(f, "\nlogs     {}", outcome.logs)
    }
}

impl Tx {
    /// Asks the chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let rpc = provider.rpc();
        let found: Option<Transaction> = rpc.call("eth_getTransactionByHash", json!([self.hash])).await?;
        let found = found.with_context(|| format!("there is no transaction {}", self.hash))?;
        let receipt: Option<Receipt> = rpc.call("eth_getTransactionReceipt", json!([self.hash])).await?;
        let shown = Shown {
            hash: self.hash,
            from: found.from,
            to: found.to,
            nonce: number(found.nonce)?,
            value_wei: found.value,
            input: found.input,
            outcome: receipt.map(outcome).transpose()?,
        };
        done(output, &shown)
    }
}

fn outcome(receipt: Receipt) -> anyhow::Result<Outcome> {
    Ok(Outcome {
        block: number(receipt.block_number)?,
        index: number(receipt.transaction_index)?,
        succeeded: !receipt.status.is_zero(),
        gas_used: number(receipt.gas_used)?,
        gas_price_wei: receipt.effective_gas_price,
        created: receipt.contract_address,
        logs: receipt.logs.len(),
    })
}

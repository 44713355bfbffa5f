//! `aloft da challenge`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::connection::{Connection, coins},
};
use anyhow::Context as _;
use client::challenges::{self, Outcome};
use da::sample;
use primitives::{Address, BlobRoot, U256};
use serde::Serialize;
use std::fmt;

/// Make an operator show one piece of a stored file on chain, or lose part of its stake.
///
/// Costs a deposit, which the operator gets if it answers. Waits until it has, or until its time is over (1,200 blocks, three minutes at least), and then takes
/// its stake: a quarter is yours. Ends with 1 when the operator did not show the piece.
///
/// Example: aloft da challenge 0x5e0b… --row 17
#[derive(clap::Args)]
pub struct Challenge {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    /// Which of its rows.
    #[arg(long)]
    row: u32,
    /// Which kilobyte of the row.
    #[arg(long, default_value_t = 0)]
    chunk: u32,
    /// Index of the operator to ask. The default is the one whose row it is; another may show that it is not, and take the deposit.
    #[arg(long, value_name = "INDEX")]
    operator: Option<u32>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Settled {
    root: BlobRoot,
    row: u32,
    chunk: u32,
    operator: u32,
    account: Address,
    deposit_wei: U256,
    challenged_block: u64,
    deadline: u64,
    settled_block: u64,
    /// `answered`, `disowned`, `wrong` or `silent`.
    outcome: &'static str,
    lost_wei: U256,
    rewarded_wei: U256,
}

impl fmt::Display for Settled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            row, chunk, operator, ..
        } = self;
        let blocks = self.settled_block - self.challenged_block;
        let deposit = coins(self.deposit_wei);
        match self.outcome {
            "answered" => write!(
                f,
                "operator {operator} showed chunk {chunk} of row {row} after {blocks} blocks and took the deposit of {deposit}"
            ),
            "disowned" => write!(
                f,
                "row {row} is not operator {operator}'s, which took the deposit of {deposit}"
            ),
            outcome => write!(
                f,
                "operator {operator} {} for chunk {chunk} of row {row}: it lost {}, of which {} and the deposit are yours",
                if outcome == "wrong" {
                    "answered wrongly"
                } else {
                    "did not answer"
                },
                coins(self.lost_wei),
                coins(self.rewarded_wei)
            ),
        }
    }
}

impl Challenge {
    /// Challenges, waits, and says what came of it.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let piece = sample::Challenge {
            row: self.row,
            chunk: self.chunk,
        };
        let asked = challenges::challenge(&provider, provider.chain_id(), self.root, piece, self.operator)
            .await
            .context("challenge")?;
        let waiting = output.spinner("waiting for the operator");
        let outcome = challenges::outcome(&provider, &asked).await;
        waiting.finish_and_clear();
        let none = U256::ZERO;
        let (settled_block, outcome, lost_wei, rewarded_wei) = match outcome.context("wait for the answer")? {
            Outcome::Answered { block } => (block, "answered", none, none),
            Outcome::Disowned { block } => (block, "disowned", none, none),
            Outcome::Slashed {
                block,
                answered,
                lost_wei,
                rewarded_wei,
            } => (block, if answered { "wrong" } else { "silent" }, lost_wei, rewarded_wei),
        };
        output.value(&Settled {
            root: self.root,
            row: self.row,
            chunk: self.chunk,
            operator: asked.piece.operator,
            account: asked.account,
            deposit_wei: asked.deposit_wei,
            challenged_block: asked.block,
            deadline: asked.deadline,
            settled_block,
            outcome,
            lost_wei,
            rewarded_wei,
        });
        Ok(if lost_wei.is_zero() {
            ExitCode::Done
        } else {
            ExitCode::Failed
        })
    }
}

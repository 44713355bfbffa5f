//! `aloft cost`

use super::{
    connection::{Connection, coins},
    done,
};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::catalogue;
use da::{
    Shape,
    object::{STRIPE_BYTES, stripe_count},
};
use primitives::ByteCount;
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Blocks that `put` keeps a file for unless told otherwise: three to twelve days, by how busy the chain is.
pub const DEFAULT_RETENTION_BLOCKS: u64 = 1_000_000;

/// Show what storing a file costs, without storing it.
///
/// Example: aloft cost README.md
#[derive(clap::Args)]
pub struct Cost {
    /// The file.
    file: PathBuf,
    /// Blocks to keep it for.
    #[arg(long, default_value_t = DEFAULT_RETENTION_BLOCKS)]
    blocks: u64,
    /// As stored in the clear.
    #[arg(long)]
    public: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Quote {
    #[serde(flatten)]
    cost: catalogue::Cost,
    stripes: u32,
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cost, stripes } = self;
        writeln!(f, "length  {} as coded", ByteCount(cost.length))?;
        writeln!(
            f,
            "kept    {} on all nodes together, for {} blocks",
            ByteCount(cost.kept_bytes),
            cost.blocks
        )?;
        write!(
            f,
            "fee     {} coins, and the gas of {}",
            coins(cost.fee_wei),
            match stripes {
                1 => "one transaction".to_owned(),
                stripes => format!("{} transactions: {stripes} stripes and what names them", stripes + 1),
            }
        )
    }
}

impl Cost {
    /// Asks the contract.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let file = std::fs::metadata(&self.file).with_context(|| format!("read {}", self.file.display()))?;
        let provider = self.connection.provider().await?;
        let cost = client::cost(&provider, Shape::STANDARD, file.len(), self.public, self.blocks).await?;
        let stripes = stripe_count(file.len(), STRIPE_BYTES).unwrap_or(1);
        done(output, &Quote { cost, stripes })
    }
}

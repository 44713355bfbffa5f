//! `aloft ls`

use super::{connection::Connection, done};
use crate::output::{ExitCode, Failure, Output};
use client::{Certified, catalogue};
use primitives::ByteCount;
use serde::Serialize;
use std::fmt;

/// List stored files by their roots, oldest first.
///
/// Example: aloft ls --mine
#[derive(clap::Args)]
pub struct Ls {
    /// Only files that the acting key paid for.
    #[arg(long)]
    mine: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
#[serde(transparent)]
struct Listing(Vec<Certified>);

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "nothing is stored yet: aloft put FILE");
        }
        let line = |file: &Certified| {
            let size = ByteCount(file.length).to_string();
            format!(
                "{}  {size:>10}  block {:>6} to {:>8}",
                file.root, file.certified_block, file.expiry_block
            )
        };
        f.write_str(&self.0.iter().map(line).collect::<Vec<_>>().join("\n"))
    }
}

impl Ls {
    /// Reads the certificates on chain.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let payer = self.mine.then(|| provider.wallet().address());
        done(output, &Listing(catalogue::list(&provider, 0, payer).await?))
    }
}

//! `aloft stat`

use super::{connection::Connection, done};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{Certified, catalogue};
use contracts::Provider as _;
use primitives::{BlobRoot, ByteCount};
use serde::Serialize;
use std::fmt;

/// Show what the chain knows of a stored file.
///
/// Example: aloft stat 0x5e0b…
#[derive(clap::Args)]
pub struct Stat {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    file: Certified,
    height: u64,
    expired: bool,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, height, expired } = self;
        let coded = u64::from(file.total_rows) * u64::from(file.row_bytes);
        let left = if *expired {
            "expired".into()
        } else {
            format!("{} blocks left", file.expiry_block - height)
        };
        writeln!(f, "root         {}", file.root)?;
        writeln!(f, "length       {} as coded", ByteCount(file.length))?;
        writeln!(
            f,
            "kept         {}: {} rows of {} bytes",
            ByteCount(coded),
            file.total_rows,
            file.row_bytes
        )?;
        writeln!(f, "signed by    operators {:?}", file.signers)?;
        writeln!(f, "payer        {}", file.payer)?;
        writeln!(
            f,
            "certified    block {}, transaction {}",
            file.certified_block, file.transaction
        )?;
        write!(f, "expiry       block {} ({left})", file.expiry_block)
    }
}

impl Stat {
    /// Reads the file's certificate.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let file = catalogue::find(&provider, self.root).await?;
        let file = file.with_context(|| format!("no file {} is recorded here; see: aloft ls", self.root))?;
        let height = provider.height().await?;
        done(
            output,
            &Status {
                expired: height > file.expiry_block,
                height,
                file,
            },
        )
    }
}

//! `aloft put`

use super::{
    connection::{Connection, coins},
    cost::DEFAULT_RETENTION_BLOCKS,
    done,
};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{Files, Readers, Stored, Transfer};
use commonware_runtime::{Supervisor as _, tokio::Context};
use da::{Meta, Shape, header::MAX_BLOB_BYTES, shape::RATES};
use primitives::ByteCount;
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// Store a file: encrypted for the acting key, coded, spread over the nodes, and certified on chain.
///
/// Example: aloft put README.md
#[derive(clap::Args)]
pub struct Put {
    /// The file.
    file: PathBuf,
    /// Blocks to keep it for.
    #[arg(long, default_value_t = DEFAULT_RETENTION_BLOCKS)]
    blocks: u64,
    /// Store it in the clear, for everybody.
    #[arg(long)]
    public: bool,
    /// How many times the file's rows are coded: 2 (where the operators are trusted), 3, 4, or `auto`, by how many operators there are, how many
    /// answer, and how long it is kept.
    #[arg(long, default_value = "3", value_parser = Rate::parse)]
    rate: Rate,
    /// Media type to keep with it.
    #[arg(long, default_value = "application/octet-stream")]
    content_type: String,
    #[command(flatten)]
    connection: Connection,
}

/// How widely a file is coded.
#[derive(Clone, Copy)]
enum Rate {
    /// By what the network is measured to be.
    Auto,
    /// So many times its rows.
    Times(u32),
}

impl Rate {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse()
            .ok()
            .filter(|times| RATES.contains(times))
            .map(Self::Times)
            .ok_or_else(|| format!("2, 3, 4 or auto, not {text}"))
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Report(Stored);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(stored) = self;
        writeln!(
            f,
            "stored   {} for {} coins, until block {}",
            ByteCount(stored.length),
            coins(stored.fee_wei),
            stored.expiry_block
        )?;
        writeln!(
            f,
            "signed   by operators {:?}; recorded in block {}, {}",
            stored.signers, stored.block, stored.transaction
        )?;
        write!(f, "{}", stored.root)
    }
}

impl Put {
    /// Stores the file. The root is the last thing printed.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let read = || format!("read {}", self.file.display());
        let length = std::fs::metadata(&self.file).with_context(read)?.len();
        // Asked of the file system first: nothing that cannot be stored is read into memory.
        if length > MAX_BLOB_BYTES {
            let (length, most) = (ByteCount(length), ByteCount(MAX_BLOB_BYTES));
            return Err(anyhow::anyhow!(
                "{} has {length}; one file may have {most}: split it",
                self.file.display()
            )
            .into());
        }
        let bytes = std::fs::read(&self.file).with_context(read)?;
        let name = self
            .file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let meta = Meta {
            name,
            content_type: self.content_type,
        };
        let readers = if self.public {
            Readers::Everybody
        } else {
            Readers::OwnerAnd(vec![])
        };
        let mut files = Files::open(context.child("files"), self.connection.provider().await?).await?;
        let shape = match self.rate {
            Rate::Auto => files.conditions(self.blocks).await?.shape(),
            Rate::Times(times) => Shape::whole(Shape::STANDARD.data_rows(), times).context("choose the rows")?,
        };
        files.code_to(shape);
        let bar = output.bar("spreading rows", 0);
        let stored = files
            .put(bytes, &meta, readers, self.blocks, |step| match step {
                Transfer::Coded { rows } => bar.set_length(rows.into()),
                Transfer::Sent { rows } => bar.inc(rows.into()),
                Transfer::Received { .. } => {}
            })
            .await;
        bar.finish_and_clear();
        done(output, &Report(stored?))
    }
}

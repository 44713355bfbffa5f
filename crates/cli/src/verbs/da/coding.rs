//! `aloft da widen` and `aloft da narrow`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{
        connection::{Connection, coins},
        done,
    },
};
use client::{Added, Dropped, Files, Transfer};
use commonware_runtime::{Supervisor as _, tokio::Context};
use primitives::BlobRoot;
use serde::Serialize;
use std::fmt;

/// Give a stored file another thousand rows, four thousand at most, while it is kept and read: for when nodes are away more often than was
/// thought. What nodes have already is not touched, and no key is needed.
///
/// Example: aloft da widen 0x5e0b…
#[derive(clap::Args)]
pub struct Widen {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    #[command(flatten)]
    connection: Connection,
}

/// Take the rows that were added last away from a file again. The acting key paid for them; nothing is paid back.
///
/// Example: aloft da narrow 0x5e0b…
#[derive(clap::Args)]
pub struct Narrow {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
#[serde(transparent)]
struct WidenReport(Added);

impl fmt::Display for WidenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(added) = self;
        writeln!(f, "added    {} for {} coins", added.added, coins(added.fee_wei))?;
        writeln!(f, "recorded in block {}, {}", added.block, added.transaction)?;
        write!(f, "{} has {} rows now", added.root, added.rows)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct NarrowReport(Dropped);

impl fmt::Display for NarrowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(dropped) = self;
        writeln!(f, "dropped  {}", dropped.dropped)?;
        writeln!(f, "recorded in block {}, {}", dropped.block, dropped.transaction)?;
        write!(f, "{} has {} rows now", dropped.root, dropped.rows)
    }
}

impl Widen {
    /// Does it.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let mut files = Files::open(context.child("files"), self.connection.provider().await?).await?;
        let bar = output.bar("adding rows", 0);
        let added = files
            .widen(self.root, |step| match step {
                Transfer::Coded { rows } => {
                    bar.set_position(0);
                    bar.set_length(rows.into());
                }
                Transfer::Sent { rows } => bar.inc(rows.into()),
                Transfer::Received { rows, needed } => {
                    bar.set_length(needed.into());
                    bar.set_position(rows.into());
                }
                Transfer::Written { .. } => {}
            })
            .await;
        bar.finish_and_clear();
        done(output, &WidenReport(added?))
    }
}

impl Narrow {
    /// Does it.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let mut files = Files::open(context.child("files"), self.connection.provider().await?).await?;
        done(output, &NarrowReport(files.narrow(self.root).await?))
    }
}

//! `aloft stat`

use super::{connection::Connection, done};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{Certified, Files, catalogue};
use commonware_runtime::{Supervisor as _, tokio::Context};
use contracts::Provider as _;
use da::{Domain, Record};
use primitives::{BlobRoot, ByteCount};
use serde::Serialize;
use std::fmt;

/// Show what the chain knows of a stored file, and what it is to whom it is for.
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
    /// Quorum whose operators keep it.
    quorum: u32,
    /// Epoch of their committee.
    epoch: u64,
    /// Rows that were added to it since.
    added: Vec<Added>,
    height: u64,
    expired: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

/// A coset that was added to the file.
#[derive(Serialize)]
struct Added {
    root: BlobRoot,
    first_row: u32,
    rows: u32,
}

impl From<&Record> for Added {
    fn from(record: &Record) -> Self {
        Self {
            root: record.root(),
            first_row: record.shape().first_row(),
            rows: record.shape().row_count(),
        }
    }
}

/// What only a reader of the file sees.
#[derive(Serialize)]
struct Content {
    name: String,
    content_type: String,
    length: u64,
    stripes: u32,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            quorum,
            epoch,
            added,
            height,
            expired,
            content,
        } = self;
        let total_rows = file.total_rows + added.iter().map(|part| part.rows).sum::<u32>();
        let coded = u64::from(total_rows) * u64::from(file.row_bytes);
        let left = if *expired {
            "expired".into()
        } else {
            format!("{} blocks left", file.expiry_block - height)
        };
        writeln!(f, "root         {}", file.root)?;
        if let Some(content) = content {
            writeln!(f, "name         {:?}, {}", content.name, content.content_type)?;
            let length = ByteCount(content.length);
            match content.stripes {
                1 => writeln!(f, "content      {length}")?,
                stripes => writeln!(f, "content      {length} in {stripes} stripes, which this blob names")?,
            }
        }
        writeln!(f, "length       {} as coded", ByteCount(file.length))?;
        writeln!(
            f,
            "kept         {}: {} rows of {} bytes",
            ByteCount(coded),
            total_rows,
            file.row_bytes
        )?;
        for Added { root, first_row, rows } in added {
            writeln!(f, "added        rows {first_row} to {}: {root}", first_row + rows - 1)?;
        }
        writeln!(f, "kept by      quorum {quorum}, its committee of epoch {epoch}")?;
        writeln!(f, "signed by    members {:?} of it", file.signers)?;
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
    /// Reads the file's certificate, and its name when it is for the acting key and there.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let file = catalogue::find(&provider, self.root).await?;
        let file = file.with_context(|| format!("no file {} is recorded here; see: aloft ls", self.root))?;
        let height = provider.height().await?;
        let domain = Domain::of_chain(provider.chain_id());
        let record = Record::read(&provider, &domain, self.root).await?;
        let added = record.read_added(&provider, &domain).await?;
        let mut files = Files::open(context.child("files"), provider).await?;
        // What the chain says holds also for a file that is another's or gone.
        let content = files.object(self.root).await.ok().map(|object| Content {
            name: object.meta().name.clone(),
            content_type: object.meta().content_type.clone(),
            length: object.length(),
            stripes: object.stripes(),
        });
        done(
            output,
            &Status {
                quorum: record.committee().quorum,
                epoch: record.committee().epoch.0,
                added: added.iter().map(Added::from).collect(),
                expired: height > file.expiry_block,
                height,
                file,
                content,
            },
        )
    }
}

//! `aloft put`

use super::{
    connection::{Connection, coins},
    cost::DEFAULT_RETENTION_BLOCKS,
    da::policy::PolicyId,
    done,
};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{Files, Readers, Stored, Transfer, UPLOAD_BYTES_MAX, Upload};
use commonware_codec::{Copying, DecodeExt, Encode};
use commonware_runtime::{Supervisor as _, tokio::Context};
use contracts::Provider as _;
use da::{Meta, Shape, release::Keepers, shape::RATES};
use primitives::{B256, ByteCount};
use serde::Serialize;
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Store a file: encrypted for the acting key, coded, spread over the nodes, and certified on chain.
///
/// It may have any length: one of more than 16 MiB is stored stripe by stripe. When that breaks off, the same command goes on behind
/// the last stripe that was certified: beside the file, `.NAME.aloft-put` says which that is, and holds the file's key until it is
/// done.
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
    /// Let the network's committee release the file's key to whom this policy lets in: the name of a policy of the acting key, or
    /// any policy's id. See aloft da policy.
    #[arg(long, value_name = "POLICY", conflicts_with = "public")]
    release: Option<PolicyId>,
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
struct Report {
    #[serde(flatten)]
    stored: Stored,
    /// The policy under which its key is released.
    #[serde(skip_serializing_if = "Option::is_none")]
    released_under: Option<B256>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stored, released_under } = self;
        writeln!(
            f,
            "stored   {} for {} coins, until block {}",
            ByteCount(stored.length),
            coins(stored.fee_wei),
            stored.expiry_block
        )?;
        if stored.stripes > 1 {
            writeln!(f, "stripes  {}, each with a certificate", stored.stripes)?;
        }
        writeln!(
            f,
            "signed   by operators {:?}; recorded in block {}, {}",
            stored.signers, stored.block, stored.transaction
        )?;
        if let Some(policy) = released_under {
            writeln!(f, "released to whom policy {policy} lets in")?;
        }
        write!(f, "{}", stored.root)
    }
}

impl Put {
    /// Stores the file. The root is the last thing printed.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let read = || format!("read {}", self.file.display());
        let mut source = File::open(&self.file).with_context(read)?;
        let length = source.metadata().with_context(read)?.len();
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
        let provider = self.connection.provider().await?;
        let released_under = match &self.release {
            Some(policy) => {
                // Known before anything is paid for.
                Keepers::read(&provider).await.context("release the file's key")?;
                Some(policy.of(provider.wallet().address()))
            }
            None => None,
        };
        let height = provider.height().await?;
        let mut files = Files::open(context.child("files"), provider).await?;
        let shape = match self.rate {
            Rate::Auto => files.conditions(self.blocks).await?.shape(),
            Rate::Times(times) => Shape::whole(Shape::STANDARD.data_rows(), times).context("choose the rows")?,
        };
        files.code_to(shape);
        let state = state_path(&self.file);
        let begun = load(&state)
            .with_context(|| format!("read {}", state.display()))?
            .filter(|upload| {
                upload.length() == length && upload.is_public() == self.public && upload.expiry_block() > height
            });
        let mut upload = match begun {
            Some(upload) => {
                output.say(format_args!(
                    "going on: {} of {} stripes are stored, until block {}",
                    upload.stripes_done(),
                    upload.stripes(),
                    upload.expiry_block()
                ));
                upload
            }
            None => files.begin_upload(length, self.public, self.blocks).await?,
        };
        let bar = output.bar("spreading rows", 0);
        let save_state = |upload: &Upload| save(&state, upload);
        let stored = files
            .put_stream(
                &mut source,
                &mut upload,
                &meta,
                readers,
                save_state,
                |step| match step {
                    Transfer::Coded { rows } => bar.set_length(rows.into()),
                    Transfer::Sent { rows } => bar.inc(rows.into()),
                    Transfer::Received { .. } | Transfer::Written { .. } => {}
                },
            )
            .await;
        bar.finish_and_clear();
        if let Err(client::FileError::Changed { .. }) = &stored {
            let remove = format!(
                "{} was changed; remove {} to begin again",
                self.file.display(),
                state.display()
            );
            return Err(anyhow::Error::from(stored.expect_err("just seen"))
                .context(remove)
                .into());
        }
        let stored = stored?;
        if upload.stripes_done() > 0 {
            fs::remove_file(&state).with_context(|| format!("remove {}", state.display()))?;
        }
        if let Some(policy) = released_under {
            let shared = files.release_under(stored.root, policy).await;
            shared.with_context(|| format!("{} is stored; let its key be released", stored.root))?;
        }
        done(output, &Report { stored, released_under })
    }
}

/// Where the state of an upload is kept: beside the file, hidden.
fn state_path(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.aloft-put"))
}

/// The upload that broke off, if one did. What is no such state is passed over.
fn load(state: &Path) -> io::Result<Option<Upload>> {
    let file = match File::open(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(UPLOAD_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(Upload::decode(Copying(&bytes)).ok())
}

/// Replaces the state, whole or not at all, readable by its owner only: it holds the key.
fn save(state: &Path, upload: &Upload) -> io::Result<()> {
    let mut beside = state.as_os_str().to_owned();
    beside.push(".new");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&upload.encode())?;
    file.sync_all()?;
    fs::rename(&beside, state)
}

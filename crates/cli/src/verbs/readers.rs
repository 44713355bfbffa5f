//! `aloft readers`

use super::{connection::Connection, done};
use crate::output::{ExitCode, Failure, Output};
use client::{Files, Shared, Sharing};
use commonware_runtime::{Supervisor as _, tokio::Context};
use crypto::envelope::RecipientPublic;
use primitives::{B256, BlobRoot, hex};
use serde::{Serialize, Serializer};
use std::{fmt, str::FromStr};

/// Show or change who can read a stored file.
#[derive(clap::Args)]
pub struct Readers {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with a file's readers.
#[derive(clap::Subcommand)]
enum Command {
    Key(ShowKey),
    List(List),
    Add(Change),
    Remove(Remove),
}

/// Show the acting key's reading key: what others pass to `aloft readers add`. It is no secret.
///
/// Example: aloft readers key
#[derive(clap::Args)]
struct ShowKey {
    #[command(flatten)]
    connection: Connection,
}

/// Show who can read a file.
///
/// Example: aloft readers list 0x5e0b…
#[derive(clap::Args)]
struct List {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    #[command(flatten)]
    connection: Connection,
}

/// Let more keys read a file of the acting key. Not a byte of the file moves.
///
/// Example: aloft readers add 0x5e0b… 0x8f40…
#[derive(clap::Args)]
struct Change {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    /// Reading keys, as `aloft readers key` prints them.
    #[arg(required = true)]
    keys: Vec<ReadingKey>,
    #[command(flatten)]
    connection: Connection,
}

/// Take keys off a file's list of readers. Who could read it may have kept it: store what must not be read again under a new root.
///
/// Example: aloft readers remove 0x5e0b… 0x8f40…
#[derive(clap::Args)]
struct Remove {
    #[command(flatten)]
    change: Change,
}

/// A key that files are encrypted to: X25519, 32 bytes.
#[derive(Clone, Copy)]
pub struct ReadingKey(pub RecipientPublic);

impl FromStr for ReadingKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        hex::decode_to_array(text)
            .ok()
            .and_then(|bytes| RecipientPublic::from_bytes(&bytes).ok())
            .map(Self)
            .ok_or_else(|| format!("{text} is not a reading key: 64 hexadecimal digits, see aloft readers key"))
    }
}

impl fmt::Display for ReadingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_prefixed(self.0.to_bytes()))
    }
}

impl Serialize for ReadingKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[derive(Serialize)]
struct OwnKey {
    key: ReadingKey,
}

impl fmt::Display for OwnKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

#[derive(Serialize)]
struct Listed {
    root: BlobRoot,
    /// Named when the file was stored, for good.
    permanent: Vec<String>,
    /// Added since.
    added: Vec<ReadingKey>,
    /// Lists recorded so far.
    version: u64,
    /// The policy under which the committee releases the file's key, and the epoch that it was encrypted to.
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<Released>,
}

#[derive(Serialize)]
struct Released {
    policy: B256,
    epoch: u64,
}

impl Listed {
    fn new(root: BlobRoot, sharing: Sharing) -> Self {
        Self {
            root,
            permanent: sharing.in_header.iter().map(hex::encode_prefixed).collect(),
            added: sharing.in_list.into_iter().map(ReadingKey).collect(),
            version: sharing.version,
            release: sharing.release.map(|(_, terms)| Released {
                policy: terms.policy,
                epoch: terms.epoch,
            }),
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in &self.permanent {
            writeln!(f, "since it was stored  {key}")?;
        }
        for key in &self.added {
            writeln!(f, "added                {key}")?;
        }
        if let Some(Released { policy, epoch }) = &self.release {
            writeln!(f, "whom a policy lets   {policy}, epoch {epoch}")?;
        }
        write!(f, "lists recorded       {}", self.version)
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Changed(Shared);

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(shared) = self;
        write!(
            f,
            "list {} with {} readers recorded in block {}, {}",
            shared.version, shared.readers, shared.block, shared.transaction
        )
    }
}

impl Readers {
    /// Shows or changes them.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let open = async |connection: &Connection| -> Result<_, Failure> {
            Ok(Files::open(context.child("files"), connection.provider().await?).await?)
        };
        match self.command {
            Command::Key(own) => {
                let key = ReadingKey(own.connection.wallet()?.envelope_secret().public());
                done(output, &OwnKey { key })
            }
            Command::List(List { root, connection }) => {
                let files = open(&connection).await?;
                done(output, &Listed::new(root, files.recipients(root).await?))
            }
            Command::Add(change) => {
                let mut files = open(&change.connection).await?;
                done(output, &Changed(files.share(change.root, &change.keys()).await?))
            }
            Command::Remove(Remove { change }) => {
                let mut files = open(&change.connection).await?;
                done(output, &Changed(files.revoke(change.root, &change.keys()).await?))
            }
        }
    }
}

impl Change {
    fn keys(&self) -> Vec<RecipientPublic> {
        self.keys.iter().map(|key| key.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_key_reads_back_as_it_prints() {
        let text = format!("0x{}", "8f".repeat(32));
        assert_eq!(text.parse::<ReadingKey>().unwrap().to_string(), text);
    }

    #[test]
    fn what_is_no_reading_key_is_refused_with_its_text() {
        for text in ["", "0x", "8f", "0x5e0b…"] {
            assert!(text.parse::<ReadingKey>().err().unwrap().contains("aloft readers key"));
        }
    }
}

//! `aloft get`

use super::connection::Connection;
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{Files, Transfer};
use commonware_runtime::{Supervisor as _, tokio::Context};
use primitives::{BlobRoot, ByteCount};
use serde::Serialize;
use std::{
    fmt,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

/// Read a stored file back, every row checked against the chain's record, and decrypt it.
///
/// Example: aloft get 0x5e0b… --output README.md
#[derive(clap::Args)]
pub struct Get {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    /// Where to write it; the name it was stored with, in this folder, when left out. `-` is standard output.
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Replace a file that is there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Serialize)]
struct Read {
    root: BlobRoot,
    path: PathBuf,
    name: String,
    content_type: String,
    length: u64,
}

impl fmt::Display for Read {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {} to {}", ByteCount(self.length), self.path.display())
    }
}

impl Get {
    /// Reads the file and writes it whole or not at all.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let mut files = Files::open(context.child("files"), self.connection.provider().await?).await?;
        let bar = output.bar("gathering rows", 0);
        let file = files
            .get(self.root, |step| {
                if let Transfer::Received { rows, needed } = step {
                    bar.set_length(needed.into());
                    bar.set_position(rows.into());
                }
            })
            .await;
        bar.finish_and_clear();
        let file = file?;
        if self.output.as_deref() == Some(Path::new("-")) {
            std::io::stdout()
                .lock()
                .write_all(&file.bytes)
                .context("write to standard output")?;
            return Ok(ExitCode::Done);
        }
        let path = self.output.unwrap_or_else(|| local_name(&file.meta.name, self.root));
        write_whole(&path, &file.bytes, self.force)?;
        let length = file.bytes.len() as u64;
        let client::File { meta, .. } = file;
        super::done(
            output,
            &Read {
                root: self.root,
                path,
                name: meta.name,
                content_type: meta.content_type,
                length,
            },
        )
    }
}

/// A stored name is whoever stored it's choice: only its last part counts, and never a hidden file.
fn local_name(name: &str, root: BlobRoot) -> PathBuf {
    match Path::new(name).file_name() {
        Some(last) if !last.to_string_lossy().starts_with('.') => last.into(),
        _ => format!("{root}.bin").into(),
    }
}

/// Writes beside `path` first, so that a file there is never half replaced.
fn write_whole(path: &Path, bytes: &[u8], force: bool) -> anyhow::Result<()> {
    anyhow::ensure!(
        force || !path.exists(),
        "{} exists: choose another with --output, or replace it with --force",
        path.display()
    );
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let partial = folder.join(format!(".aloft-{}.partial", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&partial, path)
    };
    write()
        .inspect_err(|_| drop(std::fs::remove_file(&partial)))
        .with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_name_cannot_leave_the_folder() {
        let root = BlobRoot::from([7; 32]);
        for (name, local) in [
            ("a.csv", "a.csv"),
            ("../../etc/passwd", "passwd"),
            ("/etc/shadow", "shadow"),
        ] {
            assert_eq!(local_name(name, root), Path::new(local));
        }
        for name in ["", "..", "/", ".bashrc"] {
            assert_eq!(local_name(name, root), PathBuf::from(format!("{root}.bin")));
        }
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write_whole(&path, b"one", false).unwrap();
        assert!(
            write_whole(&path, b"two", false)
                .unwrap_err()
                .to_string()
                .contains("--force")
        );
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_whole(&path, b"two", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing else is left behind"
        );
    }
}

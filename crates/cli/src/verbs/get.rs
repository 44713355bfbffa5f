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
    fs::{File, OpenOptions},
    io::{self, Seek as _, Write},
    ops::Range,
    path::{Path, PathBuf},
};

/// Read a stored file back, every row checked against the chain's record, and decrypt it.
///
/// When the reading of a large file breaks off, the same command goes on where it was: `.aloft-ROOT.part` beside the output holds
/// what came.
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
    /// Only these bytes: A-B, both counted from 0 and included, or A- for all from A on.
    #[arg(long, value_name = "A-B", value_parser = parse_range)]
    range: Option<Range<u64>>,
    /// Code what was read again and compare every digest: no error term is left, and it takes longer.
    #[arg(long)]
    check_code: bool,
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
        if self.check_code {
            files.check_code();
        }
        let object = files.object(self.root).await?;
        let wanted = self.range.unwrap_or(0..u64::MAX);
        let range = wanted.start..wanted.end.min(object.length());
        if range.start >= range.end {
            return Err(anyhow::anyhow!("the file has {} bytes: none from {} on", object.length(), range.start).into());
        }
        let bar = output.bar("gathering rows", 0);
        let progress = |step| match step {
            Transfer::Received { rows, needed } => {
                bar.set_length(needed.into());
                bar.set_position(rows.into());
            }
            Transfer::Written { bytes, length } => {
                bar.set_length(length);
                bar.set_position(bytes);
            }
            Transfer::Coded { .. } | Transfer::Sent { .. } => {}
        };
        if self.output.as_deref() == Some(Path::new("-")) {
            let mut sink = io::stdout().lock();
            let read = files.get_stream(&object, range, &mut sink, progress).await;
            bar.finish_and_clear();
            read?;
            return Ok(ExitCode::Done);
        }
        let meta = object.meta();
        let path = self.output.unwrap_or_else(|| local_name(&meta.name, self.root));
        let write = || format!("write {}", path.display());
        let mut part = Part::open(&path, self.root, &range, self.force)?;
        let rest = range.start + part.done..range.end;
        if part.done > 0 {
            output.say(format_args!("going on behind {}", ByteCount(part.done)));
        }
        let read = files.get_stream(&object, rest, &mut part, progress).await;
        bar.finish_and_clear();
        read?;
        part.finish(&path).with_context(write)?;
        super::done(
            output,
            &Read {
                root: self.root,
                path,
                name: meta.name.clone(),
                content_type: meta.content_type.clone(),
                length: range.end - range.start,
            },
        )
    }
}

/// `A-B` or `A-`, as HTTP counts: B is included.
fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let malformed = || format!("{text} is not a range such as 0-99 or 100-");
    let (start, last) = text.split_once('-').ok_or_else(malformed)?;
    let start = start.parse().map_err(|_| malformed())?;
    let end = match last {
        "" => u64::MAX,
        last => last
            .parse::<u64>()
            .ok()
            .and_then(|last| last.checked_add(1))
            .ok_or_else(malformed)?,
    };
    (start < end).then_some(start..end).ok_or_else(malformed)
}

/// A stored name is whoever stored it's choice: only its last part counts, and never a hidden file.
fn local_name(name: &str, root: BlobRoot) -> PathBuf {
    match Path::new(name).file_name() {
        Some(last) if !last.to_string_lossy().starts_with('.') => last.into(),
        _ => format!("{root}.bin").into(),
    }
}

/// What came of a file so far: beside where it will be, so that a file there is never half replaced.
struct Part {
    file: File,
    path: PathBuf,
    /// Says how much of the file is on disk.
    state: PathBuf,
    /// Bytes that are.
    done: u64,
}

impl Part {
    /// The part of bytes `range` of file `root` that is to become `path`: what is there already, or nothing.
    fn open(path: &Path, root: BlobRoot, range: &Range<u64>, force: bool) -> anyhow::Result<Self> {
        anyhow::ensure!(
            force || !path.exists(),
            "{} exists: choose another with --output, or replace it with --force",
            path.display()
        );
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // Of each range its own, so that none is taken for another's.
        let part = folder.join(format!(".aloft-{root}-{}-{}.part", range.start, range.end));
        let state = part.with_extension("part-state");
        let open = || -> io::Result<Self> {
            let mut file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&part)?;
            let known = std::fs::read_to_string(&state)
                .ok()
                .and_then(|text| text.trim().parse::<u64>().ok());
            let done = known
                .unwrap_or(0)
                .min(file.metadata()?.len())
                .min(range.end - range.start);
            file.set_len(done)?;
            file.seek(io::SeekFrom::End(0))?;
            Ok(Self {
                file,
                path: part.clone(),
                state: state.clone(),
                done,
            })
        };
        open().with_context(|| format!("write {}", part.display()))
    }

    /// The part is whole.
    fn finish(self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        std::fs::rename(&self.path, path)?;
        match std::fs::remove_file(&self.state) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    /// A stripe: on disk before it is said to be.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.done += bytes.len() as u64;
        std::fs::write(&self.state, self.done.to_string())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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

    fn write(path: &Path, bytes: &[u8], force: bool) -> anyhow::Result<()> {
        let mut part = Part::open(path, BlobRoot::from([7; 32]), &(0..bytes.len() as u64), force)?;
        part.write_all(&bytes[part.done as usize..])?;
        Ok(part.finish(path)?)
    }

    #[test]
    fn a_file_that_is_there_is_replaced_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        write(&path, b"one", false).unwrap();
        assert!(write(&path, b"two", false).unwrap_err().to_string().contains("--force"));
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write(&path, b"two", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing else is left behind"
        );
    }

    #[test]
    fn a_part_goes_on_behind_what_is_on_disk_and_believes_no_more_than_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let open = || Part::open(&path, BlobRoot::from([7; 32]), &(0..9), false).unwrap();
        let mut part = open();
        part.write_all(b"one").unwrap();
        // Cut off while the next stripe was being written.
        part.file.write_all(b"tw").unwrap();
        drop(part);
        let part = open();
        assert_eq!(part.done, 3);
        std::fs::write(&part.state, "1000").unwrap();
        assert_eq!(open().done, 3);
        std::fs::write(&part.state, "much").unwrap();
        drop(part);
        let mut part = open();
        assert_eq!(part.done, 0);
        part.write_all(b"onetwo").unwrap();
        drop(part);
        write(&path, b"onetwosix", false).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"onetwosix");
    }

    #[test]
    fn a_range_counts_its_last_byte() {
        assert_eq!(parse_range("0-0").unwrap(), 0..1);
        assert_eq!(parse_range("5-9").unwrap(), 5..10);
        assert_eq!(parse_range("5-").unwrap(), 5..u64::MAX);
        for text in ["", "-", "5", "-5", "9-5", "a-b", "1-2-3", "0-18446744073709551615"] {
            assert!(parse_range(text).unwrap_err().contains(text));
        }
    }
}

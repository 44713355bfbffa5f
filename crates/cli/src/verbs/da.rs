//! `aloft da`

mod challenge;
mod coding;
mod escrow;
pub mod policy;
mod quorum;
mod quorums;

use super::connection::Connection;
use crate::output::{ExitCode, Failure, Output};
use ::da::sample::{Challenge, SAMPLES, chunks};
use client::Files;
use commonware_runtime::{Supervisor as _, tokio::Context};
use primitives::{BlobRoot, ByteCount};
use serde::Serialize;
use std::{fmt, time::Instant};

/// Check that stored data is there without reading it, hold its operators to that, change how widely it is coded, say to whom keys are
/// released, see the money set aside for it, and who keeps it.
#[derive(clap::Args)]
pub struct Da {
    #[command(subcommand)]
    command: Command,
}

/// What can be done.
#[derive(clap::Subcommand)]
enum Command {
    Sample(Sample),
    Challenge(challenge::Challenge),
    Widen(coding::Widen),
    Narrow(coding::Narrow),
    Policy(policy::Policy),
    Escrow(escrow::Escrow),
    Quorums(quorums::Quorums),
    Quorum(quorum::Quorum),
}

/// Ask the nodes for random pieces of a stored file, check each against the chain's record, and say what that shows.
///
/// Ends with 1 when a piece was not found.
///
/// Example: aloft da sample 0x5e0b…
#[derive(clap::Args)]
struct Sample {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    /// How many pieces, at most 256.
    #[arg(long, default_value_t = SAMPLES)]
    samples: u32,
    #[command(flatten)]
    connection: Connection,
}

/// A piece, as scripts read it.
#[derive(Serialize)]
struct Piece {
    row: u32,
    chunk: u32,
}

impl From<&Challenge> for Piece {
    fn from(&Challenge { row, chunk }: &Challenge) -> Self {
        Self { row, chunk }
    }
}

#[derive(Serialize)]
struct Report {
    root: BlobRoot,
    asked: u32,
    found: u32,
    missing: Vec<Piece>,
    wrong: Vec<Piece>,
    received_bytes: u64,
    seconds: f64,
    /// Binary logarithm of a bound on the chance of this many found, had too few rows been available.
    log2_if_rows_withheld: f64,
    /// The same, had too few of one kilobyte of every row been available, and all others.
    log2_if_one_chunk_withheld: f64,
    confidence: String,
    chunks_per_row: u32,
    failures: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, pieces) in [("missing", &self.missing), ("wrong", &self.wrong)] {
            for Piece { row, chunk } in pieces {
                writeln!(f, "{what:8} chunk {chunk} of row {row}")?;
            }
        }
        for failure in &self.failures {
            writeln!(f, "failed   {failure}")?;
        }
        writeln!(
            f,
            "received {} in {:.2} s",
            ByteCount(self.received_bytes),
            self.seconds
        )?;
        write!(f, "{}", self.confidence)?;
        if self.chunks_per_row > 1 {
            write!(
                f,
                "\nonly one of a row's {} chunks withheld everywhere would have passed with a chance of up to {:.2}",
                self.chunks_per_row,
                self.log2_if_one_chunk_withheld.exp2()
            )?;
        }
        Ok(())
    }
}

impl Da {
    /// Checks it.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        match self.command {
            Command::Sample(sample) => sample.run(context, output).await,
            Command::Challenge(challenge) => challenge.run(output).await,
            Command::Widen(widen) => widen.run(context, output).await,
            Command::Narrow(narrow) => narrow.run(context, output).await,
            Command::Policy(policy) => policy.run(context, output).await,
            Command::Escrow(escrow) => escrow.run(output).await,
            Command::Quorums(quorums) => quorums.run(output).await,
            Command::Quorum(quorum) => quorum.run(output).await,
        }
    }
}

impl Sample {
    /// Samples, and says what that shows.
    async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let Self {
            root,
            samples,
            connection,
        } = self;
        let mut files = Files::open(context.child("files"), connection.provider().await?).await?;
        let began = Instant::now();
        let (record, sampled) = files.sample(root, samples).await?;
        let seconds = began.elapsed().as_secs_f64();
        let (verdict, confidence) = (&sampled.verdict, sampled.verdict.confidence());
        let chunks_per_row = chunks(record.row_bytes());
        let report = Report {
            root,
            asked: verdict.asked(),
            found: verdict.found,
            missing: verdict.missing.iter().map(Piece::from).collect(),
            wrong: verdict.wrong.iter().map(Piece::from).collect(),
            received_bytes: sampled.received_bytes,
            seconds,
            log2_if_rows_withheld: confidence.log2(),
            log2_if_one_chunk_withheld: confidence.log2_of_part(chunks_per_row),
            confidence: confidence.to_string(),
            chunks_per_row,
            failures: sampled.failures.iter().map(ToString::to_string).collect(),
        };
        output.value(&report);
        Ok(if verdict.all_found() {
            ExitCode::Done
        } else {
            ExitCode::Failed
        })
    }
}

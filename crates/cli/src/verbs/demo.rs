//! `aloft demo`

use crate::{
    demo,
    output::{ExitCode, Failure, Output},
};
use commonware_runtime::tokio::Context;
use std::path::PathBuf;

/// The whole of it on this machine: publish, lose a node, train together, serve, pay, and see who earned what.
///
/// Example: aloft demo --data soil.csv --group farm --target yield
#[derive(clap::Args)]
pub struct Demo {
    /// Your own table, as CSV; the rice farms of six villages when left out.
    #[arg(long, requires = "group", requires = "target")]
    pub data: Option<PathBuf>,
    /// Column that names the farm or site of a row.
    #[arg(long)]
    pub group: Option<String>,
    /// Column to predict: a number.
    #[arg(long)]
    pub target: Option<String>,
    /// Columns to leave out, such as identifiers.
    #[arg(long, value_delimiter = ',')]
    pub ignore: Vec<String>,
    /// Where to write the report.
    #[arg(long, default_value = "aloft-demo.html", value_name = "FILE")]
    pub report: PathBuf,
    /// Leave the network running afterwards, with the trained model on sale, until Ctrl-C.
    #[arg(long)]
    pub stay: bool,
    /// Show the merged log of all processes.
    #[arg(long)]
    pub logs: bool,
}

impl Demo {
    /// Ends with 0 only if every step held.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        demo::run(self, context, output).await
    }
}

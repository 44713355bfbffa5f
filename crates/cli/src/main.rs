//! `aloft`: run a network, use it, check it.

mod demo;
mod output;
mod verbs;

use clap::Parser;
use commonware_runtime::{Runner as _, tokio as runtime};
use output::{ExitCode, Output};
use std::process;

#[global_allocator]
static ALLOCATOR: node::Allocator = node::Allocator;

/// An open network for data, models and computation: run one, use one, check one.
#[derive(Parser)]
#[command(name = "aloft", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Print one JSON value on standard output instead of text.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: verbs::Verb,
}

fn main() {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    let code = match cli.verb {
        // A node owns its runtime, because its folder is where the runtime keeps files.
        verbs::Verb::Node(verbs::node::Node {
            command: verbs::node::Command::Run(run),
        }) => output.end(run.run()),
        verbs::Verb::Shard(verbs::shard::Shard {
            command: verbs::shard::Command::Run(run),
        }) => output.end(run.run()),
        verbs::Verb::Node(verbs::node::Node {
            command: verbs::node::Command::Join(join),
        }) => output.end(join.run()),
        verb => {
            let folder = std::env::temp_dir().join(format!("aloft-{}", process::id()));
            let config = runtime::Config::new()
                .with_worker_threads(2)
                .with_storage_directory(&folder);
            let code = runtime::Runner::new(config).start(|context| async move { verb.run(context, &output).await });
            // Commands keep nothing there; a folder that was never made is no error.
            let _ = std::fs::remove_dir_all(&folder);
            code
        }
    };
    process::exit(code.into());
}

impl From<ExitCode> for i32 {
    fn from(code: ExitCode) -> Self {
        code as Self
    }
}

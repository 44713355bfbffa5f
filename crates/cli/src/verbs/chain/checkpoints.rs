//! `aloft chain checkpoints`

use super::number;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use anyhow::Context as _;
use client::Rpc;
use primitives::{B256, U256};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fmt;

/// Show the blocks with whose states a node can join: the last of each of the last two epochs, since the node that is asked was started.
///
/// Who runs a node that is trusted gives one of them to who joins: aloft node join --checkpoint HEIGHT:HASH
///
/// Example: aloft chain checkpoints
#[derive(clap::Args)]
pub struct Checkpoints {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Deserialize)]
struct Answer {
    number: U256,
    hash: B256,
}

#[derive(Serialize)]
struct Kept {
    height: u64,
    hash: B256,
}

#[derive(Serialize)]
struct Shown {
    checkpoints: Vec<Kept>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self
            .checkpoints
            .iter()
            .map(|kept| format!("{}:{}", kept.height, kept.hash))
            .collect();
        match lines.is_empty() {
            true => f.write_str("none: the first comes when an epoch ends"),
            false => f.write_str(&lines.join("\n")),
        }
    }
}

impl Checkpoints {
    /// Asks the node.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let rpc = Rpc::new(&self.connection.rpc);
        let found: Vec<Answer> = rpc
            .call("aloft_getCheckpoints", json!([]))
            .await
            .context("ask the node for its checkpoints")?;
        let kept = found.into_iter().map(|found| {
            Ok(Kept {
                height: number(found.number)?,
                hash: found.hash,
            })
        });
        let checkpoints = kept.collect::<anyhow::Result<_>>()?;
        done(output, &Shown { checkpoints })
    }
}

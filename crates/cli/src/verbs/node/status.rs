//! `aloft node status`

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use anyhow::Context as _;
use node::Joined;
use primitives::{Address, B256, ByteCount};
use serde::{Deserialize, Serialize};
use std::{fmt, path::PathBuf};

/// Show a running node's height, rows and waiting transactions; of a node that joined, how far it is.
///
/// Example: aloft node status --api http://127.0.0.1:7778
#[derive(clap::Args)]
pub struct Status {
    /// Folder of a node that joined (aloft node join), to ask that one; --api is not looked at then.
    dir: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Deserialize)]
struct Answer {
    node: NodeStatus,
}

/// What a node of any kind says of itself. A node that joined has no name and does not show rows; a shard's validator has no account and follows nobody.
#[derive(Serialize, Deserialize)]
struct NodeStatus {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account: Option<Address>,
    chain_id: u64,
    /// The last block; none while the node has no chain yet.
    #[serde(default, flatten)]
    block: Option<Block>,
    /// The first block that is there, unless that is the genesis block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first_block: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sync: Option<Stage>,
    waiting_transactions: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rows: Option<Rows>,
}

#[derive(Serialize, Deserialize)]
struct Block {
    height: u64,
    block_hash: B256,
}

/// How far a node that joined is.
#[derive(Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
enum Stage {
    Opening,
    Arriving { checkpoint: Checkpoint, percent: u64 },
    Following { known_height: u64 },
    Validating,
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u64>,
    hash: B256,
}

#[derive(Serialize, Deserialize)]
struct Rows {
    epoch: u64,
    seen_height: u64,
    blobs: u64,
    stored_bytes: u64,
    capacity_bytes: u64,
    missing: u64,
}

impl Status {
    /// Asks the node.
    pub async fn run(self, output: &Output) -> Result<ExitCode, Failure> {
        let url = match &self.dir {
            None => self.connection.api,
            Some(dir) => {
                let listens = Joined::open(dir)?.addresses().http;
                let missing = || format!("{} says nowhere that the node shows its status", dir.display());
                format!("http://{}", listens.with_context(missing)?)
            }
        };
        let status = client::status(&url).await.context("ask the node")?;
        let status: Answer = serde_json::from_value(status).context("read its answer")?;
        done(output, &status.node)
    }
}

impl fmt::Display for NodeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let account = self.account.map(|account| format!("account {account}"));
        let named: Vec<String> = self.name.clone().into_iter().chain(account).collect();
        writeln!(f, "node     {}", named.join(", "))?;
        write!(f, "chain    {}", self.chain_id)?;
        if let Some(Block { height, block_hash }) = &self.block {
            write!(f, ", block {height} {block_hash}")?;
        }
        if let Some(first) = self.first_block.filter(|first| *first > 0) {
            write!(f, ", from block {first} on")?;
        }
        writeln!(f)?;
        if let Some(sync) = &self.sync {
            write!(f, "sync     ")?;
            match sync {
                Stage::Opening => writeln!(f, "opens its chain")?,
                Stage::Arriving { checkpoint, percent } => {
                    let height = checkpoint
                        .height
                        .map_or_else(String::new, |height| format!("{height} "));
                    writeln!(
                        f,
                        "{percent}% of the state after block {height}{} is here",
                        checkpoint.hash
                    )?;
                }
                Stage::Following { known_height } => {
                    let height = self.block.as_ref().map_or(0, |block| block.height);
                    let behind = known_height.saturating_sub(height);
                    writeln!(f, "follows others, {behind} blocks behind block {known_height}")?;
                }
                Stage::Validating => writeln!(f, "takes part in agreeing on blocks")?,
            }
        }
        write!(f, "waiting  {} transactions", self.waiting_transactions)?;
        if let Some(rows) = &self.rows {
            let (stored, capacity) = (ByteCount(rows.stored_bytes), ByteCount(rows.capacity_bytes));
            let (blobs, missing) = (rows.blobs, rows.missing);
            write!(
                f,
                "\nrows     of {blobs} files, {stored} of {capacity}, {missing} missing"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(node: serde_json::Value) -> String {
        let answer: Answer = serde_json::from_value(json!({ "node": node, "ready": true })).unwrap();
        answer.node.to_string()
    }

    #[test]
    fn a_node_that_joined_says_how_far_it_is() {
        let (account, hash) = (Address::repeat_byte(1), B256::repeat_byte(2));
        let checkpoint = json!({ "height": 47, "hash": hash });
        let arriving = json!({
            "account": account, "chain_id": 7, "waiting_transactions": 0,
            "sync": { "stage": "arriving", "checkpoint": checkpoint, "percent": 40 },
        });
        let text = shown(arriving);
        assert!(text.contains("chain    7\n"), "{text}");
        assert!(
            text.contains(&format!("sync     40% of the state after block 47 {hash} is here")),
            "{text}"
        );
        let following = json!({
            "account": account, "chain_id": 7, "waiting_transactions": 1, "height": 50, "block_hash": hash, "first_block": 47,
            "sync": { "stage": "following", "known_height": 53 },
        });
        let text = shown(following);
        assert!(
            text.contains(&format!("chain    7, block 50 {hash}, from block 47 on\n")),
            "{text}"
        );
        assert!(text.contains("follows others, 3 blocks behind block 53"), "{text}");
    }

    #[test]
    fn a_node_of_a_local_network_and_a_shards_validator_say_what_they_have() {
        let hash = B256::repeat_byte(2);
        let rows = json!({
            "epoch": 1, "seen_height": 2, "blobs": 3, "stored_bytes": 1024, "capacity_bytes": 4096, "missing": 5,
        });
        let text = shown(json!({
            "name": "node-0", "account": Address::ZERO, "chain_id": 7, "waiting_transactions": 1, "height": 50, "block_hash": hash,
            "rows": rows, "alt_da_url": null,
        }));
        assert!(
            text.starts_with(&format!("node     node-0, account {}\n", Address::ZERO)),
            "{text}"
        );
        assert!(text.contains("of 3 files") && text.ends_with("5 missing"), "{text}");
        let text = shown(json!({
            "name": "shard-77/node-0", "chain_id": 77, "waiting_transactions": 1, "height": 50, "block_hash": hash, "first_block": 0,
        }));
        assert!(
            text.starts_with("node     shard-77/node-0\nchain    77, block 50"),
            "{text}"
        );
        assert!(text.ends_with("waiting  1 transactions"), "{text}");
    }
}

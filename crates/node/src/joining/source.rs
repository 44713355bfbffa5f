//! A node that others follow, over its JSON-RPC. Nothing that it says is believed: see [`super::follower`].

use chain::{Block, FinalityProof, sync::RUN_BLOCKS_MAX};
use client::{Rpc, RpcError};
use commonware_codec::DecodeExt as _;
use primitives::{B256, Bytes, U256};
use serde::Deserialize;
use serde_json::json;

/// Why a node's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It did not answer, or not what was asked.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// What it sent does not decode.
    #[error("{url} sent a {what} that does not decode")]
    Malformed {
        /// The node.
        url: String,
        /// What was asked for.
        what: &'static str,
        /// What is wrong with it.
        source: commonware_codec::Error,
    },
    /// It has no blocks for who asks: it follows the chain itself, or is a development chain.
    #[error("{url} has no block {height} for others to follow")]
    NoBlock {
        /// The node.
        url: String,
        /// Height that was asked for.
        height: u64,
    },
    /// Nobody can join its network.
    #[error("{url} says nothing of a network that others could join")]
    NoNetwork {
        /// The node.
        url: String,
    },
}

/// What fixes the first block of the network of the node at `url`, as the node says. Whoever asks compares the hash of the block that it makes.
///
/// # Errors
///
/// [`SourceError`].
pub async fn fetch_network(url: &str) -> Result<serde_json::Value, SourceError> {
    let found: Option<serde_json::Value> = Rpc::new(url).call("aloft_getNetwork", json!([])).await?;
    found.ok_or_else(|| SourceError::NoNetwork { url: url.to_owned() })
}

/// A node to follow.
#[derive(Clone, Debug)]
pub(super) struct Source(Rpc);

/// The fields of `aloft_getFinality` that are needed.
#[derive(Deserialize)]
struct Finality {
    proof: Bytes,
}

impl Source {
    pub(super) fn new(url: &str) -> Self {
        Self(Rpc::new(url))
    }

    pub(super) fn url(&self) -> &str {
        self.0.url()
    }

    /// Height of its last final block.
    pub(super) async fn height(&self) -> Result<u64, SourceError> {
        let height: U256 = self.0.call("eth_blockNumber", json!([])).await?;
        Ok(u64::try_from(height).unwrap_or(u64::MAX))
    }

    /// Proof that the first block from `height` on that has a certificate is final; `None` while there is none.
    pub(super) async fn finality(&self, height: u64) -> Result<Option<FinalityProof>, SourceError> {
        let params = json!([U256::from(height)]);
        let found: Option<Finality> = self.0.call("aloft_getFinality", params).await?;
        let decode = |found: Finality| FinalityProof::decode(found.proof.0);
        found
            .map(decode)
            .transpose()
            .map_err(|source| self.malformed("proof", source))
    }

    /// The blocks `first..=last`, of which there are at most [`RUN_BLOCKS_MAX`]: as many as it has.
    pub(super) async fn blocks(&self, first: u64, last: u64) -> Result<Vec<Block>, SourceError> {
        let count = last.saturating_sub(first).saturating_add(1).min(RUN_BLOCKS_MAX as u64) as usize;
        let mut blocks = Vec::with_capacity(count);
        while blocks.len() < count {
            let next = first + blocks.len() as u64;
            let params = json!([U256::from(next), U256::from(count - blocks.len())]);
            let found: Vec<Bytes> = self.0.call("aloft_getBlocks", params).await?;
            if found.is_empty() {
                return Err(SourceError::NoBlock {
                    url: self.url().to_owned(),
                    height: next,
                });
            }
            for block in found.into_iter().take(count - blocks.len()) {
                let block = Block::decode(block.0).map_err(|source| self.malformed("block", source))?;
                blocks.push(block);
            }
        }
        Ok(blocks)
    }

    /// Hands it a transaction of a user.
    pub(super) async fn submit(&self, transaction: &Bytes) -> Result<B256, SourceError> {
        Ok(self.0.call("eth_sendRawTransaction", json!([transaction])).await?)
    }

    fn malformed(&self, what: &'static str, source: commonware_codec::Error) -> SourceError {
        SourceError::Malformed {
            url: self.url().to_owned(),
            what,
            source,
        }
    }
}

//! A node that others follow, over its JSON-RPC. Nothing that it says is believed: see [`super::follower`].

use alloy_eips::eip2718::Decodable2718 as _;
use chain::{Block, FinalityProof, sync::RUN_BLOCKS_MAX};
use client::{Rpc, RpcError};
use commonware_codec::DecodeExt as _;
use primitives::{B256, Bytes, U256};
use serde::{Deserialize, de::DeserializeOwned};
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
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not keep the state after the block that was asked for.
    #[error("{url} does not keep the state after block {checkpoint}")]
    NoCheckpoint {
        /// The node.
        url: String,
        /// The block.
        checkpoint: B256,
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

/// A block with whose state one can begin.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Served {
    pub(super) number: U256,
    pub(super) hash: B256,
}

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

    /// The blocks with whose states one can begin there, the oldest first.
    pub(super) async fn checkpoints(&self) -> Result<Vec<Served>, SourceError> {
        Ok(self.0.call("aloft_getCheckpoints", json!([])).await?)
    }

    /// What it says is the header (RLP) of the block with this hash.
    pub(super) async fn header(&self, hash: B256) -> Result<Bytes, SourceError> {
        match self.0.call("debug_getRawHeader", json!([hash])).await {
            // Who does not know the block has no state of it.
            Err(RpcError::Refused { .. }) => Err(self.without(hash)),
            answered => Ok(answered?),
        }
    }

    /// What it says are `count` headers (RLP) from the height `first` on.
    pub(super) async fn headers(&self, first: u64, count: u64) -> Result<Vec<Bytes>, SourceError> {
        let params = json!([U256::from(first), U256::from(count)]);
        Ok(self.0.call("aloft_getHeaders", params).await?)
    }

    /// What it says are the receipts of the block with this hash.
    pub(super) async fn receipts(&self, hash: B256) -> Result<Vec<evm::Receipt>, SourceError> {
        let found: Vec<Bytes> = self.0.call("debug_getRawReceipts", json!([hash])).await?;
        let decoded = found.iter().map(|receipt| evm::Receipt::decode_2718_exact(receipt));
        decoded
            .collect::<Result<_, _>>()
            .map_err(|source| self.malformed("receipt", source))
    }

    /// What it says are the block at `height` with this hash, its receipts, and the proof that it is final.
    pub(super) async fn certified(
        &self,
        height: u64,
        hash: B256,
    ) -> Result<(Block, Vec<evm::Receipt>, FinalityProof), SourceError> {
        let missing = || SourceError::NoBlock {
            url: self.url().to_owned(),
            height,
        };
        let proof = self.finality(height).await?.ok_or_else(missing)?;
        let block = self.blocks(height, height).await?.pop().ok_or_else(missing)?;
        Ok((block, self.receipts(hash).await?, proof))
    }

    /// A page of at most `count` accounts of the state after a checkpoint, as it sends it.
    pub(super) async fn accounts(&self, checkpoint: B256, first: B256, count: usize) -> Result<Bytes, SourceError> {
        let params = json!([checkpoint, first, U256::from(count)]);
        self.of_checkpoint("aloft_getAccounts", checkpoint, params).await
    }

    /// Pages of slots, as it sends them.
    pub(super) async fn slots(&self, checkpoint: B256, storages: &[(B256, B256)]) -> Result<Vec<Bytes>, SourceError> {
        let params = json!([checkpoint, storages]);
        self.of_checkpoint("aloft_getSlots", checkpoint, params).await
    }

    /// Codes, as it sends them.
    pub(super) async fn codes(&self, checkpoint: B256, hashes: &[B256]) -> Result<Vec<Bytes>, SourceError> {
        let params = json!([checkpoint, hashes]);
        self.of_checkpoint("aloft_getCodes", checkpoint, params).await
    }

    async fn of_checkpoint<T: DeserializeOwned>(
        &self,
        method: &'static str,
        checkpoint: B256,
        params: serde_json::Value,
    ) -> Result<T, SourceError> {
        let found: Option<T> = self.0.call(method, params).await?;
        found.ok_or_else(|| self.without(checkpoint))
    }

    fn without(&self, checkpoint: B256) -> SourceError {
        SourceError::NoCheckpoint {
            url: self.url().to_owned(),
            checkpoint,
        }
    }

    fn malformed(
        &self,
        what: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> SourceError {
        SourceError::Malformed {
            url: self.url().to_owned(),
            what,
            source: source.into(),
        }
    }
}

//! A development chain in this process: the local network's genesis without operators, one who makes the blocks, JSON-RPC.

use crate::{
    allocator::keep_freed_memory,
    genesis::{GenesisError, genesis},
    keys::development_wallets,
    layout::NetworkFile,
    whole::write_whole,
};
use api::eth::{
    EthConfig,
    development::{self, DevelopmentChain, DevelopmentConfig, SavedState, Sealing, StateError},
};
use chain::{Development, LedgerError, PoolLimits};
use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// What `web3_clientVersion` answers. Tools for contracts look for a development chain's name at its beginning, of a list that they
/// know (hardhat's helpers do nothing on a chain that is neither hardhat's own nor anvil): this one has anvil's methods, and says so.
const CLIENT_VERSION: &str = concat!("anvil/aloft-", env!("CARGO_PKG_VERSION"));

/// Largest state read from a file: a bound on memory, far above any chain made by hand.
const STATE_BYTES_MAX: u64 = 4 << 30;

/// A development chain as it is wanted.
#[derive(Clone, Debug)]
pub struct DevelopmentOptions {
    /// Where JSON-RPC listens; port 0 takes any free one.
    pub listen: SocketAddr,
    /// EIP-155 chain id of a new chain; with a state it must be that chain's, if said.
    pub chain_id: Option<u64>,
    /// Pause between blocks; when not said, a block is made as soon as a transaction can run.
    pub block_time: Option<Duration>,
    /// Where the chain is kept between two runs: read at the start if it is there, written at the end.
    pub state: Option<PathBuf>,
}

/// Why a development chain does not run, or was not kept.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// The file of the state.
    #[error("state file {path}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is larger than any that is read.
    #[error("state file {path} has {bytes} bytes; at most {STATE_BYTES_MAX} are read")]
    TooLarge {
        /// Its path.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file holds something else.
    #[error("read the state in {path}")]
    State {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        source: StateError,
    },
    /// The file holds another chain than was asked for.
    #[error("the chain in {path} has chain id {found}, not {wanted}")]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// Chain id in the file.
        found: u64,
        /// Chain id asked for.
        wanted: u64,
    },
    /// The first block.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The chain.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The port is taken.
    #[error("listen for JSON-RPC on {listen}")]
    Listen {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The chain could not be read back at the end.
    #[error("read the chain back")]
    Save(#[source] io::Error),
}

/// A development chain that runs.
pub struct DevelopmentNode {
    chain: DevelopmentChain,
    chain_id: u64,
    height: u64,
    state: Option<PathBuf>,
}

impl DevelopmentNode {
    /// Begins a chain, or goes on with the one in the state's file, and serves it on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`DevelopmentError`], naming the file or the port at fault.
    pub async fn start(options: DevelopmentOptions) -> Result<Self, DevelopmentError> {
        keep_freed_memory();
        let saved = options.state.as_deref().map(read).transpose()?.flatten();
        let (chain, ahead_s) = match (&saved, &options.state) {
            (Some(saved), Some(path)) => {
                let found = saved.image.chain_id;
                if let Some(wanted) = options.chain_id.filter(|wanted| *wanted != found) {
                    let path = path.clone();
                    return Err(DevelopmentError::OtherChain { path, found, wanted });
                }
                let chain = Development::go_on(&saved.image, PoolLimits::default())?;
                (chain, saved.ahead_s)
            }
            _ => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH);
                let now = now.map_or(0, |since| since.as_secs());
                let chain_id = options.chain_id.unwrap_or(primitives::CHAIN_ID);
                let genesis = genesis(&NetworkFile::without_nodes(chain_id, now))?;
                (Development::begin(&genesis, PoolLimits::default())?, 0)
            }
        };
        let (chain_id, height) = (chain.ledger().chain_id(), chain.ledger().latest().header.number);
        let config = DevelopmentConfig {
            eth: EthConfig::alone(options.listen, CLIENT_VERSION),
            keys: development_wallets()
                .iter()
                .map(|wallet| wallet.secret().clone())
                .collect(),
            sealing: options.block_time.map_or(Sealing::Instant, Sealing::Every),
            ahead_s,
        };
        let listen = options.listen;
        let chain = development::serve(config, chain)
            .await
            .map_err(|source| DevelopmentError::Listen { listen, source })?;
        Ok(Self {
            chain,
            chain_id,
            height,
            state: options.state,
        })
    }

    /// Where JSON-RPC listens.
    pub fn address(&self) -> SocketAddr {
        self.chain.address()
    }

    /// EIP-155 chain id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Height at the start: 0 for a new chain.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// Stops, and writes the chain to the state's file if there is to be one, whole or not at all.
    ///
    /// # Errors
    ///
    /// [`DevelopmentError`], naming the file.
    pub async fn stop(self) -> Result<(), DevelopmentError> {
        let saved = self.chain.stop().await.map_err(DevelopmentError::Save)?;
        let Some(path) = self.state else { return Ok(()) };
        write_whole(&path, &saved.to_json()).map_err(|source| DevelopmentError::File { path, source })
    }
}

/// The state in a file; `None` where there is no such file.
fn read(path: &Path) -> Result<Option<SavedState>, DevelopmentError> {
    let failed = |source| {
        let path = path.to_owned();
        DevelopmentError::File { path, source }
    };
    let bytes = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    if bytes > STATE_BYTES_MAX {
        let path = path.to_owned();
        return Err(DevelopmentError::TooLarge { path, bytes });
    }
    let json = fs::read(path).map_err(failed)?;
    let saved = SavedState::from_json(&json).map_err(|source| {
        let path = path.to_owned();
        DevelopmentError::State { path, source }
    })?;
    Ok(Some(saved))
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::Rpc;
    use primitives::U256;
    use serde_json::{Value, json};

    fn options(state: &Path) -> DevelopmentOptions {
        DevelopmentOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            chain_id: None,
            block_time: None,
            state: Some(state.to_owned()),
        }
    }

    #[tokio::test]
    async fn a_development_chain_goes_on_from_its_state_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        let node = DevelopmentNode::start(options(&path)).await.unwrap();
        let rpc = Rpc::new(&format!("http://{}", node.address()));
        let accounts: Vec<primitives::Address> = rpc.call("eth_accounts", json!([])).await.unwrap();
        assert_eq!(accounts.len(), 10);
        let transfer = json!([{ "from": accounts[0], "to": accounts[1], "value": "0x5" }]);
        let hash: Value = rpc.call("eth_sendTransaction", transfer).await.unwrap();
        node.stop().await.unwrap();

        let node = DevelopmentNode::start(options(&path)).await.unwrap();
        assert_eq!(node.height(), 1);
        let rpc = Rpc::new(&format!("http://{}", node.address()));
        let receipt: Value = rpc.call("eth_getTransactionReceipt", json!([hash])).await.unwrap();
        assert_eq!(receipt["blockNumber"], "0x1");
        let count: U256 = rpc.call("eth_getTransactionCount", json!([accounts[0]])).await.unwrap();
        assert_eq!(count, U256::from(1));
        // The network's contracts are there.
        let balance = json!([{ "to": contracts::addresses::USDX, "input": "0x18160ddd" }, "latest"]);
        let supply: U256 = rpc.call("eth_call", balance).await.unwrap();
        assert!(supply > U256::ZERO);
        node.stop().await.unwrap();

        let other = DevelopmentOptions {
            chain_id: Some(5),
            ..options(&path)
        };
        let error = DevelopmentNode::start(other).await.err().unwrap().to_string();
        assert!(error.ends_with("has chain id 16602, not 5"), "{error}");
        fs::write(&path, "{}").unwrap();
        let error = DevelopmentNode::start(options(&path)).await.err().unwrap().to_string();
        assert!(error.contains("state.json"), "{error}");
    }
}

//! The folder of a node that joined.
//!
//! ```text
//! DIR/network.json   what fixes the first block, as a node of the network gave it ([`NetworkFile::public`])
//! DIR/node.json      where the node listens, and whom it follows
//! DIR/seed           the node's secret, readable by its owner only
//! DIR/chain.redb     state, blocks, receipts
//! DIR/runtime/       consensus journals, rows
//! ```

use crate::{
    genesis::{GenesisError, genesis},
    keys::{KeyFileError, NodeKeys},
    layout::{LayoutError, NetworkFile, free_ports},
    whole::write_whole,
};
use evm::Genesis;
use primitives::B256;
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    str::FromStr,
};

/// Version of [`NodeFile`]; a file of another version is refused.
const NODE_FILE_VERSION: u32 = 1;

/// Nodes that one node follows at most.
const SOURCES_MAX: usize = 16;

const NETWORK_FILE: &str = "network.json";
const NODE_FILE: &str = "node.json";

/// Why a folder is not one of a node that joined.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or folder could not be read or written.
    #[error("node's folder: {path}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `node.json` is not what this version writes.
    #[error("{path} is not a node file of version {NODE_FILE_VERSION}")]
    Malformed {
        /// Its path.
        path: PathBuf,
        /// Where the JSON went wrong.
        source: serde_json::Error,
    },
    /// No node to follow was named, or too many.
    #[error("a node follows 1 to {SOURCES_MAX} others, not {count}")]
    Sources {
        /// How many were named.
        count: usize,
    },
    /// The network's file makes another first block than the one that the operator named.
    #[error("that network begins with block {found}, not with {expected}")]
    Genesis {
        /// Hash of the first block that the file makes.
        found: B256,
        /// Hash that was named.
        expected: B256,
    },
    /// The network's file.
    #[error(transparent)]
    Network(#[from] LayoutError),
    /// A key in the network's file.
    #[error(transparent)]
    Founders(#[from] GenesisError),
    /// The first block cannot be built.
    #[error("build the first block of the network")]
    Build(#[from] evm::GenesisError),
    /// The node's key file.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
}

/// Where a node that joined listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// Ethereum JSON-RPC, HTTP and WebSocket.
    pub rpc: SocketAddr,
    /// Consensus.
    pub p2p: SocketAddr,
    /// Data availability rows.
    pub da: SocketAddr,
    /// Metrics and health, HTTP; nowhere in a folder of an earlier version.
    #[serde(default)]
    pub http: Option<SocketAddr>,
}

impl Addresses {
    /// JSON-RPC and metrics on loopback, the rest at `listen`, all at ports that are free.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Port`] when the system has none.
    pub fn free(listen: IpAddr) -> Result<Self, LayoutError> {
        let ports = free_ports(1)?[0];
        Ok(Self {
            rpc: (Ipv4Addr::LOCALHOST, ports.rpc).into(),
            p2p: (listen, ports.p2p).into(),
            da: (listen, ports.da).into(),
            http: Some((Ipv4Addr::LOCALHOST, ports.http).into()),
        })
    }
}

/// What `node.json` holds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct NodeFile {
    version: u32,
    /// Hash of the network's first block, as the operator named it.
    genesis: B256,
    addresses: Addresses,
    /// JSON-RPC URLs of the nodes that it follows.
    sources: Vec<String>,
    /// The block with whose state it begins; with the first block's if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checkpoint: Option<CheckpointName>,
    /// The later block with whose state it begins in its place, when that was no longer kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    later: Option<CheckpointName>,
}

/// An epoch's last block, as an operator names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointName {
    /// Its height, if that was said, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// Its hash.
    pub hash: B256,
}

/// Why a text names no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a checkpoint is a block's height and hash, such as 4799:0x5e0b…, or its hash")]
pub struct CheckpointNameError;

impl FromStr for CheckpointName {
    type Err = CheckpointNameError;

    fn from_str(text: &str) -> Result<Self, CheckpointNameError> {
        let (height, hash) = match text.split_once(':') {
            Some((height, hash)) => (Some(height.parse().map_err(|_| CheckpointNameError)?), hash),
            None => (None, text),
        };
        let hash = hash.parse().map_err(|_| CheckpointNameError)?;
        Ok(Self { height, hash })
    }
}

impl fmt::Display for CheckpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(height) = self.height {
            write!(f, "{height}:")?;
        }
        write!(f, "{}", self.hash)
    }
}

/// A node that joined: its folder, and what the files in it say.
#[derive(Clone, Debug)]
pub struct Joined {
    dir: PathBuf,
    network: NetworkFile,
    file: NodeFile,
}

impl Joined {
    /// Whether `dir` is the folder of a node that joined.
    pub fn is_there(dir: &Path) -> bool {
        dir.join(NODE_FILE).exists()
    }

    /// Makes a folder for a node of the network that `network` describes, as [`NetworkFile::public`] writes it; draws the node's keys unless they are
    /// there. Nothing is kept of a network that does not begin with the block `expected`.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn create(
        dir: &Path,
        network: &serde_json::Value,
        expected: B256,
        addresses: Addresses,
        sources: Vec<String>,
        checkpoint: Option<CheckpointName>,
    ) -> Result<Self, FolderError> {
        if !(1..=SOURCES_MAX).contains(&sources.len()) {
            let count = sources.len();
            return Err(FolderError::Sources { count });
        }
        let path = dir.join(NETWORK_FILE);
        let text = network.to_string();
        let network = NetworkFile::parse(text.as_bytes(), &path)?;
        check_genesis(&network, expected)?;
        NodeKeys::open_or_create(dir)?;
        write(&path, text.as_bytes())?;
        let file = NodeFile {
            version: NODE_FILE_VERSION,
            genesis: expected,
            addresses,
            sources,
            checkpoint,
            later: None,
        };
        let joined = Self {
            dir: dir.to_owned(),
            network,
            file,
        };
        // Last and whole: a folder without it never joined.
        joined.write_file()?;
        Ok(joined)
    }

    fn write_file(&self) -> Result<(), FolderError> {
        let text = serde_json::to_vec_pretty(&self.file).expect("plain fields serialise");
        write(&self.dir.join(NODE_FILE), &text)
    }

    /// Names a block to begin with, for a node that has not all of a state yet. The one that was named before changes nothing: a later one may have taken
    /// its place since.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`].
    pub fn begin_with(&mut self, checkpoint: CheckpointName) -> Result<(), FolderError> {
        if self.file.checkpoint.is_some_and(|named| named.hash == checkpoint.hash) {
            return Ok(());
        }
        (self.file.checkpoint, self.file.later) = (Some(checkpoint), None);
        self.write_file()
    }

    /// Puts a later block in the place of the one that the operator named.
    ///
    /// # Errors
    ///
    /// [`FolderError::File`].
    pub(crate) fn go_on_with(&mut self, later: CheckpointName) -> Result<(), FolderError> {
        self.file.later = Some(later);
        self.write_file()
    }

    /// The block with whose state the node begins; `None`: with the first block's.
    pub fn checkpoint(&self) -> Option<CheckpointName> {
        self.file.later.or(self.file.checkpoint)
    }

    /// Opens the folder that [`Self::create`] made.
    ///
    /// # Errors
    ///
    /// [`FolderError`], naming the file at fault.
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        let read = |path: &Path| {
            fs::read(path).map_err(|source| FolderError::File {
                path: path.to_owned(),
                source,
            })
        };
        let (path, network_path) = (dir.join(NODE_FILE), dir.join(NETWORK_FILE));
        let malformed = |source| FolderError::Malformed {
            path: path.clone(),
            source,
        };
        let file: NodeFile = serde_json::from_slice(&read(&path)?).map_err(malformed)?;
        if file.version != NODE_FILE_VERSION {
            let reason = format!("its version is {}", file.version);
            return Err(malformed(<serde_json::Error as serde::de::Error>::custom(reason)));
        }
        if !(1..=SOURCES_MAX).contains(&file.sources.len()) {
            let count = file.sources.len();
            return Err(FolderError::Sources { count });
        }
        let network = NetworkFile::parse(&read(&network_path)?, &network_path)?;
        Ok(Self {
            dir: dir.to_owned(),
            network,
            file,
        })
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What all nodes of the network agree on.
    pub fn network(&self) -> &NetworkFile {
        &self.network
    }

    /// Where the node listens.
    pub fn addresses(&self) -> Addresses {
        self.file.addresses
    }

    /// JSON-RPC URLs of the nodes that it follows.
    pub fn sources(&self) -> &[String] {
        &self.file.sources
    }

    /// The node's secrets.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] when the file cannot be read or holds something else.
    pub fn keys(&self) -> Result<NodeKeys, KeyFileError> {
        NodeKeys::open_or_create(&self.dir)
    }

    /// The first block, checked against the hash that the operator named.
    ///
    /// # Errors
    ///
    /// [`FolderError::Genesis`] when the file was exchanged since; as [`Self::create`] otherwise.
    pub(crate) fn genesis(&self) -> Result<Genesis, FolderError> {
        check_genesis(&self.network, self.file.genesis)
    }
}

fn check_genesis(network: &NetworkFile, expected: B256) -> Result<Genesis, FolderError> {
    let genesis = genesis(network)?;
    let (header, ..) = genesis.build()?;
    let found = header.hash_slow();
    if found == expected {
        Ok(genesis)
    } else {
        Err(FolderError::Genesis { found, expected })
    }
}

fn write(path: &Path, text: &[u8]) -> Result<(), FolderError> {
    write_whole(path, text).map_err(|source| FolderError::File {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    fn network() -> (serde_json::Value, B256) {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create(folder.path(), Some(1)).unwrap();
        let (header, ..) = genesis(&layout.network).unwrap().build().unwrap();
        (layout.network.public(), header.hash_slow())
    }

    fn addresses() -> Addresses {
        let at = |port| (Ipv4Addr::LOCALHOST, port).into();
        Addresses {
            rpc: at(1),
            p2p: at(2),
            da: at(3),
            http: Some(at(4)),
        }
    }

    #[test]
    fn a_node_that_joined_reads_back_what_it_was_made_with() {
        let ((network, hash), folder) = (network(), tempfile::tempdir().unwrap());
        let (dir, sources) = (folder.path().join("own"), vec!["http://127.0.0.1:8545".to_owned()]);
        assert!(!Joined::is_there(&dir));
        let made = Joined::create(&dir, &network, hash, addresses(), sources.clone(), None).unwrap();
        assert!(Joined::is_there(&dir));
        let opened = Joined::open(&dir).unwrap();
        assert_eq!((opened.addresses(), opened.sources()), (addresses(), &sources[..]));
        assert_eq!(
            opened.keys().unwrap().wallet.address(),
            made.keys().unwrap().wallet.address()
        );
        let (header, ..) = opened.genesis().unwrap().build().unwrap();
        assert_eq!(header.hash_slow(), hash);
    }

    #[test]
    fn a_later_block_stays_in_the_place_of_the_one_that_was_named_until_another_is_named() {
        let ((network, hash), folder) = (network(), tempfile::tempdir().unwrap());
        let sources = vec!["http://127.0.0.1:8545".to_owned()];
        let name = |text: &str| -> CheckpointName { format!("{text}{}", "00".repeat(31)).parse().unwrap() };
        let (named, later, other) = (name("7:0x01"), name("23:0x02"), name("31:0x03"));
        Joined::create(folder.path(), &network, hash, addresses(), sources, Some(named)).unwrap();
        let open = || Joined::open(folder.path()).unwrap();
        assert_eq!(open().checkpoint(), Some(named));
        open().go_on_with(later).unwrap();
        assert_eq!(open().checkpoint(), Some(later));
        // As by the command that started the node first.
        open().begin_with(named).unwrap();
        open().begin_with(name("0x01")).unwrap();
        assert_eq!(open().checkpoint(), Some(later));
        open().begin_with(other).unwrap();
        assert_eq!(open().checkpoint(), Some(other));
    }

    #[test]
    fn a_network_that_begins_with_another_block_is_refused_with_both_hashes() {
        let ((network, hash), folder) = (network(), tempfile::tempdir().unwrap());
        let other = B256::repeat_byte(7);
        let sources = vec!["http://127.0.0.1:8545".to_owned()];
        let error = Joined::create(folder.path(), &network, other, addresses(), sources.clone(), None).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(&hash.to_string()) && text.contains(&other.to_string()),
            "{text}"
        );
        assert!(!Joined::is_there(folder.path()));
        // The same when the file is exchanged later: here the time of the first block.
        let joined = Joined::create(folder.path(), &network, hash, addresses(), sources, None).unwrap();
        let mut exchanged = network.clone();
        exchanged["genesis_time"] = 1.into();
        fs::write(folder.path().join(NETWORK_FILE), exchanged.to_string()).unwrap();
        let exchanged = Joined::open(joined.dir()).unwrap();
        assert!(matches!(exchanged.genesis(), Err(FolderError::Genesis { .. })));
    }

    #[test]
    fn whoever_follows_nobody_is_refused() {
        let ((network, hash), folder) = (network(), tempfile::tempdir().unwrap());
        let error = Joined::create(folder.path(), &network, hash, addresses(), vec![], None).unwrap_err();
        assert!(matches!(error, FolderError::Sources { count: 0 }));
    }
}

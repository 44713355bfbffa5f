//! A local network on disk: one folder, one file that says who its nodes are, one folder a node.
//!
//! ```text
//! DIR/network.json        who the nodes are and where they listen ([`NetworkFile`])
//! DIR/network.log         the merged log
//! DIR/node-0/seed         the node's secret, readable by its owner only
//! DIR/node-0/release-share  its share of the key that releases others, the same; or what it keeps where members make it: [`crate::release_member`]
//! DIR/node-0/chain.redb   state, blocks, receipts
//! DIR/node-0/runtime/     consensus journals, rows
//! DIR/node-0/compute/     vouchers, receipts
//! DIR/node-0/shard-*/     its validators of shards
//! DIR/shards/             one file a shard: crate::shards
//! ```

use crate::{
    keys::{KeyFileError, NodeKeys},
    release_key::{self, DealError},
    whole::write_whole,
};
use chain::{consensus::EPOCH_BLOCKS_MIN, keys::Identity};
use commonware_codec::{DecodeExt, Encode};
use contracts::ReleaseKey;
use primitives::{Address, Bytes, CHAIN_ID, Digest};
use rand::TryRng;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

/// Version of [`NetworkFile`]; a file of another version is refused, never guessed at. 2: proofs of possession name the account. 3: a
/// node has several vote keys. 4: the genesis block holds the randomness beacon. 5: what its contracts keep for data
/// availability, which is seeded by that beacon.
const NETWORK_FILE_VERSION: u32 = 5;

/// Vote keys that a local node registers: with equal stakes it has as many seats.
const VOTE_KEYS: usize = contracts::SEATS_PER_FOUNDER as usize;

/// Name of the file in a node's folder that holds its share of the key that releases others.
const RELEASE_SHARE_FILE: &str = "release-share";

/// Nodes a local network may have: all share one machine.
pub const MAX_LOCAL_NODES: usize = 16;

/// Ports that a network prefers, so that tools find it where they expect an Ethereum node; each node adds its index.
const PREFERRED: Ports = Ports {
    rpc: 8545,
    http: 7777,
    da: 7800,
    p2p: 7900,
    alt_da: Some(7500),
    disperser: Some(7600),
};

/// Why a network's folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A file or folder could not be read or written.
    #[error("network folder: {path}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// `network.json` is not what this version writes.
    #[error("{path} is not a network file of version {NETWORK_FILE_VERSION}: start anew with --reset")]
    Malformed {
        /// Its path.
        path: PathBuf,
        /// Where the JSON went wrong.
        source: serde_json::Error,
    },
    /// Epochs are too short.
    #[error("{path}: an epoch has at least {EPOCH_BLOCKS_MIN} blocks, not {blocks}")]
    EpochBlocks {
        /// The network's file.
        path: PathBuf,
        /// Blocks that it asks for.
        blocks: NonZeroU64,
    },
    /// Too few or too many nodes were asked for.
    #[error("a local network has 1 to {MAX_LOCAL_NODES} nodes, not {count}")]
    NodeCount {
        /// Nodes asked for.
        count: usize,
    },
    /// The folder holds a network of another size.
    #[error("{dir} holds a network of {found} nodes, not {wanted}: leave --nodes out, or start anew with --reset")]
    OtherNodeCount {
        /// The folder.
        dir: PathBuf,
        /// Nodes it has.
        found: usize,
        /// Nodes asked for.
        wanted: usize,
    },
    /// The folder holds a network of other epochs.
    #[error(
        "{dir} holds a network whose epochs have {found} blocks, not {wanted}: leave --epoch-blocks out, or start anew with --reset"
    )]
    OtherEpochBlocks {
        /// The folder.
        dir: PathBuf,
        /// Blocks of its epochs.
        found: NonZeroU64,
        /// Blocks asked for.
        wanted: NonZeroU64,
    },
    /// The folder holds a network whose release key was dealt.
    #[error(
        "{dir} holds a network whose release key was dealt: leave --generate-release-key out, or start anew with --reset"
    )]
    ReleaseKeyDealt {
        /// The folder.
        dir: PathBuf,
    },
    /// No free port was found.
    #[error("find a free port on loopback")]
    Port {
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no randomness.
    #[error("the system gave no randomness for new keys")]
    Randomness,
    /// A node's key file.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The keys of the committee that releases others.
    #[error(transparent)]
    Deal(#[from] DealError),
}

/// Where one node listens, all on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Ethereum JSON-RPC, HTTP and WebSocket.
    pub rpc: u16,
    /// Open Inference Protocol, receipts, metrics.
    pub http: u16,
    /// Data availability rows.
    pub da: u16,
    /// Consensus.
    pub p2p: u16,
    /// Batches of rollups, as an OP Stack alt-DA server; not served when absent.
    #[serde(default)]
    pub alt_da: Option<u16>,
    /// 0G's disperser and retriever, gRPC; not served when absent.
    #[serde(default)]
    pub disperser: Option<u16>,
}

impl Ports {
    /// A port's address on loopback.
    pub fn loopback(port: u16) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, port).into()
    }

    /// All of them; a new network has six a node.
    fn all(self) -> Vec<u16> {
        let ports = [self.rpc, self.http, self.da, self.p2p].map(Some);
        ports
            .into_iter()
            .chain([self.alt_da, self.disperser])
            .flatten()
            .collect()
    }
}

/// One node's public half.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeEntry {
    /// `node-0`, `node-1`, …: its folder and its name in logs.
    pub name: String,
    /// Where it listens.
    pub ports: Ports,
    /// Its account.
    pub account: Address,
    /// Its ed25519 key (32 bytes), the name it goes by among nodes.
    pub identity: Bytes,
    /// The keys that vote for its seats.
    pub vote_keys: Vec<VoteKeyEntry>,
    /// BLS key that signs for rows (48 bytes, compressed).
    pub availability_key: Bytes,
    /// Proof that it knows that key's secret (96 bytes, compressed).
    pub availability_possession: Bytes,
    /// Bytes of rows that it takes a second, of all dispersers together; as fast as it can when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingest_bytes_per_s: Option<u64>,
    /// States of the past that it keeps to answer from; those of the last 1,024 blocks when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_history: Option<StateHistorySetting>,
}

/// One vote key of a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct VoteKeyEntry {
    /// The BLS key (48 bytes, compressed).
    pub key: Bytes,
    /// Proof that the node knows its secret (96 bytes, compressed).
    pub possession: Bytes,
}

/// How many states of the past a node keeps: `{"blocks": 5000}` or `"all"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateHistorySetting {
    /// Those of the last so many blocks.
    Blocks(usize),
    /// All: an archive, whose start executes every stored block again.
    All,
}

impl From<StateHistorySetting> for chain::StateHistory {
    fn from(setting: StateHistorySetting) -> Self {
        match setting {
            StateHistorySetting::Blocks(blocks) => Self::Last(blocks),
            StateHistorySetting::All => Self::All,
        }
    }
}

/// Everything that the nodes of one local network must agree on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NetworkFile {
    version: u32,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Time of the first block, in seconds since 1970.
    pub genesis_time: u64,
    /// Seed of the epochs before the randomness beacon has a value, and part of what the beacon signs; drawn when the network was made. It is dealt, not
    /// agreed on: fit for a local network only.
    pub dealt_beacon: Digest,
    /// Public keys of the committee that releases others, the nodes in order: the canonical encoding of
    /// [`crypto::threshold::Committee`]. Dealt when the network was made; none in networks that are older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dealt_release_committee: Option<Bytes>,
    /// Whether members of the committee that releases others make its key among themselves, on the chain; none is dealt then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub generated_release_key: bool,
    /// Blocks of an epoch: committees change at its end.
    #[serde(default = "epoch_blocks")]
    pub epoch_blocks: NonZeroU64,
    /// The nodes, in order.
    pub nodes: Vec<NodeEntry>,
}

fn epoch_blocks() -> NonZeroU64 {
    NonZeroU64::new(contracts::EPOCH_BLOCKS).expect("an epoch has a block")
}

/// A network's folder, and what its file says.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The folder.
    pub dir: PathBuf,
    /// The file in it.
    pub network: NetworkFile,
}

impl Layout {
    /// Opens the network in `dir`, or makes one of `nodes` nodes (4 when not said) with new keys and free ports.
    ///
    /// # Errors
    ///
    /// [`LayoutError`], naming the file or the number at fault.
    pub fn open_or_create(dir: &Path, nodes: Option<usize>) -> Result<Self, LayoutError> {
        Self::open_or_create_with(dir, nodes, None, ReleaseKey::Dealt)
    }

    /// As [`Self::open_or_create`], with `blocks` of an epoch in a new network, and where its release key comes from.
    ///
    /// # Errors
    ///
    /// [`LayoutError`], also when the network has other epochs, or they would be too short.
    pub fn open_or_create_with(
        dir: &Path,
        nodes: Option<usize>,
        blocks: Option<NonZeroU64>,
        release_key: ReleaseKey,
    ) -> Result<Self, LayoutError> {
        let path = dir.join("network.json");
        if let Some(blocks) = blocks.filter(|blocks| *blocks < EPOCH_BLOCKS_MIN) {
            return Err(LayoutError::EpochBlocks { path, blocks });
        }
        if path.exists() {
            let layout = Self::open(dir)?;
            let found_blocks = layout.network.epoch_blocks;
            if let Some(wanted) = blocks.filter(|blocks| *blocks != found_blocks) {
                return Err(LayoutError::OtherEpochBlocks {
                    dir: dir.to_owned(),
                    found: found_blocks,
                    wanted,
                });
            }
            if release_key == ReleaseKey::Generated && layout.network.release_key() != release_key {
                return Err(LayoutError::ReleaseKeyDealt { dir: dir.to_owned() });
            }
            let found = layout.network.nodes.len();
            return match nodes {
                Some(wanted) if wanted != found => Err(LayoutError::OtherNodeCount {
                    dir: dir.to_owned(),
                    found,
                    wanted,
                }),
                _ => Ok(layout),
            };
        }
        Self::create(
            dir,
            nodes.unwrap_or(4),
            blocks.unwrap_or_else(epoch_blocks),
            release_key,
        )
    }

    /// Opens the network in `dir`.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] when there is none, or it is of another version.
    pub fn open(dir: &Path) -> Result<Self, LayoutError> {
        let path = dir.join("network.json");
        let text = fs::read(&path).map_err(|source| LayoutError::File {
            path: path.clone(),
            source,
        })?;
        let network = NetworkFile::parse(&text, &path)?;
        Ok(Self {
            dir: dir.to_owned(),
            network,
        })
    }

    fn create(
        dir: &Path,
        count: usize,
        epoch_blocks: NonZeroU64,
        release_key: ReleaseKey,
    ) -> Result<Self, LayoutError> {
        if !(1..=MAX_LOCAL_NODES).contains(&count) {
            return Err(LayoutError::NodeCount { count });
        }
        let ports = free_ports(count)?;
        let mut nodes = Vec::with_capacity(count);
        for (index, ports) in ports.into_iter().enumerate() {
            let name = format!("node-{index}");
            let folder = dir.join(&name);
            fs::create_dir_all(&folder).map_err(|source| LayoutError::File {
                path: folder.clone(),
                source,
            })?;
            let keys = NodeKeys::create(&folder.join("seed"), &random_32()?)?;
            nodes.push(NodeEntry {
                name,
                ports,
                account: keys.wallet.address(),
                identity: keys.validator.identity().encode().to_vec().into(),
                vote_keys: keys.validator.votes[..VOTE_KEYS]
                    .iter()
                    .map(|secret| VoteKeyEntry {
                        key: secret.public_key().to_bytes().into(),
                        possession: secret.prove_possession(keys.wallet.address()).to_bytes().into(),
                    })
                    .collect(),
                availability_key: keys.availability.public_key().to_bytes().into(),
                availability_possession: keys
                    .availability
                    .prove_possession(keys.wallet.address())
                    .to_bytes()
                    .into(),
                ingest_bytes_per_s: None,
                state_history: None,
            });
        }
        let dealt = match release_key {
            ReleaseKey::Generated => None,
            ReleaseKey::Dealt => {
                let share = |node: &NodeEntry| dir.join(&node.name).join(RELEASE_SHARE_FILE);
                let shares: Vec<PathBuf> = nodes.iter().map(share).collect();
                Some(release_key::deal(&shares)?)
            }
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |elapsed| elapsed.as_secs());
        let network = NetworkFile {
            version: NETWORK_FILE_VERSION,
            chain_id: CHAIN_ID,
            genesis_time: now,
            dealt_beacon: random_32()?.into(),
            dealt_release_committee: dealt.map(|committee| committee.encode().to_vec().into()),
            generated_release_key: release_key == ReleaseKey::Generated,
            epoch_blocks,
            nodes,
        };
        let layout = Self {
            dir: dir.to_owned(),
            network,
        };
        layout.save()?;
        Ok(layout)
    }

    /// Writes `network.json` last and whole: a folder without it was never a network.
    fn save(&self) -> Result<(), LayoutError> {
        let path = self.dir.join("network.json");
        let failed = |source| LayoutError::File {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(&self.network).expect("plain fields serialise");
        write_whole(&path, &text).map_err(failed)
    }

    /// The folder of node `index`.
    pub fn node_dir(&self, index: usize) -> PathBuf {
        self.dir.join(&self.network.nodes[index].name)
    }

    /// Where node `index` has its share of the key that releases others.
    pub fn release_share_path(&self, index: usize) -> PathBuf {
        self.node_dir(index).join(RELEASE_SHARE_FILE)
    }

    /// Path of the merged log.
    pub fn log_path(&self) -> PathBuf {
        self.dir.join("network.log")
    }
}

impl NetworkFile {
    /// Where the key that releases others comes from.
    pub fn release_key(&self) -> ReleaseKey {
        match self.generated_release_key {
            true => ReleaseKey::Generated,
            false => ReleaseKey::Dealt,
        }
    }

    /// Reads what [`Self::public`] or a network's folder says; `path` is named in errors.
    pub(crate) fn parse(text: &[u8], path: &Path) -> Result<Self, LayoutError> {
        let malformed = |source| LayoutError::Malformed {
            path: path.to_owned(),
            source,
        };
        let network: Self = serde_json::from_slice(text).map_err(malformed)?;
        if network.version != NETWORK_FILE_VERSION {
            let reason = format!("its version is {}", network.version);
            return Err(malformed(<serde_json::Error as serde::de::Error>::custom(reason)));
        }
        if network.epoch_blocks < EPOCH_BLOCKS_MIN {
            return Err(LayoutError::EpochBlocks {
                path: path.to_owned(),
                blocks: network.epoch_blocks,
            });
        }
        Ok(network)
    }

    /// All that others need to build the first block: the file without what concerns single nodes of this machine.
    pub fn public(&self) -> serde_json::Value {
        let mut network = self.clone();
        for node in &mut network.nodes {
            (node.ingest_bytes_per_s, node.state_history) = (None, None);
        }
        serde_json::to_value(network).expect("plain fields serialise")
    }

    /// What fixes the genesis of a development chain: that of a network in which nobody keeps anything.
    pub(crate) fn without_nodes(chain_id: u64, genesis_time: u64) -> Self {
        Self {
            version: NETWORK_FILE_VERSION,
            chain_id,
            genesis_time,
            dealt_beacon: [0; 32].into(),
            dealt_release_committee: None,
            generated_release_key: false,
            epoch_blocks: epoch_blocks(),
            nodes: Vec::new(),
        }
    }
}

impl NodeEntry {
    /// The node's name among nodes; `None` when the file was tampered with.
    pub fn identity(&self) -> Option<Identity> {
        Identity::decode(self.identity.0.clone()).ok()
    }
}

/// 32 bytes from the system's generator.
fn random_32() -> Result<[u8; 32], LayoutError> {
    let mut bytes = [0; 32];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| LayoutError::Randomness)?;
    Ok(bytes)
}

/// The preferred ports when all of them are free, else as many that the system calls free. All listeners stay open until all
/// ports are chosen, so none is given twice.
pub(crate) fn free_ports(count: usize) -> Result<Vec<Ports>, LayoutError> {
    let preferred: Vec<Ports> = (0..count as u16)
        .map(|index| Ports {
            rpc: PREFERRED.rpc + index,
            http: PREFERRED.http + index,
            da: PREFERRED.da + index,
            p2p: PREFERRED.p2p + index,
            alt_da: PREFERRED.alt_da.map(|port| port + index),
            disperser: PREFERRED.disperser.map(|port| port + index),
        })
        .collect();
    let bind = |port| TcpListener::bind(Ports::loopback(port));
    let held: Result<Vec<_>, _> = preferred.iter().flat_map(|ports| ports.all()).map(bind).collect();
    if held.is_ok() {
        return Ok(preferred);
    }
    drop(held);
    let port = |source| LayoutError::Port { source };
    let listeners: Vec<TcpListener> = (0..6 * count)
        .map(|_| bind(0))
        .collect::<Result<_, _>>()
        .map_err(port)?;
    let numbers: Vec<u16> = listeners
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect::<Result<_, _>>()
        .map_err(port)?;
    Ok(numbers
        .chunks_exact(6)
        .map(|six| Ports {
            rpc: six[0],
            http: six[1],
            da: six[2],
            p2p: six[3],
            alt_da: Some(six[4]),
            disperser: Some(six[5]),
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_made_in_a_folder_is_the_network_opened_there() {
        let folder = tempfile::tempdir().unwrap();
        let made = Layout::open_or_create(folder.path(), Some(3)).unwrap();
        let opened = Layout::open_or_create(folder.path(), None).unwrap();
        assert_eq!(made.network.dealt_beacon, opened.network.dealt_beacon);
        assert_eq!(opened.network.nodes.len(), 3);
        assert!(opened.network.nodes.iter().all(|node| node.identity().is_some()));
        let error = Layout::open_or_create(folder.path(), Some(4)).err().unwrap();
        assert!(error.to_string().contains("--reset"), "{error}");
    }

    #[test]
    fn no_two_listeners_of_a_network_share_a_port() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::open_or_create(folder.path(), Some(8)).unwrap();
        let mut ports: Vec<u16> = layout.network.nodes.iter().flat_map(|node| node.ports.all()).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 48);
    }

    #[test]
    fn a_network_whose_members_make_the_release_key_has_no_dealt_share_and_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let open = |release_key| Layout::open_or_create_with(folder.path(), Some(2), None, release_key);
        let made = open(ReleaseKey::Generated).unwrap();
        assert!(made.network.dealt_release_committee.is_none() && !made.release_share_path(0).exists());
        assert_eq!(
            open(ReleaseKey::Dealt).unwrap().network.release_key(),
            ReleaseKey::Generated
        );
        let dealt = tempfile::tempdir().unwrap();
        Layout::open_or_create(dealt.path(), Some(1)).unwrap();
        let refused = Layout::open_or_create_with(dealt.path(), None, None, ReleaseKey::Generated)
            .err()
            .unwrap();
        assert!(refused.to_string().contains("--generate-release-key"), "{refused}");
    }

    /// Networks made before there were foreign interfaces go on without them.
    #[test]
    fn a_network_file_without_the_foreign_interfaces_opens_without_them() {
        let folder = tempfile::tempdir().unwrap();
        Layout::open_or_create(folder.path(), Some(1)).unwrap();
        let path = folder.path().join("network.json");
        let mut file: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let ports = file["nodes"][0]["ports"].as_object_mut().unwrap();
        assert!(ports.remove("alt_da").is_some() && ports.remove("disperser").is_some());
        fs::write(&path, file.to_string()).unwrap();
        let ports = Layout::open(folder.path()).unwrap().network.nodes[0].ports;
        assert_eq!((ports.alt_da, ports.disperser), (None, None));
    }

    #[test]
    fn a_network_file_that_is_not_one_names_itself_and_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{}", r#"{"version":9}"#] {
            fs::write(folder.path().join("network.json"), text).unwrap();
            let error = Layout::open_or_create(folder.path(), None).err().unwrap();
            assert!(
                error
                    .to_string()
                    .contains("network.json is not a network file of version 5"),
                "{error}"
            );
        }
    }
}

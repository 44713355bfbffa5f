//! The shards of a local network on disk: one file a shard, from which each of its validators builds the same first block.
//!
//! ```text
//! DIR/shards/CHAIN.json          what the shard is and who runs it ([`ShardFile`])
//! DIR/node-0/shard-CHAIN/        a validator's chain and journals, as in the folder of its node
//! ```

use crate::{
    layout::{Layout, NetworkFile, Ports},
    whole::write_whole,
};
use chain::consensus::{EPOCH_BLOCKS_MIN, Pace};
use contracts::{
    Announcement, SHARD_SUPPLY_WEI, SetupCall, ShardTerms, addresses::MAILBOX, shard_contracts, shard_founding_call,
};
use evm::{Genesis, GenesisCall};
use primitives::{Address, B256, Bytes, U256};
use rand::TryRng;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    net::TcpListener,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    time::Duration,
};

/// Version of [`ShardFile`]; a file of another version is refused, never guessed at.
const SHARD_FILE_VERSION: u32 = 1;
/// Folder of the files.
const FOLDER: &str = "shards";
/// Longest file read, bytes: the announcement of the largest committee, in hexadecimal, and room.
const MAX_FILE_BYTES: u64 = 256 << 10;
/// Shards of a local network at most: all of their processes share one machine.
pub const MAX_LOCAL_SHARDS: usize = 16;
/// Least gas of a block: the mailbox gives a message up to ten million, and a proof comes on top.
pub const SHARD_GAS_LIMIT_MIN: u64 = 12_000_000;

/// Ports that the first shard prefers; each further one adds [`PORTS_EACH`], each validator its index.
const PREFERRED: ShardPorts = ShardPorts {
    rpc: 18_545,
    http: 17_000,
    p2p: 17_500,
};
/// Ports between two shards': more than a local network has nodes.
const PORTS_EACH: u16 = 20;
const _: () = assert!(
    PORTS_EACH as usize >= crate::layout::MAX_LOCAL_NODES,
    "no two validators prefer one port"
);
const _: () = assert!(
    PREFERRED.http + PORTS_EACH * MAX_LOCAL_SHARDS as u16 <= PREFERRED.p2p
        && PREFERRED.p2p + PORTS_EACH * MAX_LOCAL_SHARDS as u16 <= PREFERRED.rpc,
    "no two kinds of listeners prefer one port"
);

/// Why a shard's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShardFileError {
    /// A file or folder could not be read or written.
    #[error("shard file {path}")]
    File {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is longer than any shard's.
    #[error("shard file {path} has more than {MAX_FILE_BYTES} bytes")]
    TooLong {
        /// Its path.
        path: PathBuf,
    },
    /// The file is not what this version writes.
    #[error("{path} is not a shard file of version {SHARD_FILE_VERSION}")]
    Malformed {
        /// Its path.
        path: PathBuf,
        /// Where the JSON went wrong.
        source: serde_json::Error,
    },
    /// There is no such shard here.
    #[error("the network in {dir} runs no shard {chain}: aloft shard list shows those it has")]
    Unknown {
        /// The network's folder.
        dir: PathBuf,
        /// Chain id asked for.
        chain: u64,
    },
    /// The file names a node that the network does not have.
    #[error("shard {chain} is to run beside node {index}, but the network has nodes 0 to {last}")]
    Index {
        /// The shard.
        chain: u64,
        /// The node.
        index: usize,
        /// The last that there is.
        last: usize,
    },
    /// The shard has no first committee yet.
    #[error("shard {chain} is not founded yet: go on with aloft shard add --chain {chain}")]
    NotFounded {
        /// The shard.
        chain: u64,
    },
    /// What the root chain announced is not understood.
    #[error("the first committee of shard {chain} is no announcement")]
    Announcement {
        /// The shard.
        chain: u64,
        /// What is wrong with it.
        source: alloy_sol_types::Error,
    },
    /// The first block gives away more than there is.
    #[error("the first block of shard {chain} gives away more than a shard can have")]
    Endowment {
        /// The shard.
        chain: u64,
    },
    /// A number in it is out of range.
    #[error("{what} is at least {least}, not {found}")]
    TooSmall {
        /// What is too small.
        what: &'static str,
        /// What was asked for.
        found: u64,
        /// The least.
        least: u64,
    },
    /// There are as many shards as there may be.
    #[error("a local network has {MAX_LOCAL_SHARDS} shards at most")]
    TooMany,
    /// No free port was found.
    #[error("find a free port on loopback")]
    Port(#[source] io::Error),
    /// The system gave no randomness.
    #[error("the system gave no randomness for a new shard")]
    Randomness,
}

/// Where one validator of a shard listens, on loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPorts {
    /// Ethereum JSON-RPC, HTTP and WebSocket.
    pub rpc: u16,
    /// Health and metrics.
    pub http: u16,
    /// Consensus.
    pub p2p: u16,
}

/// A validator of a shard, run by one of the network's nodes' operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardNode {
    /// Index of the operator's node.
    pub index: usize,
    /// Where it listens.
    pub ports: ShardPorts,
}

/// Coins that an account has from the first block on. They are locked on the root chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endowment {
    /// The account.
    pub account: Address,
    /// How much, wei.
    pub wei: U256,
}

/// What a new shard is to be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardSettings {
    /// Its chain id; the next that is free when none is named.
    pub chain_id: Option<u64>,
    /// Blocks of its epochs, at least as many as it has seats; a sixteenth of the root chain's when not said.
    pub epoch_blocks: Option<NonZeroU64>,
    /// Gas limit of its blocks.
    pub gas_limit: u64,
    /// Least time from one of its blocks to the next, milliseconds.
    pub block_interval_ms: u64,
    /// Nodes whose operators run it, the first ones; all when not said.
    pub validators: Option<usize>,
    /// Accounts that have coins from the first block on, besides those that carry messages.
    pub endowments: Vec<Endowment>,
}

impl Default for ShardSettings {
    /// The root chain's blocks and pace, all operators, the next chain id.
    fn default() -> Self {
        Self {
            chain_id: None,
            epoch_blocks: None,
            gas_limit: crate::genesis::GAS_LIMIT,
            block_interval_ms: Pace::default().block_interval.as_millis() as u64,
            validators: None,
            endowments: Vec::new(),
        }
    }
}

/// Everything that a shard's validators must agree on, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFile {
    version: u32,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// What keeps its votes apart from those of other chains of that id: `prevRandao` of its first block.
    pub network: B256,
    /// Blocks of its epochs.
    pub epoch_blocks: NonZeroU64,
    /// Seats of its committees.
    pub seats: u32,
    /// Gas limit of its blocks.
    pub gas_limit: u64,
    /// Least time from one block to the next, milliseconds.
    pub block_interval_ms: u64,
    /// Time of its first block, in seconds since 1970.
    pub genesis_time: u64,
    /// Who runs it.
    pub nodes: Vec<ShardNode>,
    /// Who has coins from the first block on.
    pub endowments: Vec<Endowment>,
    /// Its first committee and the root chain's, as `ShardRegistry.announce` told them; none while it is being founded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub founding: Option<Bytes>,
    /// Whether its processes have ended for good.
    #[serde(default)]
    pub retired: bool,
}

impl ShardFile {
    /// A new shard of `layout`'s network with `chain_id`, free ports, and a name of its votes drawn at random; nothing is written.
    ///
    /// # Errors
    ///
    /// [`ShardFileError`], naming the number that is out of range.
    pub fn plan(layout: &Layout, chain_id: u64, settings: &ShardSettings, now_s: u64) -> Result<Self, ShardFileError> {
        let network = &layout.network;
        let count = settings.validators.unwrap_or(network.nodes.len());
        let validators = u32::try_from(count).map_err(|_| ShardFileError::TooMany)?;
        let seats = contracts::consensus_seats(validators);
        // Seats take turns, and begin with others in each epoch: in one that is shorter than their number, some validator never has one.
        let least = EPOCH_BLOCKS_MIN.max(NonZeroU32::new(seats).map_or(NonZeroU64::MIN, NonZeroU64::from));
        let epoch_blocks = settings.epoch_blocks.unwrap_or_else(|| {
            let sixteenth = network.epoch_blocks.get() / 16;
            NonZeroU64::new(sixteenth).map_or(least, |blocks| blocks.max(least))
        });
        at_least("an epoch's number of blocks", epoch_blocks.get(), least.get())?;
        at_least("a block's gas limit", settings.gas_limit, SHARD_GAS_LIMIT_MIN)?;
        at_least("the number of validators", count as u64, 1)?;
        at_least("the number of nodes", network.nodes.len() as u64, count as u64)?;
        let place = Self::all(&layout.dir)?.len();
        if place >= MAX_LOCAL_SHARDS {
            return Err(ShardFileError::TooMany);
        }
        let nodes = free_ports(place as u16, count)?.into_iter().enumerate();
        let mut name = [0; 32];
        rand::rngs::SysRng
            .try_fill_bytes(&mut name)
            .map_err(|_| ShardFileError::Randomness)?;
        Ok(Self {
            version: SHARD_FILE_VERSION,
            chain_id,
            network: name.into(),
            epoch_blocks,
            seats,
            gas_limit: settings.gas_limit,
            block_interval_ms: settings.block_interval_ms,
            genesis_time: now_s,
            nodes: nodes.map(|(index, ports)| ShardNode { index, ports }).collect(),
            endowments: settings.endowments.clone(),
            founding: None,
            retired: false,
        })
    }

    /// The shard with this chain id.
    ///
    /// # Errors
    ///
    /// [`ShardFileError::Unknown`] when there is none; another when its file cannot be used.
    pub fn open(dir: &Path, chain: u64) -> Result<Self, ShardFileError> {
        let found = Self::read(&path_of(dir, chain))?;
        found.ok_or_else(|| ShardFileError::Unknown {
            dir: dir.to_owned(),
            chain,
        })
    }

    /// All shards of the network in `dir`, by their chain ids: running, being founded, and retired.
    ///
    /// # Errors
    ///
    /// [`ShardFileError`], naming the file at fault.
    pub fn all(dir: &Path) -> Result<Vec<Self>, ShardFileError> {
        let folder = dir.join(FOLDER);
        let failed = |source| ShardFileError::File {
            path: folder.clone(),
            source,
        };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut shards = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                shards.extend(Self::read(&path)?);
            }
        }
        shards.sort_by_key(|shard| shard.chain_id);
        Ok(shards)
    }

    fn read(path: &Path) -> Result<Option<Self>, ShardFileError> {
        let failed = |source| ShardFileError::File {
            path: path.to_owned(),
            source,
        };
        let text = match fs::metadata(path) {
            Ok(file) if file.len() > MAX_FILE_BYTES => {
                return Err(ShardFileError::TooLong { path: path.to_owned() });
            }
            Ok(_) => fs::read(path).map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let malformed = |source| ShardFileError::Malformed {
            path: path.to_owned(),
            source,
        };
        let file: Self = serde_json::from_slice(&text).map_err(malformed)?;
        let named = path.file_stem().and_then(|stem| stem.to_str());
        if file.version != SHARD_FILE_VERSION || named != Some(&file.chain_id.to_string()) {
            let reason = format!("it is of version {} and chain {}", file.version, file.chain_id);
            return Err(malformed(<serde_json::Error as serde::de::Error>::custom(reason)));
        }
        Ok(Some(file))
    }

    /// Writes the file whole: who reads it sees this or what was there before, also after a power cut.
    ///
    /// # Errors
    ///
    /// [`ShardFileError::File`].
    pub fn save(&self, dir: &Path) -> Result<(), ShardFileError> {
        let path = path_of(dir, self.chain_id);
        let failed = |source| ShardFileError::File {
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(self).expect("plain fields serialise");
        fs::create_dir_all(dir.join(FOLDER))
            .and_then(|()| write_whole(&path, &text))
            .map_err(failed)
    }

    /// The validator beside node `index`.
    pub fn node(&self, index: usize) -> Option<&ShardNode> {
        self.nodes.iter().find(|node| node.index == index)
    }

    /// How often its blocks come: as asked for, and one a second, or as seldom as that, when nothing waits.
    pub fn pace(&self) -> Pace {
        let pace = Pace::default();
        let block_interval = Duration::from_millis(self.block_interval_ms);
        Pace {
            block_interval,
            idle_interval: pace.idle_interval.max(block_interval),
            ..pace
        }
    }

    /// What its first block gives away, wei.
    pub fn endowed_wei(&self) -> U256 {
        let all = self.endowments.iter();
        all.fold(U256::ZERO, |sum, endowment| sum.saturating_add(endowment.wei))
    }

    /// The first block: the same for all of its validators.
    ///
    /// # Errors
    ///
    /// [`ShardFileError`] when the shard is not founded yet, or the file was tampered with.
    pub fn genesis(&self, root: &NetworkFile) -> Result<Genesis, ShardFileError> {
        let chain = self.chain_id;
        let told = self.founding.as_ref().ok_or(ShardFileError::NotFounded { chain })?;
        let told = Announcement::read(told).map_err(|source| ShardFileError::Announcement { chain, source })?;
        let terms = ShardTerms {
            root_chain: root.chain_id,
            root_epoch_blocks: root.epoch_blocks.get(),
            root_network: root.dealt_beacon.0,
            root_committee: told.root_committee,
            epoch_blocks: self.epoch_blocks.get(),
            committee: told.committee,
            validators: told.validators,
        };
        let left = SHARD_SUPPLY_WEI.checked_sub(self.endowed_wei());
        let left = left.ok_or(ShardFileError::Endowment { chain })?;
        let endowed = self
            .endowments
            .iter()
            .map(|endowment| (endowment.account, endowment.wei));
        let SetupCall { from, to, data, value } = shard_founding_call(&terms);
        Ok(Genesis {
            chain_id: chain,
            timestamp: self.genesis_time,
            gas_limit: self.gas_limit,
            prev_randao: self.network,
            allocations: endowed.chain([(MAILBOX, left)]).collect(),
            contracts: shard_contracts(&terms),
            calls: vec![GenesisCall { from, to, data, value }],
        })
    }
}

impl Layout {
    /// Where node `index`'s operator keeps a shard's chain.
    pub fn shard_dir(&self, index: usize, chain: u64) -> PathBuf {
        self.node_dir(index).join(format!("shard-{chain}"))
    }
}

fn at_least(what: &'static str, found: u64, least: u64) -> Result<(), ShardFileError> {
    if found < least {
        return Err(ShardFileError::TooSmall { what, found, least });
    }
    Ok(())
}

fn path_of(dir: &Path, chain: u64) -> PathBuf {
    dir.join(FOLDER).join(format!("{chain}.json"))
}

/// Ports for `count` validators of the shard at `place`: the preferred ones when all of them are free, else as many that the system calls free.
fn free_ports(place: u16, count: usize) -> Result<Vec<ShardPorts>, ShardFileError> {
    let preferred: Vec<_> = (0..count as u16)
        .map(|index| place * PORTS_EACH + index)
        .map(|offset| ShardPorts {
            rpc: PREFERRED.rpc + offset,
            http: PREFERRED.http + offset,
            p2p: PREFERRED.p2p + offset,
        })
        .collect();
    let bind = |port| TcpListener::bind(Ports::loopback(port));
    let wanted = preferred.iter().flat_map(|ports| [ports.rpc, ports.http, ports.p2p]);
    let held: Result<Vec<_>, _> = wanted.map(bind).collect();
    if held.is_ok() {
        return Ok(preferred);
    }
    drop(held);
    // All stay open until all are chosen, so that none is given twice.
    let listeners: Result<Vec<_>, _> = (0..3 * count).map(|_| bind(0)).collect();
    let numbers: Result<Vec<_>, _> = listeners
        .map_err(ShardFileError::Port)?
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()))
        .collect();
    let numbers = numbers.map_err(ShardFileError::Port)?;
    let ports = numbers.chunks_exact(3).map(|three| ShardPorts {
        rpc: three[0],
        http: three[1],
        p2p: three[2],
    });
    Ok(ports.collect())
}

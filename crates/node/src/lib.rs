//! Compose roles into a running process; a whole local network.

mod allocator;
mod beacon;
mod blobs;
mod damage;
mod descriptors;
mod development;
mod engine;
mod genesis;
mod joining;
mod keys;
mod layout;
mod learner;
mod local;
mod metrics;
mod process;
mod provider;
mod release_key;
mod release_member;
mod services;
mod shards;
mod status;
mod supervisor;
mod validators;
mod whole;

pub use allocator::{Allocator, keep_freed_memory};
pub use beacon::{ContractBeacon, PostError, post_call};
pub use blobs::RETENTION_BLOCKS;
pub use damage::{DamageError, Fault, SharedJournals};
pub use development::{DevelopmentError, DevelopmentNode, DevelopmentOptions};
pub use engine::{EngineError, NetworkEngine, PREDICTION_OUTPUT, ROWS_INPUT};
pub use genesis::{GAS_LIMIT, GenesisError, genesis};
pub use joining::{
    Addresses, ArrivalError, CheckpointName, CheckpointNameError, FolderError, FollowError, Joined, JoinedError,
    SourceError, fetch_network, run_joined,
};
pub use keys::{DEVELOPMENT_KEYS, KeyFileError, NodeKeys, SEED_FILE, development_wallets};
pub use layout::{Layout, LayoutError, MAX_LOCAL_NODES, NetworkFile, NodeEntry, Ports, VoteKeyEntry};
pub use learner::{LearnerConfig, TableLearner};
pub use local::{LocalError, LocalNetwork};
pub use process::{NodeError, run};
pub use provider::LedgerProvider;
pub use release_key::DealError;
pub use shards::{
    Endowment, EvidenceError, FoundingError, FoundingStep, LocalPort, MAX_LOCAL_SHARDS, Port, Proved, RelayError,
    Relayed, Relayer, Retired, RetiringError, RetiringStep, SHARD_GAS_LIMIT_MIN, ShardFile, ShardFileError, ShardNode,
    ShardPorts, ShardSettings, add_shard, finality, report_shard_offence, retire_shard, root_url, run_shard,
    shard_report_calls, shard_url,
};
pub use supervisor::{MergedLog, Process, Program, SupervisorError};
pub use validators::{ReportError, StakedCommittees, report_call};

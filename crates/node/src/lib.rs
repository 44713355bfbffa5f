//! Compose roles into a running process; a whole local network.

mod beacon;
mod blobs;
mod damage;
mod descriptors;
mod development;
mod engine;
mod genesis;
mod keys;
mod layout;
mod learner;
mod local;
mod metrics;
mod process;
mod provider;
mod release_key;
mod services;
mod shards;
mod supervisor;
mod validators;

pub use beacon::{ContractBeacon, PostError, post_call};
pub use blobs::RETENTION_BLOCKS;
pub use damage::{DamageError, Fault, SharedJournals};
pub use development::{DevelopmentError, DevelopmentNode, DevelopmentOptions};
pub use engine::{EngineError, NetworkEngine, PREDICTION_OUTPUT, ROWS_INPUT};
pub use genesis::{GAS_LIMIT, GenesisError, genesis};
pub use keys::{DEVELOPMENT_KEYS, KeyFileError, NodeKeys, development_wallets};
pub use layout::{Layout, LayoutError, MAX_LOCAL_NODES, NetworkFile, NodeEntry, Ports, VoteKeyEntry};
pub use learner::{LearnerConfig, TableLearner};
pub use local::{LocalError, LocalNetwork};
/// What programs that run a node allocate with: blocks and messages of a megabyte come and go, and glibc gives such memory back to the system each
/// time. See docs/decisions/0016.
pub use mimalloc::MiMalloc as Allocator;
pub use process::{NodeError, run};
pub use provider::LedgerProvider;
pub use release_key::DealError;
pub use shards::{EvidenceError, LocalPort, Port, Proved, RelayError, Relayed, Relayer, finality};
pub use supervisor::{MergedLog, Process, Program, SupervisorError};
pub use validators::{ReportError, StakedCommittees, report_call};

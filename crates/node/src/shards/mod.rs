//! Shards: other chains that the operators of a root chain vote on.
//!
//! Everything between the chains is proved, so anybody can carry it: a [`Relayer`] reads one chain, and writes to the other what that one can check by
//! itself. On a local network a shard is a file ([`ShardFile`]), its validators are processes of their own ([`run_shard`]) that the
//! network's supervisor starts, and each has a carrier. See docs/spec/shards.md.

mod carrier;
mod evidence;
mod file;
mod founding;
mod metrics;
mod offences;
mod port;
mod process;
mod processes;
mod relayer;
mod remote;
mod retiring;
#[cfg(test)]
mod tests;

pub use evidence::{EvidenceError, finality};
pub use file::{
    Endowment, MAX_LOCAL_SHARDS, SHARD_GAS_LIMIT_MIN, ShardFile, ShardFileError, ShardNode, ShardPorts, ShardSettings,
};
pub use founding::{FoundingError, FoundingStep, add_shard, root_url, shard_url};
#[cfg(test)]
pub(crate) use metrics::ShardMetrics;
pub use offences::{report_shard_offence, shard_report_calls};
pub use port::{LocalPort, Port, Proved};
pub use process::run_shard;
pub(crate) use processes::ShardProcesses;
pub use relayer::{RelayError, Relayed, Relayer};
pub use retiring::{Retired, RetiringError, RetiringStep, retire_shard};

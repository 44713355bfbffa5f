//! Coordinator and workers over the network: the state machines of [`round`](crate::round) behind authenticated streams.
//!
//! A connection is TCP, a SAKE handshake of ed25519 keys, then records sealed with ChaCha20-Poly1305. A worker sends its updates
//! and nothing else; its rows never leave it. Bytes are counted at the socket, handshakes and framing included.
//!
//! Runs on whatever runtime it is given: real sockets, or a simulated network in one thread.

mod coordinator;
mod meter;
#[cfg(test)]
mod tests;
mod worker;

pub use coordinator::{CoordinatorConfig, CoordinatorService, Served, serve_coordinator};
pub use meter::Traffic;
pub use worker::{WorkerConfig, WorkerReport, run_worker};

use crate::{
    compress::{CHUNK, Density},
    round::{MessageConfig, RunId, WorkerError},
};
use commonware_cryptography::{ChaCha20Poly1305, ed25519};
use commonware_runtime::{Clock, Network, Spawner};
use commonware_stream::{
    Upgrader,
    cups::{self, Cups},
    sake::{self, Sake},
    utils::Timeout,
};
use primitives::Digest;
use rand_core::CryptoRng;
use std::{net::SocketAddr, time::Duration};

/// What a role needs of its runtime: tasks, time, sockets and random numbers.
pub trait Runtime: Spawner + Clock + Network + CryptoRng {}

impl<E: Spawner + Clock + Network + CryptoRng> Runtime for E {}

/// Longest a handshake may take: a stranger must not hold a slot.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How far clocks of two members may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Why a role ended without its result.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The coordinator cannot listen.
    #[error("listen on {address}")]
    Bind {
        /// Address to listen on.
        address: SocketAddr,
        /// Cause.
        source: commonware_runtime::Error,
    },
    /// Too few workers came while the coordinator waited.
    #[error("{joined} of the {quorum} workers needed came within {waited:?}")]
    NoQuorum {
        /// Workers that came.
        joined: usize,
        /// Workers needed.
        quorum: usize,
        /// How long was waited.
        waited: Duration,
    },
    /// Too few updates came for a round, deadline after deadline.
    #[error("round {round} of run {run} did not get its quorum")]
    QuorumLost {
        /// The run.
        run: RunId,
        /// The round.
        round: u32,
    },
    /// A worker does not get through to the coordinator.
    #[error("gave up on coordinator {address} after {attempts} attempts")]
    Unreachable {
        /// Its address.
        address: SocketAddr,
        /// Attempts in a row.
        attempts: u32,
    },
    /// The coordinator runs something else.
    #[error("take part in the run")]
    Worker(#[source] WorkerError),
    /// The learner failed while training.
    #[error("training ended abruptly")]
    Training(#[source] commonware_runtime::Error),
}

type Stream = Timeout<Cups<Sake<ed25519::PrivateKey>, ChaCha20Poly1305>>;

/// How `key` authenticates and seals its connections.
fn upgrader(key: &ed25519::PrivateKey) -> Stream {
    let handshake = Sake {
        signer: key.clone(),
        synchrony_bound: CLOCK_SKEW,
        max_handshake_age: CLOCK_SKEW,
        version: sake::Version::V1,
    };
    Timeout::new(Cups::new(handshake, cups::Version::V1), HANDSHAKE_TIME)
}

/// Keeps handshakes of one run apart from those of another and of any other use of the keys.
fn namespace(run: &Digest) -> Vec<u8> {
    [b"_ALOFT_TRAINING_STREAM".as_slice(), run.as_bytes()].concat()
}

/// Most bytes of a message of a model of `parameter_count`, whatever the density.
fn message_bytes_max(parameter_count: usize, worker_count: usize) -> u32 {
    let dense = Density::new(CHUNK as u16).expect("all of a chunk is a density");
    let bytes = MessageConfig { parameter_count }.message_bytes_max(worker_count, dense);
    u32::try_from(bytes).unwrap_or(u32::MAX).min(Stream::MAX_SIZE)
}

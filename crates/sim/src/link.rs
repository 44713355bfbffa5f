//! What lies between two machines.

use commonware_p2p::simulated;
use commonware_utils::Probability;
use std::time::Duration;

/// A connection between two machines, the same both ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Mean time a message takes, in milliseconds.
    pub latency_ms: u64,
    /// Standard deviation of that time, in milliseconds.
    pub jitter_ms: u64,
    /// Share of messages that get lost, from 0 to 1.
    pub loss: f64,
}

impl Default for Link {
    /// A local network: 1 ms, nothing lost.
    fn default() -> Self {
        Self {
            latency_ms: 1,
            jitter_ms: 0,
            loss: 0.0,
        }
    }
}

impl From<Link> for simulated::Link {
    fn from(link: Link) -> Self {
        Self {
            latency: Duration::from_millis(link.latency_ms),
            jitter: Duration::from_millis(link.jitter_ms),
            success_rate: Probability::from_f64(1.0 - link.loss).expect("a share is from 0 to 1"),
        }
    }
}

//! What carries messages between a root chain and its shards.
//!
//! Everything is proved, so anybody can carry: a [`Relayer`] reads one chain, and writes to the other what that one can check by itself. See
//! docs/spec/shards.md.

mod evidence;
mod port;
mod relayer;
mod remote;

pub use evidence::{EvidenceError, finality};
pub use port::{LocalPort, Port, Proved};
pub use relayer::{RelayError, Relayed, Relayer};

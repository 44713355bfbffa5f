//! Validators agree on blocks by voting over a network.
//!
//! commonware's simplex orders blocks, its marshal delivers final ones in order and fetches those that were missed; here are the
//! parts that know what a block is: [`application`] proposes and verifies, [`finalizer`] makes final blocks durable, [`epochs`] lets one
//! committee follow another, [`seats`] votes for all seats of a validator, [`gossip`] tells the other validators of new transactions. A
//! proposer waits at least [`Pace::block_interval`] after its parent, and up to
//! [`Pace::idle_interval`] while no transaction waits. See docs/spec/chain.md.
//!
//! Safety rests on the journals under [`Config::partition_prefix`]: a validator that lost them must not vote again under the same
//! keys, as it may contradict its earlier votes.

mod application;
mod attendance;
mod certificates;
mod committees;
mod epochs;
mod finalizer;
pub mod gossip;
mod network;
mod offences;
mod runtime;
mod seats;
mod storage;
// Unit tests have no use for it, and would generate all its code once more.
#[cfg(not(test))]
mod tcp;
mod validator;

pub use certificates::Certificates;
pub use committees::{Committees, FixedRoster, Peer, Roster, RosterError};
pub use network::{Channels, PEER_SETS, PEERS_MAX, Transport, max_message_bytes, quotas};
pub use offences::{Offence, SignedVote, VoteKind};
pub use runtime::Runtime;
#[cfg(not(test))]
pub use tcp::{TcpConfig, start_on_tcp};
pub use validator::{BeaconConfig, Config, EPOCH_BLOCKS_MIN, Halt, Pace, Validator, namespace, start};

use crate::{block::Block, keys::Identity};
use commonware_consensus::{marshal::standard::Standard, simplex::scheme::bls12381_multisig};
use commonware_cryptography::bls12381::primitives::variant::MinPk;

/// How votes are signed and add up to certificates.
pub type Scheme = bls12381_multisig::Scheme<Identity, MinPk>;
/// Blocks travel whole, as there are few validators.
type Blocks = Standard<Block>;

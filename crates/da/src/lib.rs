//! Make a blob available and prove it: encode, disperse, certify, retrieve, sample, repair, answer for it; who may read it.
//!
//! A blob is cut into rows, 1,024 of them, and coded into three times as many ([`encode`]; other numbers: [`shape`]); each operator of
//! the epoch's [`committee`] owns the rows that a shuffle gives it, checks them, stores them and signs ([`service`]); signatures over
//! two thirds of the rows are a [`certificate`], which a contract verifies. Any 1,024 rows give the blob back ([`retrieve`]), also to an
//! operator that lost its own ([`service::repair`]). What proves what, and the wire: docs/spec/da.md.
//!
//! **Invariant:** no clock, network, disk or randomness but the [`Runtime`]'s, so the same code runs in a simulation.
//!
//! **Invariant:** a row is never stored, served or decoded before it was checked against its blob's head.

pub mod access;
pub mod bundle;
pub mod certificate;
pub mod committee;
pub mod disperse;
pub mod dispute;
pub mod encode;
pub mod head;
pub mod header;
pub mod local;
pub mod lottery;
pub mod object;
pub mod permit;
pub mod publish;
pub mod quorum;
mod record;
pub mod release;
pub mod retrieve;
mod rows;
pub mod sample;
pub mod service;
pub mod shape;
pub mod store;
#[cfg(test)]
mod tests;
pub mod wire;

pub use access::ReaderList;
pub use certificate::{Certificate, Domain, Quorum, Share};
pub use committee::{Committee, CommitteeId, Operator, Seed};
pub use disperse::disperse;
pub use encode::{CodedBlob, Encoder, Privacy};
pub use head::{Head, Row, RowChecker, VerifiedHead, VerifiedRow};
pub use header::{Header, Meta};
pub use permit::{Permit, Purchase};
pub use publish::{Payer, Publisher};
pub use retrieve::{Record, retrieve};
pub use rows::RowSet;
pub use service::Service;
pub use shape::Shape;
pub use store::Store;

use commonware_runtime::{Clock, Network, Spawner, Storage};
use rand_core::CryptoRng;

/// What a role needs of the machine it runs on: tasks, time, sockets, files and randomness.
///
/// Both of the engine's runtimes have it: `tokio` on a real machine and `deterministic` in a simulation.
pub trait Runtime: Spawner + Clock + Network + Storage + CryptoRng {}

impl<T: Spawner + Clock + Network + Storage + CryptoRng> Runtime for T {}

//! Nodes that were not there in the first block: anybody's, on any machine.
//!
//! Such a node has a folder of its own with the network's public file, from which it builds the first block; it trusts that block and nobody else. It may begin
//! with a recent block instead, which its operator names: then it *takes the state* after that block from others first, each part proved against the block. As long
//! as its operator is not in the service that agrees on blocks, it *follows*: it asks nodes that it was told of for final blocks, checks each against
//! the certificate of the committee that its own state names, executes them, and serves JSON-RPC. When the operator is in the service and the validators
//! let its node in, it takes part like any other, and votes in the epochs in which it has seats. When the operator left and has no seats, it follows again. See
//! docs/spec/chain.md#joining.

mod arrival;
mod folder;
mod follower;
mod process;
mod progress;
mod registration;
mod source;
mod standing;

pub use arrival::ArrivalError;
pub use folder::{Addresses, CheckpointName, CheckpointNameError, FolderError, Joined};
pub use follower::FollowError;
pub use process::{JoinedError, run as run_joined};
pub use source::{SourceError, fetch_network};

//! The words every part of Aloft exchanges: hashes, addresses, amounts, epochs, roots.
//!
//! Ethereum's words are alloy's, re-exported so that the workspace has one `Address` and one `B256`. Aloft's own words are
//! newtypes over them, each with the canonical codec that puts it on the wire.

mod causes;
mod digest;
mod epoch;
mod size;

pub use alloy_primitives::{Address, B256, Bytes, U256, address, b256, hex, keccak256};
pub use causes::Causes;
pub use digest::{BlobRoot, Digest};
pub use epoch::Epoch;
pub use size::{ByteCount, GIB, KIB, MIB};

/// EIP-155 chain id of local Aloft networks: 0G's test network's, so that its SDKs find their default addresses.
pub const CHAIN_ID: u64 = 16602;

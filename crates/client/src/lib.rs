//! Use the network from Rust, verifying every answer.
//!
//! [`Files`] stores and reads, [`catalogue`] asks the chain what is stored, [`Buyer`] buys answers of models, [`HttpProvider`] is the
//! chain itself for everything typed in `contracts`.

pub mod catalogue;
pub mod challenges;
mod files;
mod inference;
pub mod policies;
mod provider;
pub mod receipts;
mod rpc;
mod wallet;

pub use catalogue::Certified;
pub use files::{
    Added, Dropped, File, FileError, Files, Object, Readers, Shared, Sharing, Stored, Transfer, UPLOAD_BYTES_MAX,
    Upload, cost,
};
pub use inference::{Buyer, Inference, InferenceError};
pub use provider::HttpProvider;
pub use receipts::status;
pub use rpc::{Rpc, RpcError};
pub use wallet::{Wallet, WalletError};

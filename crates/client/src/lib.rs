//! Use the network from Rust, verifying every answer.

mod rpc;
mod wallet;

pub use rpc::{Rpc, RpcError};
pub use wallet::{Wallet, WalletError};

//! Ethereum JSON-RPC over HTTP and WebSocket on one port: what wallets, libraries and explorers speak.
//!
//! `latest`, `safe` and `finalized` all mean the last final block: a client never sees a block that may go away. Every answer is
//! read from [`chain::Ledger`]; nothing here can sign, so there are no accounts to unlock. All of this is different for a chain of one
//! process, in [`development`].

mod account;
mod batch;
mod block;
mod call;
mod checkpoint;
mod config;
pub mod development;
mod error;
mod fee;
mod fill;
mod filter;
mod finality;
mod intake;
mod log;
mod methods;
mod metrics;
mod pool;
mod prefixed;
mod raw;
mod server;
mod simulate;
mod subscription;
#[cfg(test)]
mod tests;
mod trace;
mod transaction;

pub use metrics::EthMetrics;
pub use server::{EthConfig, EthServer, serve};

//! Serve users: Ethereum JSON-RPC, the Open Inference Protocol, receipts, metrics, OP Stack alt-DA, 0G's gRPC.
//!
//! Four servers, each bound to loopback unless told otherwise: [`eth`] speaks JSON-RPC over HTTP and WebSocket on one port, [`http`]
//! speaks everything for users of models on another, and serves public data there; [`alt_da`] and [`disperser`] let the software of other networks, rollups of
//! the OP Stack and clients of 0G, keep data here as if here were there.

pub mod alt_da;
pub mod blobs;
pub mod disperser;
pub mod eth;
pub mod http;

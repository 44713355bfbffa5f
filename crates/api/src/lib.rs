//! Serve HTTP: Ethereum JSON-RPC, the Open Inference Protocol, receipts, metrics.
//!
//! Two servers, each bound to loopback unless told otherwise: [`eth`] speaks JSON-RPC over HTTP and WebSocket on one port,
//! [`http`] speaks everything else on another.

pub mod eth;
pub mod http;

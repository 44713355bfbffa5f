//! Whole-server tests of the chain's JSON-RPC.

mod conformance;

//! The protocol's contracts in Rust: typed calls, events, addresses, bytecode, and the Provider trait.

//! How a node that does not vote follows the chain: final blocks from whoever has them, taken for nothing but their certificates.
//!
//! A [`FinalRun`] is some blocks, one after another, the last of which a committee certified; which committee that must be, the state after the block
//! before them says. So a node that has one state it trusts, the genesis block's say, needs to trust nobody who serves it. See
//! docs/spec/chain.md#joining.

mod run;

pub use run::{FinalRun, RUN_BLOCKS_MAX, RunError};

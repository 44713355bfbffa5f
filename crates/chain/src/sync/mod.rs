//! How a node that does not vote follows the chain: final blocks from whoever has them, taken for nothing but their certificates.
//!
//! A [`FinalRun`] is some blocks, one after another, the last of which a committee certified; which committee that must be, the state after the block
//! before them says. So a node that has one state it trusts, the genesis block's say, needs to trust nobody who serves it. See
//! docs/spec/chain.md#joining.
//!
//! That state may be a recent one, if somebody whom its operator trusts names its block: nodes give parts of it ([`crate::ledger::Checkpoint`]), each with the
//! trie nodes that prove it, and [`Arriving`] takes them.

mod arriving;
#[cfg(test)]
pub(crate) mod fixtures;
mod later;
pub mod page;
mod run;
mod serving;

pub use arriving::{
    ACCOUNTS_WANTED, Arriving, Counts, TakeError, Wanted, WrongAnswer, ancestors_of, check_ancestors, check_block,
    check_header,
};
pub use later::{Successor, check_later};
pub use run::{FinalRun, RUN_BLOCKS_MAX, RunError};
pub use serving::{CODES_MAX, HEADERS_MAX, STORAGES_MAX};

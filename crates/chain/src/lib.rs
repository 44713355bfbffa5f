//! Agree on blocks: mempool, proposal, finality.
//!
//! A transaction enters the [`Pool`]; a validator makes a block of what waits there ([`Ledger::propose`]), the others execute it
//! ([`Ledger::verify`]) and vote; a final block is written to the [`Store`] with the state after it ([`Ledger::finalize`]) before
//! anyone is told. [`consensus`] drives this with votes over a network; [`Ledger`] alone has no clock and no socket.
//!
//! **Invariant:** nothing here serves HTTP, reads a clock but the runtime's, or spawns a task but on the runtime.

pub mod beacon;
pub mod block;
pub mod consensus;
mod fields;
pub mod finality;
#[cfg(test)]
mod fixtures;
pub mod keys;
pub mod ledger;
pub mod pool;
mod senders;
pub mod store;
pub mod sync;

pub use block::Block;
pub use finality::FinalityProof;
pub use keys::{Committee, Validator, ValidatorKeys};
pub use ledger::{AccountChange, Development, Image, Terms, WholeAccount};
pub use ledger::{
    CHECKPOINTS_KEPT, Checkpoint, Ledger, LedgerError, STATE_HISTORY_BLOCKS, STATE_HISTORY_BLOCKS_MIN,
    STATE_HISTORY_CHANGES, Sealed, StateHistory,
};
pub use pool::{Arrivals, Pool, PoolError, PoolLimits};
pub use store::{MemoryDisk, Store, StoreError};

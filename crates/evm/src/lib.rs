//! Execute a block: state in, state and receipts out.
//!
//! revm runs the transactions; the state, its Merkle root and the block rules are here. [`Packer`] builds a block,
//! [`execute`] checks one, [`Genesis`] makes the first.
//!
//! **Invariant:** no clock, no network, no disk, no randomness: same block + same state = same result.

mod beacon;
mod block;
mod call;
#[cfg(test)]
mod conformance;
mod database;
mod execute;
pub mod foreign;
mod genesis;
mod pack;
mod revert;
mod simulate;
mod state;
mod trace;
mod transaction;
mod trie;

pub use beacon::{BEACON_KEY_BYTES, BEACON_SIGNATURE_BYTES, BeaconCeremony, BeaconNews, BeaconSharing};
pub use block::{BASE_FEE_MAX, BlockContext, BlockHashes, next_base_fee};
pub use call::{
    CALL_GAS_MAX, CallEnd, CallOutcome, CallRequest, EstimateError, call, create_access_list, estimate_gas,
};
pub use contracts::GenesisContract;
pub use execute::{InvalidBlock, execute};
pub use genesis::{Genesis, GenesisCall, GenesisError};
pub use pack::{Executed, Packer, PushError, Receipt};
pub use revert::revert_reason;
pub use simulate::{Imagined, Simulation, SimulationError, SimulationRules};
pub use state::{
    Account, AccountDiff, AccountPage, AccountProof, AccountRow, Diff, EMPTY_ROOT, HashedAccountDiff, HashedDiff,
    SlotPage, SlotProof, State,
};
pub use trace::{GethDebugTracingOptions, GethTrace, TRACE_BYTES_MAX, TraceError, Tracer, trace_call};
pub use transaction::{Refusal, Transaction};
pub use trie::{RANGE_NODE_BYTES_MAX, RANGE_NODES_MAX, RangeError, key_after};

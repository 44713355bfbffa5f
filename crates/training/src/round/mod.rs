//! Rounds of training together, as pure state machines: no clock, no socket, no task.
//!
//! A worker trains round `t` from version `max(t - 1, 0)` of the shared parameters less its own progress of round `t - 1`, which
//! is still on its way (eager overlap of one step). The [`Coordinator`] closes a round when all active workers delivered, or at
//! the deadline when a quorum did; what arrives later stays in the worker's error feedback. Closing `t` makes version `t + 1`.

mod aggregate;
mod coordinator;
mod message;
mod state;
#[cfg(test)]
mod tests;
mod update;
mod worker;

pub use aggregate::{SHARE_TOTAL, aggregate, shares};
pub use coordinator::{Accepted, Action, Coordinator, JoinError, Outcome, RoundRecord};
pub use message::{Close, FromCoordinator, MessageConfig, Refusal, Welcome};
pub use state::{MAX_WORKERS, Plan, RunId, state_hash, version_for};
pub use update::{Update, UpdateConfig, UpdateError, update_bytes_max};
pub use worker::{Trained, Worker, WorkerError};

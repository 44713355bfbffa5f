//! The network in one thread on one seed, with faults.
//!
//! The roles run unchanged: only their clock, their random numbers, their network and their disks are simulated. One seed always
//! gives the same run, message by message, so a failure that was seen once can be looked at again.

pub mod chain;
mod link;
mod wallet;

pub use link::Link;
pub use wallet::Wallet;

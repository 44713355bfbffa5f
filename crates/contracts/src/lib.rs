//! The protocol's contracts in Rust: typed calls, events, addresses, bytecode, and the Provider trait.
//!
//! The Solidity lives in the folder `contracts/`; what it compiles to is committed as `contracts/artifacts/`, and [`abi`] is read from
//! there, so that calls cannot drift from bytecode. Services see the chain only through [`Provider`].

pub mod abi;
pub mod addresses;
pub mod assignment;
mod documents;
mod genesis;
mod provider;
mod revert;
mod shard;
pub mod typed_data;

pub use documents::docs;
pub use genesis::{
    CHALLENGE_DEPOSIT_WEI, CHALLENGE_WINDOW_BLOCKS, CONSENSUS_MIN_STAKE_WEI, CONSENSUS_SEATS_MAX, CONSENSUS_SERVICE,
    DA_MIN_STAKE_WEI, DA_SEATS, DA_SERVICE, EPOCH_BLOCKS, FAUCET_SUPPLY, Founder, FoundingValidator, GRACE_EPOCHS,
    GenesisContract, JOINING_EPOCHS, LOOKAHEAD_EPOCHS, PRICE_PER_BYTE_BLOCK_WEI, RELEASE_MIN_STAKE_WEI,
    RELEASE_SEATS_MAX, RELEASE_SERVICE, ReleaseKey, SEATS_PER_FOUNDER, SERVICE_CREATION_WEI, SLASH_WEI,
    SLASH_WINDOW_EPOCHS, SetupCall, Terms, UNBONDING_EPOCHS, VoteKey, challenge_window, consensus_seats,
    founding_calls, genesis_contracts, genesis_contracts_with, release_seats, releasing_calls,
};
pub use provider::{CallError, Event, EventFilter, Mined, Provider, ProviderError, Request, read, write};
pub use revert::reason as revert_reason;
pub use shard::{Announcement, SHARD_SUPPLY_WEI, ShardTerms, shard_contracts, shard_founding_call};

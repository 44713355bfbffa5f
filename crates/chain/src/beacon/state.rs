//! What the beacon asks of the chain's state.

use crate::keys::Committee;
use alloy_primitives::{B256, Bytes};
use evm::{BEACON_KEY_BYTES, BEACON_SIGNATURE_BYTES};

/// A value's signature in bytes: a compressed point of G1.
pub type SignatureBytes = [u8; BEACON_SIGNATURE_BYTES];
/// The public key in bytes: a compressed point of G2.
pub type KeyBytes = [u8; BEACON_KEY_BYTES];

/// The beacon's contract, read after a block that was executed here, as the next block finds it.
pub trait BeaconState: Send + Sync + 'static {
    /// Where the beacon stands after the block `at`.
    ///
    /// # Errors
    ///
    /// [`StateError`], here and below, when the block was not executed here, its state is gone, or the contract does not answer.
    fn standing(&self, at: &B256) -> Result<Standing, StateError>;

    /// The last sharings of the key, at most three, the oldest first.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    fn sharings(&self, at: &B256) -> Result<Vec<RecordedSharing>, StateError>;

    /// The logs that dealers posted in `epoch`, this one or the last, in the order they came.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    fn logs(&self, at: &B256, epoch: u64) -> Result<Vec<Bytes>, StateError>;

    /// The validators of an epoch, no later than the one after the next block's.
    ///
    /// # Errors
    ///
    /// [`StateError`].
    fn committee(&self, at: &B256, epoch: u64) -> Result<Committee, StateError>;
}

/// Where the beacon stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The last epoch whose ceremony's end is recorded, plus one.
    pub concluded: u64,
    /// Height whose value the next block may bring; 0 while there is no key.
    pub next: u64,
    /// The last value's signature.
    pub latest: Option<SignatureBytes>,
    /// The public key.
    pub key: Option<KeyBytes>,
}

/// How the key is shared from an epoch on, as a block recorded it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedSharing {
    /// The epoch.
    pub from_epoch: u64,
    /// What the ceremony of the epoch before came to.
    pub output: Bytes,
}

/// Why the state says nothing of the beacon.
#[derive(Debug, thiserror::Error)]
#[error("read {what} of the beacon after block {at}")]
pub struct StateError {
    /// What was asked for.
    pub what: &'static str,
    /// After which block.
    pub at: B256,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

//! What a block brings for the randomness beacon's contract, and the calls that hand it over before the block's transactions.

use crate::pack::Evm;
use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;
use contracts::{abi::RandomnessBeacon, addresses::RANDOMNESS_BEACON};
use revm::SystemCallEvm;

/// Bytes of a value's signature: a compressed point of G1.
pub const BEACON_SIGNATURE_BYTES: usize = 48;
/// Bytes of the committee's public key: a compressed point of G2.
pub const BEACON_KEY_BYTES: usize = 96;

/// What a block says of the randomness beacon. Whoever executes the block takes it as it is: validators check it before they vote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BeaconNews {
    /// How the ceremony of the block's epoch ended, once an epoch.
    pub ceremony: Option<BeaconCeremony>,
    /// The first height whose signature is in `signatures`; 0 where there is none.
    pub first_height: u64,
    /// Signatures of consecutive heights.
    pub signatures: Vec<[u8; BEACON_SIGNATURE_BYTES]>,
}

/// How the ceremony that makes the beacon's key, or hands it on, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeaconCeremony {
    /// Its epoch.
    pub epoch: u64,
    /// Logs that dealers posted.
    pub posted: u32,
    /// Logs that the result rests on; of a ceremony that failed, the good ones.
    pub counted: u32,
    /// Good logs that it takes.
    pub required: u32,
    /// What it came to, unless it failed.
    pub made: Option<BeaconSharing>,
}

/// A key, and how it is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeaconSharing {
    /// The public key.
    pub key: [u8; BEACON_KEY_BYTES],
    /// How it is shared, in the encoding of crate `chain`.
    pub output: Bytes,
}

impl BeaconNews {
    /// Whether the block says nothing of the beacon.
    pub fn is_empty(&self) -> bool {
        self.ceremony.is_none() && self.signatures.is_empty()
    }

    /// Calls `RandomnessBeacon`. A call that fails leaves no trace: validators vote for no block whose calls would, and on a chain without
    /// the contract there is nothing to call.
    pub(crate) fn apply(&self, evm: &mut Evm<'_>) {
        if let Some(ceremony) = &self.ceremony {
            let _ = evm.system_call_one(RANDOMNESS_BEACON, ceremony.call().into());
        }
        if !self.signatures.is_empty() {
            let record = RandomnessBeacon::recordCall {
                first: self.first_height,
                signatures: self.signatures.concat().into(),
            };
            let _ = evm.system_call_one(RANDOMNESS_BEACON, record.abi_encode().into());
        }
    }
}

impl BeaconCeremony {
    fn call(&self) -> Vec<u8> {
        let (key, output) = match &self.made {
            Some(BeaconSharing { key, output }) => (Bytes::copy_from_slice(key), output.clone()),
            None => (Bytes::new(), Bytes::new()),
        };
        let ended = RandomnessBeacon::Ceremony {
            // The contract finds the result by itself.
            result: 0,
            posted: self.posted,
            counted: self.counted,
            required: self.required,
        };
        RandomnessBeacon::concludeCall {
            epoch_: self.epoch,
            ended,
            key,
            output,
        }
        .abi_encode()
    }
}

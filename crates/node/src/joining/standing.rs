//! Whether a node's operator is among those who agree on blocks, as the chain's last state has it.

use crate::validators::{StakedCommittees, StateError};
use chain::Ledger;
use contracts::{
    CONSENSUS_SERVICE,
    abi::{NetworkRegistry, ValidatorRegistry},
    addresses::{NETWORK_REGISTRY, VALIDATOR_REGISTRY},
};
use primitives::B256;

/// What a node may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its operator is not in the service: the validators do not let it in.
    Outside,
    /// Its operator joined in this epoch: the validators let it in at the next one's beginning.
    Admitted,
    /// The validators let it in. Whether it votes, the committee of the epoch says.
    Inside,
}

impl Standing {
    /// Of the node with this stream key, in the block after the last final one.
    pub(super) fn of(ledger: &Ledger, stream_key: B256) -> Result<Self, StateError> {
        let state = StakedCommittees::new(ledger.clone());
        let pending = ledger.pending();
        let epoch = state.view_in(&pending, NETWORK_REGISTRY, &NetworkRegistry::epochCall {})?;
        // Who left has seats until its last committee's epoch is over, and is of this epoch's or the next one's as long.
        for at_epoch in [epoch, epoch + 1] {
            let call = ValidatorRegistry::committeeCall { atEpoch: at_epoch };
            let committee = state.view_in(&pending, VALIDATOR_REGISTRY, &call)?;
            if committee.iter().any(|entry| entry.streamKey == stream_key) {
                return Ok(Self::Inside);
            }
        }
        let candidates = state.view_in(&pending, VALIDATOR_REGISTRY, &ValidatorRegistry::candidatesCall {})?;
        let Some(own) = candidates.iter().find(|entry| entry.streamKey == stream_key) else {
            return Ok(Self::Outside);
        };
        let Some(last) = epoch.checked_sub(1) else {
            return Ok(Self::Inside);
        };
        let call = NetworkRegistry::wasMemberCall {
            service: CONSENSUS_SERVICE,
            operator: own.operator,
            atEpoch: last,
        };
        let was = state.view_in(&pending, NETWORK_REGISTRY, &call)?;
        Ok(if was { Self::Inside } else { Self::Admitted })
    }
}

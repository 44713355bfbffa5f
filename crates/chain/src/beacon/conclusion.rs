//! How a ceremony ended, as blocks record it.

use super::{Output, plan::Plan};
use alloy_primitives::Bytes;
use commonware_codec::Encode as _;
use crypto::ceremony::Failure;
use evm::{BeaconCeremony, BeaconSharing};

/// The logs, as `crypto` takes them: the same bytes.
pub(super) fn plain(logs: &[Bytes]) -> Vec<bytes::Bytes> {
    logs.iter().map(|log| log.0.clone()).collect()
}

/// How the ceremony ended: a function of the logs alone, so that all nodes find the same.
pub(super) fn conclude(plan: &Plan, logs: &[Bytes]) -> BeaconCeremony {
    let posted = count(logs.len());
    let (counted, required, made) = match plan.round.conclude(&plain(logs)) {
        Ok(output) => {
            let counted = count(output.dealers().len());
            (counted, counted, Some(sharing(&output)))
        }
        Err(Failure::InsufficientLogs {
            required,
            found,
            faults,
            unavailable,
        }) => {
            tracing::warn!(
                epoch = plan.epoch,
                found,
                required,
                ?faults,
                ?unavailable,
                "the beacon's key is not handed on: too few logs count"
            );
            (found, required, None)
        }
    };
    BeaconCeremony {
        epoch: plan.epoch,
        posted,
        counted,
        required,
        made,
    }
}

fn sharing(output: &Output) -> BeaconSharing {
    let key = output.public().public().encode();
    BeaconSharing {
        key: key.as_ref().try_into().expect("a compressed point of G2 has 96 bytes"),
        output: output.encode().into(),
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).expect("a committee has at most MAX_VOTES seats")
}

//! What all dealers' logs of an epoch come to: a function of them alone, so that all nodes find the same.

use super::{DealerLog, Output, SeatKey, plan::Plan};
use alloy_primitives::Bytes;
use commonware_codec::Encode as _;
use commonware_cryptography::{
    Hasher as _, Sha256,
    bls12381::{
        dkg::feldman_desmedt::{self as dkg, Failure},
        primitives::variant::MinSig,
    },
    sha256,
    transcript::{Transcript, Version},
};
use commonware_parallel::Sequential;
use commonware_utils::N3f1;
use evm::{BeaconCeremony, BeaconSharing};
use rand_core::CryptoRng;
use std::collections::BTreeMap;

/// The logs of a ceremony, of which those that prove no fault will count.
pub(super) type Logs = dkg::Logs<MinSig, SeatKey, N3f1>;

/// Name of a list of logs.
pub(super) fn digest(logs: &[Bytes]) -> sha256::Digest {
    let each: Vec<_> = logs.iter().map(|log| Sha256::hash(&[log]).0).collect();
    Sha256::hash(&[each.concat().as_slice()])
}

/// The weights under which many signatures are checked as one. They depend on all of what is checked, so that nobody can choose logs in view
/// of them.
fn weights(logs: &[Bytes]) -> impl CryptoRng + use<> {
    let mut transcript = Transcript::new(b"aloft-beacon-check", Version::V1);
    transcript.commit(digest(logs).0.as_slice());
    transcript.noise(b"weights")
}

/// The first log of each dealer that signed it for this ceremony.
pub(super) fn signed(plan: &Plan, logs: &[Bytes]) -> BTreeMap<SeatKey, DealerLog> {
    let mut signed = BTreeMap::new();
    for (dealer, log) in logs.iter().filter_map(|bytes| plan.read_log(bytes)) {
        signed.entry(dealer).or_insert(log);
    }
    signed
}

/// The logs that dealers signed, checked as far as it takes.
pub(super) fn checked(plan: &Plan, logs: &[Bytes]) -> (Logs, impl CryptoRng + use<>) {
    let mut gathered = Logs::new(plan.info.clone());
    for (dealer, log) in signed(plan, logs) {
        gathered.record(dealer, log);
    }
    let mut weights = weights(logs);
    gathered.pre_verify(&mut weights, &Sequential);
    (gathered, weights)
}

/// How the ceremony ended.
pub(super) fn conclude(plan: &Plan, logs: &[Bytes]) -> BeaconCeremony {
    let posted = count(logs.len());
    let (gathered, mut weights) = checked(plan, logs);
    let (counted, required, made) = match dkg::observe(&mut weights, gathered, &Sequential) {
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

//! What a block may say of the beacon, and what follows from it.

use super::{
    PublicKey, Signature, message_of,
    plan::PlanError,
    schedule::Schedule,
    state::{SignatureBytes, Standing, StateError},
};
use crate::block::Context;
use alloy_primitives::B256;
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_cryptography::{
    Hasher as _, Sha256,
    bls12381::primitives::{ops, variant::MinSig},
};
use evm::BeaconNews;
use std::collections::BTreeMap;

/// Why a block may not say what it says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NewsError {
    #[error("the beacon's state is not known")]
    State(#[from] StateError),
    #[error("the beacon's ceremony is not known")]
    Plan(#[from] PlanError),
    #[error("signatures begin with height {found}, not {expected}")]
    NotTheNext { found: u64, expected: u64 },
    #[error("height {height} is not below the block's, {number}")]
    NotFinal { height: u64, number: u64 },
    #[error("the signature of height {height} does not verify")]
    WrongSignature { height: u64 },
    #[error("block {number} may not say how the ceremony of epoch {epoch} ended")]
    WrongMoment { number: u64, epoch: u64 },
    #[error("the ceremony of epoch {epoch} ended otherwise")]
    WrongEnd { epoch: u64 },
}

impl NewsError {
    /// Whether the block is at fault, so that no retry and no other node could find it right.
    pub(crate) fn condemns_block(&self) -> bool {
        !matches!(self, Self::State(_) | Self::Plan(_))
    }
}

/// Checks the signatures in a block: they continue where those before it ended, are of heights below its own, and verify. Those that are `known`
/// were verified before.
pub(super) fn check_signatures(
    namespace: &[u8],
    standing: &Standing,
    number: u64,
    news: &BeaconNews,
    known: &BTreeMap<u64, SignatureBytes>,
) -> Result<(), NewsError> {
    if news.signatures.is_empty() {
        return Ok(());
    }
    let (found, expected) = (news.first_height, standing.next);
    if expected == 0 || found != expected {
        return Err(NewsError::NotTheNext { found, expected });
    }
    let key = standing
        .key
        .and_then(|key| PublicKey::decode(Copying(key.as_slice())).ok());
    for (height, bytes) in (found..).zip(&news.signatures) {
        if height >= number {
            return Err(NewsError::NotFinal { height, number });
        }
        if known.get(&height) == Some(bytes) {
            continue;
        }
        let signature = Signature::decode(Copying(bytes.as_slice())).ok();
        let sound = key.zip(signature).is_some_and(|(key, signature)| {
            ops::verify_message::<MinSig>(&key, namespace, &message_of(height), &signature).is_ok()
        });
        if !sound {
            return Err(NewsError::WrongSignature { height });
        }
    }
    Ok(())
}

/// Checks that block `number` may say how the ceremony of `epoch` ended.
pub(super) fn check_moment(schedule: Schedule, standing: &Standing, number: u64, epoch: u64) -> Result<(), NewsError> {
    match schedule.concludes(number) && schedule.epoch_of(number) == epoch && standing.concluded <= epoch {
        true => Ok(()),
        false => Err(NewsError::WrongMoment { number, epoch }),
    }
}

/// The value that contracts see as `PREVRANDAO`: the hash of the last signature that the chain has, up to and with this block's, and of the
/// block's height.
///
/// While there is none it is the hash of the place in the vote for which the block was made, which everyone can compute as soon as the parent
/// is known, and no random number at all.
pub(super) fn prev_randao(place: &Context, number: u64, last: Option<&SignatureBytes>) -> B256 {
    let purpose = b"aloft-chain-prev-randao";
    let hash = match last {
        Some(signature) => Sha256::hash(&[purpose, signature, &number.to_be_bytes()]),
        None => Sha256::hash(&[purpose, &place.encode()]),
    };
    B256::from(hash.0)
}

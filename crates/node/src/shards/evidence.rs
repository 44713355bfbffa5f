//! A node's proofs in the words of the contracts.

use crate::validators;
use chain::{Committee, FinalityProof, keys::CommitteeError};
use commonware_codec::Encode as _;
use contracts::abi::{ChainClient::Finality, ValidatorRegistry::Validator};
use crypto::bls;
use primitives::{B256, Bytes, U256, keccak256};

/// Bytes of a compressed vote key.
const KEY_BYTES: usize = 48;

/// Why a proof cannot be put into a contract's words.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The registry's validators are no committee.
    #[error("the validators of epoch {epoch} are no committee")]
    Committee {
        /// The epoch.
        epoch: u64,
        /// What is wrong with them.
        source: CommitteeError,
    },
    /// A vote key of the registry is none.
    #[error("the registry of epoch {epoch} holds a vote key that is no point of the group")]
    Key {
        /// The epoch.
        epoch: u64,
    },
}

/// What `ChainClient.verifyHeader` takes, for a proof whose epoch's validators are `registered`, in the registry's order.
///
/// The contract counts all of them; the engine leaves out those whose names are no keys. Seats are matched by their vote keys.
///
/// # Errors
///
/// [`EvidenceError`].
pub fn finality(proof: &FinalityProof, registered: &[Validator]) -> Result<Finality, EvidenceError> {
    let epoch = proof.epoch;
    let voting: Vec<_> = registered.iter().filter_map(validators::validator).collect();
    let committee = Committee::new(&voting).map_err(|source| EvidenceError::Committee { epoch, source })?;
    let signed: Vec<_> = proof.signer_keys(&committee).iter().map(|key| key.encode()).collect();
    let all = registered
        .iter()
        .flat_map(|entry| entry.voteKeys.chunks_exact(KEY_BYTES));
    let (mut keys, mut bitmap) = (Vec::new(), Vec::new());
    for (seat, key) in all.enumerate() {
        let compressed = key.try_into().map_err(|_| EvidenceError::Key { epoch })?;
        let point = bls::PublicKey::from_bytes(compressed).map_err(|_| EvidenceError::Key { epoch })?;
        keys.extend(point.to_eip2537());
        if seat % 8 == 0 {
            bitmap.push(0);
        }
        if signed.iter().any(|signer| signer.as_ref() == key) {
            bitmap[seat / 8] |= 1u8 << (seat % 8);
        }
    }
    Ok(Finality {
        epoch,
        view_: proof.view,
        parentView: proof.parent_view,
        context: proof.summary.context_bytes(),
        header: proof.summary.header_bytes(),
        rest: proof.summary.rest().into(),
        keys: keys.into(),
        signers: bitmap.into(),
        signature: Bytes::copy_from_slice(&proof.signature.to_eip2537()),
    })
}

/// The slot that holds `key`'s value of a mapping at slot 0: the outbox of a mailbox, the record of committees.
pub(super) fn mapping_slot(key: B256) -> B256 {
    keccak256([key.as_slice(), &[0; 32]].concat())
}

/// A number as the key of a mapping.
pub(super) fn number_key(number: u64) -> B256 {
    U256::from(number).into()
}

//! A committee and its certificates for tests.

use crate::{
    Block, Committee, FinalityProof, Sealed, ValidatorKeys,
    block::Context,
    consensus::namespace,
    finality::{Seats, finalize_message},
    fixtures,
};
use alloy_primitives::B256;
use commonware_codec::Encode as _;
use commonware_consensus::types::{Epoch, Round, View};
use commonware_cryptography::Digestible as _;
use crypto::bls;
use std::num::NonZeroU64;

/// The epochs of the tests: blocks 1 to 7 are of the first.
pub(crate) const EPOCH_BLOCKS: NonZeroU64 = NonZeroU64::new(8).unwrap();

fn keys() -> Vec<ValidatorKeys> {
    (1..=4).map(|seed| ValidatorKeys::from_seed(&[seed; 32])).collect()
}

pub(crate) fn committee() -> Committee {
    Committee::new(&keys().iter().map(|keys| keys.validator(1)).collect::<Vec<_>>()).unwrap()
}

pub(crate) fn names() -> Vec<u8> {
    namespace(fixtures::CHAIN_ID, B256::ZERO)
}

/// The block as validators exchange it, proposed in `view` after `previous`.
pub(crate) fn block_of(sealed: &Sealed, view: u64, previous: Option<&Block>) -> Block {
    let previous = previous.map_or(fixtures::place().parent.1, Block::digest);
    let context = Context {
        round: Round::new(Epoch::zero(), View::new(view)),
        parent: (View::new(view - 1), previous),
        ..fixtures::place()
    };
    let transactions = sealed
        .transactions
        .iter()
        .map(|transaction| transaction.inner().clone());
    Block::new(context, sealed.header.clone(), transactions.collect())
}

/// The certificate of a block by the first `signers` seats, in the epoch that the vote says.
pub(crate) fn certify(block: &Block, epoch: u64, signers: usize) -> FinalityProof {
    let summary = block.summary();
    let (view, parent_view) = (9, 8);
    let message = finalize_message(&names(), epoch, view, parent_view, &summary.digest());
    let (keys, committee) = (keys(), committee());
    let mut seats = Seats::none(committee.votes());
    let mut signatures = Vec::new();
    let all = committee.validators().iter().flat_map(|validator| &validator.vote_keys);
    for (seat, key) in all.enumerate().take(signers) {
        let mut secrets = keys.iter().flat_map(|keys| &keys.votes);
        let secret = secrets.find(|secret| secret.public_key().to_bytes() == key.encode().as_ref());
        signatures.push(secret.unwrap().sign(&message));
        seats.insert(seat);
    }
    FinalityProof {
        epoch,
        view,
        parent_view,
        signers: seats,
        signature: bls::Signature::aggregate(&signatures).unwrap(),
        summary,
    }
}

use super::*;
use crate::{Block, ValidatorKeys, block::Context, consensus::namespace, fixtures};
use alloy_primitives::B256;
use commonware_codec::DecodeExt as _;
use commonware_consensus::{
    simplex::types::{Finalize, Proposal},
    types::{Epoch, Round, View},
};
use commonware_parallel::Sequential;
use commonware_utils::non_empty;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

const CHAIN: u64 = fixtures::CHAIN_ID;
const NETWORK: B256 = B256::repeat_byte(5);
const EPOCH: u64 = 3;

/// Three validators of four seats: twelve seats, of which nine are a quorum.
fn keys() -> Vec<ValidatorKeys> {
    (1..=3).map(|seed| ValidatorKeys::from_seed(&[seed; 32])).collect()
}

fn committee() -> Committee {
    Committee::new(&keys().iter().map(|keys| keys.validator(4)).collect::<Vec<_>>()).unwrap()
}

fn summary() -> Summary {
    let ledger = fixtures::ledger();
    let sealed = fixtures::propose(&ledger, &ledger.latest(), 1);
    let context = Context {
        round: Round::new(Epoch::new(EPOCH), View::new(7)),
        ..fixtures::place()
    };
    Block::new(context, sealed.header.clone(), Vec::new()).summary()
}

/// The engine's own certificate, by the first `signers` seats as the engine counts them.
fn certificate(signers: usize, summary: &Summary) -> Finalization<Scheme, BlockDigest> {
    let (committee, keys, namespace) = (committee(), keys(), namespace(CHAIN, NETWORK));
    let secrets: Vec<_> = committee
        .seat_keys()
        .values()
        .iter()
        .map(|key| keys.iter().find_map(|keys| keys.secret_of(key)).unwrap())
        .collect();
    let proposal = Proposal::new(
        Round::new(Epoch::new(EPOCH), View::new(300)),
        View::new(6),
        summary.digest(),
    );
    let votes: Vec<_> = secrets
        .into_iter()
        .take(signers)
        .map(|secret| {
            let scheme = Scheme::signer(&namespace, committee.seat_keys(), secret).unwrap();
            Finalize::sign(&scheme, proposal.clone()).unwrap()
        })
        .collect();
    let verifier = Scheme::verifier(&namespace, committee.seat_keys());
    Finalization::from_finalizes(&verifier, non_empty![@votes.iter()], &Sequential).unwrap()
}

fn proof() -> FinalityProof {
    let summary = summary();
    FinalityProof::new(&certificate(9, &summary), &committee(), summary).unwrap()
}

/// The engine counts seats by their names, the registry by operators: a certificate must survive the translation.
#[test]
fn a_certificate_of_the_engine_proves_its_header_by_the_order_of_the_registry() {
    let proof = proof();
    assert_eq!(proof.verify(&namespace(CHAIN, NETWORK), &committee()), Ok(()));
    assert_eq!((proof.epoch, proof.view, proof.parent_view), (EPOCH, 300, 6));
    assert_eq!((proof.signers.count(), proof.signers.signed()), (12, 9));
    let read = FinalityProof::decode(proof.encode()).unwrap();
    assert_eq!(read, proof);
    assert_eq!(proof.encode().len(), proof.encode_size());
}

/// And back: a node that followed begins its engine with what it followed by.
#[test]
fn a_proof_is_the_engines_certificate_again_for_the_same_committee_and_for_no_other() {
    let summary = summary();
    for signers in [9, 12] {
        let certificate = certificate(signers, &summary);
        let proof = FinalityProof::new(&certificate, &committee(), summary.clone()).unwrap();
        let again = proof.finalization(&committee()).unwrap();
        assert_eq!(again, certificate);
        let verifier = Scheme::verifier(&namespace(CHAIN, NETWORK), committee().seat_keys());
        assert!(again.verify(&mut StdRng::seed_from_u64(1), &verifier, &Sequential));
    }
    let fewer: Vec<_> = keys()[..2].iter().map(|keys| keys.validator(4)).collect();
    assert!(proof().finalization(&Committee::new(&fewer).unwrap()).is_none());
}

#[test]
fn a_certificate_of_another_block_is_no_proof() {
    let summary = summary();
    let other = Block::new(fixtures::place(), summary.header().clone(), Vec::new()).summary();
    assert_eq!(FinalityProof::new(&certificate(9, &summary), &committee(), other), None);
}

#[test]
fn proofs_of_another_chain_view_epoch_or_of_too_few_are_refused() {
    let proof = proof();
    let (own, committee) = (namespace(CHAIN, NETWORK), committee());
    for namespace in [namespace(CHAIN + 1, NETWORK), namespace(CHAIN, B256::ZERO)] {
        let error = proof.verify(&namespace, &committee).unwrap_err();
        assert!(matches!(error, FinalityError::Signature { .. }), "{error}");
    }
    for (epoch, view, parent_view) in [(EPOCH + 1, 300, 6), (EPOCH, 301, 6), (EPOCH, 300, 5)] {
        let moved = FinalityProof {
            epoch,
            view,
            parent_view,
            ..proof.clone()
        };
        let error = moved.verify(&own, &committee).unwrap_err();
        assert!(matches!(error, FinalityError::Signature { .. }), "{error}");
    }
    let mut fewer = proof.clone();
    let seat = (0..12).find(|seat| proof.signers.contains(*seat)).unwrap();
    fewer.signers.bitmap[seat / 8] ^= 1 << (seat % 8);
    let error = fewer.verify(&own, &committee).unwrap_err();
    assert_eq!(
        error,
        FinalityError::Quorum {
            signed: 8,
            seats: 12,
            quorum: 9
        }
    );
    // One who did not sign in the place of one who did.
    let absent = (0..12).find(|seat| !proof.signers.contains(*seat)).unwrap();
    fewer.signers.insert(absent);
    assert!(matches!(
        fewer.verify(&own, &committee),
        Err(FinalityError::Signature { .. })
    ));
    let small = Committee::new(&[keys()[0].validator(4)]).unwrap();
    let error = proof.verify(&own, &small).unwrap_err();
    assert_eq!(error, FinalityError::Seats { found: 12, expected: 4 });
}

#[test]
fn a_quorum_is_all_but_fewer_than_a_third() {
    for (seats, expected) in [(1, 1), (3, 3), (4, 3), (7, 5), (12, 9), (16, 11), (128, 86)] {
        assert_eq!(quorum(seats), expected, "{seats}");
    }
}

/// Whatever a stranger sends is refused, or is another proof that does not verify, written as it was read.
#[test]
fn mutated_proofs_never_verify_and_never_panic() {
    let (own, committee) = (namespace(CHAIN, NETWORK), committee());
    let bytes = proof().encode().to_vec();
    let mut random = StdRng::seed_from_u64(21);
    for at in 0..bytes.len() {
        let mut mutated = bytes.clone();
        mutated[at] ^= 1 << random.random_range(0..8);
        if let Ok(read) = FinalityProof::decode(bytes::Bytes::from(mutated.clone())) {
            assert_eq!(read.encode(), mutated);
            assert!(read.verify(&own, &committee).is_err(), "byte {at}");
        }
    }
    for _ in 0..10_000 {
        let length = random.random_range(0..bytes.len());
        let mut cut = bytes[..length].to_vec();
        if length > 0 {
            cut[random.random_range(0..length)] = random.random();
        }
        assert!(FinalityProof::decode(bytes::Bytes::from(cut)).is_err());
    }
}

use super::*;
use crate::{
    Ledger, ValidatorKeys,
    block::Context,
    consensus::namespace,
    finality::{Seats, finalize_message, quorum},
    fixtures,
};
use commonware_codec::Encode as _;
use commonware_consensus::types::{Epoch, Round, View};
use crypto::bls;

const NETWORK: B256 = B256::ZERO;
/// The epochs of the tests: blocks 1 to 7 are of the first.
const EPOCH_BLOCKS: NonZeroU64 = NonZeroU64::new(8).unwrap();

fn keys() -> Vec<ValidatorKeys> {
    (1..=4).map(|seed| ValidatorKeys::from_seed(&[seed; 32])).collect()
}

fn committee() -> Committee {
    Committee::new(&keys().iter().map(|keys| keys.validator(1)).collect::<Vec<_>>()).unwrap()
}

fn names() -> Vec<u8> {
    namespace(fixtures::CHAIN_ID, NETWORK)
}

/// `count` final blocks of a chain, each naming the one before as consensus has it, and what was there before them.
fn chain(count: u64) -> (B256, Vec<Block>) {
    let ledger: Ledger = fixtures::ledger();
    let parent = ledger.latest().hash;
    let mut blocks: Vec<Block> = Vec::new();
    for view in 1..=count {
        ledger.submit(&fixtures::Wallet::nth(1).transfer(view - 1)).unwrap();
        let sealed = fixtures::propose(&ledger, &ledger.latest(), 1);
        ledger.finalize(sealed.hash).unwrap();
        let previous = blocks.last().map_or(fixtures::place().parent.1, Block::digest);
        let context = Context {
            round: Round::new(Epoch::zero(), View::new(view)),
            parent: (View::new(view - 1), previous),
            ..fixtures::place()
        };
        let transactions = sealed
            .transactions
            .iter()
            .map(|transaction| transaction.inner().clone());
        blocks.push(Block::new(context, sealed.header.clone(), transactions.collect()));
    }
    (parent, blocks)
}

/// The certificate of a block by the first `signers` seats, in the epoch that the vote says.
fn certify(block: &Block, epoch: u64, signers: usize) -> FinalityProof {
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

fn check(parent: B256, blocks: &[Block], proof: &FinalityProof) -> Result<(), RunError> {
    FinalRun::check(parent, blocks.to_vec(), proof, &committee(), EPOCH_BLOCKS, &names()).map(|_| ())
}

#[test]
fn one_certificate_makes_all_blocks_before_it_final() {
    let (parent, blocks) = chain(5);
    for last in 0..5 {
        let proof = certify(&blocks[last], 0, 3);
        assert_eq!(check(parent, &blocks[..=last], &proof), Ok(()));
    }
}

#[test]
fn a_run_from_which_a_block_is_missing_or_exchanged_is_refused() {
    let (parent, blocks) = chain(4);
    let proof = certify(&blocks[3], 0, 3);
    let without = |index: usize| {
        let mut left = blocks.clone();
        left.remove(index);
        check(parent, &left, &proof).unwrap_err()
    };
    let first = without(0);
    assert!(matches!(first, RunError::Parent { height: 2, .. }), "{first}");
    assert_eq!(without(1), RunError::Digest { height: 1 });
    assert_eq!(without(3), RunError::Digest { height: 3 });
    let mut turned = blocks.clone();
    turned.swap(1, 2);
    assert_eq!(check(parent, &turned, &proof), Err(RunError::Digest { height: 2 }));
    assert_eq!(check(parent, &[], &proof), Err(RunError::Count { count: 0 }));
    let count = RUN_BLOCKS_MAX + 1;
    assert_eq!(
        check(parent, &vec![blocks[0].clone(); count], &proof),
        Err(RunError::Count { count })
    );
    assert!(matches!(
        check(B256::ZERO, &blocks, &proof),
        Err(RunError::Parent { .. })
    ));
}

/// What a header does not commit to by itself, a transaction's order aside, the digest does: the place in the vote.
#[test]
fn a_block_with_another_place_in_the_vote_is_another_block() {
    let (parent, mut blocks) = chain(2);
    let proof = certify(&blocks[1], 0, 3);
    let context = Context {
        round: Round::new(Epoch::zero(), View::new(77)),
        ..commonware_consensus::CertifiableBlock::context(&blocks[0])
    };
    let transactions = blocks[0].ethereum().body.transactions.clone();
    blocks[0] = Block::new(context, blocks[0].header().clone(), transactions);
    assert_eq!(check(parent, &blocks, &proof), Err(RunError::Digest { height: 1 }));
}

#[test]
fn a_certificate_of_too_few_or_of_another_epoch_makes_nothing_final() {
    let (parent, blocks) = chain(2);
    let few = certify(&blocks[1], 0, quorum(4) - 1);
    assert!(matches!(
        check(parent, &blocks, &few),
        Err(RunError::Finality(FinalityError::Quorum { signed: 2, .. }))
    ));
    let later = certify(&blocks[1], 1, 3);
    assert_eq!(
        check(parent, &blocks, &later),
        Err(RunError::Epoch {
            height: 2,
            found: 1,
            expected: 0
        })
    );
    let mut forged = certify(&blocks[1], 0, 3);
    forged.view += 1;
    assert!(matches!(
        check(parent, &blocks, &forged),
        Err(RunError::Finality(FinalityError::Signature { .. }))
    ));
}

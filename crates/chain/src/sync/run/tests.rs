use super::*;
use crate::{
    block::Context,
    finality::quorum,
    fixtures,
    sync::fixtures::{EPOCH_BLOCKS, block_of, certify, committee, names},
};
use commonware_consensus::types::{Epoch, Round, View};

/// `count` final blocks of a chain, each naming the one before as consensus has it, and what was there before them.
fn chain(count: u64) -> (B256, Vec<Block>) {
    let ledger = fixtures::ledger();
    let parent = ledger.latest().hash;
    let mut blocks: Vec<Block> = Vec::new();
    for view in 1..=count {
        ledger.submit(&fixtures::Wallet::nth(1).transfer(view - 1)).unwrap();
        let sealed = fixtures::propose(&ledger, &ledger.latest(), 1);
        ledger.finalize(sealed.hash).unwrap();
        blocks.push(block_of(&sealed, view, blocks.last()));
    }
    (parent, blocks)
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

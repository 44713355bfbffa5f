use super::*;
use crate::{
    Block, Ledger,
    fixtures::{self, propose},
    sync::fixtures::{EPOCH_BLOCKS, block_of, certify, committee, names},
};

/// A chain up to the last block of its second epoch.
fn chain() -> Ledger {
    let ledger = fixtures::ledger();
    for _ in 1..2 * EPOCH_BLOCKS.get() {
        let block = propose(&ledger, &ledger.latest(), 1);
        ledger.finalize(block.hash).unwrap();
    }
    ledger
}

fn block(ledger: &Ledger, height: u64) -> Block {
    block_of(&ledger.by_number(height).unwrap().unwrap(), 1, None)
}

fn successors(epochs: &[u64]) -> Vec<Successor> {
    let successor = |epoch: &u64| Successor {
        epoch: *epoch,
        committee: committee(),
    };
    epochs.iter().map(successor).collect()
}

fn check(block: &Block, epoch: u64, signers: usize, known: &[u64]) -> Result<Header, WrongAnswer> {
    let proof = certify(block, epoch, signers);
    check_later(block.hash(), &proof, &successors(known), EPOCH_BLOCKS, &names())
}

#[test]
fn the_last_block_of_an_epoch_is_later_if_the_committee_that_is_known_for_it_certified_it() {
    let ledger = chain();
    let last = block(&ledger, 15);
    assert_eq!(check(&last, 1, 3, &[1, 2]).unwrap(), ledger.latest().header);
    let few = check(&last, 1, 2, &[1, 2]);
    assert!(matches!(few, Err(WrongAnswer::Run(RunError::Finality(_)))), "{few:?}");
    let elsewhere = check(&last, 2, 3, &[1, 2]);
    assert!(
        matches!(
            elsewhere,
            Err(WrongAnswer::Run(RunError::Epoch {
                found: 2,
                expected: 1,
                ..
            }))
        ),
        "{elsewhere:?}"
    );
}

#[test]
fn a_block_within_an_epoch_of_an_unknown_committee_or_under_another_name_is_refused() {
    let ledger = chain();
    let within = check(&block(&ledger, 14), 1, 4, &[1, 2]);
    assert_eq!(within, Err(WrongAnswer::NotLater { height: 14 }));
    // The block with which the node began, and one of which its state says nothing.
    for known in [&[2][..], &[2, 3], &[]] {
        let unknown = check(&block(&ledger, 15), 1, 4, known);
        assert_eq!(unknown, Err(WrongAnswer::NotLater { height: 15 }));
    }
    let (last, named) = (block(&ledger, 15), block(&ledger, 7).hash());
    let proof = certify(&last, 1, 4);
    let other = check_later(named, &proof, &successors(&[0, 1]), EPOCH_BLOCKS, &names());
    let (found, expected) = (last.hash(), named);
    assert_eq!(other, Err(WrongAnswer::Header { found, expected }));
    // The committee of another epoch with other keys certifies nothing.
    let mut strangers = successors(&[1]);
    let strange: Vec<_> = (11..=14u8)
        .map(|seed| crate::ValidatorKeys::from_seed(&[seed; 32]).validator(1))
        .collect();
    strangers[0].committee = Committee::new(&strange).unwrap();
    let forged = check_later(last.hash(), &proof, &strangers, EPOCH_BLOCKS, &names());
    assert!(
        matches!(forged, Err(WrongAnswer::Run(RunError::Finality(_)))),
        "{forged:?}"
    );
}

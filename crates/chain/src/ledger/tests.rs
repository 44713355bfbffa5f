use super::*;
use crate::{
    block::EthereumBlock,
    fixtures::{self, GWEI, Wallet, ethereum, genesis, ledger, ledger_on, propose},
    pool::PoolError,
    store::MemoryDisk,
};
use alloy_consensus::BlockHeader as _;
use alloy_primitives::{Address, U256};

/// Takes a block to the end: final and durable.
fn extend(ledger: &Ledger, beneficiary: u8) -> Arc<Sealed> {
    let block = propose(ledger, &ledger.latest(), beneficiary);
    ledger.finalize(block.hash).unwrap()
}

fn nonce(ledger: &Ledger, wallet: u64) -> u64 {
    let (_, state) = ledger.pending();
    state
        .account(&Wallet::nth(wallet).address())
        .map_or(0, |account| account.nonce)
}

#[test]
fn a_transaction_goes_from_the_pool_into_a_final_block_and_is_found_there() {
    let ledger = ledger();
    let hash = ledger.submit(&Wallet::nth(0).transfer(0)).unwrap();
    assert_eq!(ledger.pool().len(), 1);
    let mut finals = ledger.subscribe();
    let block = extend(&ledger, 1);
    assert_eq!(
        (
            block.header.number,
            block.transactions.len(),
            block.receipts[0].status()
        ),
        (1, 1, true)
    );
    let (found, index) = ledger.transaction(hash).unwrap().unwrap();
    assert_eq!((found.hash, index), (block.hash, 0));
    assert_eq!(ledger.by_hash(block.hash).unwrap().unwrap(), block);
    assert_eq!((ledger.pool().len(), nonce(&ledger, 0)), (0, 1));
    assert_eq!(finals.try_recv().unwrap(), block);
    assert_eq!(
        ledger.submit(&Wallet::nth(0).transfer(0)).unwrap_err(),
        PoolError::NonceTooLow { next: 1, nonce: 0 }
    );
}

#[test]
fn another_node_finds_the_same_block_valid_with_the_same_result() {
    let (ours, theirs) = (ledger(), ledger());
    ours.submit(&Wallet::nth(0).transfer(0)).unwrap();
    let block = propose(&ours, &ours.latest(), 1);
    assert_eq!(*theirs.verify(&ethereum(&block)).unwrap(), *block);
    assert_eq!(theirs.finalize(block.hash).unwrap(), ours.finalize(block.hash).unwrap());
    assert_eq!(theirs.state_at(1).unwrap().root(), block.header.state_root);
}

#[test]
fn of_sibling_candidates_one_becomes_final_and_the_others_are_forgotten() {
    let ledger = ledger();
    let genesis = ledger.latest();
    let (left, right) = (propose(&ledger, &genesis, 1), propose(&ledger, &genesis, 2));
    let nephew = propose(&ledger, &left, 3);
    ledger.finalize(right.hash).unwrap();
    assert!(!ledger.knows(&left.hash) && ledger.knows(&right.hash));
    assert!(matches!(ledger.finalize(left.hash), Err(LedgerError::Unknown { .. })));
    assert!(matches!(ledger.finalize(nephew.hash), Err(LedgerError::NotNext { .. })));
    assert_eq!(ledger.latest().hash, right.hash);
    // A sibling that comes late is still checked, and changes nothing.
    ledger.verify(&ethereum(&left)).unwrap();
    assert!(matches!(ledger.finalize(left.hash), Err(LedgerError::NotNext { .. })));
}

#[test]
fn candidates_build_on_candidates_and_become_final_in_order() {
    let ledger = ledger();
    ledger.submit(&Wallet::nth(0).transfer(0)).unwrap();
    ledger.submit(&Wallet::nth(0).transfer(1)).unwrap();
    let first = propose(&ledger, &ledger.latest(), 1);
    assert_eq!(first.transactions.len(), 2);
    // What the first block took is not ready again on top of it, though it still waits here.
    assert!(!ledger.any_ready(&first.hash) && ledger.pool().len() == 2);
    let second = propose(&ledger, &first, 1);
    assert_eq!((second.header.number, second.transactions.len()), (2, 0));
    assert!(matches!(ledger.finalize(second.hash), Err(LedgerError::NotNext { .. })));
    ledger.finalize(first.hash).unwrap();
    ledger.finalize(second.hash).unwrap();
    assert_eq!(ledger.latest().hash, second.hash);
}

#[test]
fn finalizing_a_block_again_changes_nothing() {
    let ledger = ledger();
    let block = extend(&ledger, 1);
    extend(&ledger, 1);
    assert_eq!(ledger.finalize(block.hash).unwrap(), block);
    assert_eq!(ledger.verify(&ethereum(&block)).unwrap(), block);
    assert_eq!(ledger.latest().header.number, 2);
}

#[test]
fn a_block_without_its_parent_waits_for_it_and_is_not_condemned() {
    let (ours, theirs) = (ledger(), ledger());
    let first = propose(&ours, &ours.latest(), 1);
    let second = propose(&ours, &first, 1);
    let refused = theirs.verify(&ethereum(&second)).unwrap_err();
    assert!(matches!(refused, LedgerError::UnknownParent { .. }) && !refused.condemns_block());
}

#[test]
fn blocks_that_lie_are_condemned() {
    let ledger = ledger();
    for nonce in 0..2 {
        ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
    }
    let honest = ethereum(&propose(&ledger, &ledger.latest(), 1));
    let condemned = |change: &dyn Fn(&mut EthereumBlock)| {
        let mut block = honest.clone();
        change(&mut block);
        let refused = fixtures::ledger().verify(&block).unwrap_err();
        assert!(refused.condemns_block(), "{refused:?}");
    };
    condemned(&|block| block.header.state_root = B256::ZERO);
    condemned(&|block| block.header.gas_used += 1);
    condemned(&|block| block.header.gas_limit += 1);
    condemned(&|block| block.header.base_fee_per_gas = Some(1));
    condemned(&|block| block.header.number += 1);
    condemned(&|block| block.header.timestamp = 999);
    condemned(&|block| block.header.extra_data = vec![1; 40].into());
    condemned(&|block| block.header.withdrawals_root = None);
    condemned(&|block| block.body.withdrawals = None);
    condemned(&|block| block.body.transactions.reverse());
    condemned(&|block| block.body.transactions.truncate(1));
    condemned(&|block| block.body.transactions.push(block.body.transactions[1].clone()));
    let stranger = Wallet::nth(99).sign(fixtures::transfer(0));
    condemned(&|block| block.body.transactions.push(stranger.clone()));
}

/// A leader could repeat a good header with another body: who executed the good one must not wave it through.
#[test]
fn another_body_under_a_known_header_is_condemned() {
    let ledger = ledger();
    ledger.submit(&Wallet::nth(0).transfer(0)).unwrap();
    let block = propose(&ledger, &ledger.latest(), 1);
    let mut liar = ethereum(&block);
    liar.body.transactions.clear();
    assert!(matches!(ledger.verify(&liar), Err(LedgerError::WrongBody { .. })));
    ledger.finalize(block.hash).unwrap();
    assert!(matches!(ledger.verify(&liar), Err(LedgerError::WrongBody { .. })));
}

/// The pool remembers senders, but must not vouch for a signature it never saw.
#[test]
fn a_forged_signature_is_not_saved_by_a_pooled_transaction() {
    use alloy_consensus::{Signed, TxEnvelope};
    let ledger = ledger();
    ledger.submit(&Wallet::nth(0).transfer(0)).unwrap();
    let honest = ethereum(&propose(&ledger, &ledger.latest(), 1));
    let mut block = honest.clone();
    let TxEnvelope::Eip1559(signed) = &block.body.transactions[0] else {
        unreachable!()
    };
    let mut signature = *signed.signature();
    signature = alloy_primitives::Signature::new(signature.r(), signature.s() + U256::from(1), signature.v());
    block.body.transactions[0] = TxEnvelope::Eip1559(Signed::new_unhashed(signed.tx().clone(), signature));
    assert!(ledger.verify(&block).unwrap_err().condemns_block());
    // A header that fits the forgery: its transactions root is right, but nobody signed it.
    block.header.transactions_root = alloy_consensus::proofs::calculate_transaction_root(&block.body.transactions);
    assert!(ledger.verify(&block).unwrap_err().condemns_block());
}

#[test]
fn a_proposer_stops_when_told_and_the_rest_goes_into_the_next_block() {
    let ledger = ledger();
    for nonce in 0..10 {
        ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
    }
    let (genesis, mut asked) = (ledger.latest(), 0);
    let mut stop = || {
        asked += 1;
        asked > 4
    };
    let first = ledger
        .propose(genesis.hash, 1_001, Address::ZERO, B256::ZERO, &mut stop)
        .unwrap();
    assert_eq!(first.transactions.len(), 4);
    ledger.finalize(first.hash).unwrap();
    assert_eq!(extend(&ledger, 1).transactions.len(), 6);
}

#[test]
fn a_reopened_ledger_goes_on_where_it_was() {
    let disk = MemoryDisk::new();
    let (latest, root) = {
        let ledger = ledger_on(&disk).unwrap();
        for nonce in 0..5 {
            ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
            extend(&ledger, 1);
        }
        (ledger.latest(), ledger.pending().1.root())
    };
    let ledger = ledger_on(&disk).unwrap();
    assert_eq!((ledger.latest(), ledger.pending().1.root()), (latest, root));
    assert_eq!(ledger.by_number(3).unwrap().unwrap().header.number(), 3);
    ledger.submit(&Wallet::nth(0).transfer(5)).unwrap();
    assert_eq!(extend(&ledger, 1).header.number, 6);
}

#[test]
fn a_ledger_of_another_network_is_refused_by_name() {
    let disk = MemoryDisk::new();
    let ours = ledger_on(&disk).unwrap().latest().hash;
    let other = evm::Genesis {
        timestamp: 1,
        ..genesis()
    };
    let refused = Ledger::open(&other, Store::in_memory(&disk).unwrap(), PoolLimits::default()).unwrap_err();
    let theirs = other.build().unwrap().0.hash_slow();
    let LedgerError::Store(refused @ StoreError::Genesis { .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(
        refused.to_string(),
        format!("the database is of the network with genesis {ours}, not {theirs}")
    );
}

#[test]
fn many_transactions_of_many_senders_fill_a_block_to_its_gas_limit() {
    let ledger = ledger();
    for wallet in 0..8 {
        for nonce in 0..250 {
            ledger.submit(&Wallet::nth(wallet).transfer(nonce)).unwrap();
        }
    }
    let block = extend(&ledger, 1);
    assert_eq!(block.transactions.len(), 36_000_000 / 21_000);
    assert_eq!(ledger.pool().len(), 2_000 - block.transactions.len());
    let tips = U256::from(block.header.gas_used) * U256::from(GWEI);
    assert_eq!(
        ledger.pending().1.account(&Address::repeat_byte(1)).unwrap().balance,
        tips
    );
}

/// An archive answers for every block, also after a start; a node that keeps two states answers for two.
#[test]
fn an_archive_has_the_state_of_every_block_also_after_a_start() {
    let disk = MemoryDisk::new();
    let open = |kept| {
        let store = crate::Store::in_memory(&disk).unwrap();
        Ledger::open_with_history(&genesis(), store, crate::PoolLimits::default(), kept).unwrap()
    };
    let ledger = open(StateHistory::Last(2));
    let mut roots = vec![ledger.genesis().state_root];
    for number in 0..5 {
        ledger.submit(&Wallet::nth(0).transfer(number)).unwrap();
        roots.push(extend(&ledger, 7).header.state_root);
    }
    assert_eq!(ledger.oldest_state(), 4);
    assert!(ledger.state_at(3).is_none());
    drop(ledger);

    let archive = open(StateHistory::All);
    assert_eq!(archive.oldest_state(), 0);
    for (number, root) in (0..).zip(&roots) {
        assert_eq!(archive.state_at(number).unwrap().root(), *root, "after block {number}");
    }
    extend(&archive, 7);
    assert!(archive.state_at(0).is_some());
}

/// Whoever executes a stored block again needs what it said of the beacon, which no header says.
#[test]
fn what_a_block_says_of_the_beacon_is_kept_with_it_and_no_other_is_taken_for_it() {
    let disk = MemoryDisk::new();
    let news = evm::BeaconNews {
        first_height: 7,
        signatures: vec![[9; evm::BEACON_SIGNATURE_BYTES]],
        ..Default::default()
    };
    let ledger = ledger_on(&disk).unwrap();
    let parent = ledger.latest().hash;
    let made = ledger
        .propose_with(parent, 1_001, Address::ZERO, B256::ZERO, news.clone(), &mut || false)
        .unwrap();
    assert_eq!(ledger.verify_with(&ethereum(&made), &news).unwrap(), made);
    let other = ledger.verify(&ethereum(&made)).unwrap_err();
    assert!(matches!(other, LedgerError::WrongBody { .. }), "{other}");
    ledger.finalize(made.hash).unwrap();
    drop(ledger);
    assert_eq!(ledger_on(&disk).unwrap().by_number(1).unwrap().unwrap().beacon, news);
}

//! Keeps away: a node that takes half a state for one, or begins again with what it had already.

use super::*;
use crate::{
    Checkpoint, Ledger, LedgerError, MemoryDisk, PoolLimits,
    fixtures::{self, Wallet, propose},
    sync::{
        Arriving, Wanted,
        fixtures::{EPOCH_BLOCKS, block_of, certify},
        page::{encode_accounts, encode_slots},
    },
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// A chain with its first checkpoint, and its genesis block's hash.
fn chain() -> (Ledger, Checkpoint, B256) {
    let ledger = fixtures::ledger();
    ledger.keep_checkpoints(EPOCH_BLOCKS);
    for nonce in 0..EPOCH_BLOCKS.get() - 1 {
        assert_eq!(ledger.checkpoints().len(), 0);
        ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
        let block = propose(&ledger, &ledger.latest(), nonce as u8);
        ledger.finalize(block.hash).unwrap();
    }
    let [checkpoint] = ledger.checkpoints().try_into().expect("one epoch has ended");
    let genesis = ledger.genesis().hash_slow();
    (ledger, checkpoint, genesis)
}

/// Takes the state in pages of three rows until it is all there, or the disk fails; counts the answers.
fn take(store: &Store, ledger: &Ledger, from: &Checkpoint, genesis: B256) -> Result<usize, StoreError> {
    let arrival = store.begin_arrival(genesis, &from.block.header)?;
    let (mut arriving, state, mut answers) = (Arriving::new(store.clone(), arrival), &from.state, 0);
    loop {
        let taken = match arriving.wanted() {
            Wanted::Accounts(first) => arriving.take_accounts(&encode_accounts(&state.account_page(&first, 3))),
            Wanted::Slots(storages) => {
                let (account, first) = storages[0];
                arriving.take_slots(&[encode_slots(&state.slot_page(&account, &first, 3)).into()])
            }
            Wanted::Codes(hashes) => arriving.take_codes(from.codes(&hashes[..1])),
            Wanted::Nothing => break,
        };
        taken.map_err(|error| match error {
            crate::sync::TakeError::Store(error) => error,
            crate::sync::TakeError::Wrong(wrong) => panic!("{wrong:?}"),
        })?;
        answers += 1;
    }
    let block = &from.block;
    let ancestors = (0..block.header.number).rev();
    let ancestors: Vec<B256> = ancestors
        .map(|number| ledger.by_number(number).unwrap().unwrap().hash)
        .collect();
    let certificate = certify(&block_of(block, 1, None), 0, 3);
    store.finish_arrival(block, &ancestors, &certificate)?;
    Ok(answers)
}

fn open(store: Store) -> Result<Ledger, LedgerError> {
    Ledger::open(&fixtures::genesis(), store, PoolLimits::default())
}

/// Cuts the power at every single write, resize and sync, three times with other luck for what was not synced.
#[test]
fn whenever_the_power_fails_the_state_goes_on_coming_where_it_was() {
    let (ledger, checkpoint, genesis) = chain();
    let whole = MemoryDisk::new();
    let answers = take(&Store::in_memory(&whole).unwrap(), &ledger, &checkpoint, genesis).unwrap();
    assert!(answers > 8, "{answers}");
    let next = propose(&ledger, &ledger.latest(), 9);
    let (mut random, mut resumed, mut unfinished) = (StdRng::seed_from_u64(7), 0, 0);
    for cut in 1..=whole.operations() {
        for luck in [0.0, 0.5, 1.0] {
            let disk = MemoryDisk::new();
            disk.crash_after(cut);
            let first = Store::in_memory(&disk).and_then(|store| take(&store, &ledger, &checkpoint, genesis));
            disk.crash(|| random.random_bool(luck));
            let store = Store::in_memory(&disk).unwrap_or_else(|error| panic!("cut {cut}, luck {luck}: {error:?}"));
            if store.height().unwrap().is_none() {
                if let Some(arrival) = store.arrival().unwrap() {
                    let refused = open(store.clone());
                    assert!(
                        matches!(refused, Err(LedgerError::Store(StoreError::Unfinished { height: 7 }))),
                        "cut {cut}, luck {luck}: {refused:?}"
                    );
                    resumed += usize::from(arrival.next != Some(Position::START));
                    unfinished += 1;
                }
                let again = take(&store, &ledger, &checkpoint, genesis).unwrap();
                assert!(again <= answers, "cut {cut}, luck {luck}");
            } else {
                // The last write may have made it, as after a commit whose confirmation was cut off.
                assert!(cut > whole.operations() / 2 || first.is_ok(), "cut {cut}, luck {luck}");
            }
            let joined = open(store).unwrap_or_else(|error| panic!("cut {cut}, luck {luck}: {error:?}"));
            assert_eq!(joined.latest(), checkpoint.block);
            let block = joined.verify(&fixtures::ethereum(&next)).unwrap();
            assert_eq!(joined.finalize(block.hash).unwrap().hash, next.hash);
        }
    }
    assert!(resumed > 50 && unfinished > resumed, "{resumed} of {unfinished}");
}

/// The chain goes on as any: blocks are executed, written, and there after a start; what was before is not, but for the hashes that contracts may ask for.
#[test]
fn a_chain_that_began_with_a_state_of_others_goes_on_and_says_where_it_begins() {
    let (ledger, checkpoint, genesis) = chain();
    let disk = MemoryDisk::new();
    take(&Store::in_memory(&disk).unwrap(), &ledger, &checkpoint, genesis).unwrap();
    let mut joined = open(Store::in_memory(&disk).unwrap()).unwrap();
    for nonce in 7..150 {
        ledger.submit(&Wallet::nth(0).transfer(nonce)).unwrap();
        let block = propose(&ledger, &ledger.latest(), nonce as u8);
        ledger.finalize(block.hash).unwrap();
        joined.verify(&fixtures::ethereum(&block)).unwrap();
        assert_eq!(joined.finalize(block.hash).unwrap(), block);
        if nonce % 30 == 0 {
            drop(joined);
            joined = open(Store::in_memory(&disk).unwrap()).unwrap();
        }
    }
    drop(joined);
    let joined = open(Store::in_memory(&disk).unwrap()).unwrap();
    assert_eq!((joined.first(), joined.latest()), (7, ledger.latest()));
    assert_eq!(joined.by_number(6).unwrap(), None);
    assert_eq!(joined.by_hash(genesis).unwrap(), None);
    let hashes = joined.hashes();
    for number in 0..=7 {
        let hash = ledger.by_number(number).unwrap().unwrap().hash;
        assert_eq!(evm::BlockHashes::block_hash(&hashes, number), Some(hash));
    }
    let certificate = joined.first_certificate().unwrap().expect("it came with the state");
    assert_eq!(certificate.summary.header(), &checkpoint.block.header);
    // The first block's own transactions are found, those before it are not.
    let own = *checkpoint.block.transactions[0].tx_hash();
    assert_eq!(joined.transaction(own).unwrap().unwrap().1, 0);
    let before = ledger.by_number(6).unwrap().unwrap();
    assert_eq!(joined.transaction(*before.transactions[0].tx_hash()).unwrap(), None);
    drop(hashes);
    drop(joined);
    let store = Store::in_memory(&disk).unwrap();
    let begun = store.begin_arrival(genesis, &checkpoint.block.header);
    assert!(matches!(begun, Err(StoreError::Begun { .. })), "{begun:?}");
    let archive = Ledger::open_with_history(
        &fixtures::genesis(),
        store,
        PoolLimits::default(),
        crate::StateHistory::All,
    );
    assert!(
        matches!(archive, Err(LedgerError::NoArchive { first: 7 })),
        "{archive:?}"
    );
}

/// Until the state is here, or is another's; whenever the node is started.
#[test]
fn who_votes_after_the_block_is_known_as_long_as_its_state_is_coming() {
    let (ledger, checkpoint, genesis) = chain();
    let disk = MemoryDisk::new();
    let store = Store::in_memory(&disk).unwrap();
    store.begin_arrival(genesis, &checkpoint.block.header).unwrap();
    assert!(store.successors().unwrap().is_empty());
    let founders: Vec<Validator> = (1..=3u8)
        .map(|seed| crate::ValidatorKeys::from_seed(&[seed; 32]).validator(usize::from(seed)))
        .collect();
    let successor = |epoch: u64, validators: &[Validator]| Successor {
        epoch,
        committee: Committee::new(validators).unwrap(),
    };
    let written = [successor(1, &founders), successor(2, &founders[1..])];
    store.put_successors(&written).unwrap();
    drop(store);
    let store = Store::in_memory(&disk).unwrap();
    let seats = |successors: &[Successor]| -> Vec<(u64, Vec<Validator>)> {
        let seats = |successor: &Successor| (successor.epoch, successor.committee.validators().to_vec());
        successors.iter().map(seats).collect()
    };
    store.begin_arrival(genesis, &checkpoint.block.header).unwrap();
    assert_eq!(seats(&store.successors().unwrap()), seats(&written));
    let bytes = encode_successors(&written);
    for length in 0..bytes.len() {
        assert!(decode_successors(&bytes[..length]).is_none(), "{length} bytes");
    }
    assert!(decode_successors(&[&bytes[..], &[0]].concat()).is_none());

    store.begin_arrival(genesis, &Header::default()).unwrap();
    assert!(store.successors().unwrap().is_empty());
    store.put_successors(&written).unwrap();
    store.begin_arrival(genesis, &checkpoint.block.header).unwrap();
    store.put_successors(&written).unwrap();
    take(&store, &ledger, &checkpoint, genesis).unwrap();
    assert!(store.successors().unwrap().is_empty());
}

#[test]
fn what_came_of_another_block_is_forgotten_and_another_network_is_refused() {
    let (_, checkpoint, genesis) = chain();
    let store = Store::in_memory(&MemoryDisk::new()).unwrap();
    store.begin_arrival(genesis, &Header::default()).unwrap();
    let part = Part {
        accounts: vec![(B256::repeat_byte(9), Account::with_balance(U256::from(1)))],
        slots: vec![(B256::repeat_byte(9), B256::repeat_byte(8), U256::from(7))],
        codes: vec![(B256::repeat_byte(6), Bytes::from_static(&[1]))],
    };
    let next = Some(Position {
        account: B256::repeat_byte(10),
        slot: B256::ZERO,
    });
    store.take_part(&part, next).unwrap();
    assert_eq!(store.arrival().unwrap().unwrap().next, next);
    assert!(store.has_code(&B256::repeat_byte(6)).unwrap());
    let other = store.begin_arrival(genesis, &checkpoint.block.header).unwrap();
    assert_eq!(other.next, Some(Position::START));
    assert!(!store.has_code(&B256::repeat_byte(6)).unwrap());
    assert_eq!(store.state().unwrap().root(), evm::State::empty().root());
    let foreign = store.begin_arrival(B256::repeat_byte(1), &checkpoint.block.header);
    assert!(matches!(foreign, Err(StoreError::Genesis { .. })), "{foreign:?}");
}

#[test]
fn the_last_two_checkpoints_are_kept_and_none_that_was_not_asked_for() {
    let (ledger, first, _) = chain();
    let seal = || {
        let block = propose(&ledger, &ledger.latest(), 1);
        ledger.finalize(block.hash).unwrap();
    };
    (0..16).for_each(|_| seal());
    let heights = |ledger: &Ledger| -> Vec<u64> {
        let kept = ledger.checkpoints().into_iter();
        kept.map(|kept| kept.block.header.number).collect()
    };
    assert_eq!(heights(&ledger), [15, 23]);
    for kept in ledger.checkpoints() {
        assert_eq!(kept.state.root(), kept.block.header.state_root);
    }
    assert_ne!(first.block.hash, ledger.checkpoints()[0].block.hash);
    assert_eq!(heights(&fixtures::ledger()).len(), 0);
}

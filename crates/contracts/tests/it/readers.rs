//! Who may read encrypted blobs: lists beside blobs, policies of release.

use crate::chain::Chain;
use contracts::{
    abi::ReaderBook as Book,
    addresses::{FAUCET, READER_BOOK},
};
use primitives::{Address, B256, Bytes, keccak256};

const ALICE: Address = Address::repeat_byte(1);
const MALLORY: Address = Address::repeat_byte(2);
const ROOT: B256 = B256::repeat_byte(7);
const SALT: B256 = B256::repeat_byte(8);
const READER: B256 = B256::repeat_byte(9);

fn list(version: u64, bytes: usize) -> Book::publishCall {
    Book::publishCall {
        root: ROOT,
        version,
        list: vec![version as u8; bytes].into(),
    }
}

fn policy(chain: &mut Chain, owner: Address) -> B256 {
    chain.view(READER_BOOK, &Book::policyOfCall { owner, salt: SALT })
}

fn allowed(chain: &mut Chain, epoch: u64) -> bool {
    let policy = policy(chain, ALICE);
    let call = Book::allowedCall {
        policy,
        epoch,
        reader: READER,
    };
    chain.view(READER_BOOK, &call)
}

fn access(until_block: u64) -> Book::setAccessCall {
    Book::setAccessCall {
        salt: SALT,
        keys: vec![READER, B256::repeat_byte(10)],
        untilBlock: until_block,
    }
}

#[test]
fn a_list_replaces_the_last_one_of_its_owner_and_of_nobody_else() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    chain.send(MALLORY, READER_BOOK, &list(1, 5)).unwrap();
    let empty = chain.view(
        READER_BOOK,
        &Book::readersCall {
            owner: ALICE,
            root: ROOT,
        },
    );
    assert_eq!((empty.version, empty.publishedBlock), (0, 0));
    for version in 1..=2 {
        chain.block += 1;
        let sent = chain.send(ALICE, READER_BOOK, &list(version, 100)).unwrap();
        let [event] = &sent.events::<Book::ReadersPublished>()[..] else {
            panic!("one event")
        };
        assert_eq!((event.owner, event.root, event.version), (ALICE, ROOT, version));
        let record = chain.view(
            READER_BOOK,
            &Book::readersCall {
                owner: ALICE,
                root: ROOT,
            },
        );
        assert_eq!(
            (record.listHash, record.version, record.publishedBlock),
            (keccak256(&event.list), version, chain.block)
        );
    }
}

#[test]
fn a_list_out_of_turn_or_out_of_bounds_is_refused() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    chain.send(ALICE, READER_BOOK, &list(1, 1)).unwrap();
    for (call, reason) in [
        (list(0, 1), "StaleVersion(version: 0, current: 1)"),
        (list(1, 1), "StaleVersion(version: 1, current: 1)"),
        (list(3, 1), "StaleVersion(version: 3, current: 1)"),
        (
            list(u64::MAX, 1),
            "StaleVersion(version: 18446744073709551615, current: 1)",
        ),
        (list(2, 0), "InvalidListLength(length: 0)"),
        (list(2, 29_185), "InvalidListLength(length: 29185)"),
        (
            Book::publishCall {
                root: B256::ZERO,
                ..list(2, 1)
            },
            "ZeroField",
        ),
    ] {
        assert_eq!(chain.send(ALICE, READER_BOOK, &call).err().unwrap(), reason);
    }
    chain.send(ALICE, READER_BOOK, &list(2, 29_184)).unwrap();
}

#[test]
fn a_policy_lets_its_keys_read_until_the_block_its_owner_said() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    assert!(!allowed(&mut chain, 0), "nobody reads under a policy that nobody wrote");
    let until = chain.block + 10;
    let sent = chain.send(ALICE, READER_BOOK, &access(until)).unwrap();
    assert_eq!(sent.events::<Book::AccessSet>().len(), 2);
    assert!(allowed(&mut chain, 0));
    chain.block = until;
    assert!(allowed(&mut chain, 0));
    chain.block = until + 1;
    assert!(!allowed(&mut chain, 0));

    chain.send(ALICE, READER_BOOK, &access(u64::MAX)).unwrap();
    assert!(allowed(&mut chain, 0));
    chain.send(ALICE, READER_BOOK, &access(0)).unwrap();
    assert!(!allowed(&mut chain, 0));
}

#[test]
fn nobody_but_its_owner_writes_to_a_policy() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    chain.send(MALLORY, READER_BOOK, &access(u64::MAX)).unwrap();
    assert!(!allowed(&mut chain, 0), "the same salt is another policy");
    let (hers, theirs) = (policy(&mut chain, ALICE), policy(&mut chain, MALLORY));
    assert_ne!(hers, theirs);
    let until = Book::accessUntilCall {
        policy: theirs,
        reader: READER,
    };
    assert_eq!(chain.view(READER_BOOK, &until), u64::MAX);
}

#[test]
fn a_later_epoch_is_released_only_once_it_began() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    chain.send(ALICE, READER_BOOK, &access(u64::MAX)).unwrap();
    assert!(!allowed(&mut chain, 1));
    let sent = chain
        .send(ALICE, READER_BOOK, &Book::advanceCall { salt: SALT })
        .unwrap();
    let policy = policy(&mut chain, ALICE);
    assert_eq!(
        (sent.result, sent.events::<Book::EpochAdvanced>()[0].policy),
        (1, policy)
    );
    assert_eq!(chain.view(READER_BOOK, &Book::epochOfCall { policy }), 1);
    // A reader of today may read what was encrypted before it came.
    assert!(allowed(&mut chain, 1) && allowed(&mut chain, 0) && !allowed(&mut chain, 2));
}

#[test]
fn a_request_leaves_a_trace_if_it_is_allowed() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    let policy = policy(&mut chain, ALICE);
    let request = Book::requestReleaseCall {
        policy,
        epoch: 0,
        reader: READER,
    };
    let refused = chain.send(MALLORY, READER_BOOK, &request).err().unwrap();
    assert_eq!(
        refused,
        format!("NotAllowed(policy: {policy}, epoch: 0, reader: {READER})")
    );
    chain.send(ALICE, READER_BOOK, &access(u64::MAX)).unwrap();
    let sent = chain.send(MALLORY, READER_BOOK, &request).unwrap();
    assert_eq!(sent.events::<Book::ReleaseRequested>()[0].reader, READER);
}

#[test]
fn a_key_of_zero_is_nobodys() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    let call = Book::setAccessCall {
        keys: vec![READER, B256::ZERO],
        ..access(1)
    };
    assert_eq!(chain.send(ALICE, READER_BOOK, &call).err().unwrap(), "ZeroField");
    let policy = policy(&mut chain, ALICE);
    let until = Book::accessUntilCall { policy, reader: READER };
    assert_eq!(chain.view(READER_BOOK, &until), 0, "nothing of a refused call stays");
}

/// What 32 and 256 readers cost their owner, printed; see docs/spec/economy.md for the method.
#[test]
fn a_list_of_every_reader_fits_in_a_block() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    for (version, count) in [(1, 1), (2, 32), (3, 256)] {
        let call = Book::publishCall {
            list: Bytes::from(vec![0xa5; 260 + 112 * count]),
            ..list(version, 1)
        };
        let gas = chain.send(ALICE, READER_BOOK, &call).unwrap().gas;
        println!("a list of {count} readers: {gas} gas");
        assert!(gas < 16_777_216, "EIP-7825's limit of one transaction");
    }
}

//! Who may read encrypted blobs: lists beside blobs, policies of release.

use crate::chain::Chain;
use contracts::{
    abi::ReaderBook as Book,
    addresses::{self, FAUCET, READER_BOOK},
};
use primitives::{Address, B256, Bytes, U256, keccak256};

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

fn terms(from_block: u64, until_block: u64) -> Book::setTermsCall {
    Book::setTermsCall {
        salt: SALT,
        fromBlock: from_block,
        untilBlock: until_block,
        isOpen: false,
        saleBlocks: 0,
        price: 0,
    }
}

#[test]
fn nobody_reads_before_a_policys_first_block_or_after_its_last() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    chain.send(ALICE, READER_BOOK, &access(u64::MAX)).unwrap();
    chain.send(ALICE, READER_BOOK, &terms(10, 20)).unwrap();
    for (block, expected) in [(9, false), (10, true), (20, true), (21, false)] {
        chain.block = block;
        assert_eq!(allowed(&mut chain, 0), expected, "block {block}");
    }
    chain.send(ALICE, READER_BOOK, &terms(10, 0)).unwrap();
    assert!(allowed(&mut chain, 0), "no end");
}

/// What is to become public in its time is encrypted to an open policy with a first block.
#[test]
fn every_key_reads_under_an_open_policy_within_its_blocks() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    let open = Book::setTermsCall {
        isOpen: true,
        ..terms(10, 20)
    };
    let sent = chain.send(ALICE, READER_BOOK, &open).unwrap();
    let policy = policy(&mut chain, ALICE);
    let event = &sent.events::<Book::TermsSet>()[0];
    assert_eq!((event.policy, event.owner, event.isOpen), (policy, ALICE, true));
    let kept = chain.view(READER_BOOK, &Book::termsOfCall { policy });
    assert_eq!((kept.owner, kept.fromBlock, kept.untilBlock), (ALICE, 10, 20));
    for (block, expected) in [(9, false), (10, true), (21, false)] {
        chain.block = block;
        assert_eq!(allowed(&mut chain, 0), expected, "block {block}");
    }
    chain.block = 10;
    assert!(!allowed(&mut chain, 1), "an epoch that has not begun");
}

const PRICE: u128 = 1_000;

fn sale(blocks: u64) -> Book::setTermsCall {
    Book::setTermsCall {
        saleBlocks: blocks,
        price: PRICE,
        ..terms(0, 0)
    }
}

fn purchase(policy: B256, blocks: u64) -> Book::buyAccessCall {
    Book::buyAccessCall {
        policy,
        reader: READER,
        saleBlocks: blocks,
    }
}

#[test]
fn who_pays_reads_for_the_blocks_on_sale_and_the_owner_has_the_coins() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    chain.fund(MALLORY, U256::from(10 * PRICE));
    let policy = policy(&mut chain, ALICE);
    chain.send(ALICE, READER_BOOK, &sale(5)).unwrap();
    chain.block = 10;
    let call = purchase(policy, 5);
    let bought = chain.pay(MALLORY, READER_BOOK, &call, U256::from(PRICE)).unwrap();
    assert_eq!(bought.result, 14, "blocks 10 to 14");
    let event = &bought.events::<Book::AccessBought>()[0];
    assert_eq!((event.payer, event.price), (MALLORY, PRICE));
    assert_eq!(bought.events::<Book::AccessSet>()[0].untilBlock, 14);
    // More blocks follow those that are left.
    let more = chain.pay(MALLORY, READER_BOOK, &call, U256::from(PRICE)).unwrap();
    assert_eq!(more.result, 19);
    assert_eq!(chain.balance(ALICE), U256::from(2 * PRICE));
    assert_eq!(chain.balance(READER_BOOK), U256::ZERO);
    chain.block = 20;
    assert!(!allowed(&mut chain, 0));
    // Whose access has no end has it still.
    chain.send(ALICE, READER_BOOK, &access(u64::MAX)).unwrap();
    let endless = chain.pay(MALLORY, READER_BOOK, &call, U256::from(PRICE)).unwrap();
    assert_eq!(endless.result, u64::MAX);
    // Access before the policy's first block would be paid for nothing.
    chain.send(ALICE, READER_BOOK, &access(0)).unwrap();
    let later = Book::setTermsCall {
        fromBlock: 100,
        ..sale(5)
    };
    chain.send(ALICE, READER_BOOK, &later).unwrap();
    let early = chain.pay(MALLORY, READER_BOOK, &call, U256::from(PRICE)).unwrap();
    assert_eq!(early.result, 104);
}

#[test]
fn nobody_pays_for_other_terms_than_it_named_or_to_an_owner_that_takes_nothing() {
    let mut chain = Chain::genesis(FAUCET, &[]);
    chain.fund(MALLORY, U256::from(10 * PRICE));
    let alices = policy(&mut chain, ALICE);
    let refused = |chain: &mut Chain, call: Book::buyAccessCall, value: u128| {
        let reason = chain.pay(MALLORY, READER_BOOK, &call, U256::from(value)).err();
        reason.expect("refused").split('(').next().unwrap().to_owned()
    };
    assert_eq!(refused(&mut chain, purchase(alices, 5), PRICE), "NotOnOffer");
    assert_eq!(
        refused(&mut chain, purchase(alices, 0), 0),
        "NotOnOffer",
        "no terms at all"
    );
    chain.send(ALICE, READER_BOOK, &sale(5)).unwrap();
    for (blocks, value) in [(6, PRICE), (5, PRICE - 1), (5, PRICE + 1), (0, PRICE)] {
        assert_eq!(refused(&mut chain, purchase(alices, blocks), value), "NotOnOffer");
    }
    let nobody = Book::buyAccessCall {
        reader: B256::ZERO,
        ..purchase(alices, 5)
    };
    assert_eq!(refused(&mut chain, nobody, PRICE), "ZeroField");
    // A contract that takes no coins.
    let deaf = addresses::USDX;
    chain.send(deaf, READER_BOOK, &sale(5)).unwrap();
    let theirs = policy(&mut chain, deaf);
    assert_eq!(refused(&mut chain, purchase(theirs, 5), PRICE), "PaymentRefused");
    let until = Book::accessUntilCall {
        policy: theirs,
        reader: READER,
    };
    assert_eq!(
        chain.view(READER_BOOK, &until),
        0,
        "nothing of a refused purchase stays"
    );
    assert_eq!(chain.balance(MALLORY), U256::from(10 * PRICE));
}

/// The committee that releases keys: appointed once, in genesis.
mod committee {
    use super::*;
    use contracts::abi::DealtReleaseCommittee as Release;

    fn appoint(members: usize) -> Release::appointCall {
        Release::appointCall {
            keys: vec![7; 4 + 96 * (members + 1)].into(),
            streamKeys: vec![B256::repeat_byte(1); members],
        }
    }

    #[test]
    fn it_is_appointed_once_in_the_first_block() {
        let mut chain = Chain::genesis(FAUCET, &[]);
        let at = addresses::RELEASE_COMMITTEE;
        let late = chain.send(ALICE, at, &appoint(4)).err().unwrap();
        assert_eq!(late, "AppointmentClosed");
        assert!(chain.view(at, &Release::committeeCall {}).keys.is_empty());
        chain.block = 0;
        for (length, call) in [
            (100, appoint(0)),
            (100 + 96 * 257, appoint(257)),
            (
                99,
                Release::appointCall {
                    keys: vec![7; 99].into(),
                    ..appoint(4)
                },
            ),
        ] {
            let members = call.streamKeys.len();
            assert_eq!(
                chain.send(ALICE, at, &call).err().unwrap(),
                format!("InvalidCommittee(length: {length}, members: {members})")
            );
        }
        chain.send(ALICE, at, &appoint(4)).unwrap();
        let kept = chain.view(at, &Release::committeeCall {});
        assert_eq!((kept.keys, kept.streamKeys), (appoint(4).keys, appoint(4).streamKeys));
        assert_eq!(chain.send(ALICE, at, &appoint(4)).err().unwrap(), "AppointmentClosed");
    }
}

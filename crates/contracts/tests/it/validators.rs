//! Vote keys, the committees that agree on blocks, and what becomes of who votes twice.

use crate::{
    chain::{BEACON, CHAIN_ID, Chain},
    keys::{Operator, sign},
};
use contracts::{
    CONSENSUS_MIN_STAKE_WEI, EPOCH_BLOCKS,
    abi::{
        ConsensusSlasher::{self as Slasher, Vote},
        NetworkRegistry as Networks, StakeVault,
        ValidatorRegistry::{self as Validators, Validator},
    },
    addresses::{CONSENSUS_SLASHER, FAUCET, NETWORK_REGISTRY, STAKE_VAULT, VALIDATOR_REGISTRY},
    consensus_seats,
};
use primitives::{Address, B256, Bytes, U256};

const SYSTEM: Address = Address::repeat_byte(0xfe);
const REPORTER: Address = Address::repeat_byte(0x4e);
const NOTARIZE: u8 = 0;
const NULLIFY: u8 = 1;
const FINALIZE: u8 = 2;

/// Four validators of four keys each.
fn network() -> (Chain, Vec<Operator>) {
    let operators: Vec<_> = (1..=4).map(Operator::new).collect();
    let founders: Vec<_> = operators
        .iter()
        .map(|operator| operator.founding_validator(4))
        .collect();
    (Chain::founded(FAUCET, &founders), operators)
}

fn committee(chain: &mut Chain, epoch: u64) -> Vec<Validator> {
    chain.view(VALIDATOR_REGISTRY, &Validators::committeeCall { atEpoch: epoch })
}

fn next_epoch(chain: &mut Chain) -> u64 {
    let epoch = chain.block / EPOCH_BLOCKS + 1;
    // A service a block.
    for block in 0..2 {
        chain.block = epoch * EPOCH_BLOCKS + block;
        chain
            .send(SYSTEM, NETWORK_REGISTRY, &Networks::closeEpochCall {})
            .unwrap();
    }
    epoch
}

#[test]
fn founders_of_equal_stakes_have_equal_votes() {
    for founders in 1..=32 {
        let seats = consensus_seats(founders);
        assert!(
            seats <= 32 && seats.is_multiple_of(founders) && seats / founders <= 4,
            "{founders}"
        );
    }
    let (mut chain, operators) = network();
    for epoch in [0, 1] {
        let found = committee(&mut chain, epoch);
        for (entry, operator) in found.iter().zip(&operators) {
            assert_eq!(
                (entry.account, entry.streamKey),
                (operator.account, operator.stream_key)
            );
            assert_eq!(entry.endpoint, "127.0.0.1:7900");
            let keys: Vec<u8> = (0..4)
                .flat_map(|seat| operator.vote_secret(seat).sk_to_pk().compress())
                .collect();
            assert_eq!(entry.voteKeys, Bytes::from(keys));
        }
        assert_eq!(found.len(), 4);
    }
}

/// A committee that could be read before a key was added is the same after it.
#[test]
fn a_vote_key_counts_from_the_epoch_after_the_next_on() {
    let operators: Vec<_> = (1..=4).map(Operator::new).collect();
    let mut founders: Vec<_> = operators
        .iter()
        .map(|operator| operator.founding_validator(2))
        .collect();
    // Who registered no key has seats and no vote.
    founders[3].validator.as_mut().unwrap().vote_keys.clear();
    let mut chain = Chain::founded(FAUCET, &founders);
    let votes = |found: &[Validator]| -> Vec<usize> { found.iter().map(|entry| entry.voteKeys.len() / 48).collect() };
    assert_eq!(votes(&committee(&mut chain, 1)), [2, 2, 2]);

    let account = operators[0].account;
    chain
        .send(account, VALIDATOR_REGISTRY, &operators[0].vote_key(2))
        .unwrap();
    let first = chain
        .send(operators[3].account, VALIDATOR_REGISTRY, &operators[3].vote_key(0))
        .unwrap();
    let [added] = &first.events::<Validators::VoteKeyAdded>()[..] else {
        panic!("one event")
    };
    assert_eq!((added.operator, added.fromEpoch), (3, 2));
    assert_eq!(votes(&committee(&mut chain, 1)), [2, 2, 2]);
    next_epoch(&mut chain);
    assert_eq!(votes(&committee(&mut chain, 1)), [2, 2, 2]);
    assert_eq!(votes(&committee(&mut chain, 2)), [3, 2, 2, 1]);
}

#[test]
fn a_vote_key_is_taken_once_and_only_with_proof_that_its_secret_is_known() {
    let (mut chain, operators) = network();
    let (one, other) = (&operators[0], &operators[1]);
    let add = |chain: &mut Chain, from: &Operator, call| chain.send(from.account, VALIDATOR_REGISTRY, &call).map(drop);
    assert_eq!(add(&mut chain, other, one.vote_key(0)).unwrap_err(), "KeyTaken");
    // The proof names the account: seen under way, it is of no use to another.
    assert_eq!(
        add(&mut chain, other, one.vote_key(4)).unwrap_err(),
        "InvalidPossession"
    );
    let rogue = Validators::addKeyCall {
        possession: one.vote_key(5).possession,
        ..one.vote_key(4)
    };
    assert_eq!(add(&mut chain, one, rogue).unwrap_err(), "InvalidPossession");
    for seat in 4..8 {
        add(&mut chain, one, one.vote_key(seat)).unwrap();
    }
    assert_eq!(add(&mut chain, one, one.vote_key(8)).unwrap_err(), "TooManyKeys");
    let nobody = Operator::new(9);
    assert!(add(&mut chain, &nobody, nobody.vote_key(0)).is_err());
}

/// What the engine signs: `namespace length | namespace | suffix | epoch | view`, then of a proposal `parent view | digest`.
fn message(kind: u8, epoch: u8, view: &[u8], parent: u8, digest: B256) -> Vec<u8> {
    let suffix = [&b"_NOTARIZE"[..], b"_NULLIFY", b"_FINALIZE"][usize::from(kind)];
    let namespace = [b"aloft-chain", &CHAIN_ID.to_be_bytes()[..], &BEACON.0, suffix].concat();
    let round = [&[epoch], view].concat();
    let proposal = [&[parent], digest.as_slice()].concat();
    let subject = if kind == NULLIFY { Vec::new() } else { proposal };
    [vec![namespace.len() as u8], namespace, round, subject].concat()
}

/// View 300 as a varint.
const VIEW: (u64, [u8; 2]) = (300, [0xac, 0x02]);

fn vote(operator: &Operator, seat: u8, kind: u8, digest: u8) -> Vote {
    let (parent, digest) = if kind == NULLIFY {
        (0, B256::ZERO)
    } else {
        (9, B256::repeat_byte(digest))
    };
    let message = message(kind, 0, &VIEW.1, parent, digest);
    Vote {
        kind,
        parentView: parent.into(),
        digest,
        signature: sign(&operator.vote_secret(seat), &message),
    }
}

fn report(chain: &mut Chain, index: u32, seat: u64, first: Vote, second: Vote) -> Result<(), String> {
    let call = Slasher::reportCall {
        epoch_: 0,
        view_: VIEW.0,
        index,
        seat: U256::from(seat),
        first,
        second,
    };
    chain.send(REPORTER, CONSENSUS_SLASHER, &call).map(drop)
}

/// Account of the first validator.
pub const FIRST: Address = Address::repeat_byte(1);

/// A chain, the addition of one more key of its first validator, and a report of its second: what they cost is printed elsewhere.
pub fn calls() -> (Chain, Validators::addKeyCall, Slasher::reportCall) {
    let (chain, operators) = network();
    let report = Slasher::reportCall {
        epoch_: 0,
        view_: VIEW.0,
        index: 1,
        seat: U256::ZERO,
        first: vote(&operators[1], 0, NOTARIZE, 1),
        second: vote(&operators[1], 0, NOTARIZE, 2),
    };
    (chain, operators[0].vote_key(4), report)
}

fn stake(chain: &mut Chain, operator: u32) -> u128 {
    chain.view(STAKE_VAULT, &StakeVault::stakeOfCall { operator }).active
}

#[test]
fn the_contract_rebuilds_the_bytes_that_validators_sign() {
    let (mut chain, operators) = network();
    for kind in [NOTARIZE, NULLIFY, FINALIZE] {
        let vote = vote(&operators[0], 0, kind, 7);
        let (parent, digest) = (vote.parentView as u8, vote.digest);
        let call = Slasher::messageOfCall {
            epoch_: 0,
            view_: VIEW.0,
            vote,
        };
        let rebuilt = chain.view(CONSENSUS_SLASHER, &call);
        assert_eq!(rebuilt, Bytes::from(message(kind, 0, &VIEW.1, parent, digest)));
    }
}

#[test]
fn two_votes_that_exclude_each_other_cost_all_that_is_at_stake_and_the_seat() {
    for (first, second) in [
        (NOTARIZE, NOTARIZE),
        (FINALIZE, FINALIZE),
        (NULLIFY, FINALIZE),
        (FINALIZE, NULLIFY),
    ] {
        let (mut chain, operators) = network();
        let guilty = &operators[2];
        let votes = || (vote(guilty, 3, first, 1), vote(guilty, 3, second, 2));
        report(&mut chain, 2, 3, votes().0, votes().1).unwrap();
        for operator in 0..4 {
            let left = if operator == 2 { 0 } else { CONSENSUS_MIN_STAKE_WEI };
            assert_eq!(stake(&mut chain, operator), left);
        }
        let paid = chain.view(STAKE_VAULT, &StakeVault::balancesCall { account: REPORTER });
        assert_eq!(paid, U256::from(CONSENSUS_MIN_STAKE_WEI / 4));
        // Once, whichever of its seats or pairs is shown.
        let again = report(&mut chain, 2, 3, votes().1, votes().0).unwrap_err();
        assert!(again.starts_with("AlreadyPunished"), "{again}");
        let other = (vote(guilty, 0, NOTARIZE, 3), vote(guilty, 0, NOTARIZE, 4));
        assert!(
            report(&mut chain, 2, 0, other.0, other.1)
                .unwrap_err()
                .starts_with("AlreadyPunished")
        );

        for _ in 0..2 {
            next_epoch(&mut chain);
        }
        let left: Vec<_> = committee(&mut chain, 3).iter().map(|entry| entry.operator).collect();
        assert_eq!(left, [0, 1, 3]);
    }
}

#[test]
fn votes_that_a_correct_validator_may_cast_are_no_offence() {
    let (mut chain, operators) = network();
    let one = &operators[0];
    let pairs = [
        (vote(one, 0, NOTARIZE, 1), vote(one, 0, NOTARIZE, 1)),
        (vote(one, 0, NOTARIZE, 1), vote(one, 0, FINALIZE, 1)),
        (vote(one, 0, NOTARIZE, 1), vote(one, 0, NULLIFY, 0)),
        (vote(one, 0, NULLIFY, 0), vote(one, 0, NULLIFY, 0)),
    ];
    for (first, second) in pairs {
        assert_eq!(report(&mut chain, 0, 0, first, second).unwrap_err(), "NoConflict");
    }
}

#[test]
fn evidence_against_the_innocent_is_refused() {
    let (mut chain, operators) = network();
    let guilty = &operators[2];
    let pair = || (vote(guilty, 0, NOTARIZE, 1), vote(guilty, 0, NOTARIZE, 2));
    // Another's votes, or another seat's.
    assert!(
        report(&mut chain, 1, 0, pair().0, pair().1)
            .unwrap_err()
            .starts_with("WrongSignature")
    );
    assert!(
        report(&mut chain, 2, 1, pair().0, pair().1)
            .unwrap_err()
            .starts_with("WrongSignature")
    );
    let mixed = report(&mut chain, 2, 0, pair().0, vote(&operators[1], 0, NOTARIZE, 2)).unwrap_err();
    assert!(mixed.starts_with("WrongSignature"), "{mixed}");
    // A vote of another view.
    let call = Slasher::reportCall {
        epoch_: 0,
        view_: VIEW.0 + 1,
        index: 2,
        seat: U256::ZERO,
        first: pair().0,
        second: pair().1,
    };
    assert!(chain.send(REPORTER, CONSENSUS_SLASHER, &call).is_err());
    // A key beyond its seats.
    assert!(
        report(&mut chain, 2, 4, pair().0, pair().1)
            .unwrap_err()
            .starts_with("NotASeat")
    );
    assert!(
        report(&mut chain, 4, 0, pair().0, pair().1)
            .unwrap_err()
            .starts_with("NoSuchMember")
    );
    // Too late.
    chain.block = 4 * EPOCH_BLOCKS;
    let late = report(&mut chain, 2, 0, pair().0, pair().1).unwrap_err();
    assert!(late.starts_with("OutsideWindow"), "{late}");
    for operator in 0..4 {
        assert_eq!(stake(&mut chain, operator), CONSENSUS_MIN_STAKE_WEI);
    }
}

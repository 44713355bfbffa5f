use super::*;
use commonware_codec::EncodeSize as _;
use commonware_consensus::{
    simplex::types::Proposal,
    types::{Epoch, View},
};
use commonware_cryptography::sha256;

fn keys(byte: u8) -> ValidatorKeys {
    ValidatorKeys::from_seed(&[byte; 32])
}

/// Two validators, of three seats and of one.
fn committee() -> Committee {
    Committee::new(&[keys(1).validator(3), keys(2).validator(1)]).unwrap()
}

fn ballots(byte: u8) -> Vec<Ballot> {
    let (first, further) = signers(b"test", &committee(), &keys(byte)).unwrap();
    let round = Round::new(Epoch::new(7), View::new(9));
    let proposal = Proposal::new(round, View::new(8), sha256::Digest([3; 32]));
    let vote = Vote::Finalize(Finalize::sign(&first, proposal).unwrap());
    let repeated: Vec<_> = further.iter().map(|seat| repeat(&vote, seat)).collect();
    std::iter::once(vote).chain(repeated).collect()
}

#[test]
fn a_validator_has_a_vote_for_each_seat_and_they_say_the_same() {
    let votes = ballots(1);
    assert_eq!(votes.len(), 3);
    let (first, _) = signers(b"test", &committee(), &keys(2)).unwrap();
    let mut rng = rand::rng();
    for (seat, vote) in votes.iter().enumerate() {
        let Vote::Finalize(finalize) = vote else {
            panic!("a repeated vote is of the same kind")
        };
        assert!(finalize.verify(&mut rng, &first, &commonware_parallel::Sequential));
        let committee = committee();
        let (validator, number) = committee.seat(finalize.signer()).unwrap();
        assert_eq!((validator.identity.clone(), number), (keys(1).identity(), seat));
    }
    assert_eq!(ballots(2).len(), 1);
}

#[test]
fn a_node_without_the_keys_of_a_committee_signs_nothing() {
    assert!(signers(b"test", &committee(), &keys(3)).is_none());
    // The identity is of the committee, but its vote keys are others.
    let stolen = ValidatorKeys {
        votes: keys(3).votes,
        ..keys(1)
    };
    assert!(signers(b"test", &committee(), &stolen).is_none());
}

#[test]
fn the_leader_of_every_view_is_a_first_seat_in_proportion_to_seats() {
    let committee = committee();
    let turns = Turns::new(&committee);
    let mut led = [0; 2];
    for view in 1..=8 {
        let leader = turns.elect(Round::new(Epoch::new(3), View::new(view)), ());
        let (validator, seat) = committee.seat(leader).unwrap();
        assert_eq!(seat, 0);
        led[usize::from(validator.identity == keys(2).identity())] += 1;
    }
    assert_eq!(led, [6, 2]);
}

/// Whatever a peer sends decodes to at most eight votes, or is refused.
#[test]
fn messages_of_votes_decode_canonically_and_never_panic() {
    let votes = ballots(1);
    let bytes = votes.encode();
    assert!(bytes.len() <= MAX_BALLOTS_BYTES && bytes.len() == votes.encode_size());
    let read = read_ballots(IoBuf::from(bytes.clone())).unwrap();
    assert_eq!(read.encode(), bytes);
    for cut in 0..bytes.len() {
        assert!(read_ballots(IoBuf::from(bytes.slice(..cut))).is_err());
    }
    for index in 0..bytes.len() {
        for flip in [1u8, 0x80, 0xff] {
            let mut changed = bytes.to_vec();
            changed[index] ^= flip;
            if let Ok(votes) = read_ballots(IoBuf::from(changed.clone())) {
                assert!(votes.len() <= MAX_SEATS);
                assert_eq!(votes.encode().as_ref(), &changed[..]);
            }
        }
    }
    assert!(read_ballots(IoBuf::from(vec![0])).is_err());
    let nine: Vec<Ballot> = votes.iter().cycle().take(9).cloned().collect();
    assert!(read_ballots(IoBuf::from(nine.encode())).is_err());
}

use super::*;
use crate::keys::Validator;
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
    let turns = Turns::new(&committee, NonZeroU64::new(8).unwrap());
    let mut led = [0; 2];
    for view in 1..=8 {
        let leader = turns.elect(Round::new(Epoch::new(3), View::new(view)), ());
        let (validator, seat) = committee.seat(leader).unwrap();
        assert_eq!(seat, 0);
        led[usize::from(validator.identity == keys(2).identity())] += 1;
    }
    assert_eq!(led, [6, 2]);
}

/// Who leads the blocks of `epochs` when the views of those who are `down` are skipped, by validator; each with the epoch.
fn leaders(committee: &Committee, epoch_blocks: u64, epochs: u64, down: &[usize]) -> Vec<(u64, usize)> {
    let turns = Turns::new(committee, NonZeroU64::new(epoch_blocks).unwrap());
    let validators = committee.validators();
    let mut led = Vec::new();
    for epoch in 0..epochs {
        let leader = |view| {
            let leader = turns.elect(Round::new(Epoch::new(epoch), View::new(view)), ());
            let (validator, seat) = committee.seat(leader).unwrap();
            assert_eq!(seat, 0);
            let same = |other: &Validator| other.identity == validator.identity;
            validators.iter().position(same).unwrap()
        };
        let up = (1..).map(leader).filter(|leader| !down.contains(leader));
        led.extend(up.take(epoch_blocks as usize).map(|leader| (epoch, leader)));
    }
    led
}

/// An epoch that began anywhere else than where the last one ended would leave out validators of a committee with more seats than it has blocks.
#[test]
fn every_validator_leads_as_often_as_it_has_seats_in_as_many_blocks_as_there_are_seats() {
    for validators in [1, 3, 4, 5, 9, 12, 17] {
        let members: Vec<_> = (0..validators)
            .map(|index| keys(index).validator(1 + usize::from(index) % 3))
            .collect();
        let committee = Committee::new(&members).unwrap();
        let seats = committee.votes();
        for epoch_blocks in [8, 9, 10, 24, 31] {
            let epochs = 3 * seats as u64 / epoch_blocks + 3;
            let led = leaders(&committee, epoch_blocks, epochs, &[]);
            for window in led.windows(seats) {
                for (index, validator) in committee.validators().iter().enumerate() {
                    let turns = window.iter().filter(|(_, leader)| *leader == index).count();
                    assert_eq!(
                        turns,
                        validator.vote_keys.len(),
                        "{validators} validators, {seats} seats, epochs of {epoch_blocks}"
                    );
                }
            }
        }
    }
}

/// Views that are skipped take no turn from anybody who is up.
#[test]
fn every_validator_that_is_up_leads_while_others_are_down() {
    let members: Vec<_> = (0..13)
        .map(|index| keys(index).validator(1 + usize::from(index) % 3))
        .collect();
    let committee = Committee::new(&members).unwrap();
    for (epoch_blocks, down) in [(8, &[0usize, 5, 6][..]), (9, &[12]), (24, &[1, 2, 3, 4])] {
        let around = (committee.votes() as u64).div_ceil(epoch_blocks) + 1;
        let led = leaders(&committee, epoch_blocks, 4 * around, down);
        for first in 0..3 * around {
            for index in (0..members.len()).filter(|index| !down.contains(index)) {
                let leads =
                    |(epoch, leader): &(u64, usize)| (first..first + around).contains(epoch) && *leader == index;
                let turns = led.iter().filter(|led| leads(led)).count();
                let seats = committee.validators()[index].vote_keys.len();
                assert!(
                    turns >= seats,
                    "validator {index}: {turns} of {seats} from epoch {first} on"
                );
            }
        }
    }
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

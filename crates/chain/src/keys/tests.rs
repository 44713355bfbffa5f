use super::*;

fn keys(byte: u8) -> ValidatorKeys {
    ValidatorKeys::from_seed(&[byte; 32])
}

#[test]
fn one_seed_always_gives_the_same_keys_and_another_seed_others() {
    assert_eq!(keys(1).validator(8), keys(1).validator(8));
    assert_ne!(keys(1).validator(1).identity, keys(2).validator(1).identity);
    let all: BTreeSet<_> = [1, 2]
        .iter()
        .flat_map(|byte| keys(*byte).validator(8).vote_keys)
        .collect();
    assert_eq!(all.len(), 16);
}

#[test]
fn a_secret_is_found_by_its_vote_key_and_signs_what_the_key_verifies() {
    use commonware_cryptography::bls12381::primitives::ops;
    let own = keys(1);
    let key = own.validator(3).vote_keys[2];
    let secret = own.secret_of(&key).unwrap();
    assert_eq!(ops::compute_public::<MinPk>(&secret), key);
    assert!(own.secret_of(&keys(2).validator(1).vote_keys[0]).is_none());
}

#[test]
fn a_committee_counts_a_vote_for_each_seat_and_knows_whose_it_is() {
    let validators = [keys(1).validator(3), keys(2).validator(1)];
    let committee = Committee::new(&validators).unwrap();
    assert_eq!((committee.votes(), committee.validators().len()), (4, 2));
    let mut seats: Vec<_> = (0..4)
        .map(|participant| {
            let participant = Participant::new(participant);
            let (validator, seat) = committee.seat(participant).unwrap();
            let name = committee.seat_name(participant).unwrap();
            assert_eq!(committee.holder(name), Some(&validator.identity));
            assert_eq!(committee.participant(name), Some(participant));
            // The first seat's name is the validator's, no other's is.
            assert_eq!(*name == validator.identity, seat == 0);
            (validator.vote_keys.len(), seat)
        })
        .collect();
    seats.sort_unstable();
    assert_eq!(seats, [(1, 0), (3, 0), (3, 1), (3, 2)]);
    assert!(committee.seat(Participant::new(4)).is_none());
}

#[test]
fn a_committee_refuses_repeats_and_wrong_sizes() {
    let one = keys(1).validator(2);
    let identity = Box::new(one.identity.clone());
    assert_eq!(Committee::new(&[]).unwrap_err(), CommitteeError::Size { count: 0 });
    let repeated = CommitteeError::Repeated { identity };
    assert_eq!(Committee::new(&[one.clone(), one.clone()]).unwrap_err(), repeated);
    let other = Validator {
        identity: keys(2).identity(),
        ..one.clone()
    };
    let identity = Box::new(other.identity.clone());
    assert_eq!(
        Committee::new(&[one.clone(), other]).unwrap_err(),
        CommitteeError::Repeated { identity }
    );
    let idle = Validator {
        vote_keys: Vec::new(),
        ..one
    };
    assert!(matches!(
        Committee::new(&[idle]).unwrap_err(),
        CommitteeError::Seats { count: 0, .. }
    ));
}

/// The chain does not check that who registers an ed25519 key knows its secret. Who takes another's name harms itself only.
#[test]
fn who_registers_the_name_of_anothers_seat_is_left_out() {
    let honest = keys(1).validator(2);
    let thief = Validator {
        identity: seat_name(&honest.identity, 1),
        ..keys(2).validator(1)
    };
    let committee = Committee::new(&[thief.clone(), honest.clone()]).unwrap();
    assert_eq!(committee.validators(), [honest]);
    assert!(committee.validator(&thief.identity).is_none());
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    assert_eq!(
        format!("{:?}", keys(1)),
        format!("ValidatorKeys({})", keys(1).identity())
    );
}

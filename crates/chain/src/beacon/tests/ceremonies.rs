//! Ceremonies as they should be, and what one message can do to them.

use super::*;

/// The key is made by the first committee, and each later one has it, though nobody of the first is left in the end.
#[test]
fn the_key_stays_the_same_while_all_who_hold_it_change() {
    let (first, shared) = Hall::new(0, None, &[1, 2, 3, 4], &[1, 2, 3, 4], 1).run(&Faults::default());
    assert_eq!((first.posted, first.counted, first.required), (4, 3, 3));
    let key = made(&first);
    let mut shared = shared.unwrap();
    let mut holders = vec![1, 2, 3, 4];
    for epoch in 1..=4u8 {
        let before = shared.clone();
        let mut next = holders[1..].to_vec();
        next.push(4 + epoch);
        let hall = Hall::new(epoch.into(), Some(&shared), &holders, &next, 1);
        let (ended, made_now) = hall.run(&Faults::default());
        assert_eq!(made(&ended), key, "epoch {epoch}");
        shared = made_now.unwrap();
        // Who left and who came find the same value of a height.
        let old = value(&before, &holders, 1, holders[0], &holders[1..], 7).unwrap();
        assert_eq!(value(&shared, &next, 1, next[3], &next[..3], 7), Some(old));
        holders = next;
    }
    assert_eq!(holders, [5, 6, 7, 8]);
}

/// Committees grow and shrink, and seats are the unit: two of eight validators have as much as a quarter.
#[test]
fn a_committee_of_other_size_with_more_seats_takes_the_key_over() {
    let (first, shared) = Hall::new(0, None, &[1, 2, 3, 4], &[1, 2], 2).run(&Faults::default());
    let shared = shared.unwrap();
    assert_eq!(shared.output.players().len(), 4);
    let (ended, grown) = Hall::new(1, Some(&shared), &[1, 2], &[3, 4, 5, 6], 2).run(&Faults::default());
    assert_eq!(made(&ended), made(&first));
    let grown = grown.unwrap();
    assert_eq!((grown.output.players().len(), grown.output.public().required()), (8, 6));
    let members = [3, 4, 5, 6];
    let before = value(&shared, &[1, 2], 2, 1, &[2], 9).unwrap();
    assert_eq!(value(&grown, &members, 2, 3, &[4, 5], 9), Some(before));
    // Four seats of eight are too few.
    assert_eq!(value(&grown, &members, 2, 3, &[4], 9), None);
}

#[test]
fn a_third_that_is_silent_keeps_no_key_from_being_handed_on_and_one_more_does() {
    let all = [1, 2, 3, 4, 5, 6, 7];
    let (first, shared) = Hall::new(0, None, &all, &all, 1).run(&Faults::default());
    let shared = shared.unwrap();
    let silent = |silent| Faults {
        silent,
        ..Faults::default()
    };
    let (ended, next) = Hall::new(1, Some(&shared), &all, &all, 1).run(&silent(&[2, 5]));
    assert_eq!((ended.posted, made(&ended)), (5, made(&first)));
    // Even who did not hear a word has the shares that were shown to all in its stead.
    assert!(next.unwrap().shares[&2].len() == 1);
    let (ended, next) = Hall::new(2, Some(&shared), &all, &all, 1).run(&silent(&[2, 5, 6]));
    assert_eq!((ended.made, next.is_none()), (None, true));
    assert!(
        ended.counted < ended.required,
        "{} of {}",
        ended.counted,
        ended.required
    );
    // The holders are still there: the next ceremony is theirs again.
    let (again, _) = Hall::new(3, Some(&shared), &all, &all, 1).run(&Faults::default());
    assert_eq!(made(&again), made(&first));
}

#[test]
fn a_dealer_of_garbage_and_one_that_deals_two_things_are_left_out() {
    let all = [1, 2, 3, 4, 5, 6, 7];
    for previous in [false, true] {
        let shared = previous.then(|| Hall::new(0, None, &all, &all, 1).run(&Faults::default()).1.unwrap());
        let faults = Faults {
            garbage: &[1],
            equivocating: &[2],
            ..Faults::default()
        };
        let (ended, next) = Hall::new(1, shared.as_ref(), &all, &all, 1).run(&faults);
        let next = next.expect("five of seven are enough");
        assert_eq!((ended.posted, ended.counted), (7, 5));
        for liar in [1, 2] {
            let key = keys(liar).seat_secrets().next().map(SeatKey::from).unwrap();
            assert!(!next.output.dealers().iter().any(|dealer| *dealer == key));
        }
        assert!(value(&next, &all, 1, 3, &[4, 5, 6, 7], 1).is_some());
    }
}

/// A dealer that deals anew what it dealt before gives nothing away; a player that forgot nothing has its share.
#[test]
fn whoever_starts_again_deals_the_same_and_has_what_it_acknowledged() {
    let all = [1, 2, 3, 4];
    let (first, _) = Hall::new(0, None, &all, &all, 1).run(&Faults::default());
    for restarted in [&[1][..], &[2, 3], &all] {
        let faults = Faults {
            restarted,
            ..Faults::default()
        };
        let (ended, shared) = Hall::new(0, None, &all, &all, 1).run(&faults);
        assert_eq!(ended, first);
        assert!(shared.unwrap().shares.values().all(|shares| shares.len() == 1));
    }
}

#[test]
fn what_is_no_log_of_this_ceremony_does_not_count() {
    let all = [1, 2, 3, 4];
    let logs = |epoch| -> Vec<Bytes> {
        let hall = Hall::new(epoch, None, &all, &all, 1);
        let closed = hall.nodes.into_values().map(|node| node.ceremony.close(true));
        closed
            .flat_map(|ceremony| ceremony.posts(&[]))
            .map(|post| post.log)
            .collect()
    };
    let plan = Hall::new(1, None, &all, &all, 1).plan;
    let mut posted = logs(0);
    posted.extend([Bytes::new(), Bytes::from(vec![7; 3_000])]);
    let ended = conclusion::conclude(&plan, &posted);
    assert_eq!(
        (ended.posted, ended.counted, ended.required, ended.made),
        (6, 0, 3, None)
    );
}

/// A sender on an authenticated channel can only speak for its own seats.
#[test]
fn nobody_deals_or_acknowledges_for_another() {
    let all = [1, 2, 3, 4];
    let mut hall = Hall::new(0, None, &all, &all, 1);
    let stranger = keys(3).identity();
    let (player, dealing) = hall.nodes[&1].ceremony.outstanding().swap_remove(1);
    let to = hall.index_of(&player);
    let node = hall.nodes.get_mut(&to).unwrap();
    let refused = node.ceremony.take_dealing(&stranger, dealing.clone());
    assert!(matches!(refused, Err(MessageError::NotItsSeat)));
    let late = Dealing {
        epoch: 1,
        ..dealing.clone()
    };
    let refused = node.ceremony.take_dealing(&keys(1).identity(), late);
    assert!(matches!(
        refused,
        Err(MessageError::OtherEpoch { found: 1, expected: 0 })
    ));
    let taken = node.ceremony.take_dealing(&keys(1).identity(), dealing).unwrap();
    let other = all.into_iter().find(|index| *index != to && *index != 1).unwrap();
    let dealer = hall.nodes.get_mut(&1).unwrap();
    let refused = dealer.ceremony.take_acks(&keys(other).identity(), taken.acks);
    assert!(matches!(refused, Err(MessageError::NotItsSeat)));
}

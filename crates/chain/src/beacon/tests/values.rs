//! Signatures of heights, the values that they make, and what a block may say of them.

use super::*;

#[test]
fn every_quorum_makes_the_same_value_and_anybody_can_verify_it() {
    let (shared, all) = shared();
    let value_of = |own, from: &[u8]| value(&shared, &all, 1, own, from, 42);
    let found = value_of(1, &[2, 3]).unwrap();
    assert_eq!([value_of(4, &[2, 1]), value_of(2, &[3, 4])], [Some(found); 2]);
    assert_eq!(value_of(1, &[2]), None);
    let bytes: SignatureBytes = found.encode().as_ref().try_into().unwrap();
    let standing = Standing {
        next: 42,
        key: shared.output.public().public().encode().as_ref().try_into().ok(),
        ..Standing::default()
    };
    let news = |first_height, bytes| BeaconNews {
        first_height,
        signatures: vec![bytes],
        ..BeaconNews::default()
    };
    let check = |number, news| rules::check_signatures(NAMESPACE, &standing, number, &news, &BTreeMap::new());
    check(43, news(42, bytes)).unwrap();
    assert!(matches!(check(43, news(41, bytes)), Err(NewsError::NotTheNext { .. })));
    assert!(matches!(check(42, news(42, bytes)), Err(NewsError::NotFinal { .. })));
    let mut wrong = bytes;
    wrong[5] ^= 1;
    assert!(matches!(
        check(43, news(42, wrong)),
        Err(NewsError::WrongSignature { height: 42 })
    ));
    let other: SignatureBytes = value(&shared, &all, 1, 1, &[2, 3], 43)
        .unwrap()
        .encode()
        .as_ref()
        .try_into()
        .unwrap();
    assert!(matches!(
        check(43, news(42, other)),
        Err(NewsError::WrongSignature { height: 42 })
    ));
}

/// Whoever could make us sign a height before it is final would know its value before its block is fixed.
#[test]
fn a_height_that_is_not_final_is_not_signed_and_signatures_of_it_wait() {
    let (shared, all) = shared();
    let mut values = values(&shared, &all, 1, 1, 10, 10);
    assert_eq!(values.own(11, 16), []);
    for member in [2, 3] {
        let ahead = partials(&shared, &all, 1, member, 11);
        assert!(values.hear(&keys(member).identity(), ahead).values.is_empty());
    }
    let progress = values.settle(10, 11);
    assert_eq!(progress.values.len(), 1);
    assert_eq!(progress.values[0].0, 11);
}

#[test]
fn who_sends_a_wrong_signature_is_found_and_the_value_is_made_without_it() {
    let (shared, all) = shared();
    let mut values = values(&shared, &all, 1, 1, 42, 42);
    let mut lie = partials(&shared, &all, 1, 2, 41);
    lie[0].height = 42;
    assert!(values.hear(&keys(2).identity(), lie).values.is_empty());
    let progress = values.hear(&keys(3).identity(), partials(&shared, &all, 1, 3, 42));
    assert_eq!(progress.liars, [keys(2).identity()]);
    assert!(progress.values.is_empty());
    // Another's signature under one's own name is not counted, and nobody's lie.
    let stolen = partials(&shared, &all, 1, 4, 42);
    assert!(values.hear(&keys(3).identity(), stolen.clone()).values.is_empty());
    let mut again = values.hear(&keys(3).identity(), partials(&shared, &all, 1, 3, 42));
    again.values.extend(values.hear(&keys(4).identity(), stolen).values);
    assert_eq!((again.values.len(), again.liars.len()), (1, 0));
}

#[test]
fn signatures_far_ahead_or_long_recorded_are_not_kept() {
    let (shared, all) = shared();
    let mut values = values(&shared, &all, 1, 1, 10, 10);
    for height in [9, 10 + crate::beacon::values::WINDOW, u64::MAX] {
        let mut far = partials(&shared, &all, 1, 2, 42);
        far[0].height = height;
        let _ = values.hear(&keys(2).identity(), far);
    }
    assert_eq!(values.heard(), 0);
}

#[test]
fn a_ceremony_is_concluded_once_in_the_last_quarter_of_its_epoch() {
    let schedule = crate::beacon::schedule::Schedule::new(std::num::NonZeroU64::new(100).unwrap());
    let check = |concluded, number, epoch| {
        let standing = Standing {
            concluded,
            ..Standing::default()
        };
        rules::check_moment(schedule, &standing, number, epoch).is_ok()
    };
    assert!(check(3, 375, 3) && check(0, 399, 3));
    assert!(!check(3, 374, 3) && !check(3, 400, 3) && !check(4, 375, 3) && !check(3, 375, 2));
}

#[test]
fn the_seen_random_number_is_that_of_the_last_signature_and_changes_with_every_block() {
    let place = crate::fixtures::place();
    let (one, other): (SignatureBytes, SignatureBytes) = ([1; 48], [2; 48]);
    let all = [
        rules::prev_randao(&place, 7, None),
        rules::prev_randao(&place, 7, Some(&one)),
        rules::prev_randao(&place, 8, Some(&one)),
        rules::prev_randao(&place, 7, Some(&other)),
    ];
    for (at, value) in all.iter().enumerate() {
        assert!(!all[..at].contains(value));
    }
}

use super::*;
use crate::tests::seeded;

/// 10,000 payloads among three quorums, then among four.
#[test]
fn each_quorum_gets_as_many_payloads_as_any_other_and_a_new_one_takes_its_part_from_all() {
    let mut rng = seeded(3);
    let (three, four) = ([0, 4, 9], [0, 4, 9, 17]);
    let (mut before, mut after, mut taken) = ([0u32; 3], [0u32; 4], 0u32);
    for _ in 0..10_000 {
        let lot = Lot::of_key(&Key::generate(&mut rng));
        let (old, new) = (lot.order(&three)[0], lot.order(&four)[0]);
        before[three.iter().position(|quorum| *quorum == old).unwrap()] += 1;
        after[four.iter().position(|quorum| *quorum == new).unwrap()] += 1;
        if old != new {
            assert_eq!(new, 17, "what moves, moves to the new quorum");
            taken += 1;
        }
    }
    // Five standard deviations.
    assert!(before.iter().all(|count| count.abs_diff(3_333) < 236), "{before:?}");
    assert!(after.iter().all(|count| count.abs_diff(2_500) < 217), "{after:?}");
    assert_eq!(taken, after[3]);
}

#[test]
fn the_same_payload_of_the_same_owner_has_the_same_lot_whatever_order_quorums_are_listed_in() {
    let owner = Address::repeat_byte(1);
    let lot = Lot::of_payload(owner, b"a batch");
    assert_eq!(lot, Lot::of_payload(owner, b"a batch"));
    assert_ne!(lot, Lot::of_payload(owner, b"another"));
    assert_ne!(lot, Lot::of_payload(Address::repeat_byte(2), b"a batch"));
    assert_eq!(lot.order(&[0, 1, 2, 3]), lot.order(&[3, 1, 0, 2]));
    assert!(lot.order(&[]).is_empty());
}

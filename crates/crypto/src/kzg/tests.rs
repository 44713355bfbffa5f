use super::*;
use commonware_codec::{DecodeExt, Encode};

fn leaves(count: usize) -> Vec<[u8; 32]> {
    (0..count)
        .map(|leaf| scalar(&Digest::of(&leaf.to_le_bytes())))
        .collect()
}

/// Done here, once, rather than at every start.
#[test]
fn the_embedded_points_are_in_their_groups() {
    assert!(Setup::get().points_are_in_group());
}

#[test]
fn a_leaf_opens_at_its_place_with_its_value_only() {
    let leaves = leaves(98);
    let commitment = commit(&leaves);
    for index in [0, 1, 63, 97] {
        let opening = open(&leaves, index);
        assert!(verify(&commitment, index, &leaves[index], &opening));
        assert!(!verify(&commitment, index + 1, &leaves[index], &opening));
        assert!(!verify(&commitment, index, &leaves[(index + 1) % 98], &opening));
    }
}

#[test]
fn places_beyond_the_leaves_open_to_zero_and_beyond_the_slots_not_at_all() {
    let mut leaves = leaves(3);
    let commitment = commit(&leaves);
    leaves.resize(LEAVES_MAX, [0; 32]);
    assert_eq!(commit(&leaves), commitment);
    let opening = open(&leaves, 127);
    assert!(verify(&commitment, 127, &[0; 32], &opening));
    assert!(!verify(&commitment, LEAVES_MAX, &[0; 32], &opening));
}

/// All leaves being zero, the commitment and every opening are the identity, which has no affine form.
#[test]
fn a_commitment_to_nothing_opens_to_zero() {
    let commitment = commit(&[]);
    assert_eq!(commitment.0[0], 0xc0);
    let opening = open(&[[0; 32]; 2], 1);
    assert!(verify(&commitment, 1, &[0; 32], &opening));
    assert!(!verify(&commitment, 1, &scalar(&Digest::of(b"")), &opening));
}

#[test]
fn bytes_that_are_no_points_and_no_field_elements_verify_nothing() {
    let leaves = leaves(4);
    let (commitment, opening) = (commit(&leaves), open(&leaves, 2));
    for byte in 0..POINT_BYTES {
        for bit in 0..8 {
            let (mut other_commitment, mut other_opening) = (commitment, opening);
            other_commitment.0[byte] ^= 1 << bit;
            other_opening.0[byte] ^= 1 << bit;
            assert!(!verify(&other_commitment, 2, &leaves[2], &opening));
            assert!(!verify(&commitment, 2, &leaves[2], &other_opening));
        }
    }
    assert!(!verify(&commitment, 2, &[0xff; 32], &opening));
}

#[test]
fn commitments_and_openings_survive_the_wire() {
    let leaves = leaves(2);
    assert_eq!(Commitment::decode(commit(&leaves).encode()).unwrap(), commit(&leaves));
    assert_eq!(Opening::decode(open(&leaves, 1).encode()).unwrap(), open(&leaves, 1));
    assert!(Commitment::decode(bytes::Bytes::from_static(&[0; 47])).is_err());
}

/// Claims about three commitments, many of them about the first.
fn claims() -> Vec<Claim> {
    [(98, 20), (3, 3), (128, 10)]
        .into_iter()
        .flat_map(|(count, claimed)| {
            let leaves = leaves(count);
            let commitment = commit(&leaves);
            (0..claimed).map(move |claim| {
                let index = claim * 7 % count;
                Claim {
                    commitment,
                    index,
                    leaf: leaves[index],
                    opening: open(&leaves, index),
                }
            })
        })
        .collect()
}

#[test]
fn a_batch_of_claims_that_hold_holds() {
    let claims = claims();
    verify_batch(&[]).unwrap();
    for count in [1, 2, 5, 31, claims.len()] {
        verify_batch(&claims[..count]).unwrap();
    }
    let twice = [&claims[..], &claims[..]].concat();
    verify_batch(&twice).unwrap();
}

/// Each way of being false, alone and beside others, first, last and in the middle.
#[test]
fn a_batch_names_exactly_its_false_claims() {
    let good = claims();
    let mut not_a_field_element = good[4];
    not_a_field_element.leaf = [0xff; 32];
    let mut another_leaf = good[5];
    another_leaf.leaf[31] ^= 1;
    let mut another_opening = good[6];
    another_opening.opening = good[7].opening;
    let mut another_commitment = good[8];
    another_commitment.commitment = good[30].commitment;
    let mut another_place = good[9];
    another_place.index += 1;
    let mut no_place = good[10];
    no_place.index = LEAVES_MAX;
    let mut no_point = good[11];
    no_point.opening.0[0] ^= 0x80;
    let lies = [
        not_a_field_element,
        another_leaf,
        another_opening,
        another_commitment,
        another_place,
        no_place,
        no_point,
    ];
    for lie in &lies {
        assert!(!verify(&lie.commitment, lie.index, &lie.leaf, &lie.opening));
        for place in [0, 16, 32] {
            let mut batch = good.clone();
            batch[place] = *lie;
            let error = verify_batch(&batch).unwrap_err();
            assert_eq!((error.false_claims, error.count), (vec![place], 33));
        }
    }
    let mut batch = good;
    for (lie, place) in lies.iter().zip([3, 4, 5, 11, 20, 31, 32]) {
        batch[place] = *lie;
    }
    assert_eq!(
        verify_batch(&batch).unwrap_err().false_claims,
        [3, 4, 5, 11, 20, 31, 32]
    );
    assert_eq!(verify_batch(&lies).unwrap_err().false_claims, [0, 1, 2, 3, 4, 5, 6]);
}

/// Two lies that cancel when summed with equal coefficients: the batch's coefficients are not equal.
#[test]
fn lies_that_cancel_in_a_plain_sum_are_found() {
    let leaves = leaves(2);
    let commitment = commit(&leaves);
    let claim = |index: usize, opening| Claim {
        commitment,
        index,
        leaf: leaves[index],
        opening,
    };
    let point = |opening: &Opening| setup::from_affine(&uncompress(&opening.0).unwrap());
    let (first, second) = (point(&open(&leaves, 0)), point(&open(&leaves, 1)));
    let lie = setup::multiply_generator(Scalar::from_u64(5));
    let z = Setup::get();
    // Slots 0 and 1 are at 1 and -1, so one difference added to both openings cancels in Σ z·π, two opposite ones in Σ π.
    assert_eq!(z.point(0) + z.point(1), Scalar::ZERO);
    for (first_lie, second_lie) in [(lie, lie), (lie, setup::negate(&lie))] {
        let batch = [
            claim(0, Opening(compress(&setup::add(&first, &first_lie)))),
            claim(1, Opening(compress(&setup::add(&second, &second_lie)))),
        ];
        assert_eq!(verify_batch(&batch).unwrap_err().false_claims, [0, 1]);
    }
}

/// One time in three a random sum of it and points of the group would be in the group.
#[test]
fn a_point_of_small_order_is_no_opening_alone_or_in_a_batch() {
    let of_order_three = point_of_order_three();
    let leaves = leaves(2);
    let (commitment, opening) = (commit(&leaves), open(&leaves, 0));
    let shifted = setup::add(&setup::from_affine(&uncompress(&opening.0).unwrap()), &of_order_three);
    for wrong in [compress(&of_order_three), compress(&shifted)] {
        let claim = Claim {
            commitment,
            index: 0,
            leaf: leaves[0],
            opening: Opening(wrong),
        };
        assert!(!verify(&commitment, 0, &leaves[0], &claim.opening));
        let mut batch = claims();
        for place in 0..8 {
            batch[place] = claim;
            let error = verify_batch(&batch).unwrap_err();
            assert_eq!(error.false_claims, (0..=place).collect::<Vec<_>>());
        }
    }
}

#[test]
fn the_identity_takes_part_in_a_batch() {
    let commitment = commit(&[]);
    let nothing = |index| Claim {
        commitment,
        index,
        leaf: [0; 32],
        opening: open(&[[0; 32]; 2], 1),
    };
    verify_batch(&[nothing(0), nothing(1)]).unwrap();
    let batch = [&claims()[..], &[nothing(5)]].concat();
    verify_batch(&batch).unwrap();
}

#[test]
fn all_openings_are_those_made_one_by_one() {
    for count in [0, 1, 98, 128] {
        let leaves = leaves(count);
        let all = open_all(&leaves);
        assert_eq!(all.len(), LEAVES_MAX);
        for index in (0..count).step_by(9) {
            assert_eq!(all[index], open(&leaves, index), "leaf {index} of {count}");
        }
        let claim = Claim {
            commitment: commit(&leaves),
            index: 127,
            leaf: leaves.get(127).copied().unwrap_or_default(),
            opening: all[127],
        };
        verify_batch(&[claim]).unwrap();
    }
}

/// In a set large enough for trials, wherever it is; and the claims that use it are the false ones.
#[test]
fn a_point_outside_the_group_is_found_among_hundreds() {
    let mut points: Vec<blst_p1_affine> = Setup::get().points[..LEAVES_MAX].to_vec();
    for (count, factor) in [(256, 3), (512, 5), (1024, 7)] {
        let more = points.clone().into_iter().cycle().take(count - points.len());
        let more: Vec<_> = more
            .map(|point| affine(&setup::multiply_short(&setup::from_affine(&point), factor, 3)))
            .collect();
        points.extend(more);
    }
    assert!(subgroup::all_in_group(&points));
    // The identity and opposite points too.
    points[3] = blst_p1_affine::default();
    points[4] = affine(&setup::negate(&setup::from_affine(&points[5])));
    assert!(subgroup::all_in_group(&points));
    let of_order_three = point_of_order_three();
    for place in [0, 511, 1023] {
        let mut points = points.clone();
        points[place] = affine(&setup::add(&setup::from_affine(&points[place]), &of_order_three));
        assert!(!subgroup::all_in_group(&points));
        // Two that cancel in a plain sum.
        let other = (place + 1) % 1024;
        points[other] = affine(&setup::add(
            &setup::from_affine(&points[other]),
            &setup::negate(&of_order_three),
        ));
        assert!(!subgroup::all_in_group(&points));
    }
}

#[test]
fn a_large_batch_names_the_claims_whose_points_are_outside_the_group() {
    let mut batch = Vec::new();
    for commitment in 0..5u8 {
        let mut leaves = leaves(128);
        leaves[0][31] = commitment;
        let commitment = commit(&leaves);
        batch.extend(open_all(&leaves).into_iter().enumerate().map(|(index, opening)| Claim {
            commitment,
            index,
            leaf: leaves[index],
            opening,
        }));
    }
    verify_batch(&batch).unwrap();
    for place in [70, 600] {
        let opening = setup::from_affine(&uncompress(&batch[place].opening.0).unwrap());
        batch[place].opening = Opening(compress(&setup::add(&opening, &point_of_order_three())));
    }
    batch[300].leaf[31] ^= 1;
    assert_eq!(verify_batch(&batch).unwrap_err().false_claims, [70, 300, 600]);
}

fn affine(point: &blst_p1) -> blst_p1_affine {
    let mut affine = blst_p1_affine::default();
    // SAFETY: blst reads one point and writes another.
    unsafe { blst::blst_p1_to_affine(&mut affine, point) };
    affine
}

/// (0, 2) is on the curve and has order 3.
fn point_of_order_three() -> blst_p1 {
    let mut affine = blst_p1_affine::default();
    // SAFETY: blst reads six words, least first, writes one element, and reads one point.
    let on_curve = unsafe {
        blst::blst_fp_from_uint64(&mut affine.y, [2, 0, 0, 0, 0, 0].as_ptr());
        blst::blst_p1_affine_on_curve(&affine)
    };
    assert!(on_curve);
    let point = setup::from_affine(&affine);
    assert_eq!(compress(&setup::multiply_short(&point, 3, 2))[0], 0xc0);
    point
}

/// What lets rows be added to a blob: its commitment and its openings are added to, not made again.
#[test]
fn commitments_and_openings_of_different_places_add_up() {
    let leaf = |place: usize| scalar(&Digest::of(&[place as u8]));
    let (mut first, mut second, mut all) = ([[0; 32]; LEAVES_MAX], [[0; 32]; LEAVES_MAX], [[0; 32]; LEAVES_MAX]);
    for place in 0..LEAVES_MAX {
        all[place] = leaf(place);
        if place < 96 {
            first[place] = leaf(place);
        } else {
            second[place] = leaf(place);
        }
    }
    let sum = Commitment::sum([&commit(&first), &commit(&second)]).unwrap();
    assert_eq!(sum, commit(&all));
    for place in [0, 95, 96, 127] {
        let opening = Opening::sum([&open(&first, place), &open(&second, place)]).unwrap();
        assert!(verify(&sum, place, &leaf(place), &opening), "place {place}");
    }
    assert_eq!(Commitment::sum([&sum, &Commitment([0xff; 48])]), None);
}

#[test]
fn many_commitments_are_checked_as_each_is() {
    let lists: Vec<Vec<[u8; 32]>> = [98, 3, 128, 1, 0, 98].into_iter().map(leaves).collect();
    let claims: Vec<_> = lists.iter().map(|leaves| (commit(leaves), &leaves[..])).collect();
    assert!(verify_commitments(&[]));
    for count in 1..=claims.len() {
        assert!(verify_commitments(&claims[..count]), "{count}");
    }
    let mut no_point = claims[1].0;
    no_point.0[0] ^= 0x80;
    for place in 0..claims.len() {
        for wrong in [claims[(place + 1) % 4].0, no_point] {
            let mut lies = claims.clone();
            lies[place].0 = wrong;
            let holds = wrong == claims[place].0;
            assert_eq!(verify_commitments(&lies), holds, "{place}");
            assert_eq!(verify_commitments(&lies[place..=place]), holds, "{place}");
        }
    }
    // Two that are each other's: their plain sum holds.
    let swapped = [(claims[0].0, claims[2].1), (claims[2].0, claims[0].1)];
    assert!(!verify_commitments(&swapped));
}

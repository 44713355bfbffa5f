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

use super::*;
use crate::scalar::Scalar;
use crate::stream::Key;
use bytes::Bytes;
use commonware_codec::{DecodeExt, Encode, FixedSize};
use proptest::prelude::*;
use rand_chacha::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

const CONTEXT: &[u8] = b"blob 1";

fn seeded(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

fn identity(name: &str) -> Identity {
    Identity(Digest::of(name.as_bytes()))
}

fn dealt(threshold: u16, members: u16) -> DealtThresholdKeys {
    DealtThresholdKeys::deal(&mut seeded(1), threshold, members).unwrap()
}

fn content_key() -> Key {
    Key::from_bytes([7; 32])
}

fn sealed(keys: &DealtThresholdKeys, name: &str) -> Ciphertext {
    let committee = keys.committee.key();
    Ciphertext::seal(&mut seeded(2), committee, &identity(name), &content_key(), CONTEXT)
}

/// What these members release of `name`'s key.
fn released(keys: &DealtThresholdKeys, name: &str, members: &[u16]) -> Vec<ReleaseShare> {
    let of = |member: &u16| keys.shares[usize::from(*member)].release(&identity(name));
    members.iter().map(of).collect()
}

#[test]
fn any_threshold_of_members_release_the_one_key_of_an_identity() {
    let keys = dealt(3, 5);
    let ciphertext = sealed(&keys, "policy");
    let mut points = Vec::new();
    for a in 0..5 {
        for b in 0..a {
            for c in 0..b {
                let shares = released(&keys, "policy", &[b, a, c]);
                let combined = keys.committee.combine(&identity("policy"), &shares).unwrap();
                assert_eq!(combined.wrong, []);
                let key = ciphertext.open(&combined.released, CONTEXT).unwrap();
                assert_eq!(key.as_bytes(), content_key().as_bytes());
                points.push(combined.released.point.to_bytes());
            }
        }
    }
    points.dedup();
    assert_eq!(points.len(), 1, "ten choices of members, one key");
}

#[test]
fn fewer_members_release_nothing_even_when_they_pretend_to_be_more() {
    let keys = dealt(3, 5);
    let two = released(&keys, "policy", &[1, 4]);
    let again = [two[0], two[1], two[1], two[0]];
    let renamed = [two[0], two[1], ReleaseShare { member: 2, ..two[1] }];
    for (shares, wrong) in [(&two[..], vec![]), (&again, vec![]), (&renamed, vec![2])] {
        let expected = CombineError::TooFew {
            right: 2,
            wrong,
            threshold: 3,
        };
        let error = keys.committee.combine(&identity("policy"), shares).unwrap_err();
        assert_eq!(error, expected);
    }
}

/// Two shares of three fix the third only by its value at 0: for every secret there is a polynomial through them.
#[test]
fn what_fewer_members_add_up_to_opens_nothing() {
    let keys = dealt(3, 5);
    let smaller = DealtThresholdKeys::deal(&mut seeded(3), 2, 5).unwrap();
    let ciphertext = sealed(&keys, "policy");
    // The two shares combined as if two sufficed, without the check that refuses the sum.
    let terms: Vec<_> = [(0, 2), (1, -1)]
        .map(|(member, weight): (usize, i64)| {
            let magnitude = Scalar::from_u64(weight.unsigned_abs());
            let weight = if weight < 0 {
                Scalar::ZERO - magnitude
            } else {
                magnitude
            };
            (weight, keys.shares[member].release(&identity("policy")).point)
        })
        .to_vec();
    let mut forged = smaller
        .committee
        .combine(&identity("policy"), &released(&smaller, "policy", &[0, 1]))
        .unwrap()
        .released;
    forged.committee = *keys.committee.key();
    forged.point = points::sum_g1(&terms).unwrap();
    assert_eq!(ciphertext.open(&forged, CONTEXT).unwrap_err(), NotOpened);
}

#[test]
fn a_wrong_share_is_named_and_the_right_ones_suffice() {
    let keys = dealt(3, 5);
    let id = identity("policy");
    let mut shares = released(&keys, "policy", &[0, 1, 2, 3, 4]);
    shares[1] = released(&keys, "another policy", &[1])[0];
    shares[2].point = shares[0].point;
    let combined = keys.committee.combine(&id, &shares).unwrap();
    assert_eq!(combined.wrong, [1, 2]);
    let ciphertext = sealed(&keys, "policy");
    assert!(ciphertext.open(&combined.released, CONTEXT).is_ok());
    for share in &shares {
        assert_eq!(keys.committee.verify(&id, share), ![1, 2].contains(&share.member));
    }
    let stranger = ReleaseShare { member: 5, ..shares[0] };
    assert!(!keys.committee.verify(&id, &stranger));
    let shares = [stranger, shares[0], shares[3], shares[1]];
    let expected = CombineError::TooFew {
        right: 2,
        wrong: vec![1, 5],
        threshold: 3,
    };
    assert_eq!(keys.committee.combine(&id, &shares).unwrap_err(), expected);
}

#[test]
fn a_released_key_opens_its_identity_committee_and_context_only() {
    let keys = dealt(2, 3);
    let other = DealtThresholdKeys::deal(&mut seeded(9), 2, 3).unwrap();
    let release = |keys: &DealtThresholdKeys, name: &str| {
        let shares = released(keys, name, &[0, 2]);
        keys.committee.combine(&identity(name), &shares).unwrap().released
    };
    let ciphertext = sealed(&keys, "policy, epoch 1");
    let right = release(&keys, "policy, epoch 1");
    assert!(ciphertext.open(&right, CONTEXT).is_ok());
    assert_eq!(ciphertext.open(&right, b"blob 2").unwrap_err(), NotOpened);
    for wrong in [release(&keys, "policy, epoch 2"), release(&other, "policy, epoch 1")] {
        assert_eq!(ciphertext.open(&wrong, CONTEXT).unwrap_err(), NotOpened);
    }
}

#[test]
fn a_ciphertext_changed_in_any_byte_does_not_open() {
    let keys = dealt(1, 1);
    let shares = released(&keys, "policy", &[0]);
    let released = keys.committee.combine(&identity("policy"), &shares).unwrap().released;
    let ciphertext = sealed(&keys, "policy").encode();
    assert_eq!(ciphertext.len(), CIPHERTEXT_BYTES);
    for at in 0..CIPHERTEXT_BYTES {
        let mut changed = ciphertext.to_vec();
        changed[at] ^= 1;
        if let Ok(changed) = Ciphertext::decode(Bytes::copy_from_slice(&changed)) {
            assert!(changed.open(&released, CONTEXT).is_err(), "byte {at}");
        }
    }
}

/// Only H(id) ties a share to its identity: the hash is RFC 9380's, as another library computes it.
#[test]
fn a_share_is_the_members_multiple_of_rfc_9380s_point() {
    let keys = dealt(1, 1);
    let id = identity("policy");
    let share = keys.shares[0].release(&id);
    let mut point = blst::blst_p1::default();
    let mut bytes = [0; 48];
    let scalar = {
        let mut bytes = *keys.shares[0].to_bytes();
        bytes.reverse();
        bytes
    };
    // SAFETY: every pointer is to a live value or to a slice with the length given.
    unsafe {
        let (message, dst) = (id.0.as_bytes(), IDENTITY_DST);
        blst::blst_hash_to_g1(
            &mut point,
            message.as_ptr(),
            32,
            dst.as_ptr(),
            dst.len(),
            [].as_ptr(),
            0,
        );
        blst::blst_p1_mult(&mut point, &point, scalar.as_ptr(), 255);
        blst::blst_p1_compress(bytes.as_mut_ptr(), &point);
    }
    assert_eq!(share.encode()[2..], bytes);
}

#[test]
fn a_share_in_the_wrong_subgroup_or_of_nothing_is_no_share() {
    // A point of the curve whose order is not the group's: the first x from 1 that is on the curve and not in the subgroup.
    let outside = (1u8..)
        .map(|x| {
            let mut bytes = [0; 48];
            (bytes[0], bytes[47]) = (0x80, x);
            bytes
        })
        .find(|bytes| blst::min_sig::Signature::from_bytes(bytes).is_ok_and(|point| !point.subgroup_check()))
        .unwrap();
    let mut infinity = [0; 48];
    infinity[0] = 0xc0;
    for point in [outside, infinity, [0; 48], [0xff; 48]] {
        let bytes = [&[0, 0][..], &point].concat();
        assert!(ReleaseShare::decode(Bytes::copy_from_slice(&bytes)).is_err());
    }
    let mut infinity = [0; KEY_BYTES];
    infinity[0] = 0xc0;
    for bytes in [infinity, [0; KEY_BYTES], [0xff; KEY_BYTES]] {
        assert_eq!(PublicKey::from_bytes(&bytes), Err(PointError));
    }
    assert!(SecretShare::from_bytes(0, &[0; 32]).is_err());
    assert!(SecretShare::from_bytes(0, &[0xff; 32]).is_err());
}

#[test]
fn a_committee_whose_keys_are_not_shares_of_one_secret_is_refused() {
    for (threshold, members) in [(1, 1), (1, 3), (2, 2), (3, 4), (4, 4), (11, 16)] {
        let committee = dealt(threshold, members).committee;
        assert_eq!(Committee::decode(committee.encode()).unwrap(), committee);
        let another = DealtThresholdKeys::deal(&mut seeded(5), threshold, members).unwrap();
        let (key, keys) = (*committee.key(), committee.members().to_vec());
        // The key, or any member's, from elsewhere.
        let other_key = *another.committee.key();
        assert_eq!(
            Committee::new(threshold, other_key, keys.clone()),
            Err(CommitteeError::Inconsistent)
        );
        for at in 0..keys.len() {
            let mut keys = keys.clone();
            keys[at] = another.committee.members()[at];
            assert_eq!(
                Committee::new(threshold, key, keys),
                Err(CommitteeError::Inconsistent),
                "member {at} of {members}"
            );
        }
        // Another threshold than the polynomial's.
        if threshold < members {
            let more = threshold + 1;
            assert_eq!(
                Committee::new(more, key, keys.clone()),
                Err(CommitteeError::Degenerate { threshold: more })
            );
        }
        if threshold > 1 {
            let fewer = Committee::new(threshold - 1, key, keys);
            assert_eq!(fewer, Err(CommitteeError::Inconsistent));
        }
    }
}

#[test]
fn a_committee_of_impossible_shape_is_refused() {
    let committee = dealt(1, 1).committee;
    for (threshold, members) in [(0, 1), (2, 1), (1, 0), (1, 257)] {
        let keys = vec![*committee.key(); members];
        let error = Committee::new(threshold, *committee.key(), keys).unwrap_err();
        assert_eq!(error, CommitteeError::Shape { threshold, members });
        let dealt = DealtThresholdKeys::deal(&mut seeded(1), threshold, members as u16);
        assert_eq!(dealt.unwrap_err(), CommitteeError::Shape { threshold, members });
    }
}

#[test]
fn secrets_do_not_print() {
    let keys = dealt(1, 1);
    let shares = released(&keys, "policy", &[0]);
    let released = keys.committee.combine(&identity("policy"), &shares).unwrap().released;
    assert_eq!(format!("{:?}", keys.shares), "[threshold::SecretShare(member 0, ..)]");
    assert!(format!("{released:?}").ends_with(", ..)"));
}

#[test]
fn any_bytes_are_refused_or_are_the_one_encoding_of_what_they_say() {
    let keys = dealt(2, 3);
    let encoded = [
        keys.committee.encode().to_vec(),
        sealed(&keys, "policy").encode().to_vec(),
        keys.shares[0].release(&identity("policy")).encode().to_vec(),
    ];
    let mut rng = seeded(11);
    for bytes in encoded {
        for _ in 0..60 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + rng.next_u32() % 3 {
                let bit = rng.next_u64() as usize % (8 * damaged.len());
                damaged[bit / 8] ^= 1 << (bit % 8);
            }
            damaged.truncate(damaged.len() - (rng.next_u32() % 3) as usize);
            let same = |encoded: Bytes| assert_eq!(encoded, damaged);
            match bytes.len() {
                CIPHERTEXT_BYTES => Ciphertext::decode(Bytes::copy_from_slice(&damaged))
                    .map(|value| same(value.encode()))
                    .ok(),
                SHARE_BYTES => ReleaseShare::decode(Bytes::copy_from_slice(&damaged))
                    .map(|value| same(value.encode()))
                    .ok(),
                _ => Committee::decode(Bytes::copy_from_slice(&damaged))
                    .map(|value| same(value.encode()))
                    .ok(),
            };
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn whoever_the_members_are_their_shares_add_up(
        seed in any::<u64>(),
        threshold in 1u16..8,
        more in 0u16..5,
    ) {
        let mut rng = seeded(seed);
        let keys = DealtThresholdKeys::deal(&mut rng, threshold, threshold + more).unwrap();
        let mut members: Vec<u16> = (0..threshold + more).collect();
        for at in (1..members.len()).rev() {
            members.swap(at, rng.next_u64() as usize % (at + 1));
        }
        members.truncate(threshold.into());
        let combined = keys.committee.combine(&identity("x"), &released(&keys, "x", &members)).unwrap();
        prop_assert!(sealed(&keys, "x").open(&combined.released, CONTEXT).is_ok());
    }

    #[test]
    fn any_bytes_are_a_share_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(share) = ReleaseShare::decode(Bytes::copy_from_slice(&bytes)) {
            prop_assert_eq!(share.encode(), &bytes[..]);
        }
        prop_assert_eq!(SHARE_BYTES, ReleaseShare::SIZE);
    }
}

use super::*;
use crate::tests::{flip_bits, seeded};
use bytes::Bytes;
use commonware_codec::{DecodeExt, Encode};
use rand_core::Rng;

fn manifest(length: u64, stripe_bytes: u32) -> Manifest {
    let meta = Meta {
        name: "a.bin".into(),
        content_type: "application/octet-stream".into(),
    };
    let count = stripe_count(length, stripe_bytes).unwrap();
    let roots = (0..count).map(|stripe| BlobRoot::from([stripe as u8; 32])).collect();
    Manifest::new(length, stripe_bytes, meta, roots).unwrap()
}

#[test]
fn a_manifest_reads_back_and_every_byte_of_the_object_is_in_one_part() {
    for (length, stripe_bytes) in [(1, 1), (100, 100), (101, 100), (1000, 7), (1 << 30, STRIPE_BYTES)] {
        let manifest = manifest(length, stripe_bytes);
        let bytes = manifest.encode();
        assert_eq!(bytes.len(), manifest.encode_size());
        assert_eq!(Manifest::decode(bytes).unwrap(), manifest);
        let mut rng = seeded(length);
        for _ in 0..50 {
            let start = rng.next_u64() % (length + 2);
            let end = start + rng.next_u64() % (length + 2);
            let mut at = start;
            for part in manifest.parts(start..end) {
                assert_eq!(part.root, manifest.roots()[part.stripe as usize]);
                assert_eq!(u64::from(part.stripe) * u64::from(stripe_bytes) + part.range.start, at);
                assert!(part.range.start < part.range.end && part.range.end <= u64::from(stripe_bytes));
                at += part.range.end - part.range.start;
            }
            assert_eq!(at, end.min(length).max(start));
        }
    }
}

#[test]
fn stripes_that_do_not_add_up_to_the_length_are_no_manifest() {
    let roots = |count: usize| vec![BlobRoot::from([1; 32]); count];
    for (length, stripe_bytes, count) in [
        (0, 100, 0),
        (100, 0, 1),
        (100, 100, 2),
        (101, 100, 1),
        (u64::MAX, STRIPE_BYTES, 1),
        (100, u32::MAX, 1),
        (u64::from(MAX_STRIPES) + 1, 1, MAX_STRIPES as usize + 1),
    ] {
        let error = Manifest::new(length, stripe_bytes, Meta::default(), roots(count)).unwrap_err();
        assert_eq!(error.roots, count);
    }
    assert_eq!(stripe_count(MAX_OBJECT_BYTES, STRIPE_BYTES), Some(MAX_STRIPES));
}

#[test]
fn each_stripe_has_a_key_of_its_own_that_follows_from_the_objects() {
    let object = Key::from_bytes([7; 32]);
    let keys: Vec<_> = (0..4).map(|stripe| *stripe_key(&object, stripe).as_bytes()).collect();
    assert_eq!(keys[2], *stripe_key(&object.clone(), 2).as_bytes());
    assert!((0..4).all(|stripe| keys.iter().filter(|key| **key == keys[stripe]).count() == 1));
    assert!(!keys.contains(object.as_bytes()));
}

#[test]
fn hostile_manifests_are_refused_and_never_panic() {
    let mut rng = seeded(3);
    let valid = manifest(1000, 100).encode().to_vec();
    // As many stripes as can be said, and none of them there.
    let mut many = valid[..13].to_vec();
    many[1..9].copy_from_slice(&MAX_OBJECT_BYTES.to_be_bytes());
    many[9..13].copy_from_slice(&STRIPE_BYTES.to_be_bytes());
    many.extend([0, 2, 0, 0]);
    many.extend(MAX_STRIPES.to_be_bytes());
    assert!(matches!(Manifest::decode(Bytes::from(many)), Err(Error::EndOfBuffer)));
    for cut in 0..valid.len() {
        assert!(Manifest::decode(Bytes::copy_from_slice(&valid[..cut])).is_err());
    }
    for _ in 0..5000 {
        let mut bytes = valid.clone();
        flip_bits(&mut rng, &mut bytes, 3);
        if let Ok(manifest) = Manifest::decode(Bytes::from(bytes.clone())) {
            assert_eq!(manifest.encode(), bytes);
        }
    }
}

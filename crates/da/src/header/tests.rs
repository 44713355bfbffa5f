use super::*;
use crate::tests::{flip_bits, seeded};
use primitives::Epoch;
use rand_core::Rng;

fn sealed() -> Params {
    Params {
        owner: Address::repeat_byte(7),
        committee: CommitteeId::first(Epoch(3)),
        expiry_block: 99,
        length: 200_000,
        shape: Shape::STANDARD,
        base: None,
        secrecy: Secrecy::Sealed {
            nonce_prefix: [1; 7],
            key_commitment: Digest::of(b"key"),
            envelopes: vec![
                Envelope {
                    recipient: [2; 32],
                    wrapped_key: [3; 80]
                };
                2
            ],
        },
        meta: Bytes::from_static(b"meta"),
    }
}

fn header(params: Params) -> Header {
    Header {
        params,
        commitment: Commitment([4; 48]),
        groups_root: Digest::of(b"groups"),
    }
}

#[test]
fn a_header_has_one_encoding_and_reads_back_from_it() {
    for params in [
        sealed(),
        Params {
            secrecy: Secrecy::Public,
            meta: Bytes::new(),
            length: 1,
            ..sealed()
        },
        sealed().added(BlobRoot::from([9; 32]), Shape::coset(1024, 3).unwrap()),
    ] {
        let header = header(params);
        let bytes = header.encode();
        assert!(bytes.len() <= MAX_HEADER_BYTES);
        assert_eq!(decode(bytes).unwrap(), header);
    }
}

/// The root names blobs for good: its format changes on purpose only, and the version with it.
#[test]
fn the_root_of_a_known_header_does_not_change() {
    let root = header(sealed()).root().to_string();
    assert_eq!(
        root,
        "0xfcfe2271fe6238173d95c0dbec28946e5860a6435da88ea367bd7c874831bc35"
    );
}

#[test]
fn a_header_that_is_not_canonical_is_refused() {
    let bytes = header(sealed()).encode().to_vec();
    let mut cases = vec![bytes[..bytes.len() - 1].to_vec(), [&bytes[..], &[0]].concat()];
    // Version, length of zero, length over the limit, another shape, an unknown cipher, too many envelopes.
    for (at, value) in [(0, 2u8), (41, 0xff), (52, 1), (56, 1), (60, 1), (65, 7), (105, 33)] {
        let mut changed = bytes.clone();
        changed[at] = value;
        cases.push(changed);
    }
    for (case, bytes) in cases.into_iter().enumerate() {
        assert!(decode(bytes.into()).is_err(), "case {case}");
    }
}

#[test]
fn hostile_bytes_never_panic_the_header_and_what_reads_writes_back_the_same() {
    let mut rng = seeded(1);
    let good = header(sealed()).encode().to_vec();
    for _ in 0..2_000 {
        let mut bytes = good.clone();
        flip_bits(&mut rng, &mut bytes, 3);
        if let Ok(header) = decode(bytes.clone().into()) {
            assert_eq!(header.encode(), bytes);
        }
        let mut noise = vec![0; rng.next_u32() as usize % 300];
        rng.fill_bytes(&mut noise);
        let _ = decode(noise.clone().into());
        let _ = Meta::from_bytes(&noise);
    }
}

#[test]
fn meta_data_reads_back_and_nothing_else_does() {
    let meta = Meta {
        name: "höfe.csv".into(),
        content_type: "text/csv".into(),
    };
    let bytes = meta.to_bytes().unwrap();
    assert_eq!(Meta::from_bytes(&bytes), Some(meta));
    assert_eq!(Meta::from_bytes(&bytes[1..]), None);
    assert_eq!(Meta::from_bytes(&[&bytes[..], b"x"].concat()), None);
    assert!(
        Meta {
            name: "x".repeat(256),
            content_type: String::new()
        }
        .to_bytes()
        .is_err()
    );
}

use super::*;
use crate::tests::{flip_bits, payload, seeded};
use bytes::Bytes;
use rand_core::Rng;

/// `count` items of different lengths.
fn items(seed: u64, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|item| payload(seed + item as u64, 1 + item * 37 % 500))
        .collect()
}

/// The items that a reader finds, each by the index and its own bytes alone.
fn unpack(bundle: &[u8]) -> Result<Vec<Vec<u8>>, BundleError> {
    let prefix = bundle.first_chunk().ok_or(BundleError::Count { count: 0 })?;
    let index_bytes = Index::bytes(prefix)? as usize;
    let index = Index::read(bundle.get(..index_bytes).unwrap_or_default(), bundle.len() as u64)?;
    (0..index.count())
        .map(|item| {
            let range = index.range(item)?;
            let bytes = &bundle[range.start as usize..range.end as usize];
            index.check(item, bytes)?;
            Ok(bytes.to_vec())
        })
        .collect()
}

#[test]
fn each_item_comes_back_by_its_number() {
    for count in [1, 2, 100, MAX_ITEMS as usize] {
        let items = items(1, count);
        let bundle = pack(&items).unwrap();
        assert_eq!(unpack(&bundle).unwrap(), items);
        let content: usize = items.iter().map(Vec::len).sum();
        assert_eq!(bundle.len(), 5 + 36 * count + content);
    }
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let bundle = pack(&[&b"one"[..], b"three"]).unwrap();
    let [one, three] = [&b"one"[..], b"three"].map(Digest::of);
    let expected = [
        &[1, 0, 0, 0, 2][..],
        &[0, 0, 0, 3],
        one.as_ref(),
        &[0, 0, 0, 5],
        three.as_ref(),
        b"one",
        b"three",
    ];
    assert_eq!(bundle, expected.concat());
}

#[test]
fn what_makes_no_bundle_is_refused_with_the_reason() {
    let none: [&[u8]; 0] = [];
    assert!(matches!(pack(&none), Err(BundleError::Count { count: 0 })));
    let many = vec![b"x"; MAX_ITEMS as usize + 1];
    assert!(matches!(pack(&many), Err(BundleError::Count { count: 4097 })));
    assert!(matches!(
        pack(&[&b"a"[..], b""]),
        Err(BundleError::EmptyItem { item: 1 })
    ));
    let large = vec![0; MAX_BLOB_BYTES as usize];
    assert!(matches!(pack(&[large]), Err(BundleError::TooLong { .. })));
}

#[test]
fn an_item_is_only_the_one_that_the_index_names() {
    let items = items(2, 3);
    let index = Index::of(&items).unwrap();
    index.check(1, &items[1]).unwrap();
    for wrong in [&items[2][..], &items[1][1..], b""] {
        assert!(matches!(index.check(1, wrong), Err(BundleError::WrongItem { item: 1 })));
    }
    assert!(matches!(index.range(3), Err(BundleError::NoItem { item: 3, count: 3 })));
}

#[test]
fn an_index_is_of_the_whole_blob_or_of_none() {
    let bundle = pack(&items(3, 4)).unwrap();
    let length = bundle.len() as u64;
    Index::read(&bundle, length).unwrap();
    for found in [length - 1, length + 1, 0, u64::MAX] {
        assert!(matches!(Index::read(&bundle, found), Err(BundleError::Length { .. })));
    }
    assert!(Index::read(&bundle[..5 + 4 * 36 - 1], length).is_err(), "half an index");
}

#[test]
fn hostile_indices_are_refused_and_never_panic() {
    let mut rng = seeded(4);
    // Counts and lengths that would overflow, or ask for gigabytes.
    for hostile in [
        &[1, 0xff, 0xff, 0xff, 0xff][..],
        &[1, 0, 0, 0, 0],
        &[1, 0, 0, 0x10, 1],
        &[2, 0, 0, 0, 1],
        &[1],
        &[],
    ] {
        assert!(Index::read(hostile, 5).is_err());
    }
    let mut longest = vec![1, 0, 0, 0x10, 0];
    longest.extend(vec![0xff; 4096 * 36]);
    assert!(Index::read(&longest, u64::MAX).is_err());

    let valid = pack(&items(5, 6)).unwrap();
    for _ in 0..2000 {
        let mut bytes = valid.clone();
        flip_bits(&mut rng, &mut bytes, 3);
        bytes.truncate(rng.next_u64() as usize % (valid.len() + 1));
        assert!(
            unpack(&bytes).is_err(),
            "whatever was changed or cut, one item at least is not there"
        );
        let mut noise = vec![0; rng.next_u64() as usize % 300];
        rng.fill_bytes(&mut noise);
        if let Ok(index) = Index::decode(Bytes::from(noise.clone())) {
            assert_eq!(index.encode(), noise);
        }
    }
}

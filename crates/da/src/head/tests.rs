use super::*;
use crate::{
    header::TOTAL_ROWS,
    tests::{flip_bits, public_blob, seeded},
};
use commonware_codec::{DecodeExt, Encode};
use rand_core::Rng;

#[test]
fn every_row_of_a_blob_checks_against_its_head() {
    let blob = public_blob(1, 200_000);
    let head = blob.head().head().clone().check().unwrap();
    assert_eq!(head.root(), blob.head().root());
    let checker = RowChecker::new(head);
    for index in 0..TOTAL_ROWS {
        checker.check(blob.row(index).row().clone()).unwrap();
    }
}

#[test]
fn a_head_whose_hashes_are_not_those_committed_to_is_refused() {
    let good = public_blob(2, 1000).head().head().clone();
    let wrong = Digest::of(b"wrong");
    let mut group = good.clone();
    group.group_roots[5] = wrong;
    let mut combination = good.clone();
    combination.combinations[7][0] ^= 1;
    let mut groups_root = good.clone();
    groups_root.header.groups_root = wrong;
    let mut commitment = good.clone();
    commitment.header.commitment.0[0] ^= 1;
    for (what, head) in [
        ("group", group),
        ("combination", combination),
        ("groups root", groups_root),
        ("commitment", commitment),
    ] {
        assert!(head.check().is_err(), "{what}");
    }
    assert!(good.check().is_ok());
}

#[test]
fn a_row_with_one_bit_flipped_anywhere_is_refused() {
    let blob = public_blob(3, 300_000);
    let checker = RowChecker::new(blob.head().clone());
    let mut rng = seeded(3);
    for _ in 0..500 {
        let index = rng.next_u32() % TOTAL_ROWS;
        let mut bytes = Vec::new();
        blob.row(index).row().write(&mut bytes);
        flip_bits(&mut rng, &mut bytes, 1);
        let row = Row::read(&mut Bytes::from(bytes), blob.head().row_bytes()).unwrap();
        assert!(checker.check(row).is_err());
    }
}

#[test]
fn a_row_of_another_length_is_refused() {
    let blob = public_blob(4, 300_000);
    let checker = RowChecker::new(blob.head().clone());
    let good = blob.row(9).row().clone();
    for bytes in [0, 1, good.bytes.len() - 1] {
        let row = Row {
            bytes: good.bytes.slice(..bytes),
            ..good.clone()
        };
        let error = checker.check(row).unwrap_err();
        assert_eq!(
            error,
            RowError::WrongLength {
                index: 9,
                bytes,
                expected: blob.head().row_bytes()
            }
        );
    }
    let error = checker
        .check(Row {
            index: TOTAL_ROWS,
            ..good
        })
        .unwrap_err();
    assert_eq!(error, RowError::OutOfRange { index: TOTAL_ROWS });
}

#[test]
fn hostile_bytes_never_panic_the_head_and_what_reads_writes_back_the_same() {
    let good = public_blob(5, 1000).head().head().encode().to_vec();
    assert!(good.len() <= MAX_HEAD_BYTES);
    let mut rng = seeded(5);
    for _ in 0..300 {
        let mut bytes = good.clone();
        flip_bits(&mut rng, &mut bytes, 2);
        if let Ok(head) = Head::decode(Bytes::from(bytes.clone())) {
            assert_eq!(head.encode(), bytes);
            assert!(head.check_groups_root().is_err() || bytes[..] != good[..]);
        }
        bytes.truncate(rng.next_u32() as usize % bytes.len());
        assert!(Head::decode(Bytes::from(bytes)).is_err());
    }
}

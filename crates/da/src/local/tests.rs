use super::*;
use crate::{
    CodedBlob, CommitteeId, Encoder, Operator, Privacy, Seed,
    tests::{flip_bits, payload, public_blob, request, seeded},
};
use commonware_codec::{DecodeExt, Encode};
use commonware_cryptography::{Signer, ed25519};
use crypto::bls;
use primitives::{Address, B256, Epoch};

fn committee_of(operators: u32) -> Committee {
    let operator = |index: u32| Operator {
        account: Address::repeat_byte(index as u8),
        stream_key: Some(ed25519::PrivateKey::from_seed(index.into()).public_key()),
        bls_key: bls::SecretKey::from_seed(&[index as u8; 32]).public_key(),
        endpoint: Some(([10, 0, 0, index as u8], 9000).into()),
        seats: 1,
    };
    let seed = Seed(B256::repeat_byte(0xbe));
    Committee::new(
        CommitteeId::first(Epoch(0)),
        seed,
        (0..operators).map(operator).collect(),
    )
    .unwrap()
}

/// A blob of `data_rows` data rows, coded `cosets` times.
fn blob(data_rows: u32, cosets: u32, bytes: usize) -> CodedBlob {
    let encoder = Encoder::of_shape(Shape::whole(data_rows, cosets).unwrap());
    encoder
        .encode(&mut seeded(1), payload(1, bytes), request(Privacy::Public))
        .unwrap()
}

/// Of 1,024 data rows the local rows of parity groups are coded, not added up: they must be the same.
#[test]
fn a_local_row_is_the_exclusive_or_of_its_group_whether_added_up_or_coded() {
    for (data_rows, cosets, bytes) in [
        (1024, 3, 400_000),
        (1024, 2, 130_000),
        (1024, 4, 1_000),
        (32, 3, 9_000),
        (256, 2, 70_000),
    ] {
        let blob = blob(data_rows, cosets, bytes);
        let local = local_rows(&blob);
        assert_eq!(local.len() as u32, data_rows * cosets / 32);
        for (group, local) in (0..).zip(&local) {
            let mut sum = vec![0; blob.head().row_bytes() as usize];
            for row in rows_of(group) {
                let row = blob.row(row);
                sum.iter_mut().zip(row.bytes()).for_each(|(sum, byte)| *sum ^= byte);
            }
            assert_eq!(
                (local.group, &local.bytes[..]),
                (group, &sum[..]),
                "{data_rows} x {cosets}"
            );
        }
    }
}

#[test]
fn a_missing_row_is_rebuilt_from_its_group_with_its_path() {
    let blob = public_blob(2, 400_000);
    let local = local_rows(&blob);
    for missing in [0, 31, 32, 1023, 1024, 3071] {
        let group = group_of(missing);
        let others: Vec<Row> = rows_of(group)
            .filter(|row| *row != missing)
            .map(|row| blob.row(row).row().clone())
            .collect();
        let local = &local[group as usize];
        let rebuilt = rebuild(blob.head(), missing, &others, local).unwrap();
        assert_eq!(rebuilt, blob.row(missing));
        let mut lie = local.clone();
        let mut bytes = lie.bytes.to_vec();
        bytes[7] ^= 1;
        lie.bytes = bytes.into();
        assert!(rebuild(blob.head(), missing, &others, &lie).is_none());
        lie = LocalRow {
            group: group ^ 1,
            ..local.clone()
        };
        assert!(rebuild(blob.head(), missing, &others, &lie).is_none());
    }
}

#[test]
fn a_local_row_that_is_not_its_groups_is_refused() {
    // No group is of zeros only.
    let blob = public_blob(3, 390_000);
    let local = local_rows(&blob);
    let checker = RowChecker::new(blob.head().clone());
    local.iter().for_each(|local| check(&checker, local).unwrap());
    let mut rng = seeded(4);
    for local in local.iter().step_by(7) {
        let group = local.group;
        let moved = LocalRow {
            group: (group + 1) % 96,
            ..local.clone()
        };
        assert!(matches!(check(&checker, &moved), Err(LocalError::NotTheSum { .. })));
        let mut bytes = local.bytes.to_vec();
        flip_bits(&mut rng, &mut bytes, 1);
        let flipped = LocalRow {
            group,
            bytes: bytes.into(),
        };
        assert_eq!(check(&checker, &flipped), Err(LocalError::NotTheSum { group }));
        let short = LocalRow {
            group,
            bytes: local.bytes.slice(128..),
        };
        assert!(matches!(check(&checker, &short), Err(LocalError::WrongLength { .. })));
        let beyond = LocalRow {
            group: 96 + group,
            ..local.clone()
        };
        assert_eq!(
            check(&checker, &beyond),
            Err(LocalError::OutOfRange { group: 96 + group })
        );
    }
}

#[test]
fn a_local_row_is_with_an_operator_that_has_few_of_its_group_and_each_keeps_as_many() {
    let blob = public_blob(5, 1_000);
    let (root, shape) = (blob.head().root(), blob.head().shape());
    for operators in [1, 4, 40, 200] {
        let committee = committee_of(operators);
        let owners = owners(&committee, &root, shape);
        assert_eq!(owners.len(), 96);
        let mut kept = vec![0; operators as usize];
        for (group, &owner) in (0..).zip(&owners) {
            kept[owner as usize] += 1;
            let own = committee.rows_of(owner, &root, shape);
            let of_group = rows_of(group).filter(|row| own.contains(*row)).count();
            // With more operators than rows in a group there is one that has none of it.
            assert!(operators <= 32 || of_group == 0);
            assert_eq!(super::owner(&committee, &root, shape, group), Some(owner));
        }
        assert_eq!(super::owner(&committee, &root, shape, 96), None);
        let most = kept.into_iter().max().unwrap();
        assert!(most <= 3 * 96 / operators + 2, "{most} of 96 with one of {operators}");
    }
}

#[test]
fn any_bytes_are_refused_or_are_the_one_encoding_of_a_local_row() {
    let local = LocalRow {
        group: 3,
        bytes: payload(6, 256).into(),
    };
    let mut rng = seeded(7);
    let good = local.encode();
    assert_eq!(LocalRow::decode(good.clone()).unwrap(), local);
    for _ in 0..500 {
        let mut bytes = good.to_vec();
        flip_bits(&mut rng, &mut bytes[..8], 3);
        if let Ok(read) = LocalRow::decode(Bytes::from(bytes.clone())) {
            assert_eq!(read.encode(), bytes);
        }
    }
    for length in [0, 127, 129, MAX_ROW_BYTES + 128, u32::MAX] {
        let bytes = [&3u32.to_be_bytes()[..], &length.to_be_bytes(), &[0; 300]].concat();
        assert!(LocalRow::decode(Bytes::from(bytes)).is_err(), "{length}");
    }
}

use super::*;
use crate::{
    RowChecker,
    header::{DATA_ROWS, MAX_BLOB_BYTES, Meta, TOTAL_ROWS},
    tests::{payload, public_blob, request, seeded},
};
use crypto::{envelope::RecipientSecret, kzg::Commitment};

fn data_rows(blob: &CodedBlob) -> Vec<u8> {
    (0..DATA_ROWS)
        .flat_map(|index| blob.row(index).bytes().to_vec())
        .collect()
}

#[test]
fn a_public_payload_lies_verbatim_on_the_data_rows() {
    for bytes in [1, 128, 131_072, 131_073, 1_000_000] {
        let blob = public_blob(1, bytes);
        assert_eq!(data_rows(&blob)[..bytes], payload(1, bytes)[..]);
        assert!(data_rows(&blob)[bytes..].iter().all(|&byte| byte == 0));
    }
}

/// What another committee gets is what coding for it would have given; of what is sealed, what its key opens.
#[test]
fn a_blob_moves_to_another_committee_without_being_coded_again() {
    let committee = CommitteeId {
        quorum: 7,
        epoch: primitives::Epoch(3),
    };
    for bytes in [1, 200_000] {
        let blob = public_blob(1, bytes);
        let rows = data_rows(&blob);
        let for_it = Request {
            committee,
            ..request(Privacy::Public)
        };
        let anew = CodedBlob::encode(&mut seeded(1), payload(1, bytes), for_it).unwrap();
        let first = blob.head().root();
        let moved = blob.moved_to(committee);
        assert_eq!(moved.head().head(), anew.head().head());
        assert!(moved.head().root() != first && data_rows(&moved) == rows);
        let head = moved.head().head().clone().check().unwrap();
        let row = moved.row(2_000).row().clone();
        assert!(RowChecker::new(head).check(row).is_ok());
    }
    let mut rng = seeded(2);
    let key = Key::generate(&mut rng);
    let sealed = request(Privacy::Sealed {
        key: &key,
        recipients: &[],
    });
    let moved = CodedBlob::encode(&mut rng, payload(2, 70_000), sealed).unwrap();
    let moved = moved.moved_to(committee);
    let params = &moved.head().header().params;
    let mut coded = data_rows(&moved);
    coded.truncate(params.length as usize);
    assert_eq!(open(params, Some(&key), coded).unwrap(), payload(2, 70_000));
    assert!(open_meta(params, Some(&key)).is_ok());
}

#[test]
fn a_sealed_payload_opens_for_its_recipients_and_nobody_else() {
    let mut rng = seeded(2);
    let key = Key::generate(&mut rng);
    let (alice, bob) = (
        RecipientSecret::from_seed(&[1; 32]),
        RecipientSecret::from_seed(&[2; 32]),
    );
    let plain = payload(2, 150_000);
    let meta = Meta {
        name: "a.csv".into(),
        content_type: "text/csv".into(),
    };
    let recipients = [alice.public()];
    let mut request = request(Privacy::Sealed {
        key: &key,
        recipients: &recipients,
    });
    request.meta = meta.to_bytes().unwrap();
    let blob = CodedBlob::encode(&mut rng, plain.clone(), request).unwrap();
    let params = &blob.head().header().params;
    let mut coded = data_rows(&blob);
    coded.truncate(params.length as usize);
    assert!(
        !coded.windows(16).any(|window| window == &plain[..16]),
        "no plaintext in the rows"
    );

    let unwrapped = params.unwrap_key(&alice).unwrap();
    assert_eq!(open(params, Some(&unwrapped), coded.clone()).unwrap(), plain);
    assert_eq!(
        Meta::from_bytes(&open_meta(params, Some(&unwrapped)).unwrap()),
        Some(meta)
    );
    assert!(params.unwrap_key(&bob).is_none());
    assert_eq!(open(params, None, coded.clone()), Err(OpenError::KeyNeeded));
    let other = Key::generate(&mut rng);
    assert_eq!(open(params, Some(&other), coded.clone()), Err(OpenError::WrongKey));
    coded[70_000] ^= 1;
    assert!(matches!(open(params, Some(&key), coded), Err(OpenError::Stream(_))));
}

#[test]
fn what_does_not_fit_is_refused_before_any_work() {
    let mut rng = seeded(3);
    let key = Key::generate(&mut rng);
    let recipients = vec![RecipientSecret::from_seed(&[1; 32]).public(); MAX_RECIPIENTS + 1];
    let sealed = || {
        request(Privacy::Sealed {
            key: &key,
            recipients: &[],
        })
    };
    let public = || request(Privacy::Public);
    let mut encode = |bytes: usize, request| {
        CodedBlob::encode(&mut rng, vec![0; bytes], request)
            .map(|_| ())
            .unwrap_err()
    };
    let limit = MAX_BLOB_BYTES as usize;
    assert_eq!(encode(0, public()), EncodeError::Empty);
    assert_eq!(
        encode(limit + 1, public()),
        EncodeError::TooLong {
            bytes: MAX_BLOB_BYTES + 1,
            limit: MAX_BLOB_BYTES
        }
    );
    assert_eq!(
        encode(limit, sealed()),
        EncodeError::TooLong {
            bytes: stream::sealed_len(MAX_BLOB_BYTES),
            limit: MAX_BLOB_BYTES
        }
    );
    let meta = Request {
        meta: vec![0; MAX_META_BYTES],
        ..sealed()
    };
    assert_eq!(
        encode(1, meta),
        EncodeError::MetaTooLong {
            bytes: MAX_META_BYTES + TAG_BYTES
        }
    );
    let crowd = request(Privacy::Sealed {
        key: &key,
        recipients: &recipients,
    });
    assert_eq!(
        encode(1, crowd),
        EncodeError::TooManyRecipients {
            count: MAX_RECIPIENTS + 1
        }
    );
}

/// Any operator must be able to repair without the disperser, so coding may depend on the rows alone.
#[test]
fn data_rows_give_the_same_blob_again() {
    let blob = public_blob(4, 500_000);
    let again = CodedBlob::of_data_rows(blob.head().header().params.clone(), data_rows(&blob));
    assert_eq!(again.head().head(), blob.head().head());
}

#[test]
fn any_third_of_the_rows_gives_the_payload_back() {
    let blob = public_blob(5, 200_000);
    let row_bytes = blob.head().row_bytes() as usize;
    let checker = RowChecker::new(blob.head().clone());
    let every_third: Vec<u32> = (0..TOTAL_ROWS).filter(|row| row % 3 == 1).collect();
    let parity_only: Vec<u32> = (2 * DATA_ROWS..TOTAL_ROWS).collect();
    for indices in [every_third, parity_only] {
        let rows: Vec<_> = indices
            .iter()
            .map(|&index| checker.check(blob.row(index).row().clone()).unwrap())
            .collect();
        let rows: Vec<_> = rows.iter().map(|row| (row.index(), &row.bytes()[..])).collect();
        assert_eq!(
            Shape::STANDARD.code().decode(&rows, row_bytes).unwrap(),
            data_rows(&blob)
        );
    }
}

/// Memory that held a longer blob holds a shorter one, whose padding must not be the other's bytes.
#[test]
fn memory_used_before_changes_no_blob() {
    let encoder = Encoder::new();
    let mut last = None;
    for (round, bytes) in [6_000_000, 5_000_001, 5_000_001, 40_000, 6_000_000]
        .into_iter()
        .enumerate()
    {
        for sealed in [false, true] {
            let encode = |encoder: &Encoder| {
                let key = Key::from_bytes([7; 32]);
                let privacy = match sealed {
                    false => Privacy::Public,
                    true => Privacy::Sealed {
                        key: &key,
                        recipients: &[],
                    },
                };
                let (rng, payload) = (&mut seeded(8), payload(round as u64, bytes));
                encoder.encode(rng, payload, request(privacy)).unwrap()
            };
            let blob = encode(&encoder);
            assert_eq!(blob.head().root(), encode(&Encoder::new()).head().root());
            // A row outlives its blob, and keeps its memory from being used.
            let row = blob.row(2000);
            let kept = row.bytes().to_vec();
            if let Some((row, kept)) = last.replace((row, kept)) {
                let row: crate::VerifiedRow = row;
                assert!(row.bytes() == &kept[..]);
            }
        }
    }
}

/// Memory used before, with and without room for tags: pieces are the whole content, and only it.
#[test]
fn a_payload_written_in_pieces_is_the_blob_of_its_bytes() {
    let encoder = Encoder::new();
    let key = Key::from_bytes([7; 32]);
    for bytes in [1, 65_535, 65_536, 65_537, 5_000_000] {
        let content = payload(3, bytes);
        for sealed in [false, true] {
            let privacy = || match sealed {
                false => Privacy::Public,
                true => Privacy::Sealed {
                    key: &key,
                    recipients: &[],
                },
            };
            let mut room = encoder.payload(bytes as u64, sealed).unwrap();
            assert_eq!(room.len(), bytes);
            let mut left = &content[..];
            for piece in room.pieces() {
                let (now, later) = left.split_at(piece.len());
                piece.copy_from_slice(now);
                left = later;
            }
            assert!(left.is_empty());
            let blob = encoder
                .encode_payload(&mut seeded(8), room, request(privacy()))
                .unwrap();
            let again = Encoder::new()
                .encode(&mut seeded(8), &content, request(privacy()))
                .unwrap();
            assert_eq!(blob.head().root(), again.head().root());
            let params = &blob.head().header().params;
            let mut coded = data_rows(&blob);
            coded.truncate(params.length as usize);
            assert!(open(params, Some(&key), coded).unwrap() == content);
        }
    }
}

/// Every set of instructions gives the same name to the same bytes.
#[test]
fn instructions_change_no_blob() {
    for instructions in crypto::reed_solomon::Instructions::ALL {
        let Ok(encoder) = Encoder::with_instructions(instructions) else {
            continue;
        };
        let blob = encoder.encode(&mut seeded(9), payload(9, 300_000), request(Privacy::Public));
        assert_eq!(blob.unwrap().head().root(), public_blob(9, 300_000).head().root());
    }
}

#[test]
fn rows_checked_together_pass_and_fail_as_each_does() {
    let blob = public_blob(10, 200_000);
    let checker = RowChecker::new(blob.head().clone());
    let rows: Vec<crate::Row> = (0..40).map(|row| blob.row(row * 70).row().clone()).collect();
    let checked = checker.check_all(rows.clone()).unwrap();
    assert!(checked.iter().map(crate::VerifiedRow::row).eq(&rows));
    let mut wrong = rows;
    let mut bytes = wrong[33].bytes.to_vec();
    bytes[5] ^= 1;
    wrong[33].bytes = bytes.into();
    assert_eq!(
        checker.check_all(wrong.clone()).unwrap_err(),
        checker.check(wrong[33].clone()).unwrap_err()
    );
    wrong[2].index = crate::header::TOTAL_ROWS;
    assert_eq!(
        checker.check_all(wrong.clone()).unwrap_err(),
        checker.check(wrong[2].clone()).unwrap_err()
    );
}

#[test]
fn every_shape_codes_to_rows_that_check_and_decode() {
    for k in [32, 128, 1024] {
        for cosets in 2..=4 {
            let shape = Shape::whole(k, cosets).unwrap();
            let payload = payload(u64::from(k), 20_000);
            let blob = Encoder::of_shape(shape)
                .encode(&mut seeded(1), payload.clone(), request(Privacy::Public))
                .unwrap();
            let head = blob.head().head().clone().check().unwrap();
            let checker = RowChecker::new(head);
            let rows: Vec<_> = shape.rows().map(|index| blob.row(index).row().clone()).collect();
            let rows = checker.check_all(rows).unwrap();
            let last: Vec<_> = rows[rows.len() - k as usize..]
                .iter()
                .map(|row| (row.index(), &row.bytes()[..]))
                .collect();
            let data = shape.code().decode(&last, blob.head().row_bytes() as usize).unwrap();
            assert!(data.starts_with(&payload), "{shape}");
        }
    }
}

/// A blob that was given cosets later has the rows, and in sum the commitment, of one that was coded so at once.
#[test]
fn added_cosets_are_the_rows_that_a_wider_code_has() {
    for (k, bytes) in [(32, 5_000), (1024, 200_000)] {
        let blob_of = |cosets| {
            Encoder::of_shape(Shape::whole(k, cosets).unwrap())
                .encode(&mut seeded(1), payload(7, bytes), request(Privacy::Public))
                .unwrap()
        };
        let (base, wide) = (blob_of(2), blob_of(4));
        let data: Vec<u8> = (0..k).flat_map(|row| base.row(row).bytes().to_vec()).collect();
        let mut commitments = vec![base.head().header().commitment];
        for coset in 2..4 {
            let added = CodedBlob::add_coset(base.head(), coset, data.clone()).unwrap();
            let head = added.head().head().clone().check().unwrap();
            assert!(head.is_added_to(base.head()) && !head.is_added_to(wide.head()));
            let checker = RowChecker::new(head);
            for index in added.head().shape().rows() {
                let row = checker.check(added.row(index).row().clone()).unwrap();
                assert_eq!(
                    (row.bytes(), &row.row().path),
                    (wide.row(index).bytes(), &wide.row(index).row().path)
                );
            }
            // Rows that are there already are of the same codeword; another blob's are not.
            let of_base: Vec<_> = (0..2 * k).map(|index| base.row(index).row().clone()).collect();
            checker.check_base(&of_base).unwrap();
            let mut wrong = of_base.clone();
            wrong[5].bytes = wrong[6].bytes.clone();
            assert!(checker.check_base(&wrong).is_err());
            commitments.push(added.head().header().commitment);
        }
        assert_eq!(Commitment::sum(&commitments), Some(wide.head().header().commitment));
        for (head, coset) in [(base.head(), 1), (base.head(), 4), (wide.head(), 3)] {
            assert!(
                CodedBlob::add_coset(head, coset, data.clone()).is_err(),
                "coset {coset}"
            );
        }
    }
}

/// Whoever waits for the last delivery's end before it codes more must see it.
#[test]
fn a_blob_is_shared_while_a_clone_of_it_is_there() {
    let blob = crate::tests::public_blob(1, 1000);
    let delivery = blob.clone();
    assert!(blob.is_shared());
    drop(delivery);
    assert!(!blob.is_shared());
}

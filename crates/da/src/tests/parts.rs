//! Parts of blobs, bundles among them, while operators are there or not; and what hedging saves.

use super::{
    liars::not_coded,
    network::{Link, Network, OPERATORS, guest},
    payload, public_blob, request,
    scenarios::simulate,
    seeded,
};
use crate::{
    CodedBlob, Privacy, VerifiedHead,
    bundle::{self, Index},
    retrieve::{self, Progress, RetrieveError, recode::check_code},
};
use commonware_runtime::Clock;
use crypto::stream::Key;
use rand_core::Rng;
use std::{ops::Range, time::Duration};

/// The bytes of `range`, and how many rows were needed for them.
async fn read(network: &Network, head: &VerifiedHead, key: Option<&Key>, range: Range<u64>) -> (Vec<u8>, u32) {
    let mut rows_needed = 0;
    let progress = |step: Progress<'_>| {
        if let Progress::Rows { needed, .. } = step {
            rows_needed = needed;
        }
    };
    let committee = network.chain.committee();
    let bytes = retrieve::read_range(
        &network.context,
        &guest(),
        &committee,
        retrieve::Blob::new(head, &[]),
        key,
        range,
        progress,
    )
    .await
    .unwrap();
    (bytes, rows_needed)
}

#[test]
fn a_part_of_a_public_blob_costs_the_rows_that_hold_it() {
    simulate(21, |network| async move {
        let (length, row_bytes) = (300_000u64, 384);
        let plain = payload(21, length as usize);
        let record = network.publish(&public_blob(21, length as usize)).await.unwrap();
        let head = network.head(&record).await;
        assert_eq!(u64::from(head.row_bytes()), row_bytes);
        let mut rng = seeded(21);
        for _ in 0..12 {
            let start = rng.next_u64() % length;
            let end = (start + rng.next_u64() % 5000).min(length);
            let (bytes, rows) = read(&network, &head, None, start..end).await;
            assert!(bytes == plain[start as usize..end as usize], "{start}..{end}");
            let covering = (end.div_ceil(row_bytes) - start / row_bytes) as u32;
            assert_eq!(rows, if start == end { 0 } else { covering });
        }
        // The end and what is behind it, all, and nothing.
        assert_eq!(
            read(&network, &head, None, length - 1..u64::MAX).await.0,
            plain[plain.len() - 1..]
        );
        assert_eq!(read(&network, &head, None, 0..u64::MAX).await.0, plain);
        assert_eq!(read(&network, &head, None, length..u64::MAX).await, (vec![], 0));
    });
}

#[test]
fn a_part_of_a_sealed_blob_opens_from_its_own_segments() {
    simulate(22, |network| async move {
        let mut rng = seeded(22);
        let key = Key::generate(&mut rng);
        let plain = payload(22, 200_000);
        let recipients = [];
        let privacy = Privacy::Sealed {
            key: &key,
            recipients: &recipients,
        };
        let blob = CodedBlob::encode(&mut rng, plain.clone(), request(privacy)).unwrap();
        let record = network.publish(&blob).await.unwrap();
        let head = network.head(&record).await;
        let (bytes, rows) = read(&network, &head, Some(&key), 70_000..70_010).await;
        assert!(bytes == plain[70_000..70_010] && rows < 300, "{rows} rows");
        let (bytes, _) = read(&network, &head, Some(&key), 131_000..250_000).await;
        assert!(bytes == plain[131_000..]);

        let other = Key::generate(&mut rng);
        let committee = network.chain.committee();
        let refused = retrieve::read_range(
            &network.context,
            &guest(),
            &committee,
            retrieve::Blob::new(&head, &[]),
            Some(&other),
            0..10,
            |_| {},
        )
        .await;
        assert!(matches!(refused, Err(RetrieveError::Open { .. })));
    });
}

#[test]
fn a_part_whose_rows_are_not_to_be_had_is_decoded_from_others() {
    for link in [Link::Cut, Link::BlackHole] {
        simulate(23, |mut network| async move {
            let plain = payload(23, 300_000);
            let record = network.publish(&public_blob(23, 300_000)).await.unwrap();
            network
                .wait("all rows", |network| {
                    (0..OPERATORS).all(|operator| network.service(operator).missing_rows() == 0)
                })
                .await;
            let head = network.head(&record).await;
            // A row of operator 1's, which then is gone.
            let owned = network.chain.committee().rows_of(1, &head.root(), head.shape());
            let row = owned.iter().next().unwrap();
            network.set_link(1, link);
            let start = u64::from(row) * u64::from(head.row_bytes());
            let (bytes, rows) = read(&network, &head, None, start..start + 10).await;
            assert!(bytes == plain[start as usize..start as usize + 10] && rows == 1024);
            if link == Link::Cut {
                // Two of four gone are one too many.
                network.kill(2).await;
                network.kill(3).await;
                let (peer, committee) = (guest(), network.chain.committee());
                let refused = retrieve::read_coded(
                    &network.context,
                    &peer,
                    &committee,
                    retrieve::Blob::new(&head, &[]),
                    start..start + 10,
                    |_| {},
                );
                assert!(matches!(refused.await, Err(RetrieveError::TooFewRows { .. })));
            }
        });
    }
}

#[test]
fn an_item_of_a_bundle_is_read_alone() {
    simulate(24, |network| async move {
        let items: Vec<Vec<u8>> = (0..100).map(|item| payload(item, 1000)).collect();
        let bundle = bundle::pack(&items).unwrap();
        let blob = CodedBlob::encode(&mut seeded(24), bundle, request(Privacy::Public)).unwrap();
        assert_eq!(blob.head().row_bytes(), 128, "a hundred share the smallest rows");
        let record = network.publish(&blob).await.unwrap();
        let head = network.head(&record).await;
        let index = Index::bytes(read(&network, &head, None, 0..5).await.0[..].first_chunk().unwrap());
        let (index, index_rows) = read(&network, &head, None, 0..index.unwrap()).await;
        let index = Index::read(&index, record.length()).unwrap();
        let (item, item_rows) = read(&network, &head, None, index.range(57).unwrap()).await;
        assert_eq!(item, items[57]);
        index.check(57, &item).unwrap();
        assert_eq!((index_rows, item_rows), (29, 9));
    });
}

/// The three others answer in a tenth of what an operator used to be waited for.
#[test]
fn a_silent_operator_costs_what_the_others_took_and_not_a_fixed_wait() {
    simulate(25, |network| async move {
        let record = network.publish(&public_blob(25, 300_000)).await.unwrap();
        network
            .wait("all rows", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).missing_rows() == 0)
            })
            .await;
        let took = async || {
            let began = network.context.current();
            assert_eq!(network.read(&record).await.unwrap().coded(), payload(25, 300_000));
            network.context.current().duration_since(began).unwrap()
        };
        let healthy = took().await;
        // Not the one that is asked for the head first.
        let first = u32::from(record.root().as_bytes()[0]) % OPERATORS;
        network.set_link((first + 1) % OPERATORS, Link::BlackHole);
        let hedged = took().await;
        assert!(
            hedged > healthy && hedged < healthy + Duration::from_millis(400),
            "{healthy:?}, then {hedged:?}"
        );
    });
}

#[test]
fn coding_again_shows_that_a_blob_is_of_the_code_or_is_not() {
    let blob = public_blob(26, 200_000);
    check_code(blob.head(), &payload(26, 200_000)).unwrap();
    let mut other = payload(26, 200_000);
    other[100_000] ^= 1;
    assert!(matches!(
        check_code(blob.head(), &other),
        Err(RetrieveError::NotCoded { .. })
    ));
    // Decodes from its data rows, and from others to something else.
    let (head, rows) = not_coded(&[2000]);
    let head = head.check().unwrap();
    let data: Vec<u8> = rows[..1024].iter().flat_map(|row| row.bytes.to_vec()).collect();
    assert!(matches!(
        check_code(&head, &data[..200_000]),
        Err(RetrieveError::NotCoded { .. })
    ));
}

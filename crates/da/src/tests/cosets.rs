//! Blobs that are coded more widely, and less so again, while they are kept and read.

use super::{
    network::{Network, OPERATORS},
    payload, request, seeded,
};
use crate::{
    CodedBlob, Encoder, Privacy, Record, Shape,
    disperse::{DeliveryError, DisperseError},
    retrieve::RetrieveError,
    wire::Refusal,
};
use commonware_runtime::{Runner as _, deterministic};

/// A public blob of two cosets, the payload of `seed`.
fn twofold(seed: u64, bytes: usize) -> CodedBlob {
    Encoder::of_shape(Shape::whole(1024, 2).unwrap())
        .encode(&mut seeded(seed), payload(seed, bytes), request(Privacy::Public))
        .unwrap()
}

/// Reads the blob as anyone could, codes one more coset of it and publishes that.
async fn widen(network: &Network, record: &Record, added: &[Record]) -> Record {
    let retrieved = network.read_with(record, added).await.unwrap();
    let head = retrieved.head().clone();
    let cosets = 2 + added.len() as u32;
    let coset = CodedBlob::add_coset(&head, cosets, retrieved.data_rows()).unwrap();
    network.publish(&coset).await.unwrap()
}

#[test]
fn a_blob_goes_from_two_cosets_to_four_and_back_and_is_read_all_the_while() {
    deterministic::Runner::seeded(1).start(|context| async move {
        let mut network = Network::start(context).await;
        let blob = twofold(1, 300_000);
        let record = network.publish(&blob).await.unwrap();
        network.kill(0).await;
        network.kill(1).await;
        // Half of two cosets are the data.
        assert_eq!(network.read(&record).await.unwrap().coded(), payload(1, 300_000));
        network.kill(2).await;
        let error = network.read(&record).await.err().unwrap();
        assert!(
            matches!(error, RetrieveError::TooFewRows { needed: 1024, .. }),
            "{error}"
        );
        for operator in 0..3 {
            network.restart(operator).await;
        }

        let third = widen(&network, &record, &[]).await;
        let fourth = widen(&network, &record, std::slice::from_ref(&third)).await;
        assert_eq!((third.shape().rows(), fourth.shape().rows()), (2048..3072, 3072..4096));
        network
            .wait("all hold all", |network| {
                (0..OPERATORS).all(|index| network.service(index).missing_rows() == 0)
            })
            .await;
        let added = [third.clone(), fourth.clone()];
        let held = |network: &Network| network.service(3).status();
        let wide = held(&network);
        assert_eq!(wide.blobs, 3);
        // Any one of four operators has a quarter of four cosets: the data.
        for dead in 0..3 {
            network.kill(dead).await;
        }
        assert_eq!(
            network.read_with(&record, &added).await.unwrap().coded(),
            payload(1, 300_000)
        );
        for operator in 0..3 {
            network.restart(operator).await;
        }

        for part in [&fourth, &third] {
            network
                .chain
                .drop_coset(record.root(), part.root(), part.shape().first_row());
        }
        network
            .wait("rows are dropped", |network| held(network).blobs == 1)
            .await;
        assert!(held(&network).stored_bytes < wide.stored_bytes);
        assert_eq!(network.service(3).missing_rows(), 0);
        // Whoever still believes in them finds the blob all the same.
        assert_eq!(
            network.read_with(&record, &added).await.unwrap().coded(),
            payload(1, 300_000)
        );
    });
}

#[test]
fn an_operator_that_lost_its_disk_computes_added_rows_again() {
    deterministic::Runner::seeded(2).start(|context| async move {
        let mut network = Network::start(context).await;
        let record = network.publish(&twofold(2, 200_000)).await.unwrap();
        network.kill(1).await;
        network.lose_disk(1).await;
        network.restart(1).await;
        // It lacks the blob, so it does not sign; the others are a quorum of what is added, but not of a blob of two cosets.
        let retrieved = network.read(&record).await.unwrap();
        let head = retrieved.head().clone();
        let coset = CodedBlob::add_coset(&head, 2, retrieved.data_rows()).unwrap();
        network
            .wait("the blob is repaired", |network| network.service(1).missing_rows() == 0)
            .await;
        let third = network.publish(&coset).await.unwrap();
        network.kill(2).await;
        network.lose_disk(2).await;
        network.restart(2).await;
        network
            .wait("both are repaired", |network| {
                network.service(2).status().blobs == 2 && network.service(2).missing_rows() == 0
            })
            .await;
        for dead in [0, 1] {
            network.kill(dead).await;
        }
        let read = network.read_with(&record, &[third]).await.unwrap();
        assert_eq!(read.coded(), payload(2, 200_000));
    });
}

/// A coset alone has no redundancy: any bytes are rows of some codeword. What ties them to the blob is that operators check its rows, too.
#[test]
fn rows_of_another_codeword_are_not_added_to_a_blob() {
    deterministic::Runner::seeded(3).start(|context| async move {
        let network = Network::start(context).await;
        let blob = twofold(3, 200_000);
        let other = payload(4, 1024 * blob.head().row_bytes() as usize);
        let record = network.publish(&blob).await.unwrap();
        let forged = CodedBlob::add_coset(blob.head(), 2, other).unwrap();
        let refusals = |error: DisperseError| match error {
            DisperseError::NoQuorum { failures, .. } => failures
                .into_iter()
                .map(|failure| match failure {
                    DeliveryError::Refused { source, .. } => source,
                    other => panic!("{other}"),
                })
                .collect::<Vec<_>>(),
            other => panic!("{other}"),
        };
        let error = network.publish(&forged).await.err().unwrap();
        let refused = refusals(error);
        assert_eq!(refused.len(), OPERATORS as usize);
        assert!(
            refused.iter().all(|refusal| matches!(refusal, Refusal::BadRow { .. })),
            "{refused:?}"
        );
        assert_eq!(network.read(&record).await.unwrap().coded(), payload(3, 200_000));

        // Nor to a blob that nobody has.
        let unknown = twofold(5, 1_000);
        let data = (0..1024).flat_map(|row| unknown.row(row).bytes().to_vec()).collect();
        let orphan = CodedBlob::add_coset(unknown.head(), 2, data).unwrap();
        let error = network.publish(&orphan).await.err().unwrap();
        assert!(refusals(error).iter().all(|refusal| *refusal == Refusal::Base));
    });
}

/// A sample is of any row that there is: the confidence is that of the wider blob, and rows that were added and are gone are missed.
#[test]
fn samples_of_a_widened_blob_are_of_the_added_rows_too() {
    deterministic::Runner::seeded(4).start(|context| async move {
        let mut network = Network::start(context).await;
        let record = network.publish(&twofold(6, 300_000)).await.unwrap();
        let narrow = network.sample(&record, 64).await.verdict;
        assert!(narrow.all_found() && narrow.shape.row_count() == 2048);
        assert_eq!(narrow.confidence().log2(), -64.0);

        let third = widen(&network, &record, &[]).await;
        let fourth = widen(&network, &record, std::slice::from_ref(&third)).await;
        network
            .wait("all hold all", |network| {
                (0..OPERATORS).all(|index| network.service(index).missing_rows() == 0)
            })
            .await;
        let added = [third.clone(), fourth.clone()];
        let wide = network.sample_with(&record, &added, 64).await;
        assert!(wide.verdict.all_found() && wide.failures.is_empty());
        assert_eq!(wide.verdict.shape, Shape::whole(1024, 4).unwrap());
        // Each found by chance a quarter of the time, not half.
        assert_eq!(wide.verdict.confidence().log2(), -128.0);
        let of_added = wide.challenges.iter().filter(|challenge| challenge.row >= 2048).count();
        assert!((20..45).contains(&of_added), "{of_added} of 64");

        // Who denies the added rows is seen by who believes in them.
        network
            .chain
            .drop_coset(record.root(), fourth.root(), fourth.shape().first_row());
        network
            .wait("rows are dropped", |network| {
                (0..OPERATORS).all(|index| network.service(index).status().blobs == 2)
            })
            .await;
        let lost = network.sample_with(&record, &added, 64).await.verdict;
        assert!(!lost.missing.is_empty() && lost.missing.iter().all(|challenge| challenge.row >= 3072));
        // A part that does not follow the rows before it is not sampled.
        let apart = network.sample_with(&record, &[fourth, third], 26).await.verdict;
        assert!(apart.all_found() && apart.shape.row_count() == 2048);
    });
}

//! What must hold while operators die, links fail and disks rot.

use super::{
    chain::partition,
    network::{Link, Network, OPERATORS},
    payload, public_blob, request, seeded,
};
use crate::{
    CodedBlob, Privacy, Shape,
    disperse::{self, DisperseError},
    permit::PERMIT_BLOCKS,
    retrieve::RetrieveError,
};
use commonware_runtime::{Blob, Clock, ReadOptions, Runner as _, Storage, WriteOptions, deterministic};
use crypto::{envelope::RecipientSecret, stream::Key};
use std::time::Duration;

/// Runs `test` on a network of four operators; returns what identifies the run.
pub(super) fn simulate<F: Future<Output = ()>>(seed: u64, test: impl FnOnce(Network) -> F) -> String {
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_timeout(Some(Duration::from_secs(600)));
    deterministic::Runner::new(config).start(|context| async move {
        let auditor = context.auditor();
        test(Network::start(context).await).await;
        auditor.state()
    })
}

#[test]
fn a_sealed_blob_is_certified_and_read_back_by_its_recipient() {
    simulate(1, |network| async move {
        let mut rng = seeded(1);
        let key = Key::generate(&mut rng);
        let reader = RecipientSecret::from_seed(&[5; 32]);
        let plain = payload(1, 300_000);
        let recipients = [reader.public()];
        let request = request(Privacy::Sealed {
            key: &key,
            recipients: &recipients,
        });
        let blob = CodedBlob::encode(&mut rng, plain.clone(), request).unwrap();
        let record = network.publish(&blob).await.unwrap();
        let retrieved = network.read(&record).await.unwrap();
        let key = retrieved.params().unwrap_key(&reader).expect("an envelope is for it");
        assert_eq!(retrieved.open(Some(&key)).unwrap(), plain);
        let other = Key::generate(&mut rng);
        let error = network.read(&record).await.unwrap().open(Some(&other)).unwrap_err();
        assert!(matches!(error, RetrieveError::Open { .. }));
    });
}

/// A certificate promises that two thirds of the rows are on disk; so whoever of four dies next, the blob is still there.
#[test]
fn whatever_is_certified_reads_back_with_any_one_operator_dead() {
    simulate(2, |mut network| async move {
        let blob = public_blob(2, 400_000);
        let record = network.publish(&blob).await.unwrap();
        for dead in 0..OPERATORS {
            network.kill(dead).await;
            let retrieved = network.read(&record).await.unwrap();
            assert_eq!(retrieved.coded(), payload(2, 400_000), "operator {dead} dead");
            network.restart(dead).await;
        }
    });
}

#[test]
fn an_operator_that_is_dead_cut_off_or_silent_delays_no_certificate_and_no_reader() {
    for (case, link) in [Link::Cut, Link::BlackHole, Link::CutAfter { bytes: 60_000 }]
        .into_iter()
        .enumerate()
    {
        simulate(3, |network| async move {
            network.set_link(3, link);
            let blob = public_blob(3, 400_000);
            let began = network.context.current();
            let record = network.publish(&blob).await.unwrap();
            let retrieved = network.read(&record).await.unwrap();
            assert_eq!(retrieved.coded(), payload(3, 400_000));
            let took = network.context.current().duration_since(began).unwrap();
            assert!(took < Duration::from_secs(4), "case {case}: {took:?}");
        });
    }
}

#[test]
fn without_a_quorum_there_is_no_certificate_and_every_failure_is_named() {
    simulate(4, |mut network| async move {
        network.kill(0).await;
        network.set_link(1, Link::BlackHole);
        let blob = public_blob(4, 10_000);
        let error = network.publish(&blob).await.unwrap_err();
        let DisperseError::NoQuorum {
            rows_signed, failures, ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((rows_signed, failures.len()), (1536, 2));
        // Once they are back, the same blob finds its quorum: rows that are there are not asked for again.
        network.restart(0).await;
        let mut sent = 0;
        let count = |step: disperse::Progress<'_>| {
            if let disperse::Progress::Sent { rows, .. } = step {
                sent += rows;
            }
        };
        let committee = network.chain.committee();
        network.disperse(&committee, &blob, count).await.unwrap();
        assert_eq!(sent, 768);
    });
}

#[test]
fn a_restarted_operator_repairs_the_rows_it_missed_without_any_key() {
    simulate(5, |mut network| async move {
        network.kill(2).await;
        let mut rng = seeded(5);
        let key = Key::generate(&mut rng);
        let plain = payload(5, 250_000);
        let sealed = request(Privacy::Sealed {
            key: &key,
            recipients: &[],
        });
        let blob = CodedBlob::encode(&mut rng, plain.clone(), sealed).unwrap();
        let record = network.publish(&blob).await.unwrap();
        network.restart(2).await;
        network
            .wait("repair", |network| {
                network.service(2).status().blobs == 1 && network.service(2).missing_rows() == 0
            })
            .await;
        // Its rows are needed now: two others are gone.
        network.kill(0).await;
        network.kill(1).await;
        let retrieved = network.read(&record).await.unwrap();
        assert_eq!(retrieved.open(Some(&key)).unwrap(), plain);
    });
}

#[test]
fn what_an_operator_signed_for_survives_its_restart() {
    simulate(6, |mut network| async move {
        let blob = public_blob(6, 150_000);
        let record = network.publish(&blob).await.unwrap();
        network
            .wait("all rows", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).missing_rows() == 0)
            })
            .await;
        for operator in 0..OPERATORS {
            network.kill(operator).await;
        }
        for operator in 0..OPERATORS {
            network.restart(operator).await;
            assert_eq!(network.service(operator).opened().rows, 768);
        }
        assert_eq!(network.read(&record).await.unwrap().coded(), payload(6, 150_000));
    });
}

#[test]
fn rotten_rows_are_found_when_the_store_opens_and_repaired() {
    simulate(7, |mut network| async move {
        let blob = public_blob(7, 150_000);
        let root = network.publish(&blob).await.unwrap().root();
        network
            .wait("all rows", |network| {
                network.service(1).missing_rows() == 0 && network.service(1).status().blobs == 1
            })
            .await;
        network.kill(1).await;
        let (file, len) = network.context.open(&partition(1), root.as_ref()).await.unwrap();
        for offset in [40_000, 60_000, len - 1] {
            let byte = file
                .read_at(offset, 1, ReadOptions::default())
                .await
                .unwrap()
                .coalesce()
                .as_ref()[0];
            file.write_at(offset, vec![byte ^ 0x10], WriteOptions::default())
                .await
                .unwrap();
        }
        file.sync().await.unwrap();
        drop(file);
        network.restart(1).await;
        assert_eq!(
            (
                network.service(1).opened().rows,
                network.service(1).opened().bad_records
            ),
            (765, 3)
        );
        network
            .wait("repair", |network| {
                network.service(1).status().height > 1 && network.service(1).missing_rows() == 0
            })
            .await;
        network.kill(1).await;
        network.restart(1).await;
        assert_eq!(network.service(1).opened().rows, 768);
    });
}

#[test]
fn rows_that_expired_or_that_nobody_paid_for_are_deleted() {
    simulate(8, |network| async move {
        let paid = network.publish(&public_blob(8, 1000)).await.unwrap();
        let unpaid = public_blob(80, 1000);
        let committee = network.chain.committee();
        network.disperse(&committee, &unpaid, |_| {}).await.unwrap();
        network
            .wait("two blobs", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).status().blobs == 2)
            })
            .await;
        network.context.sleep(Duration::from_secs(1)).await;
        network.chain.mine(PERMIT_BLOCKS + 1);
        network
            .wait("one blob", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).status().blobs == 1)
            })
            .await;
        network.read(&paid).await.unwrap();
        network.chain.mine(10_000);
        network
            .wait("none", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).status().stored_bytes == 0)
            })
            .await;
        let Err(error) = network.read(&paid).await else {
            panic!("it expired")
        };
        assert!(matches!(error, RetrieveError::NoHead { failures, .. } if failures.len() == 4));
    });
}

/// Each operator has 3 MiB of rows of either blob to take, the last half of a MiB of which no bucket can delay.
#[test]
fn operators_that_bound_what_they_take_are_filled_at_their_rate_by_all_streams_together() {
    simulate(13, |mut network| async move {
        network.ingest_bytes_per_s = Some(1 << 20);
        for operator in 0..OPERATORS {
            network.kill(operator).await;
            network.restart(operator).await;
        }
        let began = network.context.current();
        let blobs = [public_blob(13, 4 << 20), public_blob(14, 4 << 20)];
        let (first, second) = futures::join!(network.publish(&blobs[0]), network.publish(&blobs[1]));
        let took = network.context.current().duration_since(began).unwrap().as_secs_f64();
        assert!((5.0..7.0).contains(&took), "{took} s");
        for (seed, record) in [(13, first.unwrap()), (14, second.unwrap())] {
            assert_eq!(network.read(&record).await.unwrap().coded(), payload(seed, 4 << 20));
        }
    });
}

/// Slow links change when things happen, not what happens.
#[test]
fn two_runs_of_one_seed_do_the_same_to_the_last_byte() {
    let run = |seed| {
        simulate(seed, |mut network| async move {
            network.set_link(
                0,
                Link::Up {
                    latency: Duration::from_millis(80),
                },
            );
            network.set_link(3, Link::CutAfter { bytes: 100_000 });
            let record = network.publish(&public_blob(9, 200_000)).await.unwrap();
            network.kill(1).await;
            assert_eq!(network.read(&record).await.unwrap().coded(), payload(9, 200_000));
            network.set_link(
                3,
                Link::Up {
                    latency: Duration::from_millis(5),
                },
            );
            network.restart(1).await;
            network
                .wait("repair", |network| network.service(3).missing_rows() == 0)
                .await;
        })
    };
    assert_eq!(run(9), run(9));
    assert_ne!(run(9), run(10));
}

/// A light client has the chain's record and nothing of the blob.
#[test]
fn a_light_client_finds_every_sample_of_a_certified_blob_and_misses_those_of_dead_operators() {
    simulate(11, |mut network| async move {
        let blob = public_blob(11, 400_000);
        let record = network.publish(&blob).await.unwrap();
        network
            .wait("all rows are stored", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).status().stored_bytes > 0)
            })
            .await;
        let sampled = network.sample(&record, 26).await;
        assert!(sampled.verdict.all_found(), "{sampled:?}");
        assert!(sampled.verdict.confidence().log2() < -41.0);
        assert!(sampled.received_bytes <= 26 * 1457);

        network.kill(2).await;
        let committee = network.chain.committee();
        let lost = committee.rows_of(2, &record.root(), Shape::STANDARD);
        let sampled = network.sample(&record, 64).await;
        let expected: Vec<_> = sampled
            .challenges
            .iter()
            .filter(|challenge| lost.contains(challenge.row))
            .copied()
            .collect();
        assert_eq!(sampled.verdict.missing, expected);
        assert!(sampled.verdict.wrong.is_empty() && sampled.failures.len() == 1);
        assert!(
            sampled.verdict.confidence().log2() < -20.0,
            "three of four operators have it"
        );
    });
}

#[test]
fn nothing_is_found_of_a_blob_that_nobody_stores() {
    simulate(12, |mut network| async move {
        let blob = public_blob(12, 100_000);
        let sampled = network
            .sample(&crate::Record::of_header(blob.head().header()), 26)
            .await;
        assert_eq!((sampled.verdict.found, sampled.verdict.asked()), (0, 26));
        assert_eq!(sampled.failures.len(), OPERATORS as usize);
    });
}

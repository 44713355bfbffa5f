//! Promises to pay, and signatures for several blobs at once.

use super::{
    chain::{PRICE, payer},
    network::{Link, guest},
    public_blob,
    scenarios::simulate,
};
use crate::{
    Permit, Record,
    disperse::{self, DeliveryError, DisperseError},
    permit::{self, LIFETIME_BLOCKS},
    wire::Refusal,
};
use commonware_runtime::Clock;
use crypto::ecdsa;
use primitives::U256;
use std::time::Duration;

/// Operators look at the promise before they take a byte: it is somebody's, lasts as long as is let, and its payer has the money.
#[test]
fn nobodys_promise_and_one_without_the_money_are_refused_before_any_row() {
    simulate(81, |network| async move {
        let (domain, committee) = (guest().domain, network.chain.committee());
        let blob = public_blob(81, 1000);
        let header = blob.head().header();
        let refusals = async |permit: Permit| {
            let mut sent = 0;
            let count = |step: disperse::Progress<'_>| {
                if let disperse::Progress::Sent { rows, .. } = step {
                    sent += rows;
                }
            };
            let outcome = disperse::disperse(&network.context, &guest(), &committee, &blob, &permit, count).await;
            let Err(DisperseError::NoQuorum { failures, .. }) = outcome else {
                panic!("taken")
            };
            assert_eq!(sent, 0);
            let refusals = failures.into_iter().map(|failure| match failure {
                DeliveryError::Refused { source, .. } => source,
                other => panic!("{other}"),
            });
            refusals.collect::<Vec<_>>()
        };
        let height = network.chain.height();
        let of_payer = |deadline| Permit::sign(&payer(), &domain, header, None, deadline);
        let nobodys = Permit {
            signature: [0; 65],
            ..of_payer(height + 10)
        };
        for permit in [nobodys, of_payer(height), of_payer(height + 1_301)] {
            let refused = refusals(permit).await;
            assert_eq!(refused.len(), 4);
            assert!(refused.iter().all(|refusal| matches!(refusal, Refusal::Permit { .. })));
        }
        // One wei too little, beside what it promised for another blob.
        let poor = ecdsa::Secret::from_bytes(&[5; 32]).unwrap();
        let fee = |header| u128::try_from(permit::fee_wei(header, U256::from(PRICE), height)).unwrap();
        let first = public_blob(82, 2000);
        let both = fee(header) + fee(first.head().header());
        network.chain.set_escrow(poor.address(), both - 1);
        let permit = Permit::sign(&poor, &domain, first.head().header(), None, height + 1_000);
        let certificate = disperse::disperse(&network.context, &guest(), &committee, &first, &permit, |_| {}).await;
        let permit = Permit::sign(&poor, &domain, header, None, height + 1_000);
        let refused = refusals(permit).await;
        assert!(
            refused
                .iter()
                .all(|refusal| matches!(refusal, Refusal::Unfunded { .. }))
        );
        // Once the first is paid for, or the escrow filled up meanwhile, it is taken.
        network.chain.submit(&certificate.unwrap());
        network.context.sleep(Duration::from_secs(1)).await;
        disperse::disperse(&network.context, &guest(), &committee, &blob, &permit, |_| {})
            .await
            .unwrap();
    });
}

/// The money may be final where the payer looks, and not yet where an operator does.
#[test]
fn an_operator_that_has_not_seen_the_escrow_yet_is_asked_again() {
    simulate(83, |network| async move {
        let poor = ecdsa::Secret::from_bytes(&[5; 32]).unwrap();
        let blob = public_blob(83, 1000);
        let permit = Permit::sign(
            &poor,
            &guest().domain,
            blob.head().header(),
            None,
            network.chain.height() + 1_000,
        );
        let (committee, peer) = (network.chain.committee(), guest());
        let dispersal = disperse::disperse(&network.context, &peer, &committee, &blob, &permit, |_| {});
        let deposit = async {
            network.context.sleep(Duration::from_millis(200)).await;
            network.chain.set_escrow(poor.address(), u128::MAX);
        };
        let (certificate, ()) = futures::future::join(dispersal, deposit).await;
        certificate.unwrap();
    });
}

/// One signature for all, though the blobs are on their way at once and one operator has some of them only.
#[test]
fn blobs_are_signed_for_together_by_those_that_have_all_of_them() {
    simulate(84, |network| async move {
        let (committee, peer) = (network.chain.committee(), guest());
        let blobs: Vec<_> = (0..5).map(|seed| public_blob(84 + seed, 3000)).collect();
        let mut batch = Vec::new();
        for (number, blob) in blobs.iter().enumerate() {
            if number == 2 {
                network.set_link(1, Link::Cut);
            }
            let permit = network.chain.permit(blob.head().header());
            let mut dispersal = disperse::Dispersal::begin(&network.context, &peer, &committee, blob, &permit).unwrap();
            dispersal.stored(|_| {}).await.unwrap();
            batch.push(dispersal);
        }
        let certificate = disperse::certify(&peer, batch, |_| {}).await.unwrap();
        assert_eq!(certificate.signers(), [0, 2, 3]);
        assert_eq!(certificate.headers().len(), 5);
        network.chain.submit(&certificate);
        for blob in &blobs {
            let record = Record::of_header(blob.head().header());
            assert_eq!(network.read(&record).await.unwrap().coded().len(), 3000);
        }
    });
}

/// What was signed for is on disk with its promise: an operator that restarts keeps it until the deadline, and no longer.
#[test]
fn a_promise_survives_a_restart_and_ends_with_its_deadline() {
    simulate(85, |mut network| async move {
        let blob = public_blob(85, 1000);
        let committee = network.chain.committee();
        network.disperse(&committee, &blob, |_| {}).await.unwrap();
        network
            .wait("a blob", |network| network.service(0).status().blobs == 1)
            .await;
        network.chain.mine(LIFETIME_BLOCKS - 10);
        network.kill(0).await;
        network.restart(0).await;
        network.context.sleep(Duration::from_secs(1)).await;
        assert_eq!(network.service(0).status().blobs, 1);
        network.chain.mine(20);
        network
            .wait("none", |network| network.service(0).status().blobs == 0)
            .await;
    });
}

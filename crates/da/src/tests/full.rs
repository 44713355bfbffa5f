//! Operators whose disks have no room left.

use super::{
    network::{Network, OPERATORS},
    payload, public_blob,
    scenarios::simulate,
};
use crate::{
    disperse::{DeliveryError, DisperseError},
    wire::Refusal,
};
use commonware_runtime::Clock;
use std::time::Duration;

/// A quarter of the coded rows are an operator's: four of these fill its 64 MiB.
const BLOB_BYTES: usize = 19 << 20;

/// Publishes until nobody has room; the records, and the seed of each payload.
async fn fill(network: &Network) -> (Vec<(u64, crate::Record)>, DisperseError) {
    let mut records = Vec::new();
    for seed in 100.. {
        match network.publish(&public_blob(seed, BLOB_BYTES)).await {
            Ok(record) => records.push((seed, record)),
            Err(error) => return (records, error),
        }
        // Rows are paid for once operators have seen the certificate.
        network.context.sleep(Duration::from_secs(1)).await;
    }
    unreachable!("disks are finite")
}

#[test]
fn full_disks_refuse_what_is_new_keep_what_they_hold_and_take_more_once_that_expired() {
    simulate(17, |network| async move {
        let (records, error) = fill(&network).await;
        assert_eq!(records.len(), 4);
        let DisperseError::NoQuorum {
            failures, rows_signed, ..
        } = error
        else {
            panic!("{error}")
        };
        assert_eq!((failures.len(), rows_signed), (OPERATORS as usize, 0));
        for failure in failures {
            let DeliveryError::Refused { source, .. } = failure else {
                panic!("{failure}")
            };
            assert_eq!(source, Refusal::Full);
        }
        for (seed, record) in &records {
            assert_eq!(network.read(record).await.unwrap().coded(), payload(*seed, BLOB_BYTES));
        }
        network.chain.mine(10_000);
        network
            .wait("room", |network| {
                (0..OPERATORS).all(|operator| network.service(operator).status().stored_bytes == 0)
            })
            .await;
    });
}

/// Whoever is full does not sign; a quorum of the others does, and the blob is read without it.
#[test]
fn one_full_disk_of_four_delays_nobody() {
    simulate(18, |mut network| async move {
        network.capacity_bytes = 1 << 20;
        network.kill(2).await;
        network.restart(2).await;
        let record = network.publish(&public_blob(18, 4 << 20)).await.unwrap();
        assert_eq!(network.read(&record).await.unwrap().coded(), payload(18, 4 << 20));
        assert_eq!(network.service(2).status().blobs, 0);
        // With room again it repairs what it owns.
        network.capacity_bytes = 64 << 20;
        network.kill(2).await;
        network.restart(2).await;
        network
            .wait("its rows", |network| {
                network.service(2).missing_rows() == 0 && network.service(2).status().blobs == 1
            })
            .await;
    });
}

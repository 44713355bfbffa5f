//! Streams that are kept between blobs.

use super::{
    network::{Link, Network, OPERATORS, guest},
    public_blob,
    scenarios::simulate,
};
use crate::{
    CodedBlob,
    disperse::{Dispersal, certify},
    wire::{IDLE_MAX, Streams},
};
use commonware_runtime::{Clock, deterministic::Context};
use std::time::Duration;

/// Publishes on `streams`; returns how long the certificate took.
async fn publish(network: &Network, streams: &Streams<Context>, blob: &CodedBlob) -> Duration {
    let begun = network.context.current();
    let (committee, permit) = (network.chain.committee(), network.chain.permit(blob.head().header()));
    let dispersal = Dispersal::begin_on(&network.context, &guest(), streams, &committee, blob, &permit);
    let mut dispersal = dispersal.unwrap();
    dispersal.stored(|_| {}).await.unwrap();
    let certificate = certify(&guest(), vec![dispersal], |_| {}).await.unwrap();
    network.chain.submit(&certificate);
    let took = network.context.current().duration_since(begun).unwrap();
    // The last operator signs behind the others.
    network.context.sleep(Duration::from_secs(1)).await;
    took
}

/// All operators have so many blobs, whole.
async fn all_have(network: &Network, blobs: u64) {
    let has = |network: &Network, operator| {
        let service = network.service(operator);
        service.status().blobs == blobs && service.missing_rows() == 0
    };
    network
        .wait("rows", |network| (0..OPERATORS).all(|operator| has(network, operator)))
        .await;
}

#[test]
fn a_stream_serves_blob_after_blob_until_nobody_uses_it() {
    simulate(71, |network| async move {
        let streams = Streams::new(&network.context);
        let first = publish(&network, &streams, &public_blob(1, 10_000)).await;
        assert_eq!((network.connections(), streams.len()), (u64::from(OPERATORS), 4));
        for seed in 2..6 {
            let later = publish(&network, &streams, &public_blob(seed, 10_000)).await;
            assert!(later < first, "{later:?} without a handshake, {first:?} with one");
        }
        assert_eq!(network.connections(), u64::from(OPERATORS));
        all_have(&network, 5).await;

        network.context.sleep(2 * IDLE_MAX).await;
        assert!(streams.is_empty(), "operators have their places back");
        let connections = network.connections();
        publish(&network, &streams, &public_blob(6, 10_000)).await;
        assert_eq!(network.connections(), connections + u64::from(OPERATORS));
    });
}

/// Kept streams die unnoticed: an operator starts again, the network forgets one, an operator is gone. None delays a certificate, and who is there has its rows.
#[test]
fn a_kept_stream_that_died_is_replaced_and_delays_nobody() {
    simulate(72, |mut network| async move {
        let streams = Streams::new(&network.context);
        let usual = publish(&network, &streams, &public_blob(11, 10_000)).await;
        network.kill(1).await;
        network.restart(1).await;
        // What is in the hole already stays there.
        network.set_link(2, Link::BlackHole);
        let took = publish(&network, &streams, &public_blob(12, 10_000)).await;
        assert!(took < usual + Duration::from_secs(1), "{took:?}");
        network.set_link(
            2,
            Link::Up {
                latency: Duration::from_millis(5),
            },
        );
        all_have(&network, 2).await;

        network.set_link(3, Link::BlackHole);
        for seed in 13..16 {
            let took = publish(&network, &streams, &public_blob(seed, 10_000)).await;
            assert!(took < usual + Duration::from_secs(1), "{took:?}");
        }
    });
}

//! Attacks that have a name, on real operators: what they cost and what they gain is in docs/spec/da.md, faults.

use super::{
    network::{Link, Network, OPERATORS, guest},
    payload, public_blob, request, seeded,
};
use crate::{
    CodedBlob, Privacy, Quorum, Share,
    certificate::ShareError,
    disperse::DisperseError,
    encode::Request as Publication,
    wire::{self, Request},
};
use bytes::Bytes;
use commonware_codec::Decode;
use commonware_runtime::{Runner as _, deterministic};
use rand_core::Rng;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5);
const UP: Link = Link::Up {
    latency: Duration::from_millis(5),
};

/// Equivocation: each half of the operators is shown another header of one payload. Their signatures are of different messages, so
/// neither header finds a quorum, and what the one half signed does not add to the other's.
#[test]
fn a_disperser_that_shows_two_headers_gets_a_certificate_of_neither() {
    deterministic::Runner::seeded(1).start(|context| async move {
        let network = Network::start(context).await;
        let blob_until = |expiry_block| {
            let publication = Publication {
                expiry_block,
                ..request(Privacy::Public)
            };
            CodedBlob::encode(&mut seeded(1), payload(1, 50_000), publication).unwrap()
        };
        let blobs = [blob_until(10_000), blob_until(20_000)];
        assert_ne!(blobs[0].head().root(), blobs[1].head().root());
        for (blob, cut) in blobs.iter().zip([[2, 3], [0, 1]]) {
            cut.into_iter()
                .for_each(|operator| network.set_link(operator, Link::Cut));
            let error = network.publish(blob).await.err().unwrap();
            assert!(
                matches!(error, DisperseError::NoQuorum { rows_signed: 1536, .. }),
                "{error}"
            );
            cut.into_iter().for_each(|operator| network.set_link(operator, UP));
        }
        let (committee, peer) = (network.chain.committee(), guest());
        let mut quorum = Quorum::new(&peer.domain, &committee, vec![blobs[0].head().header().clone()]);
        for operator in 0..OPERATORS {
            let (_, key) = super::chain::keys(operator);
            let of = if operator < 2 { &blobs[0] } else { &blobs[1] };
            let signature = key.sign(peer.domain.message([of.head().header()]).as_slice());
            let recorded = quorum.record(Share { operator, signature });
            match operator {
                0 | 1 => assert!(recorded.unwrap().is_none()),
                _ => assert_eq!(recorded.err(), Some(ShareError::WrongSignature { operator })),
            }
        }
    });
}

/// Lazy signers: the disperser sends what two thirds need, and of those that sign one keeps nothing. Half of the rows are left, which is enough to read, and
/// to make the missing ones again where they belong; samples and challenges find who lied.
#[test]
fn a_signer_that_keeps_nothing_costs_readers_nothing_and_is_seen() {
    deterministic::Runner::seeded(2).start(|context| async move {
        let mut network = Network::start(context).await;
        let (liar, left_out) = (0, 3);
        network.set_link(left_out, Link::Cut);
        let blob = public_blob(2, 100_000);
        let record = network.publish(&blob).await.unwrap();
        // It signed; now its disk is empty, and it does not answer who would repair.
        network.kill(liar).await;
        network.lose_disk(liar).await;
        assert_eq!(network.read(&record).await.unwrap().coded(), payload(2, 100_000));
        let sampled = network.sample(&record, 64).await;
        let committee = network.chain.committee();
        let away: Vec<_> = [liar, left_out]
            .map(|operator| committee.rows_of(operator, &record.root(), record.shape()))
            .into();
        let of_them = |row| away.iter().any(|rows| rows.contains(row));
        assert!(sampled.verdict.found > 0 && !sampled.verdict.missing.is_empty());
        assert!(sampled.verdict.missing.iter().all(|piece| of_them(piece.row)));
        // Who was left out is there again: it gathers what it never got.
        network.set_link(left_out, UP);
        network
            .wait("the rows that were never sent", |network| {
                let service = network.service(left_out);
                service.status().blobs == 1 && service.missing_rows() == 0
            })
            .await;
        let sampled = network.sample(&record, 64).await;
        let lazy = &away[0];
        assert!(sampled.verdict.missing.iter().all(|piece| lazy.contains(piece.row)));
        assert!(sampled.verdict.confidence().log2() < -20.0);
    });
}

/// 10,000 frames that are no messages: most to the decoder alone, some over streams, which they end. The operator serves on.
#[test]
fn ten_thousand_malformed_frames_end_their_streams_and_nothing_else() {
    const OVER_STREAMS: usize = 100;
    let mut rng = seeded(2);
    let mut frame = [0; 96];
    for _ in 0..10_000 - OVER_STREAMS {
        rng.fill_bytes(&mut frame);
        frame[0] %= 8;
        let length = rng.next_u32() as usize % frame.len();
        assert!(
            Request::decode_cfg(Bytes::copy_from_slice(&frame[..length]), &()).is_err() || length < 48,
            "{frame:?}"
        );
    }
    deterministic::Runner::seeded(2).start(|context| async move {
        let network = Network::start(context).await;
        let record = network.publish(&public_blob(2, 50_000)).await.unwrap();
        let (committee, peer) = (network.chain.committee(), guest());
        let mut rng = seeded(3);
        for _ in 0..OVER_STREAMS {
            let operator = &committee.operators()[0];
            let mut connection = wire::dial(&network.context, &peer.stream_key, peer.domain.chain_id, operator)
                .await
                .unwrap();
            let mut frame = [0u8; 96];
            rng.fill_bytes(&mut frame);
            // No request has this tag.
            frame[0] |= 0x80;
            connection.sender.send(&frame, LIMIT).await.unwrap();
            assert!(connection.receiver.receive::<wire::Response>(LIMIT).await.is_err());
        }
        network.set_link(1, Link::Cut);
        let read = network.read(&record).await.unwrap();
        assert_eq!(read.coded(), payload(2, 50_000));
        assert_eq!(network.service(0).status().blobs, 1);
    });
}

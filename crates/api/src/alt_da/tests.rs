//! What rollup software sees, request by request.

use super::*;
use crate::blobs::tests::{CHAIN_ID, Fate, Shelf};
use alloy_primitives::hex;
use axum::http::{Method, Request, StatusCode};
use commonware_codec::{Copying, DecodeExt};
use futures::stream;
use proptest::prelude::*;
use std::convert::Infallible;
use tower::ServiceExt;

const BATCH: &[u8] = b"\x00 frames of a rollup";

async fn ask(shelf: &Shelf, method: Method, path: &str, body: impl Into<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let request = Request::builder().method(method).uri(path).body(body.into()).unwrap();
    send(shelf, request).await
}

async fn send(shelf: &Shelf, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let response = router(shelf.gateway()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (head.status, head.headers, body)
}

async fn put(shelf: &Shelf) -> Bytes {
    let (status, headers, commitment) = ask(shelf, Method::POST, "/put", BATCH).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[header::CONTENT_TYPE], "application/octet-stream");
    commitment
}

fn path_of(commitment: &[u8]) -> String {
    format!("/get/0x{}", hex::encode(commitment))
}

#[tokio::test]
async fn a_batch_put_is_the_batch_got_under_its_commitment() {
    let shelf = Shelf::new();
    let commitment = put(&shelf).await;
    assert_eq!(commitment[..3], [0x01, 0x61, 0x00]);
    let (status, headers, batch) = ask(&shelf, Method::GET, &path_of(&commitment), Body::empty()).await;
    assert_eq!((status, &batch[..]), (StatusCode::OK, BATCH));
    assert_eq!(headers[header::CONTENT_TYPE], "application/octet-stream");

    let read = Commitment::decode(Copying(&commitment)).unwrap();
    assert_eq!(read.chain_id, CHAIN_ID);
    let found = shelf.find(read.name.root).await.unwrap().unwrap();
    assert_eq!(found.certified_block, read.certified_block);
}

/// Releases of op-batcher differ in the slash, op-node's forks add the block of inclusion, and the text says PUT.
#[tokio::test]
async fn every_spelling_that_rollups_use_is_understood() {
    let shelf = Shelf::new();
    let commitment = put(&shelf).await;
    for (method, path) in [(Method::POST, "/put/"), (Method::PUT, "/put"), (Method::PUT, "/put/")] {
        let (status, _, again) = ask(&shelf, method, path, BATCH).await;
        assert_eq!((status, again), (StatusCode::OK, commitment.clone()));
    }
    let path = path_of(&commitment) + "?l1_inclusion_block_number=7";
    assert_eq!(ask(&shelf, Method::GET, &path, Body::empty()).await.0, StatusCode::OK);
    let upper = format!("/get/0x{}", hex::encode_upper(&commitment));
    assert_eq!(ask(&shelf, Method::GET, &upper, Body::empty()).await.0, StatusCode::OK);
    assert_eq!(
        ask(&shelf, Method::GET, "/health", Body::empty()).await.0,
        StatusCode::OK
    );
}

/// A batcher that is answered posts the commitment to its chain: from then on the batch must be there.
#[tokio::test]
async fn nothing_is_acknowledged_before_its_certificate_is_on_chain() {
    let shelf = Shelf::new();
    shelf.hold();
    let mut waiting = tokio::spawn({
        let shelf = shelf.clone();
        async move { put(&shelf).await }
    });
    tokio::select! {
        _ = &mut waiting => panic!("answered before the certificate"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(shelf.count(), 0);
    shelf.release();
    let commitment = waiting.await.unwrap();
    assert_eq!(shelf.count(), 1);
    assert_eq!(
        ask(&shelf, Method::GET, &path_of(&commitment), Body::empty()).await.0,
        StatusCode::OK
    );
}

/// 503 makes a batcher post to its own chain for a while; a failure it should retry must not look like that.
#[tokio::test]
async fn a_network_without_a_quorum_sends_the_batcher_elsewhere_and_a_fault_of_ours_does_not() {
    let shelf = Shelf::new();
    shelf.decide(Fate::NoQuorum);
    let (status, ..) = ask(&shelf, Method::POST, "/put", BATCH).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    shelf.decide(Fate::Failed);
    let (status, _, text) = ask(&shelf, Method::POST, "/put", BATCH).await;
    assert_eq!(
        (status, &text[..]),
        (StatusCode::INTERNAL_SERVER_ERROR, &b"pay the fee\n"[..])
    );
}

/// The commitment names the blob that is there, not the one that was announced to a quorum that did not take it.
#[tokio::test]
async fn a_batch_that_another_quorum_keeps_is_got_under_its_commitment() {
    let shelf = Shelf::new();
    shelf.decide(Fate::Moved);
    let commitment = put(&shelf).await;
    let (status, _, batch) = ask(&shelf, Method::GET, &path_of(&commitment), Body::empty()).await;
    assert_eq!((status, &batch[..]), (StatusCode::OK, BATCH));
}

#[tokio::test]
async fn a_batch_announced_too_large_is_refused_before_it_is_read() {
    let shelf = Shelf::new();
    let unread = Body::from_stream(stream::once(async {
        panic!("the body was read");
        #[expect(unreachable_code, reason = "names the stream's item")]
        Ok::<Bytes, Infallible>(Bytes::new())
    }));
    let request = Request::post("/put")
        .header(header::CONTENT_LENGTH, PAYLOAD_BYTES_MAX + 1)
        .body(unread)
        .unwrap();
    assert_eq!(send(&shelf, request).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_batch_of_undeclared_length_is_cut_at_the_limit() {
    let shelf = Shelf::new();
    let chunk = Bytes::from(vec![7; 1 << 20]);
    let endless = Body::from_stream(stream::repeat_with(move || Ok::<_, Infallible>(chunk.clone())));
    let (status, ..) = ask(&shelf, Method::POST, "/put", endless).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);

    let broken = Body::from_stream(stream::iter([Ok("half"), Err(std::io::Error::other("hung up"))]));
    let (status, ..) = ask(&shelf, Method::POST, "/put", broken).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(shelf.count(), 0);
}

#[tokio::test]
async fn what_is_no_commitment_is_a_bad_request_and_says_why() {
    let shelf = Shelf::new();
    let commitment = hex::encode(put(&shelf).await);
    let keccak = format!("0x00{}", "ab".repeat(32));
    for (path, text) in [
        (format!("/get/{commitment}"), "0x and 102 or 110 hexadecimal digits"),
        (format!("/get/0x{}", &commitment[2..]), "begins with 0x6100"),
        (format!("/get/0x{commitment}00"), "0x and 102 or 110 hexadecimal digits"),
        (
            format!("/get/0x{}", &commitment[..100]),
            "0x and 102 or 110 hexadecimal digits",
        ),
        ("/get/0x".into(), "0x and 102 or 110 hexadecimal digits"),
        ("/get/0xzzzzzz".into(), "0x and 102 or 110 hexadecimal digits"),
        (
            format!("/get/0x{}", "é".repeat(50)),
            "0x and 102 or 110 hexadecimal digits",
        ),
        (format!("/get/{keccak}"), "configure the rollup for generic commitments"),
    ] {
        let path = path.replace('é', "%C3%A9");
        let (status, _, answer) = ask(&shelf, Method::GET, &path, Body::empty()).await;
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.contains(text), "{path}: {answer}");
    }
    for (method, path, body) in [
        (Method::POST, format!("/put/{keccak}"), BATCH),
        (Method::POST, "/put".into(), b"".as_slice()),
    ] {
        assert_eq!(ask(&shelf, method, &path, body).await.0, StatusCode::BAD_REQUEST);
    }
    let (status, ..) = ask(&shelf, Method::DELETE, "/put", Body::empty()).await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_commitment_that_nobody_made_is_not_found() {
    let shelf = Shelf::new();
    let made = Commitment::decode(Copying(&put(&shelf).await)).unwrap();
    let wrong = [
        Commitment {
            name: Name {
                root: BlobRoot::from([9; 32]),
                item: None,
            },
            ..made
        },
        // An item of a blob that is no bundle.
        Commitment {
            name: Name {
                item: Some(0),
                ..made.name
            },
            ..made
        },
        Commitment {
            chain_id: made.chain_id + 1,
            ..made
        },
        // The same batch under a second name would be two truths for a rollup.
        Commitment {
            certified_block: made.certified_block + 1,
            ..made
        },
    ];
    for commitment in wrong {
        let (status, ..) = ask(&shelf, Method::GET, &path_of(&commitment.encode()), Body::empty()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{commitment:?}");
    }
}

/// Rollups that share a server pay for one certificate, and neither sees the other's batch.
#[tokio::test]
async fn batches_of_one_moment_share_a_blob_and_have_a_commitment_each() {
    let shelf = Shelf::new();
    let server = router(shelf.gathering(Duration::from_millis(300)));
    let batches: Vec<Vec<u8>> = (0..10u8).map(|number| vec![number; 500]).collect();
    let put = async |batch: &Vec<u8>| {
        let request = Request::post("/put").body(Body::from(batch.clone())).unwrap();
        let response = server.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        to_bytes(response.into_body(), 100).await.unwrap()
    };
    let commitments = futures::future::join_all(batches.iter().map(put)).await;
    assert_eq!(shelf.count(), 1);
    for (batch, commitment) in batches.iter().zip(commitments) {
        assert_eq!((commitment[2], commitment.len()), (1, 55));
        let (status, _, bytes) = ask(&shelf, Method::GET, &path_of(&commitment), Body::empty()).await;
        assert_eq!((status, &bytes[..]), (StatusCode::OK, &batch[..]));
        let mut other = commitment.to_vec();
        other[54] += 10;
        let (status, ..) = ask(&shelf, Method::GET, &path_of(&other), Body::empty()).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "the bundle has no such item");
    }
}

/// 404 tells a rollup that the batch does not exist. Of a certified batch that is said only when its time is over.
#[tokio::test]
async fn a_certified_batch_that_cannot_be_read_now_is_not_called_unknown_until_it_expires() {
    let shelf = Shelf::new();
    let commitment = put(&shelf).await;
    shelf.lose(Commitment::decode(Copying(&commitment)).unwrap().name.root);
    let path = path_of(&commitment);
    assert_eq!(
        ask(&shelf, Method::GET, &path, Body::empty()).await.0,
        StatusCode::BAD_GATEWAY
    );
    shelf.rise_to(5000);
    assert_eq!(
        ask(&shelf, Method::GET, &path, Body::empty()).await.0,
        StatusCode::NOT_FOUND
    );
}

proptest! {
    #[test]
    fn a_commitment_reads_back_from_its_bytes_and_its_text(
        chain_id: u64,
        certified_block: u64,
        root: [u8; 32],
        item: Option<u32>,
    ) {
        let root = root.into();
        let commitment = Commitment { chain_id, certified_block, name: Name { root, item } };
        let bytes = commitment.encode();
        prop_assert_eq!(bytes.len(), if item.is_some() { 55 } else { 51 });
        prop_assert_eq!(Commitment::decode(bytes.clone()).unwrap(), commitment);
        prop_assert_eq!(Commitment::from_hex(&format!("0x{}", hex::encode(&bytes))).unwrap(), commitment);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}", digits in "(0x)?[0-9a-fA-F]{0,110}") {
        let _ = Commitment::from_hex(&text);
        let _ = Commitment::from_hex(&format!("0x{text}"));
        let _ = Commitment::from_hex(&digits);
    }

    #[test]
    fn bytes_that_decode_encode_to_themselves(mut bytes: [u8; 55], version in 0u8..3, ours: bool) {
        if ours {
            bytes[..3].copy_from_slice(&[1, DA_LAYER, version]);
        }
        for bytes in [&bytes[..51], &bytes] {
            if let Ok(commitment) = Commitment::decode(Copying(bytes)) {
                prop_assert_eq!(&commitment.encode()[..], bytes);
            }
        }
    }
}

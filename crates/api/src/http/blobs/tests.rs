//! What an HTTP client sees, request by request.

use super::*;
use crate::blobs::tests::{Fate, Shelf};
use axum::{body::to_bytes, http::Request};
use proptest::prelude::*;
use std::convert::Infallible;
use tower::ServiceExt;

async fn send(shelf: &Shelf, request: Request<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let response = blobs(shelf.gateway()).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    (head.status, head.headers, body)
}

async fn put_at(shelf: &Shelf, content: impl Into<Body>) -> serde_json::Value {
    let request = Request::put("/v1/blobs")
        .header(header::CONTENT_TYPE, "text/csv")
        .body(content.into())
        .unwrap();
    let (status, headers, body) = send(shelf, request).await;
    assert_eq!(status, StatusCode::CREATED, "{body:?}");
    let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(headers[header::LOCATION], value["path"].as_str().unwrap());
    value
}

async fn get_part(shelf: &Shelf, path: &str, range: &str) -> (StatusCode, HeaderMap, Bytes) {
    let request = Request::get(path)
        .header(header::RANGE, range)
        .body(Body::empty())
        .unwrap();
    send(shelf, request).await
}

fn content(length: usize) -> Vec<u8> {
    (0..length as u32).flat_map(u32::to_le_bytes).take(length).collect()
}

#[tokio::test]
async fn content_put_is_the_content_got_whole_and_in_parts() {
    let shelf = Shelf::new();
    let content = content(100_000);
    let value = put_at(&shelf, content.clone()).await;
    let path = value["path"].as_str().unwrap();
    let (status, headers, body) = send(&shelf, Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!((status, &body[..]), (StatusCode::OK, &content[..]));
    assert_eq!(headers[header::CONTENT_TYPE], "text/csv");
    assert_eq!(headers[header::ACCEPT_RANGES], "bytes");
    let tag = headers[header::ETAG].clone();
    assert_eq!(tag, format!("\"{}\"", value["root"].as_str().unwrap()));

    for (range, expected) in [
        ("bytes=0-0", 0..1),
        ("bytes=500-999", 500..1000),
        ("bytes=99990-", 99_990..100_000),
    ] {
        let (status, headers, body) = get_part(&shelf, path, range).await;
        assert_eq!(
            (status, &body[..]),
            (StatusCode::PARTIAL_CONTENT, &content[expected.clone()])
        );
        let named = format!("bytes {}-{}/100000", expected.start, expected.end - 1);
        assert_eq!(headers[header::CONTENT_RANGE], named);
    }
    let (status, _, body) = get_part(&shelf, path, "bytes=-10").await;
    assert_eq!((status, &body[..]), (StatusCode::PARTIAL_CONTENT, &content[99_990..]));
    let (status, headers, _) = get_part(&shelf, path, "bytes=100000-").await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(headers[header::CONTENT_RANGE], "bytes */100000");

    let head = Request::head(path).body(Body::empty()).unwrap();
    let (status, headers, body) = send(&shelf, head).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 0));
    assert_eq!(headers[header::CONTENT_LENGTH], "100000");
    let known = Request::get(path)
        .header(header::IF_NONE_MATCH, &tag)
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(&shelf, known).await.0, StatusCode::NOT_MODIFIED);
    let other = Request::get(path)
        .header(header::IF_RANGE, "\"other\"")
        .header(header::RANGE, "bytes=0-9")
        .body(Body::empty())
        .unwrap();
    assert_eq!(
        send(&shelf, other).await.2.len(),
        100_000,
        "what the client has is of other content"
    );
}

#[tokio::test]
async fn a_large_body_is_stored_in_stripes_and_read_back_across_them() {
    let shelf = Shelf::new();
    let stripe = STRIPE_BYTES as usize;
    let content = content(2 * stripe + 1000);
    // It arrives in frames that end nowhere in particular.
    let frames: Vec<_> = content.chunks(1_234_567).map(Bytes::copy_from_slice).collect();
    let body = Body::from_stream(stream::iter(frames.into_iter().map(Ok::<_, Infallible>)));
    let value = put_at(&shelf, body).await;
    assert_eq!((value["stripes"].as_u64(), shelf.count()), (Some(3), 4));
    let path = value["path"].as_str().unwrap();
    let (_, headers, body) = send(&shelf, Request::get(path).body(Body::empty()).unwrap()).await;
    assert!(body == content && headers[header::CONTENT_TYPE] == "text/csv");
    let (_, _, body) = get_part(&shelf, path, &format!("bytes={}-{}", stripe - 5, 2 * stripe + 4)).await;
    assert!(body == content[stripe - 5..2 * stripe + 5]);
}

/// The manifest is content for ever: it is read once, also when it cannot be read again.
#[tokio::test]
async fn ranges_of_a_large_object_read_its_manifest_once() {
    let shelf = Shelf::new();
    let stripe = STRIPE_BYTES as usize;
    let content = content(stripe + 1000);
    let value = put_at(&shelf, content.clone()).await;
    let (path, root) = (value["path"].as_str().unwrap(), value["root"].as_str().unwrap());
    let server = blobs(shelf.gateway());
    let get = async |range: &str| {
        let request = Request::get(path).header(header::RANGE, range);
        let response = server
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let status = response.status();
        (status, to_bytes(response.into_body(), usize::MAX).await.unwrap())
    };
    let range = format!("bytes={}-{}", stripe - 5, stripe + 4);
    assert_eq!(
        get(&range).await,
        (
            StatusCode::PARTIAL_CONTENT,
            content[stripe - 5..stripe + 5].to_vec().into()
        )
    );
    shelf.lose(root.parse().unwrap());
    assert_eq!(
        get("bytes=7-8").await,
        (StatusCode::PARTIAL_CONTENT, content[7..9].to_vec().into())
    );
    let (status, ..) = get_part(&shelf, path, "bytes=7-8").await;
    assert_ne!(status, StatusCode::PARTIAL_CONTENT, "another node has not read it");
}

#[tokio::test]
async fn small_contents_of_no_type_share_a_blob_and_have_paths_of_their_own() {
    let shelf = Shelf::new();
    let server = blobs(shelf.gathering(Duration::from_millis(300)));
    let contents: Vec<Vec<u8>> = (0..10u8).map(|number| vec![number; 500]).collect();
    let put = async |content: &Vec<u8>| {
        let request = Request::put("/v1/blobs").body(Body::from(content.clone())).unwrap();
        let response = server.clone().oneshot(request).await.unwrap();
        to_bytes(response.into_body(), 1000).await.unwrap()
    };
    let answers = futures::future::join_all(contents.iter().map(put)).await;
    assert_eq!(shelf.count(), 1);
    for (content, answer) in contents.iter().zip(answers) {
        let value: serde_json::Value = serde_json::from_slice(&answer).unwrap();
        let path = value["path"].as_str().unwrap();
        let (status, _, body) = get_part(&shelf, path, "bytes=100-").await;
        assert_eq!((status, &body[..]), (StatusCode::PARTIAL_CONTENT, &content[100..]));
    }
}

#[tokio::test]
async fn what_is_empty_too_long_unknown_or_not_to_be_had_is_told_so() {
    let shelf = Shelf::new();
    let empty = Request::put("/v1/blobs").body(Body::empty()).unwrap();
    assert_eq!(send(&shelf, empty).await.0, StatusCode::BAD_REQUEST);
    // By its announced length, before any of it is read.
    let endless = stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, Infallible>>> { panic!("it is read") });
    let long = Request::put("/v1/blobs")
        .header(header::CONTENT_LENGTH, MAX_OBJECT_BYTES + 1)
        .body(Body::from_stream(endless))
        .unwrap();
    assert_eq!(send(&shelf, long).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    for (path, expected) in [
        (format!("/v1/blobs/0x{}", "ab".repeat(32)), StatusCode::NOT_FOUND),
        ("/v1/blobs/0xab".into(), StatusCode::BAD_REQUEST),
        (format!("/v1/blobs/0x{}/x", "ab".repeat(32)), StatusCode::BAD_REQUEST),
    ] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(send(&shelf, request).await.0, expected);
    }
    let value = put_at(&shelf, "some content").await;
    let path = value["path"].as_str().unwrap();
    let item = Request::get(format!("{path}/0")).body(Body::empty()).unwrap();
    assert_eq!(send(&shelf, item).await.0, StatusCode::NOT_FOUND, "it is no bundle");
    shelf.lose(value["root"].as_str().unwrap().parse().unwrap());
    let lost = Request::get(path).body(Body::empty()).unwrap();
    assert_eq!(send(&shelf, lost).await.0, StatusCode::SERVICE_UNAVAILABLE);
    shelf.decide(Fate::NoQuorum);
    let refused = Request::put("/v1/blobs").body(Body::from("other content")).unwrap();
    assert_eq!(send(&shelf, refused).await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[test]
fn ranges_are_read_as_the_standard_says() {
    for (value, expected) in [
        ("bytes=0-9", Asked::Part(0..10)),
        ("bytes=90-1000", Asked::Part(90..100)),
        ("bytes=90-", Asked::Part(90..100)),
        ("bytes=-1000", Asked::Part(0..100)),
        ("bytes=100-", Asked::Nothing),
        ("bytes=-0", Asked::Nothing),
        ("bytes=9-0", Asked::All),
        ("bytes=0-9,20-29", Asked::All),
        ("bytes=+1-9", Asked::All),
        ("bytes=", Asked::All),
        ("bytes=-", Asked::All),
        ("lines=0-9", Asked::All),
    ] {
        assert_eq!(ask(value, 100), expected, "{value}");
    }
}

proptest! {
    #[test]
    fn no_range_makes_the_parser_panic_or_leave_the_content(value in "(bytes=)?[0-9+, -]{0,40}", length: u64) {
        if let Asked::Part(range) = ask(&value, length) {
            prop_assert!(range.start < range.end && range.end <= length);
        }
    }
}

//! The calls as a client makes them, in one process; the bytes of the messages against the `.proto` files.

use super::{Disperser, RequestKey, id::REQUEST_ID_BYTES, message::*};
use crate::blobs::{
    PAYLOAD_BYTES_MAX,
    tests::{EPOCH, Fate, Shelf, moved},
};
use axum::http::{self, uri::PathAndQuery};
use primitives::BlobRoot;
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeMap;
use tonic::{Code, Request, Status, body::Body, client::Grpc};
use tonic_prost::ProstCodec;
use tower::ServiceExt;

const DATA: &[u8] = b"a blob of a client of 0G";

/// A client of one service, without a socket between.
struct Client(Disperser<Shelf>);

impl Client {
    /// Of the node that there is first, and of the same node when it was started again.
    fn of(shelf: &Shelf) -> Self {
        Self(Disperser::new(shelf.gateway(), RequestKey::new([1; 32])))
    }

    fn of_another_node(shelf: &Shelf) -> Self {
        Self(Disperser::new(shelf.gateway(), RequestKey::new([2; 32])))
    }

    async fn call<Ask, Reply>(&self, path: &'static str, ask: Ask) -> Result<Reply, Status>
    where
        Ask: Message + Default + 'static,
        Reply: Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.0.clone()).max_decoding_message_size(64 << 20);
        let codec = ProstCodec::<Ask, Reply>::default();
        let answer = grpc
            .unary(Request::new(ask), PathAndQuery::from_static(path), codec)
            .await;
        Ok(answer?.into_inner())
    }

    async fn disperse(&self, data: &[u8]) -> Result<DisperseBlobReply, Status> {
        let data = data.to_vec();
        self.call("/disperser.Disperser/DisperseBlob", DisperseBlobRequest { data })
            .await
    }

    async fn status(&self, request_id: &[u8]) -> Result<BlobStatusReply, Status> {
        let request_id = request_id.to_vec();
        self.call("/disperser.Disperser/GetBlobStatus", BlobStatusRequest { request_id })
            .await
    }

    /// Asks until the request is no longer under way, as clients do.
    async fn ended(&self, request_id: &[u8]) -> BlobStatusReply {
        loop {
            let reply = self.status(request_id).await.unwrap();
            if reply.status() != BlobStatus::Processing {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn retrieve(&self, header: &BlobHeader) -> Result<Vec<u8>, Status> {
        let ask = RetrieveBlobRequest {
            storage_root: header.storage_root.clone(),
            epoch: header.epoch,
            quorum_id: header.quorum_id,
        };
        let mut found: Vec<RetrieveBlobReply> = Vec::new();
        for path in ["/disperser.Disperser/RetrieveBlob", "/retriever.Retriever/RetrieveBlob"] {
            found.push(self.call(path, ask.clone()).await?);
        }
        assert_eq!(found[0], found[1]);
        Ok(found.swap_remove(0).data)
    }
}

/// The root that a request id begins with.
fn announced(request_id: &[u8]) -> BlobRoot {
    BlobRoot::from(*request_id.first_chunk::<32>().unwrap())
}

fn header_of(reply: &BlobStatusReply) -> BlobHeader {
    reply.info.clone().unwrap().blob_header.unwrap()
}

#[tokio::test]
async fn a_blob_dispersed_is_processed_then_finalized_then_retrieved() {
    let shelf = Shelf::new();
    shelf.hold();
    let client = Client::of(&shelf);
    let reply = client.disperse(DATA).await.unwrap();
    assert_eq!(
        (reply.result(), reply.request_id.len()),
        (BlobStatus::Processing, REQUEST_ID_BYTES)
    );

    let status = client.status(&reply.request_id).await.unwrap();
    assert_eq!((status.status(), status.info), (BlobStatus::Processing, None));
    shelf.release();
    let status = client.ended(&reply.request_id).await;
    assert_eq!(status.status(), BlobStatus::Finalized);
    let header = header_of(&status);
    assert_eq!((header.epoch, header.quorum_id), (EPOCH.0, 0));
    assert_eq!(client.retrieve(&header).await.unwrap(), DATA);
}

/// Their headers keep a root of 32 bytes; the item travels as the quorum, which clients hand back as it came.
#[tokio::test]
async fn blobs_of_one_moment_share_a_certificate_and_are_retrieved_one_by_one() {
    let shelf = Shelf::new();
    let client = Client(Disperser::new(
        shelf.gathering(std::time::Duration::from_millis(300)),
        RequestKey::new([1; 32]),
    ));
    let blobs: Vec<Vec<u8>> = (0..10u8).map(|number| vec![number; 500]).collect();
    let replies = futures::future::join_all(blobs.iter().map(|data| client.disperse(data))).await;
    for (data, reply) in blobs.iter().zip(replies) {
        let request_id = reply.unwrap().request_id;
        assert_eq!(request_id.len(), REQUEST_ID_BYTES);
        let status = client.ended(&request_id).await;
        assert_eq!(status.status(), BlobStatus::Finalized);
        let header = header_of(&status);
        assert_eq!(header.storage_root.len(), 32);
        assert_eq!(client.retrieve(&header).await.unwrap(), *data);
        for quorum_id in [11, u64::MAX] {
            let wrong = BlobHeader {
                quorum_id,
                ..header.clone()
            };
            assert_eq!(client.retrieve(&wrong).await.unwrap_err().code(), Code::NotFound);
        }
    }
    assert_eq!(shelf.count(), 1);
}

/// 0G's disperser keeps requests in its own database. Here the chain does.
#[tokio::test]
async fn a_finalized_request_is_known_to_a_node_that_never_saw_it() {
    let shelf = Shelf::new();
    let client = Client::of(&shelf);
    let request_id = client.disperse(DATA).await.unwrap().request_id;
    client.ended(&request_id).await;
    let other = Client::of_another_node(&shelf);
    assert_eq!(other.status(&request_id).await.unwrap().status(), BlobStatus::Finalized);
}

/// The request id is answered before it is known which quorum takes the blob: by its purchase the chain says what became of it, to any node.
#[tokio::test]
async fn a_blob_that_another_quorum_keeps_is_found_by_the_request_and_retrieved_by_its_header() {
    let shelf = Shelf::new();
    shelf.decide(Fate::Moved);
    let client = Client::of(&shelf);
    let request_id = client.disperse(DATA).await.unwrap().request_id;
    let header = header_of(&client.ended(&request_id).await);
    assert_eq!(header.storage_root, moved(announced(&request_id)).as_bytes());
    for other in [Client::of(&shelf), Client::of_another_node(&shelf)] {
        assert_eq!(other.retrieve(&header).await.unwrap(), DATA);
        assert_eq!(header_of(&other.status(&request_id).await.unwrap()), header);
    }
}

/// The process ends at each of the moments between taking a request and its certificate's block. Nobody works on what was not sent, but the certificate of
/// what was may be in a pool or in a block that is not final.
#[tokio::test]
async fn a_request_that_was_taken_before_a_restart_is_processed_while_it_may_be_recorded_and_then_finalized_or_failed()
{
    for (fate, recorded) in [
        (Fate::Certified, true),
        (Fate::Moved, true),
        (Fate::Certified, false),
        (Fate::Moved, false),
    ] {
        let shelf = Shelf::new();
        shelf.decide(fate);
        shelf.hold();
        let request_id = Client::of(&shelf).disperse(DATA).await.unwrap().request_id;
        // Started again, the node finds the chain as it was.
        shelf.settle(false);
        let client = Client::of(&shelf);
        let status = async |client: &Client| client.status(&request_id).await.map(|reply| reply.status());
        assert_eq!(status(&client).await.unwrap(), BlobStatus::Processing);
        let other = Client::of_another_node(&shelf);
        assert_eq!(status(&other).await.unwrap_err().code(), Code::NotFound);
        if recorded {
            shelf.release();
            assert_eq!(client.ended(&request_id).await.status(), BlobStatus::Finalized);
        }
        shelf.settle(true);
        let ended = if recorded {
            BlobStatus::Finalized
        } else {
            BlobStatus::Failed
        };
        for client in [client, Client::of(&shelf)] {
            assert_eq!(status(&client).await.unwrap(), ended, "{fate:?}");
        }
    }
}

/// The process remembers how its last requests failed, and nothing of those before: that they failed is known without.
#[tokio::test]
async fn a_failure_that_was_forgotten_is_a_failure() {
    let shelf = Shelf::new();
    shelf.decide(Fate::NoQuorum);
    let request_id = Client::of(&shelf).disperse(DATA).await.unwrap().request_id;
    let again = Client::of(&shelf);
    assert_eq!(again.status(&request_id).await.unwrap().status(), BlobStatus::Failed);
}

#[tokio::test]
async fn a_request_that_failed_says_whether_signatures_were_missing() {
    let shelf = Shelf::new();
    let client = Client::of(&shelf);
    for (fate, status) in [
        (Fate::NoQuorum, BlobStatus::InsufficientSignatures),
        (Fate::Failed, BlobStatus::Failed),
        // Sent again, it is a new request.
        (Fate::Certified, BlobStatus::Finalized),
    ] {
        shelf.decide(fate);
        let request_id = client.disperse(DATA).await.unwrap().request_id;
        assert_eq!(client.ended(&request_id).await.status(), status);
    }
}

#[tokio::test]
async fn what_is_not_known_is_not_found_and_what_is_no_name_is_an_invalid_argument() {
    let shelf = Shelf::new();
    let client = Client::of(&shelf);
    let request_id = client.disperse(DATA).await.unwrap().request_id;
    let header = header_of(&client.ended(&request_id).await);

    assert_eq!(
        client.status(&[1; REQUEST_ID_BYTES]).await.unwrap_err().code(),
        Code::NotFound
    );
    for wrong in [
        BlobHeader {
            storage_root: vec![1; 32],
            ..header.clone()
        },
        BlobHeader {
            epoch: header.epoch + 1,
            ..header.clone()
        },
        BlobHeader {
            quorum_id: 1,
            ..header.clone()
        },
    ] {
        assert_eq!(client.retrieve(&wrong).await.unwrap_err().code(), Code::NotFound);
    }
    for length in [0, 31, 33, REQUEST_ID_BYTES + 1] {
        let name = vec![1; length];
        assert_eq!(client.status(&name).await.unwrap_err().code(), Code::InvalidArgument);
        let wrong = BlobHeader {
            storage_root: name,
            ..header.clone()
        };
        assert_eq!(client.retrieve(&wrong).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let unknown = client.call::<_, BlobStatusReply>("/disperser.Disperser/Delete", BlobStatusRequest::default());
    assert_eq!(unknown.await.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn rows_that_are_not_found_now_are_unavailable_and_gone_once_they_expired() {
    let shelf = Shelf::new();
    let client = Client::of(&shelf);
    let request_id = client.disperse(DATA).await.unwrap().request_id;
    let header = header_of(&client.ended(&request_id).await);
    shelf.lose(announced(&request_id));
    assert_eq!(client.retrieve(&header).await.unwrap_err().code(), Code::Unavailable);
    shelf.rise_to(5000);
    assert_eq!(client.retrieve(&header).await.unwrap_err().code(), Code::NotFound);
}

/// 0G's limit to the byte: its clients split their data by it.
#[tokio::test]
async fn the_largest_blob_is_taken_and_a_byte_more_is_not() {
    let shelf = Shelf::new();
    let client = Client::of(&shelf);
    let mut data = vec![7; PAYLOAD_BYTES_MAX as usize];
    let request_id = client.disperse(&data).await.unwrap().request_id;
    let header = header_of(&client.ended(&request_id).await);
    assert_eq!(client.retrieve(&header).await.unwrap(), data);
    data.push(7);
    assert_eq!(client.disperse(&data).await.unwrap_err().code(), Code::InvalidArgument);
    // Far beyond, the announced length alone refuses it.
    data.resize(data.len() + 1000, 7);
    assert_eq!(client.disperse(&data).await.unwrap_err().code(), Code::OutOfRange);
    assert_eq!(client.disperse(b"").await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(shelf.count(), 1);
}

/// A frame of gRPC: `compressed 1 | length 4 | message`.
fn frame(message: &[u8]) -> Vec<u8> {
    [&[0], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

async fn raw(path: &str, body: Vec<u8>) -> Option<Code> {
    let body = Body::new(http_body_util::Full::new(body.into()));
    let request = http::Request::post(path)
        .header(http::header::CONTENT_TYPE, "application/grpc")
        .body(body)
        .unwrap();
    let response = Client::of(&Shelf::new()).0.oneshot(request).await.unwrap();
    let code = response.headers().get("grpc-status")?.to_str().unwrap().to_owned();
    Some(Code::from_bytes(code.as_bytes()))
}

#[tokio::test]
async fn frames_that_lie_about_their_length_end_the_call() {
    let path = "/disperser.Disperser/DisperseBlob";
    let announced_only = [&[0][..], &u32::MAX.to_be_bytes()].concat();
    assert_eq!(raw(path, announced_only).await, Some(Code::OutOfRange));
    let half = frame(&DisperseBlobRequest { data: vec![7; 100] }.encode_to_vec())[..50].to_vec();
    assert!(raw(path, half).await.is_some_and(|code| code != Code::Ok));
    assert!(raw(path, vec![]).await.is_some_and(|code| code != Code::Ok));
    // The calls that only name a blob do not read a megabyte.
    let long = frame(
        &BlobStatusRequest {
            request_id: vec![7; 1 << 20],
        }
        .encode_to_vec(),
    );
    assert_eq!(
        raw("/disperser.Disperser/GetBlobStatus", long).await,
        Some(Code::OutOfRange)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_make_a_call_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), framed: bool, call in 0usize..4) {
        let path = [
            "/disperser.Disperser/DisperseBlob",
            "/disperser.Disperser/GetBlobStatus",
            "/disperser.Disperser/RetrieveBlob",
            "/retriever.Retriever/RetrieveBlob",
        ][call];
        let body = if framed { frame(&bytes) } else { bytes };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(raw(path, body));
    }
}

/// The fields of each message of a `.proto` file: number to type. Reads what these two files use of the language.
fn fields_of(proto: &str) -> BTreeMap<String, BTreeMap<u32, String>> {
    let mut messages: BTreeMap<String, BTreeMap<u32, String>> = BTreeMap::new();
    let mut inside = None;
    for line in proto.lines() {
        let code = line.split("//").next().unwrap().trim();
        let words: Vec<_> = code.trim_end_matches(';').split_whitespace().collect();
        match words[..] {
            ["message", name, "{"] => {
                messages.entry(name.into()).or_default();
                inside = Some(name.to_owned());
            }
            ["enum", ..] | ["service", ..] => inside = None,
            [kind, _, "=", number] => {
                if let Some(message) = &inside {
                    let fields = messages.get_mut(message).unwrap();
                    fields.insert(number.parse().unwrap(), kind.into());
                }
            }
            _ => {}
        }
    }
    messages
}

/// A field on the wire, as the protocol buffers' encoding has it, with a value that is not the default.
fn wire(kind: &str, number: u32) -> Vec<u8> {
    let value: &[u8] = match kind {
        "bytes" => &[3, 1, 2, 3],
        // A message that holds its own first field, a name or another message: both are byte strings.
        "BlobInfo" => &[4, 0x0a, 2, 0x10, 5],
        "BlobHeader" => &[2, 0x10, 5],
        "uint64" => &[0xac, 0x02],
        "BlobStatus" => &[4],
        other => panic!("a field of type {other}"),
    };
    let wire_type = u8::from(!matches!(kind, "uint64" | "BlobStatus")) * 2;
    [&[(number << 3) as u8 | wire_type], value].concat()
}

/// A field that a message does not have is dropped when it is decoded and encoded again; one it has with another type is refused.
fn check<M: Message + Default>(messages: &mut BTreeMap<String, BTreeMap<u32, String>>, name: &str) {
    let fields = messages.remove(name).unwrap_or_else(|| panic!("{name} is in no file"));
    let whole: Vec<u8> = fields.iter().flat_map(|(number, kind)| wire(kind, *number)).collect();
    assert_eq!(M::decode(&whole[..]).unwrap().encode_to_vec(), whole, "{name}");
    for number in (1..=15).filter(|number| !fields.contains_key(number)) {
        let unknown = wire("bytes", number);
        let dropped = M::decode(&unknown[..]).is_ok_and(|message| message.encoded_len() == 0);
        assert!(dropped, "{name} has a field {number}");
    }
}

#[test]
fn the_messages_are_those_of_the_proto_files() {
    let mut messages = fields_of(include_str!("../../proto/disperser.proto"));
    check::<DisperseBlobRequest>(&mut messages, "DisperseBlobRequest");
    check::<DisperseBlobReply>(&mut messages, "DisperseBlobReply");
    check::<BlobStatusRequest>(&mut messages, "BlobStatusRequest");
    check::<BlobStatusReply>(&mut messages, "BlobStatusReply");
    check::<RetrieveBlobRequest>(&mut messages, "RetrieveBlobRequest");
    check::<RetrieveBlobReply>(&mut messages, "RetrieveBlobReply");
    check::<BlobInfo>(&mut messages, "BlobInfo");
    check::<BlobHeader>(&mut messages, "BlobHeader");
    assert!(messages.is_empty(), "{messages:?} are not implemented");
    let mut messages = fields_of(include_str!("../../proto/retriever.proto"));
    check::<BlobRequest>(&mut messages, "BlobRequest");
    check::<BlobReply>(&mut messages, "BlobReply");
    assert!(messages.is_empty(), "{messages:?} are not implemented");

    let proto = include_str!("../../proto/disperser.proto");
    for (name, status) in [
        ("UNKNOWN", BlobStatus::Unknown),
        ("PROCESSING", BlobStatus::Processing),
        ("CONFIRMED", BlobStatus::Confirmed),
        ("FAILED", BlobStatus::Failed),
        ("FINALIZED", BlobStatus::Finalized),
        ("INSUFFICIENT_SIGNATURES", BlobStatus::InsufficientSignatures),
    ] {
        let line = format!("  {name} = {};", status as i32);
        assert!(proto.contains(&line), "{line}");
    }
}

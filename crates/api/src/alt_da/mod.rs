//! An OP Stack alt-DA server: a rollup keeps its batches here and posts commitments of 51 bytes to its own chain.
//!
//! Unchanged `op-batcher` and `op-node` talk to it, configured for a DA service with generic commitments:
//!
//! | request | answer |
//! |---|---|
//! | `POST /put`, the batch | 200 and the [`Commitment`], once the certificate is final on chain; small batches share one |
//! | `GET /get/0x<commitment>` | 200 and the batch; 404 when nothing was certified under it |
//! | `GET /health` | 200 when the chain answers |
//!
//! `PUT` is taken for `POST`. Whoever reaches this server spends its node's coin, and nobody is asked who they are: as with every DA
//! server of the stack, it belongs on loopback beside the batcher. See docs/spec/da.md#interop.

mod commitment;
mod failure;
#[cfg(test)]
mod tests;

pub use commitment::{Commitment, CommitmentError, DA_LAYER};

use crate::blobs::{Blobs, Gateway, Name, OCTETS, PAYLOAD_BYTES_MAX, Payload, held};
use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use commonware_codec::Encode;
use failure::Failure;
use primitives::BlobRoot;
use std::time::Duration;
use tokio::time::timeout;

/// How long a batch may take to arrive: the largest one at 9 Mbit/s.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// All routes of the server.
pub fn router<B: Blobs>(gateway: Gateway<B>) -> Router {
    // The batcher's older releases put to "/put/".
    let publish = || axum::routing::put(publish::<B>).post(publish::<B>);
    let precomputed = || async { Failure::Precomputed };
    Router::new()
        .route("/put", publish())
        .route("/put/", publish())
        .route("/put/{commitment}", axum::routing::put(precomputed).post(precomputed))
        .route("/get/{commitment}", get(read::<B>))
        .route("/health", get(health::<B>))
        .fallback(|| async { Failure::NoRoute })
        .method_not_allowed_fallback(|| async { Failure::NoMethod })
        .with_state(gateway)
}

/// Stores a batch and answers with its commitment, raw, as the stack's own server does.
async fn publish<B: Blobs>(
    State(gateway): State<Gateway<B>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    match announced {
        Some(0) => return Err(Failure::Empty),
        // Refused before a byte of it is read.
        Some(length) if length > PAYLOAD_BYTES_MAX => return Err(Failure::TooLarge),
        _ => {}
    }
    let mut room = gateway
        .memory()
        .to_publish(announced.unwrap_or(PAYLOAD_BYTES_MAX))
        .await?;
    let bytes = receive(body).await?;
    room.fit(bytes.len() as u64);
    let payload = Payload {
        bytes: bytes.into(),
        media_type: OCTETS.into(),
        room,
    };
    let naming = gateway.publish(payload).await?;
    let published = naming.outcome.await?;
    let commitment = Commitment {
        chain_id: gateway.blobs().chain_id(),
        certified_block: published.certified_block,
        name: naming.name.of(&published),
    };
    Ok(octets(commitment.encode().to_vec().into()))
}

/// The whole body: at most [`PAYLOAD_BYTES_MAX`], at most [`BODY_TIMEOUT`] long under way.
async fn receive(body: Body) -> Result<Bytes, Failure> {
    // An undeclared length is cut at the limit while it is read; what ends early is no batch.
    let bytes = match timeout(BODY_TIMEOUT, to_bytes(body, PAYLOAD_BYTES_MAX as usize)).await {
        Err(_) => return Err(Failure::Timeout),
        Ok(Err(error)) if is_length_limit(&error) => return Err(Failure::TooLarge),
        Ok(Err(_)) => return Err(Failure::BrokenOff),
        Ok(Ok(bytes)) => bytes,
    };
    if bytes.is_empty() {
        return Err(Failure::Empty);
    }
    Ok(bytes)
}

fn is_length_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
}

/// Reads a batch. A query, which some forks send, changes nothing.
async fn read<B: Blobs>(
    State(gateway): State<Gateway<B>>,
    Path(commitment): Path<String>,
) -> Result<Response, Failure> {
    let commitment = Commitment::from_hex(&commitment)?;
    let (found, expected) = (commitment.chain_id, gateway.blobs().chain_id());
    if found != expected {
        return Err(Failure::OtherChain { found, expected });
    }
    let (Name { root, item }, block) = (commitment.name, commitment.certified_block);
    // One batch, one commitment: another block would be a second name of it, on which nodes of a rollup could disagree.
    let blob = gateway.blobs().find(root).await?;
    let blob = blob
        .filter(|blob| blob.certified_block == block)
        .ok_or(Failure::Unknown { root, block })?;
    let room = gateway.memory().to_read(blob.length).await?;
    let bytes = gateway.read(blob, item).await?;
    Ok(octets(held(bytes, room)))
}

/// Whether the chain answers: any question will do.
async fn health<B: Blobs>(State(gateway): State<Gateway<B>>) -> Result<(), Failure> {
    gateway.blobs().find(BlobRoot::from([0; 32])).await?;
    Ok(())
}

fn octets(bytes: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/octet-stream")], Body::from(bytes)).into_response()
}

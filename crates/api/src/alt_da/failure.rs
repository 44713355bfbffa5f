//! What a rollup is told when its payload is not stored or not found.
//!
//! Rollup software acts on three of these: 404 stalls derivation until the payload is found, 503 to a `put` makes a batcher post
//! its batch to its own chain for a while, and anything else but 200 is tried again.

use super::CommitmentError;
use crate::blobs::{Busy, FindError, PAYLOAD_BYTES_MAX, PublishError, ReadError};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use primitives::{BlobRoot, Causes};

/// Seconds after which a client that was turned away should try again.
const RETRY_AFTER_S: &str = "1";

/// A request that was not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Commitment(#[from] CommitmentError),
    #[error("the batch is empty")]
    Empty,
    #[error("a batch has at most {PAYLOAD_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the batch broke off")]
    BrokenOff,
    #[error("the batch did not arrive in time")]
    Timeout,
    #[error("commitments are made here: put the batch without one")]
    Precomputed,
    #[error("the commitment is of chain {found}, this is chain {expected}")]
    OtherChain { found: u64, expected: u64 },
    #[error("blob {root} was not certified in block {block}")]
    Unknown { root: BlobRoot, block: u64 },
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("no such route")]
    NoRoute,
    #[error("this route has no such method")]
    NoMethod,
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::Commitment(_) | Self::Empty | Self::BrokenOff | Self::Precomputed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::OtherChain { .. } | Self::Unknown { .. } | Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Read(ReadError::Sealed { .. } | ReadError::Item { .. } | ReadError::Expired { .. }) => {
                StatusCode::NOT_FOUND
            }
            // The network is not there for the batcher, which has another place to go.
            Self::Publish(PublishError::NoQuorum { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            // Certified, so it will be found: not a 404, which would be an answer.
            Self::Read(ReadError::Unavailable { .. }) => StatusCode::BAD_GATEWAY,
            Self::Publish(PublishError::Failed { .. }) | Self::Find(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::warn!(error = %Causes(&self), "a rollup's request failed");
        }
        let mut response = (status, format!("{self}\n")).into_response();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let retry = HeaderValue::from_static(RETRY_AFTER_S);
            response.headers_mut().insert(header::RETRY_AFTER, retry);
        }
        response
    }
}

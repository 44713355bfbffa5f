//! What a client is told when it gets no answer: a status, `{"error": "…"}`, and the headers that help it go on.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use compute::{
    inference::{DecodeError, InferError},
    till::{JournalError, TillError},
    x402::{self, PaymentRequired},
};
use primitives::Causes;
use serde_json::json;

/// Seconds after which a client that was turned away should try again.
const RETRY_AFTER_S: &str = "1";

/// A request that gets no answer.
#[derive(Debug)]
pub(super) enum Failure {
    BadRequest(String),
    Unauthorized(String),
    /// With the whole `PAYMENT-REQUIRED` header; its `error` is also the text of the body unless there is a better one.
    PaymentRequired {
        required: Box<PaymentRequired>,
        text: String,
    },
    NotFound(String),
    MethodNotAllowed,
    Timeout,
    Conflict(String),
    TooLarge {
        max: usize,
    },
    UnsupportedMedia(String),
    /// The node cannot do it now; the client may try again.
    Unavailable(String),
    /// A fault of ours before anything was charged. The client gets no detail; the log does.
    Internal(String),
    /// The till's disk failed: whether the charge reached it is known when it is opened again.
    Disk(String),
}

impl Failure {
    fn parts(&self) -> (StatusCode, String) {
        match self {
            Self::BadRequest(text) => (StatusCode::BAD_REQUEST, text.clone()),
            Self::Unauthorized(text) => (StatusCode::UNAUTHORIZED, text.clone()),
            Self::PaymentRequired { text, .. } => (StatusCode::PAYMENT_REQUIRED, text.clone()),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, text.clone()),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "this route has no such method".into()),
            Self::Timeout => (StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time".into()),
            Self::Conflict(text) => (StatusCode::CONFLICT, text.clone()),
            Self::TooLarge { max } => (StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {max} bytes")),
            Self::UnsupportedMedia(text) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, text.clone()),
            Self::Unavailable(text) => (StatusCode::SERVICE_UNAVAILABLE, text.clone()),
            Self::Internal(detail) => {
                tracing::error!(detail, "request failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the server failed; nothing was charged".into(),
                )
            }
            Self::Disk(detail) => {
                tracing::error!(detail, "the till's disk failed");
                let text = "the server's disk failed; a request that was charged is answered when it is sent again";
                (StatusCode::INTERNAL_SERVER_ERROR, text.into())
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = self.parts();
        let mut response = (status, Json(json!({ "error": text }))).into_response();
        let headers = response.headers_mut();
        match &self {
            Self::PaymentRequired { required, .. } => {
                let value = HeaderValue::from_str(&x402::header(&**required)).expect("base64 is header text");
                headers.insert(x402::PAYMENT_REQUIRED, value);
                headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            }
            Self::Unauthorized(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Unavailable(_) | Self::Conflict(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
            }
            _ => {}
        }
        response
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::BadRequest(Causes(&error).to_string())
    }
}

impl From<InferError> for Failure {
    fn from(error: InferError) -> Self {
        if error.is_requests_fault() {
            Self::BadRequest(error.to_string())
        } else {
            Self::Internal(error.to_string())
        }
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Self::Disk(Causes(&error).to_string())
    }
}

impl From<TillError> for Failure {
    /// For the errors that have no payment answer; `payment` turns the others into 402.
    fn from(error: TillError) -> Self {
        match error {
            TillError::InFlight { .. } => Self::Conflict(error.to_string()),
            TillError::Full { .. } => Self::Unavailable(error.to_string()),
            TillError::Journal(error) => error.into(),
            error => Self::Internal(Causes(&error).to_string()),
        }
    }
}

//! Reading a body: never more of it than allowed, never longer than allowed.

use super::{Failure, Limits};
use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, header},
};
use std::time::Duration;

/// The whole body. A length announced above the limit is refused before anything is read.
pub(super) async fn read(headers: &HeaderMap, body: Body, limits: &Limits) -> Result<Bytes, Failure> {
    let max = limits.body_bytes_max;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > max as u64) {
        return Err(Failure::TooLarge { max });
    }
    if let Some(coding) = headers
        .get(header::CONTENT_ENCODING)
        .filter(|coding| *coding != "identity")
    {
        return Err(Failure::UnsupportedMedia(format!(
            "bodies come uncompressed here, not as {coding:?}"
        )));
    }
    // An undeclared length is cut at the limit while it is read.
    match tokio::time::timeout(Duration::from_millis(limits.body_timeout_ms), to_bytes(body, max)).await {
        Err(_) => Err(Failure::Timeout),
        Ok(Err(_)) => Err(Failure::TooLarge { max }),
        Ok(Ok(bytes)) => Ok(bytes),
    }
}

/// A header as text, when it is there and is text of at most `max` bytes.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str, max: usize) -> Result<Option<&'a str>, Failure> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().ok().filter(|text| text.len() <= max);
    text.map(Some)
        .ok_or_else(|| Failure::BadRequest(format!("header {name} is not text of at most {max} bytes")))
}

//! Public data over plain HTTP: blobs, large objects and items of bundles, whole or by ranges, and a way to put them there.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/blobs/{root}`, `HEAD` | 200 and the content, or 206 and what `Range` names of it; 416 when that is nothing |
//! | `GET /v1/blobs/{root}/{item}` | the same for one item of a bundle |
//! | `PUT /v1/blobs`, the content | 201 and its root, once the last certificate is final on chain |
//!
//! Content passes in stripes of 16 MiB, two at a time, whatever its length; each takes its room of the [`Memory`](crate::blobs::Memory)
//! that all payloads share. Content put here is for everybody, and this node's account pays for it, whoever sends it: as the
//! interfaces for rollups, this one belongs on loopback. See docs/spec/da.md.

mod manifests;

use self::manifests::Manifests;
use super::Failure;
use crate::blobs::{
    BUNDLED_BYTES_MAX, Blobs, Busy, FindError, Gateway, Name, OCTETS, Payload, PublishError, Published, ReadError, held,
};
use axum::{
    Extension, Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, put},
};
use commonware_codec::{DecodeExt, Encode};
use da::{
    Meta,
    object::{self, MAX_OBJECT_BYTES, Manifest, Part, STRIPE_BYTES},
};
use futures::{FutureExt, Stream, StreamExt, stream, stream::FuturesOrdered};
use primitives::{BlobRoot, Causes, MIB};
use serde_json::json;
use std::{io, ops::Range, sync::Arc, time::Duration};
use tokio::time::timeout;

/// Stripes of one request that are in memory at a time.
const STRIPES_MAX: usize = 2;

/// How long a stripe of a body may take to arrive: 16 MiB at 5 Mbit/s.
const STRIPE_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest manifest that is read, in bytes.
const MANIFEST_BYTES_MAX: u64 = 9 * MIB;

/// Content keeps its name for ever, and its name only this content.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// A page that somebody stored is not a page of this node's: it gets no scripts and no origin.
const SANDBOX: &str = "sandbox; default-src 'none'";

/// The routes over `gateway`.
pub fn blobs<B: Blobs>(gateway: Gateway<B>) -> Router {
    Router::new()
        .route("/v1/blobs", put(store::<B>))
        .route("/v1/blobs/{root}", get(whole::<B>))
        .route("/v1/blobs/{root}/{item}", get(item::<B>))
        .layer(Extension(Arc::new(Manifests::default())))
        .with_state(gateway)
}

async fn whole<B: Blobs>(
    State(gateway): State<Gateway<B>>,
    Extension(manifests): Extension<Arc<Manifests>>,
    Path(root): Path<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let name = Name {
        root: parse(&root)?,
        item: None,
    };
    read(gateway, &manifests, name, &method, &headers).await
}

async fn item<B: Blobs>(
    State(gateway): State<Gateway<B>>,
    Extension(manifests): Extension<Arc<Manifests>>,
    Path((root, item)): Path<(String, String)>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let number = item.parse().ok();
    let name = Name {
        root: parse(&root)?,
        item: Some(number.ok_or_else(|| Failure::BadRequest(format!("{item} is not an item's number")))?),
    };
    read(gateway, &manifests, name, &method, &headers).await
}

fn parse(root: &str) -> Result<BlobRoot, Failure> {
    root.parse()
        .map_err(|_| Failure::BadRequest(format!("{root} is not a root: 64 hexadecimal digits after 0x")))
}

/// Content that was found: what it is, how long, and in which blobs.
struct Content {
    content_type: String,
    length: u64,
    place: Place,
}

enum Place {
    /// Bytes of one blob, from `start` on.
    Blob { blob: Published, start: u64 },
    /// Blobs one after the other.
    Stripes(Arc<Manifest>),
}

impl Content {
    /// What a manifest names.
    fn of_stripes(manifest: Arc<Manifest>) -> Self {
        Self {
            content_type: manifest.meta().content_type.clone(),
            length: manifest.length(),
            place: Place::Stripes(manifest),
        }
    }

    /// Pieces of at most a stripe that hold bytes `range`: a blob, if it is known already, and bytes of it.
    fn pieces(&self, range: Range<u64>) -> Vec<(Option<Published>, Part)> {
        match &self.place {
            Place::Stripes(manifest) => manifest.parts(range).map(|part| (None, part)).collect(),
            Place::Blob { blob, start } => (range.start..range.end)
                .step_by(STRIPE_BYTES as usize)
                .map(|from| {
                    let to = range.end.min(from + u64::from(STRIPE_BYTES));
                    let part = Part {
                        stripe: 0,
                        root: blob.root,
                        range: start + from..start + to,
                    };
                    (Some(*blob), part)
                })
                .collect(),
        }
    }
}

async fn find<B: Blobs>(gateway: &Gateway<B>, manifests: &Manifests, name: Name) -> Result<Content, Failure> {
    let unknown = || Failure::NotFound(format!("blob {} is not certified", name.root));
    let blob = gateway.blobs().find(name.root).await?.ok_or_else(unknown)?;
    if let Some(item) = name.item {
        let range = gateway.locate(blob, item).await?;
        return Ok(Content {
            content_type: OCTETS.into(),
            length: range.end - range.start,
            place: Place::Blob {
                blob,
                start: range.start,
            },
        });
    }
    if let Some(manifest) = manifests.find(name.root) {
        return Ok(Content::of_stripes(manifest));
    }
    let meta = gateway.blobs().meta(blob).await?.unwrap_or_default();
    if meta.content_type != object::MEDIA_TYPE || blob.length > MANIFEST_BYTES_MAX {
        return Ok(Content {
            content_type: meta.content_type,
            length: blob.length,
            place: Place::Blob { blob, start: 0 },
        });
    }
    let _room = gateway.memory().to_read(blob.length).await?;
    let bytes = gateway.blobs().read(blob).await?;
    // What only says that it is a manifest is served as the bytes it is.
    let Ok(manifest) = Manifest::decode(Bytes::from(bytes)) else {
        return Ok(Content {
            content_type: OCTETS.into(),
            length: blob.length,
            place: Place::Blob { blob, start: 0 },
        });
    };
    let manifest = Arc::new(manifest);
    manifests.keep(name.root, manifest.clone());
    Ok(Content::of_stripes(manifest))
}

/// Answers with content, or the part of it that was asked for.
async fn read<B: Blobs>(
    gateway: Gateway<B>,
    manifests: &Manifests,
    name: Name,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let content = find(&gateway, manifests, name).await?;
    let tag = match name.item {
        None => format!("\"{}\"", name.root),
        Some(item) => format!("\"{}-{item}\"", name.root),
    };
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let tagged = |value: &str| {
        value
            .split(',')
            .any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*")
    };
    if text(header::IF_NONE_MATCH).is_some_and(tagged) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let wanted = match text(header::RANGE) {
        // What the client has a part of is this content, unless it says that it is another.
        Some(value) if text(header::IF_RANGE).is_none_or(|known| known == tag) => ask(value, content.length),
        _ => Asked::All,
    };
    let (status, range) = match wanted {
        Asked::All => (StatusCode::OK, 0..content.length),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Nothing => {
            let all = format!("bytes */{}", content.length);
            let text = format!("the content has {} bytes", content.length);
            let body = Json(json!({ "error": text }));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, all)], body).into_response());
        }
    };
    let body = if *method == Method::HEAD {
        Body::empty()
    } else {
        let mut pieces = Box::pin(pieces(gateway, content.pieces(range.clone())));
        // The first piece is there before the status is sent: what cannot be read is then told with the right one.
        let first = pieces.next().await.transpose()?;
        let first = stream::iter(first.map(Ok));
        // Later ones can only break the answer off.
        let rest = pieces.map(|piece| piece.map_err(|failure| io::Error::other(format!("{failure:?}"))));
        Body::from_stream(first.chain(rest))
    };
    let content_type =
        HeaderValue::from_str(&content.content_type).unwrap_or_else(|_| HeaderValue::from_static(OCTETS));
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, (range.end - range.start).into());
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(SANDBOX));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::PARTIAL_CONTENT {
        let part = format!("bytes {}-{}/{}", range.start, range.end - 1, content.length);
        headers.insert(header::CONTENT_RANGE, HeaderValue::from_str(&part).expect("digits"));
    }
    Ok(response)
}

/// The pieces in order, each with its room until the client has taken it.
fn pieces<B: Blobs>(
    gateway: Gateway<B>,
    pieces: Vec<(Option<Published>, Part)>,
) -> impl Stream<Item = Result<Bytes, Failure>> + Send {
    stream::iter(pieces)
        .map(move |(blob, Part { root, range, .. })| {
            let gateway = gateway.clone();
            async move {
                let room = gateway.memory().to_read(range.end - range.start).await?;
                let blob = match blob {
                    Some(blob) => blob,
                    None => gateway
                        .blobs()
                        .find(root)
                        .await?
                        .ok_or_else(|| Failure::NotFound(format!("stripe {root} is not certified")))?,
                };
                let expected = range.end - range.start;
                let bytes = gateway.blobs().read_range(blob, range).await?;
                if bytes.len() as u64 != expected {
                    return Err(Failure::NotFound(format!(
                        "stripe {root} is shorter than its manifest says"
                    )));
                }
                Ok(held(bytes, room))
            }
            .boxed()
        })
        .buffered(STRIPES_MAX)
}

/// What a `Range` header names.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    Part(Range<u64>),
    /// Nothing that the content has.
    Nothing,
}

/// Reads a `Range` header (RFC 9110, 14.1.2). One that is malformed, or names several ranges, is ignored, as it may be.
fn ask(value: &str, length: u64) -> Asked {
    let Some((first, last)) = value.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::All;
    };
    let number = |text: &str| (!text.starts_with('+')).then(|| text.parse::<u64>().ok()).flatten();
    let range = match (first, last) {
        ("", suffix) => match number(suffix) {
            Some(0) => return Asked::Nothing,
            Some(suffix) => length.saturating_sub(suffix)..length,
            None => return Asked::All,
        },
        (first, "") => match number(first) {
            Some(first) => first..length,
            None => return Asked::All,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(length),
            _ => return Asked::All,
        },
    };
    if range.start >= range.end {
        return Asked::Nothing;
    }
    Asked::Part(range)
}

/// Stores a body of any length, stripe by stripe.
async fn store<B: Blobs>(
    State(gateway): State<Gateway<B>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let too_long = || Failure::TooLarge {
        max: MAX_OBJECT_BYTES as usize,
    };
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // Refused before a byte of it is read.
    if announced.is_some_and(|length| length > MAX_OBJECT_BYTES) {
        return Err(too_long());
    }
    let meta = Meta {
        name: String::new(),
        content_type: super::body::text(&headers, "content-type", 255)?
            .unwrap_or(OCTETS)
            .into(),
    };
    let mut body = Stripes::new(body);
    let mut under_way = FuturesOrdered::new();
    let (mut roots, mut length) = (Vec::new(), 0);
    loop {
        // Room first: what there is none for stays with the client.
        let left = announced.map_or(STRIPE_BYTES.into(), |announced| announced.saturating_sub(length));
        let mut room = gateway.memory().to_publish(left.min(STRIPE_BYTES.into())).await?;
        let stripe = timeout(STRIPE_TIMEOUT, body.next())
            .await
            .map_err(|_| Failure::Timeout)??;
        if stripe.is_empty() {
            break;
        }
        length += stripe.len() as u64;
        if length > MAX_OBJECT_BYTES {
            return Err(too_long());
        }
        room.fit(stripe.len() as u64);
        let payload = |media_type| Payload {
            bytes: stripe,
            media_type,
            room,
        };
        if roots.is_empty() && under_way.is_empty() && body.is_over().await? {
            // One blob; a small one of no type shares it with others.
            let media_type = meta.content_type;
            let is_small = length <= BUNDLED_BYTES_MAX && media_type == OCTETS;
            let (name, published) = if is_small {
                let naming = gateway.publish(payload(OCTETS.into())).await?;
                (naming.name, naming.outcome.await?)
            } else {
                let publication = gateway.blobs().publish(payload(media_type.into())).await?;
                let (root, item) = (publication.root, None);
                (Name { root, item }, publication.outcome.await?)
            };
            return Ok(stored(&gateway, name, length, 1, &published));
        }
        let publication = gateway.blobs().publish(payload(OCTETS.into())).await?;
        under_way.push_back(publication.outcome);
        if under_way.len() == STRIPES_MAX {
            let stripe = under_way.next().await.expect("there are some")?;
            roots.push(stripe.root);
        }
    }
    while let Some(stripe) = under_way.next().await {
        roots.push(stripe?.root);
    }
    if length == 0 {
        return Err(Failure::BadRequest("the content is empty".into()));
    }
    let stripes = roots.len() as u32;
    let manifest = Manifest::new(length, STRIPE_BYTES, meta, roots).expect("as many stripes as the length has");
    let bytes = manifest.encode().to_vec();
    let room = gateway.memory().to_publish(bytes.len() as u64).await?;
    let payload = Payload {
        bytes,
        media_type: object::MEDIA_TYPE.into(),
        room,
    };
    let publication = gateway.blobs().publish(payload).await?;
    let (root, item) = (publication.root, None);
    let published = publication.outcome.await?;
    Ok(stored(&gateway, Name { root, item }, length, stripes, &published))
}

/// `201 Created`: the name, where to read it, until when, and who paid.
fn stored<B: Blobs>(gateway: &Gateway<B>, name: Name, length: u64, stripes: u32, published: &Published) -> Response {
    let name = name.of(published);
    let path = match name.item {
        None => format!("/v1/blobs/{}", name.root),
        Some(item) => format!("/v1/blobs/{}/{item}", name.root),
    };
    let body = json!({
        "root": name.root,
        "item": name.item,
        "path": path,
        "length": length,
        "stripes": stripes,
        "certified_block": published.certified_block,
        "expiry_block": published.expiry_block,
        "payer": gateway.blobs().payer(),
    });
    (StatusCode::CREATED, [(header::LOCATION, path)], Json(body)).into_response()
}

/// A body, cut into stripes.
struct Stripes {
    body: axum::body::BodyDataStream,
    /// What came and belongs to the next stripe: less than a frame.
    rest: Bytes,
}

impl Stripes {
    fn new(body: Body) -> Self {
        Self {
            body: body.into_data_stream(),
            rest: Bytes::new(),
        }
    }

    /// The next stripe; shorter than a stripe at the end, and empty behind it.
    async fn next(&mut self) -> Result<Vec<u8>, Failure> {
        let mut stripe = Vec::new();
        while stripe.len() < STRIPE_BYTES as usize && !self.is_over().await? {
            let room = STRIPE_BYTES as usize - stripe.len();
            let frame = self.rest.split_to(self.rest.len().min(room));
            stripe.extend_from_slice(&frame);
        }
        Ok(stripe)
    }

    /// Whether nothing comes any more; waits for more until then.
    async fn is_over(&mut self) -> Result<bool, Failure> {
        while self.rest.is_empty() {
            match timeout(STRIPE_TIMEOUT, self.body.next()).await {
                Err(_) => return Err(Failure::Timeout),
                Ok(None) => return Ok(true),
                Ok(Some(Ok(frame))) => self.rest = frame,
                Ok(Some(Err(_))) => return Err(Failure::BadRequest("the body broke off".into())),
            }
        }
        Ok(false)
    }
}

impl From<Busy> for Failure {
    fn from(busy: Busy) -> Self {
        Self::Unavailable(busy.to_string())
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NoQuorum { .. } => Self::Unavailable(error.to_string()),
            PublishError::Failed { .. } => Self::Internal(Causes(&error).to_string()),
        }
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        Self::Internal(Causes(&error).to_string())
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Sealed { .. } | ReadError::Item { .. } | ReadError::Expired { .. } => {
                Self::NotFound(Causes(&error).to_string())
            }
            ReadError::Unavailable { .. } => Self::Unavailable(Causes(&error).to_string()),
        }
    }
}

#[cfg(test)]
mod tests;

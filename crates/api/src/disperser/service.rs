//! The calls, over one [`Gateway`]. Which call a request is, is its path; what generated code would do with it is a `match`.

use super::{
    id::{RequestId, RequestIdError, RequestKey},
    message::{
        BlobHeader, BlobInfo, BlobStatus, BlobStatusReply, BlobStatusRequest, DisperseBlobReply, DisperseBlobRequest,
        RetrieveBlobReply, RetrieveBlobRequest,
    },
    request::Requests,
};
use crate::blobs::{
    Blobs, Busy, FindError, Gateway, OCTETS, PAYLOAD_BYTES_MAX, Payload, PublishError, Published, ReadError, Room,
};
use axum::http;
use http_body_util::BodyExt;
use primitives::{BlobRoot, Causes};
use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::timeout;
use tonic::{Code, Request, Response, Status, body::Body, server::Grpc};
use tonic_prost::ProstCodec;
use tower::{Service, service_fn};

/// Longest message taken, in bytes: the largest payload, its tag and its length.
const MESSAGE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX as usize + 16;

/// Longest message of the other calls, which name a blob.
const NAME_BYTES_MAX: usize = 1 << 10;

/// How long a call may take, its message's way here included: the largest at 3 Mbit/s, or a read that has to look everywhere.
const CALL_TIMEOUT: Duration = Duration::from_secs(100);

/// Quorum of a blob that is one payload, whichever keeps it here: a root is found by itself, so other numbers are free to name an item: one more
/// than its own. Clients hand back root, epoch and quorum as they came, and the root keeps its 32 bytes.
const WHOLE: u64 = 0;

/// `disperser.Disperser` and `retriever.Retriever`. Clones share everything.
pub struct Disperser<B> {
    gateway: Gateway<B>,
    key: RequestKey,
    requests: Arc<Mutex<Requests>>,
}

impl<B> Clone for Disperser<B> {
    fn clone(&self) -> Self {
        Self {
            gateway: self.gateway.clone(),
            key: self.key.clone(),
            requests: self.requests.clone(),
        }
    }
}

impl<B: Blobs> Disperser<B> {
    /// Serves what `gateway` publishes and reads, and knows the requests of `key` as its own.
    pub fn new(gateway: Gateway<B>, key: RequestKey) -> Self {
        Self {
            gateway,
            key,
            requests: Arc::default(),
        }
    }

    async fn answer(self, request: http::Request<Body>) -> http::Response<Body> {
        match request.uri().path() {
            "/disperser.Disperser/DisperseBlob" => {
                // The length of the message comes with the message, so room is made for the largest before it is read.
                let room = match self.gateway.memory().to_publish(PAYLOAD_BYTES_MAX).await {
                    Ok(room) => room,
                    Err(busy) => return Status::from(busy).into_http(),
                };
                let mut room = Some(room);
                let call = service_fn(move |request: Request<DisperseBlobRequest>| {
                    let (disperser, room) = (self.clone(), room.take().expect("a unary call has one message"));
                    async move {
                        disperser
                            .disperse_blob(request.into_inner(), room)
                            .await
                            .map(Response::new)
                    }
                });
                grpc(MESSAGE_BYTES_MAX).unary(call, request).await
            }
            "/disperser.Disperser/GetBlobStatus" => {
                let call = service_fn(move |request: Request<BlobStatusRequest>| {
                    let disperser = self.clone();
                    async move { disperser.blob_status(request.into_inner()).await.map(Response::new) }
                });
                grpc(NAME_BYTES_MAX).unary(call, request).await
            }
            "/disperser.Disperser/RetrieveBlob" | "/retriever.Retriever/RetrieveBlob" => {
                let call = service_fn(move |request: Request<RetrieveBlobRequest>| {
                    let disperser = self.clone();
                    async move { disperser.retrieve_blob(request.into_inner()).await }
                });
                let mut response = grpc(NAME_BYTES_MAX).unary(call, request).await;
                let Some(room) = response.extensions_mut().remove::<Arc<Room>>() else {
                    return response;
                };
                // The room is free when the client has taken the blob, or left.
                response.map(|body| {
                    Body::new(body.map_frame(move |frame| {
                        let _held = &room;
                        frame
                    }))
                })
            }
            path => Status::unimplemented(format!("there is no {path}")).into_http(),
        }
    }

    async fn disperse_blob(&self, request: DisperseBlobRequest, mut room: Room) -> Result<DisperseBlobReply, Status> {
        let length = request.data.len() as u64;
        if length == 0 || length > PAYLOAD_BYTES_MAX {
            let text = format!("a blob has 1 to {PAYLOAD_BYTES_MAX} bytes, not {length}");
            return Err(Status::invalid_argument(text));
        }
        room.fit(length);
        let payload = Payload {
            bytes: request.data,
            media_type: OCTETS.into(),
            room,
        };
        let naming = self.gateway.publish(payload).await?;
        let name = naming.name;
        let id = RequestId {
            name,
            payer: self.gateway.blobs().payer(),
            purchase: naming.purchase,
        };
        self.requests().begin(name);
        let requests = self.requests.clone();
        // The client asks again for what becomes of it.
        tokio::spawn(async move {
            let outcome = match naming.outcome.await {
                Ok(_) => Ok(()),
                Err(error) => {
                    tracing::warn!(%name, error = %Causes(&error), "a client's blob was not published");
                    match error {
                        PublishError::NoQuorum { .. } => Err(BlobStatus::InsufficientSignatures),
                        PublishError::Failed { .. } => Err(BlobStatus::Failed),
                    }
                }
            };
            let mut requests = requests.lock().unwrap_or_else(PoisonError::into_inner);
            requests.end(name, outcome);
        });
        Ok(DisperseBlobReply {
            result: BlobStatus::Processing.into(),
            request_id: id.to_bytes(&self.key),
        })
    }

    async fn blob_status(&self, request: BlobStatusRequest) -> Result<BlobStatusReply, Status> {
        let (id, is_own) = RequestId::from_bytes(&request.request_id, &self.key)?;
        let name = id.name;
        let reply = |status: BlobStatus, info| BlobStatusReply {
            status: status.into(),
            info,
        };
        // First, because a request that ends now is on chain by the time it is no longer under way.
        if self.requests().is_under_way(name) {
            return Ok(reply(BlobStatus::Processing, None));
        }
        if let Some(blob) = self.find(id).await? {
            let blob_header = Some(BlobHeader {
                storage_root: blob.root.as_bytes().to_vec(),
                epoch: blob.committee.epoch.0,
                quorum_id: name.item.map_or(WHOLE, |item| u64::from(item) + 1),
            });
            return Ok(reply(BlobStatus::Finalized, Some(BlobInfo { blob_header })));
        }
        if let Some(status) = self.requests().failure(name) {
            return Ok(reply(status, None));
        }
        if !is_own {
            return Err(Status::not_found(format!("no request {name} is known")));
        }
        // It was taken before this process began, or failed so long ago that it was forgotten how.
        Ok(match self.gateway.blobs().is_settled().await? {
            true => reply(BlobStatus::Failed, None),
            false => reply(BlobStatus::Processing, None),
        })
    }

    /// The blob that a request became, as the chain has it.
    async fn find(&self, id: RequestId) -> Result<Option<Published>, FindError> {
        let blobs = self.gateway.blobs();
        if let Some(blob) = blobs.find(id.name.root).await? {
            return Ok(Some(blob));
        }
        let Some(purchase) = id.purchase else {
            return Ok(None);
        };
        match blobs.purchased(id.payer, purchase).await? {
            None => Ok(None),
            Some(root) => blobs.find(root).await,
        }
    }

    async fn retrieve_blob(&self, request: RetrieveBlobRequest) -> Result<Response<RetrieveBlobReply>, Status> {
        let root = root("storage_root", &request.storage_root)?;
        let blob = self.gateway.blobs().find(root).await?;
        let (epoch, quorum_id) = (request.epoch, request.quorum_id);
        let item = match quorum_id.checked_sub(1) {
            None => Some(None),
            Some(item) => u32::try_from(item).ok().map(Some),
        };
        let (blob, item) = blob
            .filter(|blob| blob.committee.epoch.0 == epoch)
            .zip(item)
            .ok_or_else(|| Status::not_found(format!("blob {root} is not of epoch {epoch}, quorum {quorum_id}")))?;
        let room = self.gateway.memory().to_read(blob.length).await?;
        let data = self.gateway.read(blob, item).await?;
        let mut response = Response::new(RetrieveBlobReply { data });
        response.extensions_mut().insert(Arc::new(room));
        Ok(response)
    }

    fn requests(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B: Blobs> Service<http::Request<Body>> for Disperser<B> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.clone().answer(request);
        Box::pin(async move {
            let late = |_| Status::deadline_exceeded("the call took too long").into_http();
            Ok(timeout(CALL_TIMEOUT, answer).await.unwrap_or_else(late))
        })
    }
}

/// A call whose message has at most `bytes_max` bytes; it is not read further.
fn grpc<Reply, Ask>(bytes_max: usize) -> Grpc<ProstCodec<Reply, Ask>>
where
    Reply: prost::Message + 'static,
    Ask: prost::Message + Default + 'static,
{
    Grpc::new(ProstCodec::default()).apply_max_message_size_config(Some(bytes_max), None)
}

fn root(field: &str, bytes: &[u8]) -> Result<BlobRoot, Status> {
    let root = <[u8; 32]>::try_from(bytes)
        .map_err(|_| Status::invalid_argument(format!("{field} has 32 bytes, not {}", bytes.len())))?;
    Ok(root.into())
}

impl From<RequestIdError> for Status {
    fn from(error: RequestIdError) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

impl From<Busy> for Status {
    fn from(busy: Busy) -> Self {
        Self::resource_exhausted(busy.to_string())
    }
}

impl From<PublishError> for Status {
    fn from(error: PublishError) -> Self {
        failed(Code::Internal, &error)
    }
}

impl From<FindError> for Status {
    fn from(error: FindError) -> Self {
        failed(Code::Internal, &error)
    }
}

impl From<ReadError> for Status {
    fn from(error: ReadError) -> Self {
        let code = match error {
            ReadError::Sealed { .. } | ReadError::Item { .. } | ReadError::Expired { .. } => Code::NotFound,
            ReadError::Unavailable { .. } => Code::Unavailable,
        };
        failed(code, &error)
    }
}

/// The client gets the step that failed; the log gets why.
fn failed(code: Code, error: &dyn Error) -> Status {
    tracing::warn!(error = %Causes(error), "a client's call failed");
    Status::new(code, error.to_string())
}

//! 0G's disperser and retriever, over gRPC: their clients publish and read blobs here, unchanged.
//!
//! | call of `disperser.Disperser` | answer |
//! |---|---|
//! | `DisperseBlob` | PROCESSING and a request id |
//! | `GetBlobStatus` | PROCESSING, then FINALIZED with `(storage root, epoch, quorum)`; or INSUFFICIENT_SIGNATURES, FAILED |
//! | `RetrieveBlob` | the payload; also as `retriever.Retriever/RetrieveBlob` |
//!
//! A request id says all that it takes to find its blob on chain, so it outlives this process and any node answers for it once it is finalized. Of one
//! that is not, the node that took it says that it is processed as long as that may still be recorded, and then that it failed, also when it was
//! started again in between. Whoever reaches this server spends its node's coin: it belongs on loopback. See docs/spec/da.md#interop.

mod id;
pub mod message;
mod request;
mod service;
#[cfg(test)]
mod tests;

pub use id::RequestKey;
pub use request::MAX_FAILURES;
pub use service::Disperser;

use crate::{
    blobs::Blobs,
    http::listen::{Bounded, Connection},
};
use axum::serve::Listener;
use futures::stream;
use std::{future::Future, io, time::Duration};
use tokio::net::TcpListener;
use tonic::transport::{Error, Server, server::Connected};

/// Calls that one connection may have open; each waits for memory before it reads a payload.
const MAX_CALLS_PER_CONNECTION: u32 = 32;

/// How often a connection on which nothing happens is asked whether it lives, and how long it may take to say so.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Serves `disperser` on `listener` until `stop` resolves, then lets open calls finish.
///
/// At most `connections_max` connections are open at a time; others wait in the kernel's queue.
///
/// # Errors
///
/// When the transport fails for good.
pub async fn serve<B: Blobs>(
    listener: TcpListener,
    disperser: Disperser<B>,
    connections_max: usize,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let connections = stream::unfold(Bounded::new(listener, connections_max), |mut listener| async {
        let (connection, _) = listener.accept().await;
        Some((Ok::<_, io::Error>(connection), listener))
    });
    Server::builder()
        .max_concurrent_streams(MAX_CALLS_PER_CONNECTION)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .serve_with_incoming_shutdown(disperser, connections, stop)
        .await
}

impl Connected for Connection {
    type ConnectInfo = ();

    /// Nothing here asks who is calling.
    fn connect_info(&self) {}
}

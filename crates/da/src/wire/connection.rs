//! An encrypted stream of messages over the runtime's network.

use super::{MAX_MESSAGE_BYTES, Request, Response, Status, cipher::Aes256Gcm};
use crate::{Operator, Runtime};
use bytes::Bytes;
use commonware_codec::{Decode, EncodeSize, Error, Read, Write};
use commonware_cryptography::ed25519;
use commonware_runtime::{Clock, IoBufs, IoBufsBuilder, SinkOf, StreamOf};
use commonware_stream::{
    Upgrader,
    cups::{self, Cups},
    sake::{self, Sake},
};
use futures::future::{Either, select};
use std::{future::Future, pin::pin, time::Duration};

/// Longest a handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How far the clocks of two ends may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(30);

/// A stream failed, and is of no more use.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// What the operator registered is no endpoint, or no key.
    #[error("the operator registered no address and key that one could talk to")]
    Unreachable,
    /// Nobody answers at the operator's endpoint.
    #[error("connect")]
    Connect(#[source] commonware_runtime::Error),
    /// The other end did not prove the key it should have.
    #[error("authenticate the other end")]
    Handshake(#[source] sake::Error),
    /// The stream broke, or a record is too long or was changed.
    #[error("exchange records")]
    Stream(#[source] cups::Error),
    /// A message is not one of ours.
    #[error("decode a message")]
    Decode(#[source] commonware_codec::Error),
    /// Nothing moved for too long.
    #[error("no progress in {0:?}")]
    TimedOut(Duration),
}

/// Both halves of a stream.
pub struct Connection<E: Runtime> {
    /// Towards the other end.
    pub sender: Sender<E>,
    /// From the other end.
    pub receiver: Receiver<E>,
}

/// The half that sends messages.
pub struct Sender<E: Runtime> {
    context: E,
    inner: cups::Sender<Aes256Gcm, SinkOf<E>>,
}

/// The half that receives messages.
pub struct Receiver<E: Runtime> {
    context: E,
    inner: cups::Receiver<Aes256Gcm, StreamOf<E>>,
}

/// The handshake and cipher of every stream.
fn upgrader(key: ed25519::PrivateKey) -> Cups<Sake<ed25519::PrivateKey>, Aes256Gcm> {
    let handshake = Sake {
        signer: key,
        synchrony_bound: CLOCK_SKEW,
        max_handshake_age: CLOCK_SKEW,
        version: sake::Version::V1,
    };
    Cups::new(handshake, cups::Version::V1)
}

/// What both ends must agree on: the protocol, its version and the chain.
fn namespace(chain_id: u64) -> Vec<u8> {
    [&b"aloft/da/stream/v2/"[..], &chain_id.to_be_bytes()].concat()
}

/// `future`'s output, unless it takes longer than `limit`.
///
/// # Errors
///
/// [`WireError::TimedOut`]; the future is dropped then.
pub(crate) async fn within<T>(
    context: &impl Clock,
    limit: Duration,
    future: impl Future<Output = T>,
) -> Result<T, WireError> {
    match select(pin!(future), pin!(context.sleep(limit))).await {
        Either::Left((output, _)) => Ok(output),
        Either::Right(_) => Err(WireError::TimedOut(limit)),
    }
}

/// Connects to `operator` and checks that it holds its stream key. `key` is ours: an operator's own, or any.
///
/// # Errors
///
/// [`WireError`].
pub async fn dial<E: Runtime>(
    context: &E,
    key: &ed25519::PrivateKey,
    chain_id: u64,
    operator: &Operator,
) -> Result<Connection<E>, WireError> {
    let dial = async {
        let (Some(endpoint), Some(peer)) = (operator.endpoint, operator.stream_key.clone()) else {
            return Err(WireError::Unreachable);
        };
        let (sink, stream) = context.dial(endpoint).await.map_err(WireError::Connect)?;
        let namespace = namespace(chain_id);
        upgrader(key.clone())
            .dial(
                context.child("handshake"),
                &namespace,
                MAX_MESSAGE_BYTES,
                peer,
                stream,
                sink,
            )
            .await
            .map_err(WireError::Handshake)
    };
    let (sender, receiver) = within(context, HANDSHAKE_TIMEOUT, dial).await??;
    Ok(Connection::new(context, sender, receiver))
}

/// Asks an operator how it is doing, over a connection of its own.
///
/// # Errors
///
/// [`WireError`], also when it answers something else.
pub async fn ask_status<E: Runtime>(
    context: &E,
    key: &ed25519::PrivateKey,
    chain_id: u64,
    operator: &Operator,
) -> Result<Status, WireError> {
    let mut connection = dial(context, key, chain_id, operator).await?;
    connection.sender.send(&Request::Status, HANDSHAKE_TIMEOUT).await?;
    match connection.receiver.receive(HANDSHAKE_TIMEOUT).await? {
        Response::Status(status) => Ok(status),
        _ => Err(WireError::Decode(Error::Invalid("Response", "not a status"))),
    }
}

/// Answers a connection that `admit` lets in, by the key it proves; returns that key.
///
/// # Errors
///
/// [`WireError`], also for a key that is not let in.
pub async fn accept<E: Runtime>(
    context: &E,
    key: &ed25519::PrivateKey,
    chain_id: u64,
    admit: impl FnOnce(&ed25519::PublicKey) -> bool + Send,
    sink: SinkOf<E>,
    stream: StreamOf<E>,
) -> Result<(ed25519::PublicKey, Connection<E>), WireError> {
    let namespace = namespace(chain_id);
    let admit = |peer: ed25519::PublicKey| std::future::ready(admit(&peer));
    let listen = upgrader(key.clone()).listen(
        context.child("handshake"),
        &namespace,
        MAX_MESSAGE_BYTES,
        admit,
        stream,
        sink,
    );
    let (peer, sender, receiver) = within(context, HANDSHAKE_TIMEOUT, listen)
        .await?
        .map_err(WireError::Handshake)?;
    Ok((peer, Connection::new(context, sender, receiver)))
}

impl<E: Runtime> Connection<E> {
    fn new(
        context: &E,
        sender: cups::Sender<Aes256Gcm, SinkOf<E>>,
        receiver: cups::Receiver<Aes256Gcm, StreamOf<E>>,
    ) -> Self {
        Self {
            sender: Sender {
                context: context.child("sender"),
                inner: sender,
            },
            receiver: Receiver {
                context: context.child("receiver"),
                inner: receiver,
            },
        }
    }
}

/// A message's bytes in pieces: what it has in memory already is not copied here, but once, where it is encrypted.
pub(super) fn encode(message: &(impl Write + EncodeSize)) -> IoBufs {
    let mut pieces = IoBufsBuilder::new(message.encode_inline_size());
    message.write_bufs(&mut pieces);
    pieces.finish()
}

impl<E: Runtime> Sender<E> {
    /// Sends one message; returns when the network took it, which it does as fast as the other end reads.
    ///
    /// # Errors
    ///
    /// [`WireError::TimedOut`] when that takes longer than `limit`; [`WireError::Stream`].
    pub async fn send(&mut self, message: &(impl Write + EncodeSize + Sync), limit: Duration) -> Result<(), WireError> {
        let send = self.inner.send(encode(message));
        within(&self.context, limit, send).await?.map_err(WireError::Stream)
    }
}

impl<E: Runtime> Receiver<E> {
    /// Receives one message.
    ///
    /// # Errors
    ///
    /// [`WireError::TimedOut`] when none comes within `limit`; [`WireError::Decode`] when it is not canonical.
    pub async fn receive<T: Read<Cfg = ()>>(&mut self, limit: Duration) -> Result<T, WireError> {
        let record = within(&self.context, limit, self.inner.recv())
            .await?
            .map_err(WireError::Stream)?;
        T::decode_cfg(Bytes::from(record.coalesce()), &()).map_err(WireError::Decode)
    }
}

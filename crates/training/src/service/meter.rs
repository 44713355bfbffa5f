//! Counting bytes at the socket.

use commonware_runtime::{Error, IoBufs, Sink, Stream};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Bytes that crossed a socket, as this side sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes handed to the socket: never fewer than the other side has received.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
}

/// Counters of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Meter {
    sent: Arc<AtomicU64>,
    received: Arc<AtomicU64>,
}

impl Meter {
    /// What crossed so far.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic {
            sent_bytes: self.sent.load(Ordering::Relaxed),
            received_bytes: self.received.load(Ordering::Relaxed),
        }
    }

    /// Both halves of a connection, counted.
    pub(super) fn wrap<O, I>(&self, sink: O, stream: I) -> (Metered<O>, Metered<I>) {
        (
            Metered {
                inner: sink,
                bytes: Arc::clone(&self.sent),
            },
            Metered {
                inner: stream,
                bytes: Arc::clone(&self.received),
            },
        )
    }
}

/// A half of a connection whose bytes are counted.
pub(super) struct Metered<H> {
    inner: H,
    bytes: Arc<AtomicU64>,
}

impl<O: Sink> Sink for Metered<O> {
    async fn send(&mut self, bufs: impl Into<IoBufs> + Send) -> Result<(), Error> {
        let bufs = bufs.into();
        // Before they leave: the other side may answer, and this task be ended, before it is told that they left.
        self.bytes
            .fetch_add(bytes::Buf::remaining(&bufs) as u64, Ordering::Relaxed);
        self.inner.send(bufs).await
    }
}

impl<I: Stream> Stream for Metered<I> {
    async fn recv(&mut self, len: usize) -> Result<IoBufs, Error> {
        let bufs = self.inner.recv(len).await?;
        self.bytes.fetch_add(len as u64, Ordering::Relaxed);
        Ok(bufs)
    }

    fn peek(&self, max_len: usize) -> &[u8] {
        self.inner.peek(max_len)
    }
}

//! Accepting connections, a bounded number at a time.

use super::seats::{Seat, Seats};
use axum::{Router, serve::Listener};
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Serves `router` on `listener` until `stop` resolves, then lets open requests finish.
///
/// At most `connections_max` connections are open at a time. When all places are taken, a newcomer gets the place of the client that was
/// quiet longest, if that is a second (or a minute without an answer to what it sent); until there is one, it waits in the kernel's queue.
///
/// # Errors
///
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(Bounded::new(listener, connections_max), router)
        .with_graceful_shutdown(stop)
        .await
}

/// A listener that holds at most so many connections open.
pub(crate) struct Bounded {
    listener: TcpListener,
    seats: Seats,
}

impl Bounded {
    pub(crate) fn new(listener: TcpListener, connections_max: usize) -> Self {
        Self {
            listener,
            seats: Seats::new(connections_max),
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        // The listener of the same name waits and tries again when the process has no file descriptor left. A place is looked for when
        // somebody came, so that nobody gives way to nobody.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let seat = self.seats.take().await;
        // Answers are small and written whole: waiting to fill a segment only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, %address, "set nodelay");
        }
        (Connection { stream, seat }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that gives its place back when it closes, and closes when its place is wanted.
pub(crate) struct Connection {
    stream: TcpStream,
    seat: Seat,
}

impl Connection {
    fn leave_if_asked(&self, cx: &Context<'_>, reads: bool) -> io::Result<()> {
        if self.seat.must_leave(cx, reads) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.leave_if_asked(cx, true)?;
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.seat.asked();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.leave_if_asked(cx, false)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.seat.answered();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.leave_if_asked(cx, false)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        self.seat.answered();
        Poll::Ready(Ok(written))
    }
}

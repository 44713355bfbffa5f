//! Streams to operators that stay open between two blobs, so that a small one does not pay a connection and a handshake to each operator.
//!
//! An operator serves one request of a stream after the other, and ends a stream that asks nothing for a minute. Here one that nobody used for
//! [`IDLE_MAX`] is not used again, and one that turns out to be dead is replaced by a new one, so a kept stream is never worse than none but for the
//! time it takes to find that out.

use super::{Connection, Request, Response, WireError, dial};
use crate::{Operator, Runtime, disperse::Peer};
use commonware_cryptography::ed25519;
use commonware_utils::sync::Mutex;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Longest that a stream waits for its next use: far less than operators let it, and they have few places for guests.
pub const IDLE_MAX: Duration = Duration::from_secs(15);
/// Most streams that wait, one an operator: a committee's, or a small one's of several quorums.
pub const WAITING_MAX: usize = 256;
/// Longest that a kept stream is waited for before a new one is tried: the operator may have moved, or its network dropped what was idle.
const KEPT_TIMEOUT: Duration = Duration::from_secs(3);

/// Streams that wait for their next use. Clones share them; dropping the last closes them.
pub struct Streams<E: Runtime>(Arc<Mutex<BTreeMap<ed25519::PublicKey, Waiting<E>>>>);

struct Waiting<E: Runtime> {
    connection: Connection<E>,
    /// Where it leads: an operator that moved is elsewhere.
    endpoint: SocketAddr,
    since: SystemTime,
}

impl<E: Runtime> Clone for Streams<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E: Runtime> Default for Streams<E> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<E: Runtime> Streams<E> {
    /// None yet. Those that wait too long are closed by a child of `context`, so that operators have their places back; a [`default`](Self::default)
    /// value closes them at its next use.
    pub fn new(context: &E) -> Self {
        let streams = Self::default();
        let waiting = Arc::downgrade(&streams.0);
        context.child("streams").spawn(move |context| async move {
            loop {
                context.sleep(IDLE_MAX / 3).await;
                let Some(waiting) = waiting.upgrade() else {
                    return;
                };
                waiting.lock().retain(|_, stream| stream.is_fresh(context.current()));
            }
        });
        streams
    }

    /// Sends `request` to `operator` as `peer`, on a stream that waits or a new one; returns the answer, which comes within `limit`, and the stream.
    ///
    /// A request that a dead stream swallowed is sent again, so it must be one that may come twice.
    ///
    /// # Errors
    ///
    /// [`WireError`] of a new stream.
    pub(crate) async fn ask(
        &self,
        context: &E,
        peer: &Peer,
        operator: &Operator,
        request: &Request,
        limit: Duration,
    ) -> Result<(Connection<E>, Response), WireError> {
        if let Some(mut kept) = self.take(context.current(), operator) {
            match exchange(&mut kept, request, limit.min(KEPT_TIMEOUT)).await {
                Ok(answer) => return Ok((kept, answer)),
                Err(error) => tracing::debug!(?error, "a stream that was kept is of no more use"),
            }
        }
        let mut connection = dial(context, &peer.stream_key, peer.domain.chain_id, operator).await?;
        let answer = exchange(&mut connection, request, limit).await?;
        Ok((connection, answer))
    }

    /// Takes back a stream of `operator` on which every request was answered.
    pub(crate) fn give(&self, now: SystemTime, operator: &Operator, connection: Connection<E>) {
        let (Some(key), Some(endpoint)) = (operator.stream_key.clone(), operator.endpoint) else {
            return;
        };
        let mut waiting = self.0.lock();
        waiting.retain(|_, stream| stream.is_fresh(now));
        if waiting.len() < WAITING_MAX || waiting.contains_key(&key) {
            let stream = Waiting {
                connection,
                endpoint,
                since: now,
            };
            waiting.insert(key, stream);
        }
    }

    /// A stream of `operator` that waits, if there is one that it may still serve.
    fn take(&self, now: SystemTime, operator: &Operator) -> Option<Connection<E>> {
        let key = operator.stream_key.as_ref()?;
        let mut waiting = self.0.lock();
        waiting.retain(|_, stream| stream.is_fresh(now));
        let stream = waiting.remove(key)?;
        (Some(stream.endpoint) == operator.endpoint).then_some(stream.connection)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E: Runtime> Waiting<E> {
    fn is_fresh(&self, now: SystemTime) -> bool {
        now.duration_since(self.since).is_ok_and(|idle| idle < IDLE_MAX)
    }
}

async fn exchange<E: Runtime>(
    connection: &mut Connection<E>,
    request: &Request,
    limit: Duration,
) -> Result<Response, WireError> {
    connection.sender.send(request, limit).await?;
    connection.receiver.receive(limit).await
}

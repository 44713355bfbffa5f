//! Hand out a blob's local rows, once it is certified: to whom it may concern, and without a promise.

use super::{LocalRow, owners};
use crate::{
    CodedBlob, Committee, Operator, Runtime,
    disperse::{Peer, STALL_TIMEOUT},
    wire::{self, Refusal, Request, Response, Streams, WireError},
};
use futures::future::join_all;
use primitives::MIB;
use std::time::Duration;

/// How often an operator is asked again that does not have the blob yet: the certificate does not wait for all of them.
const TRIES: u32 = 20;
/// Pause between two tries.
const RETRY: Duration = Duration::from_millis(100);
/// Longest that one operator's local rows may take, besides a second for each MiB of them: nobody is to wait long for what is not promised.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3);

/// An operator did not take its local rows: the blob does without them.
#[derive(Debug, thiserror::Error)]
#[error("local rows of operator {operator}")]
pub struct LocalFailure {
    /// Its index.
    pub operator: u32,
    /// Why.
    pub source: LocalFailureKind,
}

/// Why an operator did not take its local rows.
#[derive(Debug, thiserror::Error)]
pub enum LocalFailureKind {
    /// Its stream failed.
    #[error("its stream")]
    Wire(#[from] WireError),
    /// It refused one.
    #[error("it refused")]
    Refused(#[source] Refusal),
    /// It does not have the blob.
    #[error("it does not have the blob")]
    NoBlob,
    /// It answered something else than was asked.
    #[error("it answered out of turn")]
    OutOfTurn,
}

/// Hands `local` rows of `blob`, as [`super::local_rows`] made them, to their owners, all at once, on `streams` that are there or new ones; returns
/// who did not take them.
///
/// Operators take them only for blobs that they have, so this follows [`disperse`](crate::disperse()).
pub async fn disperse<E: Runtime>(
    context: &E,
    peer: &Peer,
    streams: &Streams<E>,
    committee: &Committee,
    blob: &CodedBlob,
    local: &[LocalRow],
) -> Vec<LocalFailure> {
    let owners = owners(committee, &blob.head().root(), blob.head().shape());
    let deliveries = (0..committee.len()).map(|operator| {
        let rows: Vec<&LocalRow> = local
            .iter()
            .zip(&owners)
            .filter(|(_, owner)| **owner == operator)
            .map(|(row, _)| row)
            .collect();
        async move {
            let bytes: usize = rows.iter().map(|row| row.bytes.len()).sum();
            let limit = DELIVERY_TIMEOUT + Duration::from_secs(bytes as u64 / MIB);
            let delivering = deliver(
                context,
                peer,
                streams,
                &committee.operators()[operator as usize],
                blob,
                &rows,
            );
            let delivered = match wire::within(context, limit, delivering).await {
                Ok(delivered) => delivered,
                Err(slow) => Err(slow.into()),
            };
            delivered.err().map(|source| LocalFailure { operator, source })
        }
    });
    join_all(deliveries).await.into_iter().flatten().collect()
}

async fn deliver<E: Runtime>(
    context: &E,
    peer: &Peer,
    streams: &Streams<E>,
    operator: &Operator,
    blob: &CodedBlob,
    rows: &[&LocalRow],
) -> Result<(), LocalFailureKind> {
    let root = blob.head().root();
    let mut opened = None;
    for row in rows {
        let request = Request::KeepLocal {
            root,
            row: (*row).clone(),
        };
        let mut tries = 0;
        loop {
            let answer = match &mut opened {
                None => {
                    let (connection, answer) = streams.ask(context, peer, operator, &request, STALL_TIMEOUT).await?;
                    opened = Some(connection);
                    answer
                }
                Some(connection) => {
                    connection.sender.send(&request, STALL_TIMEOUT).await?;
                    connection.receiver.receive(STALL_TIMEOUT).await?
                }
            };
            match answer {
                Response::KeptLocal => break,
                Response::NotFound if tries < TRIES => {
                    tries += 1;
                    context.sleep(RETRY).await;
                }
                Response::NotFound => return Err(LocalFailureKind::NoBlob),
                Response::Refused(refusal) => return Err(LocalFailureKind::Refused(refusal)),
                _ => return Err(LocalFailureKind::OutOfTurn),
            }
        }
    }
    if let Some(connection) = opened {
        streams.give(context.current(), operator, connection);
    }
    Ok(())
}

//! Hand each operator its rows of a blob, and come back with a certificate.
//!
//! One stream an operator, all at once, each on its own task: an operator that is dead, slow or wrong delays nobody. The
//! certificate is returned as soon as a quorum of the rows is signed for; the other streams go on in the background until
//! they are done or stand still for [`STALL_TIMEOUT`], as children of the task that called.

use crate::{
    Certificate, CodedBlob, Committee, Domain, Quorum, Runtime, Share,
    certificate::ShareError,
    wire::{self, Refusal, Request, Response, Rows, WireError, rows_per_message},
};
use commonware_cryptography::ed25519;
use crypto::bls;
use futures::{
    SinkExt, StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use primitives::BlobRoot;
use std::{pin::pin, sync::Arc, time::Duration};

/// Longest that a stream may stand still: the operator takes no message, or does not answer.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest that one operator's rows may take to send, all together: 128 MiB at 36 KiB/s.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3600);

/// Who disperses or reads, and where.
#[derive(Clone)]
pub struct Peer {
    /// Key of its streams: an operator's own, or any.
    pub stream_key: ed25519::PrivateKey,
    /// The chain and the contract that certificates are for.
    pub domain: Domain,
}

/// A step of a dispersal.
#[derive(Debug)]
pub enum Progress<'a> {
    /// An operator took more of its rows.
    Sent {
        /// Its index.
        operator: u32,
        /// Rows sent since the last step.
        rows: u32,
    },
    /// An operator has all its rows on disk and signed.
    Signed {
        /// Its index.
        operator: u32,
        /// Rows that all who signed own.
        rows_signed: u32,
    },
    /// An operator did not; the dispersal goes on without it.
    Failed {
        /// Its index.
        operator: u32,
        /// Why.
        error: &'a DeliveryError,
    },
}

/// Why one operator did not sign.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// Its stream failed.
    #[error("stream to operator {operator}")]
    Wire {
        /// Its index.
        operator: u32,
        /// How.
        source: WireError,
    },
    /// It does not take the blob.
    #[error("operator {operator} refused")]
    Refused {
        /// Its index.
        operator: u32,
        /// Why.
        source: Refusal,
    },
    /// It answered something else than was asked.
    #[error("operator {operator} answered out of turn")]
    OutOfTurn {
        /// Its index.
        operator: u32,
    },
    /// Its signature is not its own.
    #[error("share of operator {operator}")]
    Share {
        /// Its index.
        operator: u32,
        /// What is wrong with it.
        source: ShareError,
    },
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum DisperseError {
    /// The blob is for another epoch.
    #[error("blob {root} is of epoch {found}, the committee of epoch {expected}")]
    WrongEpoch {
        /// Which blob.
        root: BlobRoot,
        /// Its epoch.
        found: primitives::Epoch,
        /// The committee's.
        expected: primitives::Epoch,
    },
    /// Too few operators signed.
    #[error("operators owning {rows_signed} rows of blob {root} signed: {needed} are needed")]
    NoQuorum {
        /// Which blob.
        root: BlobRoot,
        /// Rows that those who signed own.
        rows_signed: u32,
        /// Rows that are a quorum.
        needed: u32,
        /// Why the others did not.
        failures: Vec<DeliveryError>,
    },
}

/// What a stream reports.
enum Event {
    Sent { operator: u32, rows: u32 },
    Signed(Share),
    Failed(DeliveryError),
}

/// Disperses `blob` to `committee` and returns the certificate, as soon as there is a quorum.
///
/// # Errors
///
/// [`DisperseError`]. A blob that found no quorum can be dispersed again: operators ask only for rows they lack.
pub async fn disperse<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    blob: &CodedBlob,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Certificate, DisperseError> {
    let header = blob.head().header();
    let root = blob.head().root();
    let (found, expected) = (header.params.epoch, committee.epoch());
    if found != expected {
        return Err(DisperseError::WrongEpoch { root, found, expected });
    }
    let (events, mut inbox) = mpsc::channel(committee.operators().len());
    let head = Arc::new(Request::Disperse(Box::new(blob.head().head().clone())));
    for operator in 0..committee.len() {
        let delivery = Delivery {
            operator,
            peer: peer.clone(),
            committee: committee.clone(),
            head: head.clone(),
            blob: blob.clone(),
            events: events.clone(),
        };
        context.child("delivery").spawn(move |context| delivery.run(context));
    }
    drop(events);

    let mut quorum = Quorum::new(&peer.domain, committee, header);
    let mut failures = Vec::new();
    // Ends when every delivery did.
    while let Some(event) = inbox.next().await {
        match event {
            Event::Sent { operator, rows } => progress(Progress::Sent { operator, rows }),
            Event::Signed(share) => {
                let operator = share.operator;
                match quorum.record(share) {
                    Ok(certificate) => {
                        progress(Progress::Signed {
                            operator,
                            rows_signed: quorum.rows_signed(),
                        });
                        if let Some(certificate) = certificate {
                            return Ok(certificate);
                        }
                    }
                    Err(source) => {
                        let error = DeliveryError::Share { operator, source };
                        progress(Progress::Failed {
                            operator,
                            error: &error,
                        });
                        failures.push(error);
                    }
                }
            }
            Event::Failed(error) => {
                let operator = match &error {
                    DeliveryError::Wire { operator, .. }
                    | DeliveryError::Refused { operator, .. }
                    | DeliveryError::OutOfTurn { operator }
                    | DeliveryError::Share { operator, .. } => *operator,
                };
                progress(Progress::Failed {
                    operator,
                    error: &error,
                });
                failures.push(error);
            }
        }
    }
    Err(DisperseError::NoQuorum {
        root,
        rows_signed: quorum.rows_signed(),
        needed: header.params.shape.quorum_rows(),
        failures,
    })
}

/// One operator's stream.
struct Delivery {
    operator: u32,
    peer: Peer,
    committee: Committee,
    head: Arc<Request>,
    blob: CodedBlob,
    events: mpsc::Sender<Event>,
}

impl Delivery {
    async fn run<E: Runtime>(mut self, context: E) {
        let event = match self.deliver(&context).await {
            Ok(signature) => Event::Signed(Share {
                operator: self.operator,
                signature,
            }),
            Err(error) => {
                tracing::debug!(operator = self.operator, ?error, "delivery failed");
                Event::Failed(error)
            }
        };
        // Nobody listens any more once there is a quorum: the rows are delivered all the same.
        let _ = self.events.send(event).await;
    }

    async fn deliver<E: Runtime>(&mut self, context: &E) -> Result<bls::Signature, DeliveryError> {
        let operator = self.operator;
        let wire = |source| DeliveryError::Wire { operator, source };
        let member = &self.committee.operators()[operator as usize];
        let wire::Connection {
            mut sender,
            mut receiver,
        } = wire::dial(context, &self.peer.stream_key, self.peer.domain.chain_id, member)
            .await
            .map_err(wire)?;
        sender.send(self.head.as_ref(), STALL_TIMEOUT).await.map_err(wire)?;
        let missing = match receiver.receive(STALL_TIMEOUT).await.map_err(wire)? {
            Response::Accepted { missing } => missing,
            Response::Signed(signature) => return Ok(signature),
            Response::Refused(source) => return Err(DeliveryError::Refused { operator, source }),
            _ => return Err(DeliveryError::OutOfTurn { operator }),
        };
        // An operator may ask for its own rows only: others would not count for its signature.
        let owned = self
            .committee
            .rows_of(operator, &self.blob.head().root(), self.blob.head().shape());
        if missing.is_empty() || missing.iter().any(|&row| !owned.contains(row)) {
            return Err(DeliveryError::OutOfTurn { operator });
        }
        let row_bytes = self.blob.head().row_bytes();
        let (blob, events) = (&self.blob, &mut self.events);
        let send = async {
            for indices in missing.chunks(rows_per_message(row_bytes)) {
                let rows = indices.iter().map(|&index| blob.row(index).row().clone()).collect();
                sender
                    .send(&Request::Rows(Rows { row_bytes, rows }), STALL_TIMEOUT)
                    .await?;
                let _ = events
                    .send(Event::Sent {
                        operator,
                        rows: indices.len() as u32,
                    })
                    .await;
            }
            Ok::<_, WireError>(())
        };
        // A refusal may come while rows are still going out, and then nobody reads them.
        let answer = async {
            // `send` bounds each step; once it is through, the operator has its disk to sync.
            receiver.receive::<Response>(DELIVERY_TIMEOUT).await
        };
        let answer = match select(pin!(answer), pin!(send)).await {
            Either::Left((answer, _)) => answer,
            Either::Right((Err(error), _)) => Err(error),
            Either::Right((Ok(()), answer)) => wire::within(context, STALL_TIMEOUT, answer)
                .await
                .and_then(|answer| answer),
        };
        match answer.map_err(wire)? {
            Response::Signed(signature) => Ok(signature),
            Response::Refused(source) => Err(DeliveryError::Refused { operator, source }),
            _ => Err(DeliveryError::OutOfTurn { operator }),
        }
    }
}

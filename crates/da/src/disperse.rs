//! Hand each operator its rows of a blob, and come back with a certificate, of one blob or of several together.
//!
//! One stream an operator, all at once, each on its own task: an operator that is dead, slow or wrong delays nobody. A [`Dispersal`] is
//! [`stored`](Dispersal::stored) as soon as operators have a quorum of its rows, and [`certify`] asks for one signature for as many of them as
//! there are. The other streams go on in the background until they are done or stand still for [`STALL_TIMEOUT`], as children of the
//! task that called.

use crate::{
    Certificate, CodedBlob, Committee, CommitteeId, Domain, Header, Permit, Quorum, Runtime, Share, VerifiedHead,
    certificate::{ShareError, quorum_missed, rows_of},
    wire::{self, Connection, Refusal, Request, Response, Rows, Streams, WireError, rows_per_message},
};
use commonware_cryptography::ed25519;
use crypto::bls;
use futures::{
    StreamExt,
    channel::mpsc,
    future::{Either, select},
};
use primitives::BlobRoot;
use std::{pin::pin, sync::Arc, time::Duration};

/// Longest that a stream may stand still: the operator takes no message, or does not answer.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest that one operator's rows may take to send, all together: 128 MiB at 36 KiB/s.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(3600);

/// Times that an operator is asked again whose chain may not have seen yet what the payer has in escrow.
const UNFUNDED_RETRIES: u32 = 5;

/// First pause before an operator is asked again for what it should do soon; each is twice the one before.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

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
    /// An operator has all its rows.
    Stored {
        /// Its index.
        operator: u32,
        /// Rows that all who have theirs own.
        rows_stored: u32,
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
    /// It has not all its rows of all the blobs that it is to sign for.
    #[error("operator {operator} lacks rows of what it is to sign for")]
    Incomplete {
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
    /// The blob is another committee's.
    #[error("blob {root} is of {found}, the committee of {expected}")]
    WrongCommittee {
        /// Which blob.
        root: BlobRoot,
        /// Whose it is.
        found: CommitteeId,
        /// Who was asked.
        expected: CommitteeId,
    },
    /// Too few operators took their rows, or signed.
    #[error("operators owning {rows_signed} rows of blob {root} signed: {needed} are needed")]
    NoQuorum {
        /// Which blob: the first, of several that were to be signed for together.
        root: BlobRoot,
        /// Rows that those who did own.
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
    Stored { operator: u32 },
    Signed(Share),
    Failed(DeliveryError),
}

/// A blob on its way to the operators.
pub struct Dispersal {
    header: Header,
    committee: Committee,
    /// At most one a message of rows, and three a stream.
    events: mpsc::UnboundedReceiver<Event>,
    /// What the operators are to sign for, once they have their rows.
    orders: Vec<mpsc::Sender<Arc<Vec<BlobRoot>>>>,
    /// Operators that have all their rows, in the order in which they said so.
    stored: Vec<u32>,
    failures: Vec<DeliveryError>,
}

/// Disperses `blob` to `committee` on the promise of `permit` and returns its certificate, as soon as there is a quorum.
///
/// # Errors
///
/// [`DisperseError`]. A blob that found no quorum can be dispersed again: operators ask only for rows they lack.
pub async fn disperse<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    blob: &CodedBlob,
    permit: &Permit,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Certificate, DisperseError> {
    let mut dispersal = Dispersal::begin(context, peer, committee, blob, permit)?;
    dispersal.stored(&mut progress).await?;
    certify(peer, vec![dispersal], progress).await
}

/// Has the blobs of `batch` signed for together: 1 to [`MAX_BATCH`](crate::certificate::MAX_BATCH), all of one committee, each
/// [`stored`](Dispersal::stored). Their order is that of the certificate's headers.
///
/// # Errors
///
/// [`DisperseError::NoQuorum`]: too few operators have all of them. Each may still be certified alone, dispersed again: rows that are
/// there are not sent again.
///
/// # Panics
///
/// When `batch` is empty.
pub async fn certify(
    peer: &Peer,
    mut batch: Vec<Dispersal>,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Certificate, DisperseError> {
    let headers: Vec<Header> = batch.iter().map(|dispersal| dispersal.header.clone()).collect();
    let order = Arc::new(headers.iter().map(Header::root).collect::<Vec<_>>());
    // The streams of the first blob carry the question for all.
    let lead = &mut batch[0];
    for orders in &mut lead.orders {
        // A stream that failed takes no more orders.
        let _ = orders.try_send(order.clone());
    }
    let mut quorum = Quorum::new(&peer.domain, &lead.committee, headers);
    // A stream ends after its order.
    lead.orders.clear();
    while let Some(event) = lead.events.next().await {
        let failure = match event {
            Event::Sent { operator, rows } => {
                progress(Progress::Sent { operator, rows });
                continue;
            }
            Event::Stored { .. } => continue,
            Event::Signed(share) => match quorum.record(share) {
                Ok(certificate) => {
                    progress(Progress::Signed {
                        operator: share.operator,
                        rows_signed: quorum.rows_signed(),
                    });
                    match certificate {
                        Some(certificate) => return Ok(certificate),
                        None => continue,
                    }
                }
                Err(source) => DeliveryError::Share {
                    operator: share.operator,
                    source,
                },
            },
            Event::Failed(error) => error,
        };
        progress(Progress::failed(&failure));
        lead.failures.push(failure);
    }
    let rows_signed = quorum.rows_signed();
    Err(batch[0].no_quorum(rows_signed))
}

impl Progress<'_> {
    fn failed(error: &DeliveryError) -> Progress<'_> {
        let operator = match error {
            DeliveryError::Wire { operator, .. }
            | DeliveryError::Refused { operator, .. }
            | DeliveryError::OutOfTurn { operator }
            | DeliveryError::Incomplete { operator }
            | DeliveryError::Share { operator, .. } => *operator,
        };
        Progress::Failed { operator, error }
    }
}

impl Dispersal {
    /// Begins to send `blob` to all of `committee`, on the promise of `permit`. The streams are children of `context`.
    ///
    /// # Errors
    ///
    /// [`DisperseError::WrongCommittee`].
    pub fn begin<E: Runtime>(
        context: &E,
        peer: &Peer,
        committee: &Committee,
        blob: &CodedBlob,
        permit: &Permit,
    ) -> Result<Self, DisperseError> {
        Self::begin_on(context, peer, &Streams::default(), committee, blob, permit)
    }

    /// As [`begin`](Self::begin), on `streams` that are there, which are given back when this is done with them.
    ///
    /// # Errors
    ///
    /// [`DisperseError::WrongCommittee`].
    pub fn begin_on<E: Runtime>(
        context: &E,
        peer: &Peer,
        streams: &Streams<E>,
        committee: &Committee,
        blob: &CodedBlob,
        permit: &Permit,
    ) -> Result<Self, DisperseError> {
        let header = blob.head().header();
        let (found, expected) = (header.params.committee, committee.id());
        if found != expected {
            let root = blob.head().root();
            return Err(DisperseError::WrongCommittee { root, found, expected });
        }
        let (events, inbox) = mpsc::unbounded();
        let offer = Arc::new(Request::Disperse(Box::new(blob.head().head().clone()), *permit));
        let orders = (0..committee.len()).map(|operator| {
            let (order, orders) = mpsc::channel(1);
            let delivery = Delivery {
                operator,
                peer: peer.clone(),
                streams: streams.clone(),
                committee: committee.clone(),
                offer: offer.clone(),
                blob: Some(blob.clone()),
                events: events.clone(),
                orders,
            };
            context.child("delivery").spawn(move |context| delivery.run(context));
            order
        });
        Ok(Self {
            header: header.clone(),
            committee: committee.clone(),
            orders: orders.collect(),
            events: inbox,
            stored: Vec::new(),
            failures: Vec::new(),
        })
    }

    /// The blob's header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Waits until operators that own a quorum of the rows have them.
    ///
    /// # Errors
    ///
    /// [`DisperseError::NoQuorum`].
    pub async fn stored(&mut self, mut progress: impl FnMut(Progress<'_>)) -> Result<(), DisperseError> {
        while quorum_missed(&self.committee, &self.stored, &self.header).is_some() {
            // Streams that have stored wait for orders: they send no event any more.
            let is_over = self.stored.len() + self.failures.len() == self.orders.len();
            let event = match is_over {
                true => None,
                false => self.events.next().await,
            };
            match event {
                Some(Event::Sent { operator, rows }) => progress(Progress::Sent { operator, rows }),
                Some(Event::Stored { operator }) => {
                    self.stored.push(operator);
                    let rows_stored = self.rows_stored();
                    progress(Progress::Stored { operator, rows_stored });
                }
                // Nobody was asked to sign yet.
                Some(Event::Signed(_)) => {}
                Some(Event::Failed(error)) => {
                    progress(Progress::failed(&error));
                    self.failures.push(error);
                }
                None => return Err(self.no_quorum(self.rows_stored())),
            }
        }
        Ok(())
    }

    fn rows_stored(&self) -> u32 {
        rows_of(&self.committee, self.stored.iter().copied(), self.header.params.shape)
    }

    /// Why it ends here, where operators that own `rows_signed` rows did what was asked of them.
    fn no_quorum(&mut self, rows_signed: u32) -> DisperseError {
        DisperseError::NoQuorum {
            root: self.header.root(),
            rows_signed,
            needed: self.header.params.shape.quorum_rows(),
            failures: std::mem::take(&mut self.failures),
        }
    }
}

/// Tells all of `committee` of another promise for the blob of `head`, whose rows are on their way: operators keep these until the latest promise ends. The
/// streams are children of `context`; an operator that does not answer deletes the rows when the promise ends that it knows.
pub(crate) fn renew<E: Runtime>(context: &E, peer: &Peer, committee: &Committee, head: &VerifiedHead, permit: &Permit) {
    let offer = Arc::new(Request::Disperse(Box::new(head.head().clone()), *permit));
    for operator in 0..committee.len() {
        let (peer, member, offer) = (
            peer.clone(),
            committee.operators()[operator as usize].clone(),
            offer.clone(),
        );
        context.child("renewal").spawn(move |context| async move {
            let renewing = async {
                let mut connection = wire::dial(&context, &peer.stream_key, peer.domain.chain_id, &member).await?;
                connection.sender.send(offer.as_ref(), STALL_TIMEOUT).await?;
                connection.receiver.receive::<Response>(STALL_TIMEOUT).await
            };
            match renewing.await {
                Ok(Response::Accepted { .. } | Response::Stored) => {}
                Ok(Response::Refused(refusal)) => tracing::debug!(operator, %refusal, "promise not renewed"),
                Ok(_) => tracing::debug!(operator, "a renewed promise was answered out of turn"),
                Err(error) => tracing::debug!(operator, ?error, "promise not renewed"),
            }
        });
    }
}

/// One operator's stream.
struct Delivery<E: Runtime> {
    operator: u32,
    peer: Peer,
    streams: Streams<E>,
    committee: Committee,
    offer: Arc<Request>,
    /// Until it is sent.
    blob: Option<CodedBlob>,
    events: mpsc::UnboundedSender<Event>,
    orders: mpsc::Receiver<Arc<Vec<BlobRoot>>>,
}

impl<E: Runtime> Delivery<E> {
    async fn run(mut self, context: E) {
        if let Err(error) = self.deliver(&context).await {
            tracing::debug!(operator = self.operator, ?error, "delivery failed");
            self.tell(Event::Failed(error));
        }
    }

    /// Nobody listens any more once there is a quorum: the rows are delivered all the same.
    fn tell(&self, event: Event) {
        let _ = self.events.unbounded_send(event);
    }

    fn wire(&self) -> impl Fn(WireError) -> DeliveryError + use<E> {
        let operator = self.operator;
        move |source| DeliveryError::Wire { operator, source }
    }

    async fn deliver(&mut self, context: &E) -> Result<(), DeliveryError> {
        let operator = self.operator;
        let blob = self.blob.take().expect("delivered once");
        let (mut connection, missing) = self.offer(context, &blob).await?;
        if let Some(missing) = missing {
            self.send_rows(context, &blob, &mut connection, &missing).await?;
        }
        // The memory is the next blob's.
        drop(blob);
        self.tell(Event::Stored { operator });
        let wire = self.wire();
        let Self { events, orders, .. } = self;
        // Without an order another blob's stream carries the question for this one, too.
        if let Some(roots) = orders.next().await {
            let signature = sign(context, &mut connection, roots, operator, wire).await?;
            let _ = events.unbounded_send(Event::Signed(Share { operator, signature }));
        }
        let member = &self.committee.operators()[operator as usize];
        self.streams.give(context.current(), member, connection);
        Ok(())
    }

    /// Offers the blob; returns the rows that the operator lacks, if it does.
    async fn offer(&self, context: &E, blob: &CodedBlob) -> Result<(Connection<E>, Option<Vec<u32>>), DeliveryError> {
        let (operator, wire) = (self.operator, self.wire());
        let member = &self.committee.operators()[operator as usize];
        let mut pause = RETRY_PAUSE;
        for attempt in 0.. {
            let asked = self
                .streams
                .ask(context, &self.peer, member, &self.offer, STALL_TIMEOUT);
            let (connection, answer) = asked.await.map_err(&wire)?;
            match answer {
                Response::Accepted { missing } => {
                    // An operator may ask for its own rows only: others would not count for its signature.
                    let head = blob.head();
                    let owned = self.committee.rows_of(operator, &head.root(), head.shape());
                    if missing.is_empty() || missing.iter().any(|&row| !owned.contains(row)) {
                        return Err(DeliveryError::OutOfTurn { operator });
                    }
                    return Ok((connection, Some(missing)));
                }
                Response::Stored => return Ok((connection, None)),
                Response::Refused(Refusal::Unfunded { .. }) if attempt < UNFUNDED_RETRIES => {
                    context.sleep(pause).await;
                    pause *= 2;
                }
                Response::Refused(source) => return Err(DeliveryError::Refused { operator, source }),
                _ => break,
            }
        }
        Err(DeliveryError::OutOfTurn { operator })
    }

    async fn send_rows(
        &self,
        context: &E,
        blob: &CodedBlob,
        connection: &mut Connection<E>,
        missing: &[u32],
    ) -> Result<(), DeliveryError> {
        let operator = self.operator;
        let row_bytes = blob.head().row_bytes();
        let Connection { sender, receiver } = connection;
        let send = async {
            for indices in missing.chunks(rows_per_message(row_bytes)) {
                let rows = indices.iter().map(|&index| blob.row(index).row().clone()).collect();
                sender
                    .send(&Request::Rows(Rows { row_bytes, rows }), STALL_TIMEOUT)
                    .await?;
                let rows = indices.len() as u32;
                self.tell(Event::Sent { operator, rows });
            }
            Ok::<_, WireError>(())
        };
        // A refusal may come while rows are still going out, and then nobody reads them.
        let answer = async {
            // `send` bounds each step; once it is through, the operator has its rows to check and to write.
            receiver.receive::<Response>(DELIVERY_TIMEOUT).await
        };
        let answer = match select(pin!(answer), pin!(send)).await {
            // All rows are there before we are told that they went. A message that is dropped half sent would end the stream.
            Either::Left((Ok(Response::Stored), send)) => wire::within(context, STALL_TIMEOUT, send)
                .await
                .and_then(|sent| sent.map(|()| Response::Stored)),
            Either::Left((answer, _)) => answer,
            Either::Right((Err(error), _)) => Err(error),
            Either::Right((Ok(()), answer)) => wire::within(context, STALL_TIMEOUT, answer)
                .await
                .and_then(|answer| answer),
        };
        match answer.map_err(self.wire())? {
            Response::Stored => Ok(()),
            Response::Refused(source) => Err(DeliveryError::Refused { operator, source }),
            _ => Err(DeliveryError::OutOfTurn { operator }),
        }
    }
}

/// Asks an operator for its signature for `roots`; again and again for [`STALL_TIMEOUT`], while it has not all of them.
async fn sign<E: Runtime>(
    context: &E,
    connection: &mut Connection<E>,
    roots: Arc<Vec<BlobRoot>>,
    operator: u32,
    wire: impl Fn(WireError) -> DeliveryError,
) -> Result<bls::Signature, DeliveryError> {
    let request = Request::Sign(roots.to_vec());
    let mut pause = RETRY_PAUSE;
    let mut waited = Duration::ZERO;
    loop {
        connection.sender.send(&request, STALL_TIMEOUT).await.map_err(&wire)?;
        // It has its disk to sync.
        match connection.receiver.receive(STALL_TIMEOUT).await.map_err(&wire)? {
            Response::Signed(signature) => return Ok(signature),
            Response::NotFound if waited < STALL_TIMEOUT => {
                context.sleep(pause).await;
                waited += pause;
                pause *= 2;
            }
            Response::NotFound => return Err(DeliveryError::Incomplete { operator }),
            Response::Refused(source) => return Err(DeliveryError::Refused { operator, source }),
            _ => return Err(DeliveryError::OutOfTurn { operator }),
        }
    }
}

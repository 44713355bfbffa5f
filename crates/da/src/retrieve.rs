//! Read a blob back from whoever still has its rows.
//!
//! The chain's record names the blob; every byte from an operator is checked against it before use. All operators are asked
//! at once, each on its own task, for their data rows, which need no decoding; one that fails, lies or stands still for longer
//! than 95 % of the messages took is made up for by parity rows of the others. Any as many rows as are data, 1,024 in the standard
//! shape, give the blob if they check. Cosets that were added to the blob are looked for when its own rows do not suffice.
//!
//! The whole payload is kept in memory, coded and decoded: at most twice its length and a head. [`read_range`] takes only the rows
//! that hold some bytes of it.

mod hedge;
mod plan;
mod range;
pub(crate) mod recode;
#[cfg(test)]
mod tests;

pub use range::{read_coded, read_range};

pub use crate::record::{Record, RecordError};

use crate::{
    Committee, CommitteeId, RowChecker, Runtime, VerifiedHead, VerifiedRow, committee,
    disperse::{Peer, STALL_TIMEOUT},
    encode::{self, OpenError},
    head::RowError,
    header::{Header, Params},
    shape::Shape,
    wire::{self, Request, Response, WireError},
};
use crypto::stream::Key;
use futures::{
    SinkExt, StreamExt,
    channel::mpsc,
    future::{Either, select},
    stream::FuturesUnordered,
};
use plan::Plan;
use primitives::BlobRoot;
use std::{pin::pin, sync::Arc};

/// A step of a retrieval.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Rows came and checked.
    Rows {
        /// How many so far.
        rows: u32,
        /// How many are needed.
        needed: u32,
    },
    /// An operator is of no use; the retrieval goes on without it.
    Failed {
        /// Its index.
        operator: u32,
        /// Why.
        error: &'a ReadError,
    },
}

/// Why one operator's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Its stream failed.
    #[error("stream to operator {operator}")]
    Wire {
        /// Its index.
        operator: u32,
        /// How.
        source: WireError,
    },
    /// It does not have the blob.
    #[error("operator {operator} does not have the blob")]
    NotFound {
        /// Its index.
        operator: u32,
    },
    /// The head it sent is not the one that the chain recorded.
    #[error("operator {operator} sent another head")]
    WrongHead {
        /// Its index.
        operator: u32,
    },
    /// A row it sent does not check.
    #[error("operator {operator} sent a wrong row")]
    WrongRow {
        /// Its index.
        operator: u32,
        /// What is wrong with it.
        source: RowError,
    },
    /// It answered something else than was asked.
    #[error("operator {operator} answered out of turn")]
    OutOfTurn {
        /// Its index.
        operator: u32,
    },
}

/// Why a blob was not read.
#[derive(Debug, thiserror::Error)]
pub enum RetrieveError {
    /// Another committee has it.
    #[error("blob {root} is of {found}, the committee of {expected}")]
    WrongCommittee {
        /// Which blob.
        root: BlobRoot,
        /// Whose it is.
        found: CommitteeId,
        /// Who was asked.
        expected: CommitteeId,
    },
    /// No operator sent the head that the chain recorded.
    #[error("no operator has the head of blob {root}")]
    NoHead {
        /// Which blob.
        root: BlobRoot,
        /// What each answered.
        failures: Vec<ReadError>,
    },
    /// Fewer rows came than give the blob.
    #[error("{rows} rows of blob {root} were found: {needed} are needed")]
    TooFewRows {
        /// Which blob.
        root: BlobRoot,
        /// How many came.
        rows: u32,
        /// How many would do.
        needed: u32,
        /// What went wrong.
        failures: Vec<ReadError>,
    },
    /// The payload codes to another blob: its disperser did not code it as it should have.
    #[error("blob {root} is not of the code: coded again, its payload has another root")]
    NotCoded {
        /// Which blob.
        root: BlobRoot,
    },
    /// The payload is not for this key.
    #[error("open blob {root}")]
    Open {
        /// Which blob.
        root: BlobRoot,
        /// Why.
        source: OpenError,
    },
}

/// A blob as it was coded: checked, and still sealed if it was.
pub struct Retrieved {
    head: VerifiedHead,
    /// The data rows: the payload as coded, and zeros.
    data: Vec<u8>,
}

impl Retrieved {
    /// What the disperser said of it.
    pub fn params(&self) -> &Params {
        &self.head.header().params
    }

    /// All that its name covers.
    pub fn header(&self) -> &Header {
        self.head.header()
    }

    /// Its head: what rows that are added to it must agree with.
    pub fn head(&self) -> &VerifiedHead {
        &self.head
    }

    /// The payload as coded.
    pub fn coded(&self) -> &[u8] {
        &self.data[..self.params().length as usize]
    }

    /// The data rows, one after the other.
    pub fn data_rows(self) -> Vec<u8> {
        self.data
    }

    /// The payload in the clear. A public blob needs no key.
    ///
    /// # Errors
    ///
    /// [`RetrieveError::Open`].
    pub fn open(mut self, key: Option<&Key>) -> Result<Vec<u8>, RetrieveError> {
        let root = self.head.root();
        self.data.truncate(self.params().length as usize);
        encode::open(&self.head.header().params, key, self.data).map_err(|source| RetrieveError::Open { root, source })
    }
}

/// Reads the blob of `record` from `committee`; `added` are the records of cosets that were added to it, which may be left out.
///
/// # Errors
///
/// [`RetrieveError`], with what each operator that failed did.
pub async fn retrieve<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    record: &Record,
    added: &[Record],
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Retrieved, RetrieveError> {
    let head = fetch_head(context, peer, committee, record).await?;
    let data = gather(context, peer, committee, Blob::new(&head, added), &mut progress).await?;
    Ok(Retrieved { head, data })
}

/// Fetches and checks the head of the blob of `record`: one operator after the other, the next when the last one failed or
/// is slow.
///
/// # Errors
///
/// [`RetrieveError::WrongCommittee`] and [`RetrieveError::NoHead`].
pub async fn fetch_head<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    record: &Record,
) -> Result<VerifiedHead, RetrieveError> {
    let root = record.root();
    let (found, expected) = (record.committee(), committee.id());
    if found != expected {
        return Err(RetrieveError::WrongCommittee { root, found, expected });
    }
    let mut failures = Vec::new();
    let mut asked = FuturesUnordered::new();
    // Readers start at different operators, by the blob, so that the first need not serve every head.
    let first = u32::from(root.as_bytes()[0]);
    let mut next = (0..committee.len()).map(|place| (first + place) % committee.len());
    loop {
        match next.next() {
            Some(operator) => asked.push(head_of(context, peer, committee, record, operator)),
            None if asked.is_empty() => return Err(RetrieveError::NoHead { root, failures }),
            None => {}
        }
        let answer = if next.len() == 0 {
            asked.next().await
        } else {
            match select(asked.next(), pin!(context.sleep(hedge::INITIAL))).await {
                Either::Left((answer, _)) => answer,
                Either::Right(_) => None,
            }
        };
        match answer {
            Some(Ok(head)) => return Ok(head),
            Some(Err(error)) => failures.push(error),
            None => {}
        }
    }
}

async fn head_of<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    record: &Record,
    operator: u32,
) -> Result<VerifiedHead, ReadError> {
    let wire = |source| ReadError::Wire { operator, source };
    let member = &committee.operators()[operator as usize];
    let mut connection = wire::dial(context, &peer.stream_key, peer.domain.chain_id, member)
        .await
        .map_err(wire)?;
    connection
        .sender
        .send(&Request::ReadHead(record.root()), STALL_TIMEOUT)
        .await
        .map_err(wire)?;
    match connection.receiver.receive(STALL_TIMEOUT).await.map_err(wire)? {
        Response::Head(head) if record.matches(&head.header) => {
            head.check().map_err(|_| ReadError::WrongHead { operator })
        }
        Response::Head(_) => Err(ReadError::WrongHead { operator }),
        Response::NotFound => Err(ReadError::NotFound { operator }),
        _ => Err(ReadError::OutOfTurn { operator }),
    }
}

/// What an operator's task reports.
enum Event {
    Rows { operator: u32, rows: Vec<VerifiedRow> },
    Answered { operator: u32 },
    Failed { operator: u32, error: ReadError },
}

/// What to read, and from whom not.
#[derive(Clone, Copy)]
pub struct Blob<'a> {
    /// Head of the whole blob.
    head: &'a VerifiedHead,
    /// Cosets that were added to it.
    added: &'a [Record],
    /// An operator that is not asked: whoever asks.
    skip: Option<u32>,
}

impl<'a> Blob<'a> {
    /// The blob of `head`; `added` are records of cosets that were added to it, which may be left out.
    pub fn new(head: &'a VerifiedHead, added: &'a [Record]) -> Self {
        Self {
            head,
            added,
            skip: None,
        }
    }

    /// The same, without asking `operator`.
    pub(crate) fn but_from(self, operator: u32) -> Self {
        Self {
            skip: Some(operator),
            ..self
        }
    }
}

/// The data rows of a blob, gathered from the operators of `committee`.
///
/// # Errors
///
/// [`RetrieveError::TooFewRows`].
pub(crate) async fn gather<E: Runtime>(
    context: &E,
    peer: &Peer,
    committee: &Committee,
    blob: Blob<'_>,
    progress: &mut impl FnMut(Progress<'_>),
) -> Result<Vec<u8>, RetrieveError> {
    let Blob { head, added, skip } = blob;
    let needed = head.shape().data_rows();
    let mut plan = Plan::new(needed, committee::assign(committee, &head.root(), head.shape()));
    let mut gathered = Gathered::new(head.shape(), head.row_bytes() as usize);
    // The blob's own rows, and those added to it once they are needed.
    let mut parts = vec![Arc::new(RowChecker::new(head.clone()))];
    let mut reserve = added.iter();
    let (events, mut inbox) = mpsc::channel(committee.operators().len());
    let mut sources = Vec::with_capacity(committee.operators().len());
    for operator in 0..committee.len() {
        let (asks, asked) = mpsc::unbounded();
        let source = Source {
            operator,
            peer: peer.clone(),
            committee: committee.clone(),
            asked,
            events: events.clone(),
        };
        // A task each, so that rows are checked on as many cores as there are.
        let task = (Some(operator) != skip).then(|| context.child("source").spawn(move |context| source.run(context)));
        if task.is_none() {
            plan.dead(operator);
        }
        sources.push((asks, task, context.current()));
    }
    let mut failures = Vec::new();
    let mut waits = hedge::Waits::default();
    while !plan.is_done() {
        if plan.is_hopeless() {
            let Some(record) = reserve.next() else {
                let (root, rows) = (head.root(), plan.rows());
                abort(sources);
                return Err(RetrieveError::TooFewRows {
                    root,
                    rows,
                    needed,
                    failures,
                });
            };
            match fetch_head(context, peer, committee, record).await {
                Ok(part) if part.is_added_to(head) => {
                    plan.add(committee::assign(committee, &part.root(), part.shape()));
                    gathered.widen(part.shape());
                    parts.push(Arc::new(RowChecker::new(part)));
                }
                Ok(part) => tracing::debug!(root = %part.root(), "certified rows are not of the blob"),
                Err(error) => tracing::debug!(?error, "fetch the head of added rows"),
            }
            continue;
        }
        for (operator, (asks, _, last_heard)) in (0..).zip(&mut sources) {
            let rows = plan.next(operator);
            if !rows.is_empty() {
                *last_heard = context.current();
                // A task that ended has reported that it failed.
                let _ = asks.unbounded_send(by_part(&parts, rows));
            }
        }
        let patience = waits.hedge_after();
        let event = match select(inbox.next(), pin!(context.sleep(patience / 2))).await {
            Either::Left((event, _)) => event,
            Either::Right(_) => None,
        };
        let now = context.current();
        let heard = match event {
            Some(Event::Rows { operator, rows }) => {
                let before = plan.rows();
                for row in rows {
                    if plan.come(operator, row.index()) {
                        gathered.add(row);
                    }
                }
                progress(Progress::Rows {
                    rows: plan.rows().min(needed),
                    needed,
                });
                // Who repeats itself is as good as silent.
                let news = (plan.rows() > before).then_some(operator);
                if news.is_some() {
                    let (_, _, last_heard) = &sources[operator as usize];
                    waits.record(now.duration_since(*last_heard).unwrap_or_default());
                }
                news
            }
            Some(Event::Answered { operator }) => {
                plan.answered(operator);
                Some(operator)
            }
            Some(Event::Failed { operator, error }) => {
                progress(Progress::Failed {
                    operator,
                    error: &error,
                });
                plan.dead(operator);
                failures.push(error);
                None
            }
            None => None,
        };
        for (operator, (_, _, last_heard)) in (0..).zip(&mut sources) {
            if Some(operator) == heard {
                *last_heard = now;
            } else if now.duration_since(*last_heard).unwrap_or_default() >= patience {
                plan.slow(operator);
            }
        }
    }
    abort(sources);
    Ok(gathered.decode())
}

/// Rows to ask for, with what checks them.
type Ask = Vec<(Arc<RowChecker>, Vec<u32>)>;
type Asks = mpsc::UnboundedSender<Ask>;

/// Which of `rows` are of which part.
fn by_part(parts: &[Arc<RowChecker>], rows: Vec<u32>) -> Ask {
    parts
        .iter()
        .map(|part| {
            let own = part.head().shape().rows();
            (
                part.clone(),
                rows.iter().copied().filter(|row| own.contains(row)).collect(),
            )
        })
        .filter(|(_, rows): &(_, Vec<u32>)| !rows.is_empty())
        .collect()
}

/// Ends the tasks of operators whose rows are not needed any more.
fn abort(sources: Vec<(Asks, Option<commonware_runtime::Handle<()>>, std::time::SystemTime)>) {
    sources
        .into_iter()
        .filter_map(|(_, task, _)| task)
        .for_each(|task| task.abort());
}

/// Rows that came: data rows where they belong, parity rows beside.
struct Gathered {
    /// The blob's, or the widest of what was added to it.
    shape: Shape,
    row_bytes: usize,
    data: Vec<u8>,
    data_rows: Vec<u32>,
    parity: Vec<VerifiedRow>,
}

impl Gathered {
    fn new(shape: Shape, row_bytes: usize) -> Self {
        Self {
            shape,
            row_bytes,
            data: vec![0; shape.data_rows() as usize * row_bytes],
            data_rows: Vec::new(),
            parity: Vec::new(),
        }
    }

    /// Rows of `shape` may come, too.
    fn widen(&mut self, shape: Shape) {
        if shape.cosets() > self.shape.cosets() {
            self.shape = shape;
        }
    }

    fn add(&mut self, row: VerifiedRow) {
        if row.index() < self.shape.data_rows() {
            let start = row.index() as usize * self.row_bytes;
            self.data[start..start + self.row_bytes].copy_from_slice(row.bytes());
            self.data_rows.push(row.index());
        } else {
            self.parity.push(row);
        }
    }

    /// The data rows; decoded only when one of them did not come.
    fn decode(self) -> Vec<u8> {
        let needed = self.shape.data_rows() as usize;
        if self.data_rows.len() == needed {
            return self.data;
        }
        let data = self.data_rows.iter().map(|&row| {
            let start = row as usize * self.row_bytes;
            (row, &self.data[start..start + self.row_bytes])
        });
        let parity = self.parity.iter().map(|row| (row.index(), &row.bytes()[..]));
        let rows: Vec<_> = data.chain(parity).take(needed).collect();
        self.shape
            .code()
            .decode(&rows, self.row_bytes)
            .expect("as many different rows of one length as are data decode")
    }
}

/// The task that asks one operator.
struct Source {
    operator: u32,
    peer: Peer,
    committee: Committee,
    asked: mpsc::UnboundedReceiver<Ask>,
    events: mpsc::Sender<Event>,
}

impl Source {
    async fn run<E: Runtime>(mut self, context: E) {
        let operator = self.operator;
        if let Err(error) = self.serve(&context).await {
            // Nobody listens once the blob is whole.
            let _ = self.events.send(Event::Failed { operator, error }).await;
        }
    }

    async fn serve<E: Runtime>(&mut self, context: &E) -> Result<(), ReadError> {
        let operator = self.operator;
        let wire = |source| ReadError::Wire { operator, source };
        let member = &self.committee.operators()[operator as usize];
        let mut connection = wire::dial(context, &self.peer.stream_key, self.peer.domain.chain_id, member)
            .await
            .map_err(wire)?;
        while let Some(ask) = self.asked.next().await {
            for (checker, rows) in ask {
                let root = checker.head().root();
                connection
                    .sender
                    .send(&Request::ReadRows { root, rows }, STALL_TIMEOUT)
                    .await
                    .map_err(wire)?;
                loop {
                    match connection.receiver.receive(STALL_TIMEOUT).await.map_err(wire)? {
                        Response::Rows(rows) => {
                            let rows = checker
                                .check_all(rows.rows)
                                .map_err(|source| ReadError::WrongRow { operator, source })?;
                            let _ = self.events.send(Event::Rows { operator, rows }).await;
                        }
                        Response::EndOfRows { .. } => break,
                        Response::NotFound => return Err(ReadError::NotFound { operator }),
                        _ => return Err(ReadError::OutOfTurn { operator }),
                    }
                }
            }
            let _ = self.events.send(Event::Answered { operator }).await;
        }
        Ok(())
    }
}

//! A slice of the big network: one real operator, fed what one of 60 operators would get.
//!
//! A network that takes 50 GB/s of payload codes it into 150 GB/s of rows; each of 60 operators gets 2.5 GB/s of them, in pieces
//! of blobs whose other rows go elsewhere. Here the committee has 60 operators, of which one runs. Everything that it is sent was
//! coded beforehand, from different payloads ([`PAYLOAD_BYTES`] in all): their heads and the rows that it owns, sent as a disperser sends them,
//! on [`LANES`] streams at a time, each blob with its head and rows, and [`SIGNED_TOGETHER`] with the operator's signature back. The blobs are sent again and
//! again, always after the operator has deleted them, as it does when nobody has paid for them: [`POLL_MS`] and
//! [`BLOCKS_PER_S`] make it do so within two seconds. Nothing is written over, and no answer comes from a cache.
//!
//! A rate holds if, while blobs are due at that rate, the operator takes 99 % of what is due in the time, no blob begins more than
//! [`LATE_MAX`] after it is due, and none fails. The operator and who feeds it share the machine's cores.

use crate::{
    figures::{CpuTime, Figures, ninth_decile},
    operator::{self, Operator, Report, Setup},
    registry, write,
    write::{HEAD_REGION_BYTES, Source},
};
use bytes::{BufMut, Bytes};
use commonware_codec::{Encode, EncodeSize, Write};
use commonware_runtime::{Clock, Runner as _, Spawner, Supervisor, tokio};
use commonware_utils::sync::Mutex;
use crypto::bls;
use da::{
    Committee, Head, Header, Row, Shape,
    disperse::STALL_TIMEOUT,
    header::TOTAL_ROWS,
    wire::{self, Connection, Request, Response, Rows, WireError, rows_per_message},
};
use primitives::{GIB, MIB};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long the highest rate is held, when not said, seconds.
pub const HELD_SECONDS: u64 = 60;
/// Operators of the network, one of which runs.
pub const OPERATORS: u32 = 60;
/// Rows a second that each would get of 50 GB/s, GB.
const WANTED_GBPS: f64 = 2.5;
/// Bytes of all payloads: at 1.2 GB/s of rows, none comes again before the operator has deleted it.
const PAYLOAD_BYTES: usize = 40 * GIB as usize;
/// Streams that blobs are sent on.
const LANES: usize = 16;
/// Blobs of a stream that the operator signs at once, as of a disperser that has many.
const SIGNED_TOGETHER: usize = 8;
/// How often the operator looks at its chain, and the blocks that pass there in a second: 1,000 blocks after it was promised, it deletes what nobody
/// paid for, hence after 1.4 seconds. All that [`LANES`] have under way must have been signed by then.
const POLL_MS: u64 = 100;
const BLOCKS_PER_S: u64 = 750;
/// When a blob that was taken may be sent again: it is deleted by then.
const REST: Duration = Duration::from_millis(1750);
/// Most that a blob may begin after it is due.
const LATE_MAX: Duration = Duration::from_millis(500);
/// What is not counted of a run: until as many blobs end as begin.
const RUN_IN: Duration = Duration::from_secs(1);
/// How long a rate is tried before it is held.
const TRIAL: Duration = Duration::from_secs(5);
/// From one rate to the next that is tried.
const STEP: f64 = 0.95;
/// Rates tried at most.
const STEPS_MAX: usize = 12;

/// A blob as the operator is sent it.
struct Piece {
    head: Head,
    /// Its rows, message by message, encoded.
    messages: Vec<Encoded>,
    rows: usize,
}

/// A message that was encoded before.
struct Encoded(Bytes);

impl Write for Encoded {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_slice(&self.0);
    }

    fn write_bufs(&self, buf: &mut impl commonware_codec::BufsMut) {
        buf.push(self.0.clone());
    }
}

impl EncodeSize for Encoded {
    fn encode_size(&self) -> usize {
        self.0.len()
    }

    fn encode_inline_size(&self) -> usize {
        0
    }
}

/// Measures the slice of blobs of `blob_bytes`, held for `seconds`.
pub fn measure(figures: &mut Figures, seconds: u64, blob_bytes: usize) {
    let folder = operator::folder();
    let setup = Setup {
        index: 0,
        operators: OPERATORS,
        ingest_bytes_per_s: 0,
        poll_ms: POLL_MS,
        blocks_per_s: BLOCKS_PER_S,
    };
    let mut operator = Operator::start(folder.path(), setup);
    let committee = registry::committee(OPERATORS, &[operator.endpoint]);
    let blobs = PAYLOAD_BYTES / blob_bytes;
    println!(
        "coding {blobs} blobs; the operator is process {}",
        operator.process_id()
    );
    let pieces = pieces(&committee, blob_bytes, blobs);
    write::runtime(folder.path()).start(|context| async move {
        let generator = Generator {
            context,
            committee: Arc::new(committee),
            pieces: Arc::new(pieces),
            row_bytes: f64::from(Shape::STANDARD.row_bytes(blob_bytes as u64)),
        };
        figures.set("slice_blob_bytes", blob_bytes as f64);
        // Not counted: the operator takes memory that its host may have to find first.
        generator.run(&mut operator, f64::INFINITY, TRIAL).await;
        let ceiling = generator.run(&mut operator, f64::INFINITY, TRIAL).await;
        figures.set("slice_unpaced_rows_gbps", ceiling.rows_gbps);
        let mut rate = ceiling.rows_gbps.min(WANTED_GBPS);
        // The ceiling may have been measured while something else ran: up first.
        for _ in 0..STEPS_MAX {
            let faster = (rate / STEP).min(WANTED_GBPS);
            if faster == rate || !generator.run(&mut operator, faster, TRIAL).await.holds_firmly() {
                break;
            }
            rate = faster;
        }
        for _ in 0..STEPS_MAX {
            let trial = generator.run(&mut operator, rate, TRIAL).await;
            let held = match trial.holds_firmly() {
                true => generator.run(&mut operator, rate, Duration::from_secs(seconds)).await,
                false => trial,
            };
            println!(
                "slice at {rate:.3} GB/s: {:.3} taken in {:.0} s, {:.0} ms late at most, {} failed, {:.3} CPU s/GB",
                held.rows_gbps,
                held.seconds,
                held.latest.as_secs_f64() * 1e3,
                held.failed,
                held.operator_s_per_gb(),
            );
            if held.seconds >= seconds as f64 && held.holds() {
                held.print(figures);
                figures.set(
                    "slice_operator_peak_memory_mib",
                    operator.peak_memory_bytes() / MIB as f64,
                );
                return;
            }
            rate *= STEP;
        }
        println!("no rate holds: something else may be using the machine");
        figures.set("slice_rows_gbps", 0.0);
    });
}

/// Codes all blobs and keeps what the operator is sent of each.
fn pieces(committee: &Committee, blob_bytes: usize, blobs: usize) -> Vec<Piece> {
    let source = Source::new(blob_bytes);
    let next = AtomicU64::new(0);
    let pieces = Mutex::new(Vec::with_capacity(blobs));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |cores| cores.get()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= blobs as u64 {
                        return;
                    }
                    let piece = piece(&source, committee, number);
                    pieces.lock().push(piece);
                }
            });
        }
    });
    pieces.into_inner()
}

fn piece(source: &Source, committee: &Committee, number: u64) -> Piece {
    let blob = source.code(source.payload(number));
    let row_bytes = blob.head().row_bytes();
    let rows: Vec<Row> = committee
        .rows_of(0, &blob.head().root(), blob.head().shape())
        .iter()
        .map(|index| blob.row(index).row().clone())
        .collect();
    let messages = rows.chunks(rows_per_message(row_bytes)).map(|rows| {
        let rows = rows.to_vec();
        Encoded(Request::Rows(Rows { row_bytes, rows }).encode())
    });
    Piece {
        head: blob.head().head().clone(),
        messages: messages.collect(),
        rows: rows.len(),
    }
}

/// What a run at one rate did.
struct Held {
    /// Rows due, GB/s; infinite when they were not paced.
    offered_gbps: f64,
    rows_gbps: f64,
    latest: Duration,
    /// From a blob's head to the signature of its batch, the ninth decile; none if no batch was signed.
    blob_time: Option<Duration>,
    failed: u64,
    seconds: f64,
    blobs_per_s: f64,
    operator: CpuTime,
    generator: CpuTime,
    written_gb: f64,
}

impl Held {
    fn holds(&self) -> bool {
        self.failed == 0
            && self.blob_time.is_some()
            && self.rows_gbps >= 0.99 * self.offered_gbps
            && self.latest <= LATE_MAX
    }

    /// What a trial must: nothing that barely holds for seconds holds for a minute.
    fn holds_firmly(&self) -> bool {
        self.holds() && self.latest <= LATE_MAX / 2
    }

    /// CPU seconds that the operator spent on a GB of rows.
    fn operator_s_per_gb(&self) -> f64 {
        self.operator.total_s() / (self.rows_gbps * self.seconds)
    }

    fn print(&self, figures: &mut Figures) {
        let gb = self.rows_gbps * self.seconds;
        figures.set("slice_rows_gbps", self.rows_gbps);
        figures.set("slice_rows_gbps_offered", self.offered_gbps);
        figures.set("slice_held_s", self.seconds);
        figures.set("slice_latest_start_ms", self.latest.as_secs_f64() * 1e3);
        let blob_time = self.blob_time.expect("what holds was signed");
        figures.set("slice_blob_p90_ms", blob_time.as_secs_f64() * 1e3);
        figures.set("slice_blobs_per_s", self.blobs_per_s);
        figures.set("slice_written_gbps", self.written_gb / self.seconds);
        figures.set("slice_operator_cores", self.operator.total_s() / self.seconds);
        figures.set("slice_operator_cpu_s_per_gb", self.operator_s_per_gb());
        figures.set("slice_operator_user_cpu_s_per_gb", self.operator.user_s / gb);
        figures.set("slice_operator_system_cpu_s_per_gb", self.operator.system_s / gb);
        figures.set("slice_generator_cores", self.generator.total_s() / self.seconds);
        // 150 GB/s of rows over operators that each hold what this one held beside its generator, on the same cores.
        let nodes = (WANTED_GBPS * f64::from(OPERATORS) / self.rows_gbps).ceil();
        figures.set("modelled_nodes_for_50_gbps", nodes);
    }
}

/// Sends pieces.
struct Generator {
    context: tokio::Context,
    committee: Arc<Committee>,
    pieces: Arc<Vec<Piece>>,
    row_bytes: f64,
}

/// What the lanes of one run share.
struct Feed {
    began: Instant,
    /// Time from one blob to the next; none when they are not paced.
    interval: Option<Duration>,
    /// Which blob is next.
    next: AtomicU64,
    /// Pieces that may be sent, and since when.
    ready: Mutex<VecDeque<(Instant, usize)>>,
    stopped: AtomicBool,
    /// Rows that the operator said are stored.
    rows: AtomicU64,
    failed: AtomicU64,
    latest_ns: AtomicU64,
    times: Mutex<Vec<Duration>>,
}

impl Generator {
    /// Bytes of the rows that the operator gets of one blob, the mean.
    fn slice_bytes(&self) -> f64 {
        f64::from(TOTAL_ROWS) / f64::from(OPERATORS) * self.row_bytes
    }

    /// Feeds the operator at `gbps` of rows for as long as `time`.
    async fn run(&self, operator: &mut Operator, gbps: f64, time: Duration) -> Held {
        // What was sent before is deleted before it comes again.
        self.context.sleep(2 * REST).await;
        let now = Instant::now();
        let feed = Arc::new(Feed {
            began: now,
            interval: gbps
                .is_finite()
                .then(|| Duration::from_secs_f64(self.slice_bytes() / (gbps * 1e9))),
            next: AtomicU64::new(0),
            ready: Mutex::new((0..self.pieces.len()).map(|piece| (now, piece)).collect()),
            stopped: AtomicBool::new(false),
            rows: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            latest_ns: AtomicU64::new(0),
            times: Mutex::new(Vec::new()),
        });
        let lanes: Vec<_> = (0..LANES)
            .map(|_| {
                let (feed, pieces, committee) = (feed.clone(), self.pieces.clone(), self.committee.clone());
                self.context
                    .child("lane")
                    .spawn(move |context| async move { lane(&context, &feed, &pieces, &committee).await })
            })
            .collect();
        self.context.sleep(RUN_IN).await;
        let (began, rows_before) = (Instant::now(), feed.rows.load(Ordering::Relaxed));
        let before = (operator.report(), CpuTime::of_this_process());
        self.context.sleep(time).await;
        let seconds = began.elapsed().as_secs_f64();
        let rows = feed.rows.load(Ordering::Relaxed) - rows_before;
        let after: (Report, CpuTime) = (operator.report(), CpuTime::of_this_process());
        feed.stopped.store(true, Ordering::Relaxed);
        for lane in lanes {
            if let Ok(Err(error)) = lane.await {
                println!("a stream failed: {error}");
                feed.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut times = feed.times.lock().clone();
        let row_bytes = self.row_bytes;
        let written = after.0.written_bytes - before.0.written_bytes;
        let blobs = rows as f64 * row_bytes / self.slice_bytes();
        Held {
            offered_gbps: gbps,
            rows_gbps: rows as f64 * row_bytes / seconds / 1e9,
            latest: Duration::from_nanos(feed.latest_ns.load(Ordering::Relaxed)),
            blob_time: ninth_decile(&mut times),
            failed: feed.failed.load(Ordering::Relaxed),
            seconds,
            blobs_per_s: blobs / seconds,
            operator: after.0.cpu - before.0.cpu,
            generator: after.1 - before.1,
            written_gb: (written as f64 - blobs * HEAD_REGION_BYTES as f64) / 1e9,
        }
    }
}

/// Sends blobs on one stream, each when it is due, until told to stop.
async fn lane(context: &tokio::Context, feed: &Feed, pieces: &[Piece], committee: &Committee) -> Result<(), WireError> {
    let peer = registry::peer(None);
    let member = &committee.operators()[0];
    let mut connection = wire::dial(context, &peer.stream_key, peer.domain.chain_id, member).await?;
    let mut unsigned = Vec::with_capacity(SIGNED_TOGETHER);
    let mut verified = false;
    while !feed.stopped.load(Ordering::Relaxed) {
        let number = feed.next.fetch_add(1, Ordering::Relaxed);
        let due = match feed.interval {
            Some(interval) => feed.began + Duration::from_secs_f64(interval.as_secs_f64() * number as f64),
            None => Instant::now(),
        };
        context.sleep(due.saturating_duration_since(Instant::now())).await;
        let taken = feed.ready.lock().pop_front();
        // Each lane has some at a time, so that there are always others.
        let (ready, index) = taken.expect("there are more pieces than lanes have");
        context.sleep(ready.saturating_duration_since(Instant::now())).await;
        if feed.stopped.load(Ordering::Relaxed) {
            return Ok(());
        }
        let began = Instant::now();
        let late = u64::try_from(began.saturating_duration_since(due).as_nanos()).unwrap_or(u64::MAX);
        feed.latest_ns.fetch_max(late, Ordering::Relaxed);
        if !send(&mut connection, &pieces[index]).await? {
            feed.failed.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        feed.rows.fetch_add(pieces[index].rows as u64, Ordering::Relaxed);
        unsigned.push((began, index));
        if unsigned.len() < SIGNED_TOGETHER {
            continue;
        }
        let headers: Vec<_> = unsigned.iter().map(|(_, index)| &pieces[*index].head.header).collect();
        let Some(signature) = sign(&mut connection, &headers).await? else {
            feed.failed.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        };
        if !verified {
            let message = peer.domain.message(headers);
            let holds = member.bls_key.verify(message.as_slice(), &signature);
            assert!(holds, "the operator's signature");
            verified = true;
        }
        for (began, index) in unsigned.drain(..) {
            feed.times.lock().push(began.elapsed());
            feed.ready.lock().push_back((Instant::now() + REST, index));
        }
    }
    Ok(())
}

/// Has the operator sign for blobs that it took; nothing if it does not.
async fn sign(
    connection: &mut Connection<tokio::Context>,
    headers: &[&Header],
) -> Result<Option<bls::Signature>, WireError> {
    let request = Request::Sign(headers.iter().map(|header| header.root()).collect());
    connection.sender.send(&request, STALL_TIMEOUT).await?;
    match connection.receiver.receive::<Response>(STALL_TIMEOUT).await? {
        Response::Signed(signature) => Ok(Some(signature)),
        other => {
            println!("instead of signing: {other:?}");
            Ok(None)
        }
    }
}

/// Sends one blob; whether the operator took all its rows.
async fn send(connection: &mut Connection<tokio::Context>, piece: &Piece) -> Result<bool, WireError> {
    // Its chain runs a thousand times as fast as a real one: a promise is made for the height that it sees now.
    connection.sender.send(&Request::Status, STALL_TIMEOUT).await?;
    let Response::Status(status) = connection.receiver.receive(STALL_TIMEOUT).await? else {
        return Ok(false);
    };
    let permit = registry::permit(&piece.head.header, status.height);
    let head = Request::Disperse(Box::new(piece.head.clone()), permit);
    connection.sender.send(&head, STALL_TIMEOUT).await?;
    match connection.receiver.receive::<Response>(STALL_TIMEOUT).await? {
        Response::Accepted { missing } if missing.len() == piece.rows => {}
        other => {
            println!("instead of taking a blob: {other:?}");
            return Ok(false);
        }
    }
    for message in &piece.messages {
        connection.sender.send(message, STALL_TIMEOUT).await?;
    }
    match connection.receiver.receive::<Response>(STALL_TIMEOUT).await? {
        Response::Stored => Ok(true),
        other => {
            println!("instead of storing: {other:?}");
            Ok(false)
        }
    }
}

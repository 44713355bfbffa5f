//! Weak scaling: twice the operators take twice the rows, at the same cost to each.
//!
//! Every operator takes rows at [`CAP_BYTES_PER_S`] at most (`ingest_bytes_per_s`), and the disperser always has more for it. As long
//! as the cores of the machine are not full, `N` operators must take `N` times the cap.

use crate::{
    ballast::Ballast,
    figures::{CpuTime, Figures},
    operator::{self, Setup},
    write::{self, BLOB_BYTES, HEAD_REGION_BYTES, ROW_OVERHEAD_BYTES, Source},
};
use commonware_runtime::{Clock, Runner as _, Spawner, Supervisor};
use commonware_utils::sync;
use da::Shape;
use futures::{SinkExt, StreamExt, channel::mpsc, lock::Mutex};
use primitives::MIB;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Bytes of rows that each operator takes a second: 32 of them leave two cores room, and one of them still has enough to do for its CPU
/// time to be told from what an idle process takes.
pub const CAP_BYTES_PER_S: u64 = 6 * MIB;
/// Counts of operators that are measured.
const COUNTS: [u32; 6] = [1, 2, 4, 8, 16, 32];
/// Dispersals under way at a time: enough that every operator always has a stream that waits for it.
const LANES: usize = 2;
/// Blobs that are coded before a lane is free for them.
const CODED_AHEAD: usize = 1;
/// Until streams are full, and operators have the memory that they keep: a whole blob too.
const WARM_UP: Duration = WINDOW;
/// How long is measured: a whole blob for the one operator that gets all of its rows.
const WINDOW: Duration = Duration::from_secs(16);
/// How often all counts are measured, one after the other: what else a machine does comes and goes.
const PASSES: usize = 3;
/// How often counts of up to [`FEW`] are measured once more: a process costs a tenth more or less from one start to the next.
const PASSES_OF_FEW: usize = 2;
const FEW: u32 = 8;
/// How often memory is given to the operators' files, a little more than they can fill until the next time.
const BALLAST_TICK: Duration = Duration::from_millis(100);
const BALLAST_EXCESS: f64 = 1.1;
/// Given to each operator first, for what its process keeps.
const BALLAST_AHEAD_BYTES: u64 = 64 * MIB;
/// Above this share of the machine's cores, the cores are what is measured.
const FULL: f64 = 0.85;

/// What one count of operators did.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// How many there were.
    pub operators: u32,
    /// Bytes of rows that all took, a second.
    pub rows_bytes_per_s: f64,
    /// That to what the caps allow.
    pub ratio: f64,
    /// CPU seconds a second of one operator, the mean.
    pub operator_cores: f64,
    /// CPU seconds a second of the disperser.
    pub disperser_cores: f64,
    /// Bytes that one operator received a second, with heads and framing.
    pub received_bytes_per_s: f64,
    /// CPU seconds a second of all processes, to those that the machine has.
    pub busy: f64,
}

impl Point {
    /// Whether the machine's cores were full.
    pub fn saturated(&self) -> bool {
        self.busy > FULL
    }

    /// CPU seconds that an operator spends on a GB of rows.
    pub fn cpu_s_per_gb(&self) -> f64 {
        self.operator_cores / self.rows_bytes_per_s * f64::from(self.operators) * 1e9
    }

    /// Of one count's runs, the one whose CPU time for a byte is in the middle, with the lowest rate to the cap of all.
    fn of_runs(mut runs: Vec<Self>) -> Self {
        let ratio = runs.iter().map(|run| run.ratio).fold(f64::INFINITY, f64::min);
        runs.sort_by(|one, other| one.cpu_s_per_gb().total_cmp(&other.cpu_s_per_gb()));
        Self {
            ratio,
            ..runs[runs.len() / 2]
        }
    }
}

/// Measures every count.
pub fn measure(figures: &mut Figures) -> Vec<Point> {
    let source = Arc::new(Source::new(BLOB_BYTES));
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let memory = operator::folder();
    let ballast = Arc::new(sync::Mutex::new(Ballast::new(memory.path())));
    let most = COUNTS.map(ballast_bytes).into_iter().fold(0, u64::max);
    figures.set("weak_scaling_cap_bytes_per_s", CAP_BYTES_PER_S as f64);
    println!("    N    rows MB/s    of N x cap    node CPU s/GB    node MB/s received    busy cores");
    let mut runs = COUNTS.map(|_| Vec::new());
    for pass in 0..PASSES + PASSES_OF_FEW {
        for (count, runs) in COUNTS.into_iter().zip(&mut runs) {
            if pass < PASSES || count <= FEW {
                ballast.lock().fill(most);
                runs.push(point(&source, count, cores, &ballast));
            }
        }
    }
    let points: Vec<_> = runs.into_iter().map(Point::of_runs).collect();
    for point in &points {
        let name = |figure: &str| format!("weak_scaling_{:02}_operators_{figure}", point.operators);
        figures.set(&name("rows_mb_per_s"), point.rows_bytes_per_s / 1e6);
        figures.set(&name("ratio"), point.ratio);
        figures.set(&name("node_cpu_s_per_gb_of_rows"), point.cpu_s_per_gb());
        figures.set(&name("node_received_mb_per_s"), point.received_bytes_per_s / 1e6);
        figures.set(&name("disperser_cores"), point.disperser_cores);
        figures.set(&name("busy_share_of_cores"), point.busy);
        figures.set(&name("saturated"), f64::from(u8::from(point.saturated())));
    }
    let unsaturated = points.iter().filter(|point| !point.saturated());
    let least = unsaturated.map(|point| point.ratio).fold(f64::INFINITY, f64::min);
    figures.set("weak_scaling_min_ratio", least);
    points
}

/// Bytes a second that the files of `count` operators are given.
fn ballast_bytes_per_s(count: u32) -> f64 {
    BALLAST_EXCESS * f64::from(count) * CAP_BYTES_PER_S as f64
}

/// Memory that `count` operators are given in all.
fn ballast_bytes(count: u32) -> u64 {
    let files = ballast_bytes_per_s(count) * (WARM_UP + WINDOW).as_secs_f64();
    u64::from(count) * BALLAST_AHEAD_BYTES + files as u64
}

fn point(source: &Arc<Source>, count: u32, cores: usize, ballast: &Arc<sync::Mutex<Ballast>>) -> Point {
    ballast.lock().release(u64::from(count) * BALLAST_AHEAD_BYTES);
    let folder = operator::folder();
    let (mut operators, committee) = write::start(folder.path(), count, |index| Setup {
        index,
        operators: count,
        ingest_bytes_per_s: CAP_BYTES_PER_S,
        poll_ms: 500,
        blocks_per_s: 2,
    });
    let committee = Arc::new(committee);
    let source = source.clone();
    let given = (ballast_bytes_per_s(count) * BALLAST_TICK.as_secs_f64()) as u64;
    let ballast = ballast.clone();
    let running = &mut operators;
    let point = write::runtime(folder.path()).start(|context| async move {
        let stopped = Arc::new(AtomicBool::new(false));
        // Coded ahead: lanes that end together must not leave the operators waiting for the coder.
        let (mut coded, next) = mpsc::channel(CODED_AHEAD);
        context.child("coder").spawn(move |_| async move {
            for number in 0.. {
                if coded.send(source.code(source.payload(number))).await.is_err() {
                    return;
                }
            }
        });
        let next = Arc::new(Mutex::new(next));
        for _ in 0..LANES {
            let (next, committee, stopped) = (next.clone(), committee.clone(), stopped.clone());
            context.child("lane").spawn(move |context| async move {
                loop {
                    let blob = next.lock().await.next().await.expect("the coder does not end");
                    let record = write::disperse(&context, &committee, &blob).await;
                    if stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    record.expect("operators that run sign");
                }
            });
        }
        context.child("ballast").spawn(move |context| async move {
            loop {
                ballast.lock().release(given);
                context.sleep(BALLAST_TICK).await;
            }
        });
        context.sleep(WARM_UP).await;
        let before = (write::sum(&write::reports(running)), CpuTime::of_this_process());
        let began = Instant::now();
        context.sleep(WINDOW).await;
        let after = (write::sum(&write::reports(running)), CpuTime::of_this_process());
        let seconds = began.elapsed().as_secs_f64();
        let blobs = after.0.blobs - before.0.blobs;
        let records = after.0.written_bytes - before.0.written_bytes - blobs * HEAD_REGION_BYTES;
        let row_bytes = f64::from(Shape::STANDARD.row_bytes(BLOB_BYTES as u64));
        let rows = records as f64 * row_bytes / (row_bytes + ROW_OVERHEAD_BYTES as f64);
        let each = seconds * f64::from(count);
        let operator_cores = (after.0.cpu - before.0.cpu).total_s() / each;
        let disperser_cores = (after.1 - before.1).total_s() / seconds;
        let busy = operator_cores * f64::from(count) + disperser_cores;
        let point = Point {
            operators: count,
            rows_bytes_per_s: rows / seconds,
            ratio: rows / each / CAP_BYTES_PER_S as f64,
            operator_cores,
            disperser_cores,
            received_bytes_per_s: (after.0.received_bytes - before.0.received_bytes) as f64 / each,
            busy: busy / cores as f64,
        };
        println!(
            "{count:5} {:12.2} {:13.3} {:16.3} {:21.3} {busy:13.2}",
            point.rows_bytes_per_s / 1e6,
            point.ratio,
            point.cpu_s_per_gb(),
            point.received_bytes_per_s / 1e6,
        );
        // What is under way fails with the runtime.
        stopped.store(true, Ordering::Relaxed);
        point
    });
    drop(operators);
    point
}

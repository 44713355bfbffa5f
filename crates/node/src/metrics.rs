//! What a node counts and measures, in the Prometheus text format: `GET /metrics` of its HTTP port.
//!
//! Three sources on one page: the gauges and counters here, JSON-RPC's ([`EthMetrics`]), and the engine's own, which the runtime
//! registers. `docs/metrics.md` is printed by this module's test.

#[cfg(test)]
mod tests;

use crate::beacon::BeaconReading;
use api::eth::EthMetrics;
use chain::{Ledger, Sealed};
use da::service::Work;
use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    time::Instant,
};
use tokio::sync::broadcast::error::RecvError;

/// Last line of the text format; in the middle of a page it would end the page.
const END: &str = "# EOF\n";
/// Clock ticks a second in `/proc`: Linux has shown 100 on every platform since 2.6, whatever its own timer does.
const TICKS_PER_S: f64 = 100.0;
/// Bytes of a page in `/proc/self/statm`.
const PAGE_BYTES: i64 = 4096;

/// `CeremonyResult.Kept` of `RandomnessBeacon`.
const RESULT_KEPT: u8 = 1;

/// A node's metrics.
pub(crate) struct NodeMetrics {
    page: Page,
    blocks: Blocks,
    gauges: Gauges,
    work: WorkDone,
    chain_path: PathBuf,
}

/// Counted as blocks become final.
#[derive(Clone, Default)]
pub(crate) struct Blocks {
    height: Gauge,
    count: Counter,
    transactions: Counter,
    gas: Counter,
    interval: Interval,
}

/// Time from one final block to the next.
#[derive(Clone)]
struct Interval(Histogram);

impl Default for Interval {
    /// 50 ms to 25.6 s, doubling.
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.05, 2.0, 10)))
    }
}

/// Read when the page is asked for.
#[derive(Default)]
struct Gauges {
    pool: Gauge,
    chain_bytes: Gauge,
    row_blobs: Gauge,
    row_bytes: Gauge,
    row_capacity_bytes: Gauge,
    rows_missing: Gauge,
    disputes: Gauge,
    beacon_height: Gauge,
    beacon_epochs: Gauge,
    beacon_logs: Gauge,
    beacon_logs_required: Gauge,
    beacon_kept: Gauge,
}

/// What the holder of rows did: its own counts, copied when the page is asked for.
#[derive(Default)]
struct WorkDone {
    rows_taken: Counter,
    taken_bytes: Counter,
    rows_served: Counter,
    served_bytes: Counter,
    samples_served: Counter,
    rows_repaired: Counter,
    local_rows_repaired: Counter,
    lapses_collected: Counter,
}

/// The process, under the names that Prometheus' own clients give them.
#[derive(Default)]
struct Process {
    cpu_seconds: Counter<f64, AtomicU64>,
    resident_bytes: Gauge<i64, AtomicI64>,
    open_fds: Gauge,
}

/// What the page shows of the node's parts at a moment.
pub(crate) struct Reading {
    pub(crate) pool_transactions: usize,
    pub(crate) rows: da::wire::Status,
    pub(crate) rows_missing: u64,
    pub(crate) disputes: u32,
    pub(crate) work: Work,
    pub(crate) beacon: BeaconReading,
}

impl NodeMetrics {
    /// Metrics of the node whose chain is in `chain_path` and whose JSON-RPC counts in `eth`.
    pub(crate) fn new(eth: &EthMetrics, chain_path: &Path) -> Self {
        let mut registry = Registry::with_prefix("aloft");
        let (blocks, gauges, work) = (Blocks::default(), Gauges::default(), WorkDone::default());
        blocks.register(&mut registry);
        gauges.register(&mut registry);
        work.register(&mut registry);
        eth.register(&mut registry);
        Self {
            page: Page::new(registry),
            blocks,
            gauges,
            work,
            chain_path: chain_path.to_owned(),
        }
    }

    /// Counts every block that becomes final from now on, until the ledger is gone.
    pub(crate) fn follow(&self, ledger: Ledger) -> impl Future<Output = ()> + Send + 'static {
        self.blocks.clone().follow(ledger)
    }

    /// The page. `engine` is what the runtime shows of its own.
    pub(crate) fn page(&self, reading: &Reading, engine: &str) -> String {
        self.gauges.read(reading, &self.chain_path);
        self.work.read(&reading.work);
        self.page.text(engine)
    }
}

/// A page of metrics: a process's own, those that all processes have, and the engine's.
pub(crate) struct Page {
    registry: Registry,
    /// Without our prefix: these names are everybody's.
    process_registry: Registry,
    process: Process,
}

impl Page {
    /// A page with what is in `registry`.
    pub(crate) fn new(registry: Registry) -> Self {
        let (process, mut process_registry) = (Process::default(), Registry::default());
        process.register(&mut process_registry);
        Self {
            registry,
            process_registry,
            process,
        }
    }

    /// The text now. `engine` is what the runtime shows of its own.
    pub(crate) fn text(&self, engine: &str) -> String {
        self.process.read();
        let [mut own, mut process] = [String::new(), String::new()];
        encode(&mut own, &self.registry).expect("a string takes any text");
        encode(&mut process, &self.process_registry).expect("a string takes any text");
        [&own, &process, engine]
            .map(|part| part.strip_suffix(END).unwrap_or(part))
            .concat()
    }
}

/// What any process that keeps a chain counts, and no more.
pub(crate) struct ChainMetrics {
    page: Page,
    blocks: Blocks,
    pool: Gauge,
}

impl ChainMetrics {
    /// Metrics of the process whose JSON-RPC counts in `eth`, with what `more` registers.
    pub(crate) fn new(eth: &EthMetrics, more: impl FnOnce(&mut Registry)) -> Self {
        let mut registry = Registry::with_prefix("aloft");
        let (blocks, pool) = (Blocks::default(), Gauge::default());
        blocks.register(&mut registry);
        registry.register("pool_transactions", "Transactions that wait", pool.clone());
        more(&mut registry);
        eth.register(&mut registry);
        Self {
            page: Page::new(registry),
            blocks,
            pool,
        }
    }

    /// Counts every block that becomes final from now on, until the ledger is gone.
    pub(crate) fn follow(&self, ledger: Ledger) -> impl Future<Output = ()> + Send + 'static {
        self.blocks.clone().follow(ledger)
    }

    /// The page, with so many transactions that wait. `engine` is what the runtime shows of its own.
    pub(crate) fn page(&self, pool_transactions: usize, engine: &str) -> String {
        self.pool.set(pool_transactions as i64);
        self.page.text(engine)
    }
}

impl Blocks {
    fn register(&self, registry: &mut Registry) {
        registry.register("chain_height", "Number of the last final block", self.height.clone());
        registry.register("chain_blocks", "Blocks that became final", self.count.clone());
        registry.register(
            "chain_transactions",
            "Transactions in final blocks",
            self.transactions.clone(),
        );
        registry.register("chain_gas", "Gas that final blocks used", self.gas.clone());
        registry.register_with_unit(
            "chain_block_interval",
            "Time from one final block to the next, as this node saw them",
            Unit::Seconds,
            self.interval.0.clone(),
        );
    }

    /// Counts every block that becomes final from now on, until the ledger is gone.
    pub(crate) fn follow(self, ledger: Ledger) -> impl Future<Output = ()> + Send + 'static {
        let blocks = self;
        let mut finals = ledger.subscribe();
        let mut seen = ledger.latest().header.number;
        blocks.height.set(seen as i64);
        async move {
            let mut last = None;
            loop {
                let latest = match finals.recv().await {
                    Ok(block) => block,
                    // Those that were missed are looked up below.
                    Err(RecvError::Lagged(_)) => ledger.latest(),
                    Err(RecvError::Closed) => return,
                };
                let now = Instant::now();
                if let Some(last) = last.replace(now) {
                    blocks.interval.0.observe(now.duration_since(last).as_secs_f64());
                }
                for number in seen + 1..latest.header.number {
                    if let Ok(Some(block)) = ledger.by_number(number) {
                        blocks.count(&block);
                    }
                }
                if latest.header.number > seen {
                    blocks.count(&latest);
                    seen = latest.header.number;
                }
            }
        }
    }

    fn count(&self, block: &Sealed) {
        self.height.set(block.header.number as i64);
        self.count.inc();
        self.transactions.inc_by(block.transactions.len() as u64);
        self.gas.inc_by(block.header.gas_used);
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        registry.register("pool_transactions", "Transactions that wait", self.pool.clone());
        registry.register_with_unit(
            "chain_file",
            "Size of the chain's file",
            Unit::Bytes,
            self.chain_bytes.clone(),
        );
        registry.register("rows_blobs", "Blobs of which rows are on disk", self.row_blobs.clone());
        registry.register_with_unit("rows_stored", "Rows on disk", Unit::Bytes, self.row_bytes.clone());
        registry.register_with_unit(
            "rows_capacity",
            "What rows may take",
            Unit::Bytes,
            self.row_capacity_bytes.clone(),
        );
        registry.register("rows_missing", "Rows owned and not held", self.rows_missing.clone());
        registry.register(
            "rows_disputes",
            "Challenges on chain that wait for an answer",
            self.disputes.clone(),
        );
        registry.register(
            "beacon_height",
            "Last height that has a random value on chain",
            self.beacon_height.clone(),
        );
        registry.register(
            "beacon_epochs_concluded",
            "Epochs up to and with the last one of which blocks say how the beacon's ceremony ended",
            self.beacon_epochs.clone(),
        );
        registry.register(
            "beacon_logs_counted",
            "Dealers' logs that counted in that ceremony",
            self.beacon_logs.clone(),
        );
        registry.register(
            "beacon_logs_required",
            "Dealers' logs that it took",
            self.beacon_logs_required.clone(),
        );
        registry.register(
            "beacon_key_kept",
            "1 if that ceremony failed, so that the key's holders stayed who they were",
            self.beacon_kept.clone(),
        );
    }

    fn read(&self, reading: &Reading, chain_path: &Path) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.pool.set(reading.pool_transactions as i64);
        self.chain_bytes
            .set(fs::metadata(chain_path).map_or(0, |file| gauge(file.len())));
        self.row_blobs.set(gauge(reading.rows.blobs));
        self.row_bytes.set(gauge(reading.rows.stored_bytes));
        self.row_capacity_bytes.set(gauge(reading.rows.capacity_bytes));
        self.rows_missing.set(gauge(reading.rows_missing));
        self.disputes.set(reading.disputes.into());
        self.beacon_height.set(gauge(reading.beacon.latest));
        self.beacon_epochs.set(gauge(reading.beacon.concluded));
        let (counted, required, kept) = reading.beacon.last.as_ref().map_or((0, 0, false), |last| {
            (last.counted, last.required, last.result == RESULT_KEPT)
        });
        self.beacon_logs.set(counted.into());
        self.beacon_logs_required.set(required.into());
        self.beacon_kept.set(kept.into());
    }
}

impl WorkDone {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "rows_taken",
            "Rows taken from dispersers and verified",
            self.rows_taken.clone(),
        );
        registry.register_with_unit(
            "rows_taken",
            "Bytes of rows taken from dispersers",
            Unit::Bytes,
            self.taken_bytes.clone(),
        );
        registry.register("rows_served", "Rows sent to readers", self.rows_served.clone());
        registry.register_with_unit(
            "rows_served",
            "Bytes of rows sent to readers",
            Unit::Bytes,
            self.served_bytes.clone(),
        );
        registry.register(
            "samples_served",
            "Samples proven to light clients",
            self.samples_served.clone(),
        );
        registry.register(
            "rows_repaired",
            "Rows that were missing and were written again",
            self.rows_repaired.clone(),
        );
        registry.register(
            "local_rows_repaired",
            "Local rows that were missing and were made again",
            self.local_rows_repaired.clone(),
        );
        registry.register(
            "lapses_collected",
            "Promises to pay that were not kept and that this node collected",
            self.lapses_collected.clone(),
        );
    }

    fn read(&self, work: &Work) {
        let set = |counter: &Counter, value: u64| counter.inner().store(value, Relaxed);
        set(&self.rows_taken, work.rows_taken);
        set(&self.taken_bytes, work.taken_bytes);
        set(&self.rows_served, work.rows_served);
        set(&self.served_bytes, work.served_bytes);
        set(&self.samples_served, work.samples_served);
        set(&self.rows_repaired, work.rows_repaired);
        set(&self.local_rows_repaired, work.local_rows_repaired);
        set(&self.lapses_collected, work.lapses_collected);
    }
}

impl Process {
    fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "process_cpu",
            "Processor time used",
            Unit::Seconds,
            self.cpu_seconds.clone(),
        );
        registry.register_with_unit(
            "process_resident_memory",
            "Memory in use",
            Unit::Bytes,
            self.resident_bytes.clone(),
        );
        registry.register("process_open_fds", "Open files and connections", self.open_fds.clone());
    }

    /// Reads what the system says; elsewhere than on Linux it says nothing here, and the values stay zero.
    fn read(&self) {
        // The second field is the program's name in parentheses, which may hold anything; the 12th and 13th after it are ticks in
        // user and system mode.
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        self.cpu_seconds
            .inner()
            .store((ticks as f64 / TICKS_PER_S).to_bits(), Relaxed);
        let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages = statm
            .split_whitespace()
            .nth(1)
            .and_then(|field| field.parse::<i64>().ok());
        self.resident_bytes.set(pages.unwrap_or(0) * PAGE_BYTES);
        self.open_fds
            .set(fs::read_dir("/proc/self/fd").map_or(0, |files| files.count() as i64));
    }
}

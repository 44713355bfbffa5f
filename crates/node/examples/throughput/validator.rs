//! One validator in a process of its own, and its handle in the process that measures.
//!
//! The process prints `up` once it listens, then answers each line on its standard input: `report` with a [`Report`] in JSON, `feed PATH`
//! by reading that file's transactions into its pool. It ends with its standard input.

use crate::workload;
use api::eth::{EthConfig, serve};
use chain::{
    Ledger, PoolLimits, Store, ValidatorKeys,
    consensus::{self, Config, FixedRoster, Pace, TcpConfig, start_on_tcp},
};
use commonware_runtime::{Runner as _, Supervisor as _, tokio as runtime};
use futures::{StreamExt as _, channel::mpsc};
use primitives::Address;
use std::{
    io::{BufRead, BufReader, Write as _},
    net::{SocketAddr, TcpListener},
    num::NonZeroU64,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::broadcast::error::RecvError;

/// First argument of a validator's process.
pub const HIDDEN_VERB: &str = "validator-process";
/// Threads of a validator, as a node's.
const WORKER_THREADS: usize = 2;
/// Transactions that a file's reader lets wait in the pool: some full blocks.
const WAITING_MAX: usize = 16_000;
/// Transactions that it gives at a time.
const FEED_BATCH: usize = 256;
/// How long it waits while they do.
const FEED_PAUSE: Duration = Duration::from_millis(5);

/// Ports of one validator.
#[derive(Clone, Copy)]
pub struct Ports {
    pub rpc: u16,
    pub p2p: u16,
}

/// Ports that were free a moment ago.
pub fn free_ports(count: usize) -> Vec<Ports> {
    // All are held until all are known, so that no two are the same.
    let listeners: Vec<_> = (0..2 * count)
        .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
        .collect();
    let port = |listener: &TcpListener| listener.local_addr().expect("a bound socket").port();
    listeners
        .chunks(2)
        .map(|pair| Ports {
            rpc: port(&pair[0]),
            p2p: port(&pair[1]),
        })
        .collect()
}

/// What a validator's process has done since it started.
pub struct Report {
    /// Transactions in final blocks.
    pub transactions: u64,
    /// CPU time of the process, seconds.
    pub cpu_s: f64,
}

/// A running validator. Killed when dropped.
pub struct Validator {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Where it answers JSON-RPC.
    pub rpc: SocketAddr,
}

impl Validator {
    /// Starts validator `index` of as many as there are `ports`.
    pub fn spawn(folder: &Path, index: usize, ports: &[Ports], accounts: u64) -> Self {
        let ports_said: Vec<String> = ports
            .iter()
            .map(|ports| format!("{}:{}", ports.rpc, ports.p2p))
            .collect();
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .arg(HIDDEN_VERB)
            .arg(folder.join(format!("validator-{index}")))
            .args([index.to_string(), accounts.to_string()])
            .args(ports_said)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a validator's process");
        Self {
            stdin: child.stdin.take().expect("piped"),
            stdout: BufReader::new(child.stdout.take().expect("piped")),
            child,
            rpc: ([127, 0, 0, 1], ports[index].rpc).into(),
        }
    }

    /// Returns when it listens.
    pub fn wait_until_up(&mut self) {
        assert_eq!(self.line(), "up", "what a validator says first");
    }

    /// What it has done so far.
    pub fn report(&mut self) -> Report {
        writeln!(self.stdin, "report").expect("ask a validator");
        let report: serde_json::Value = serde_json::from_str(&self.line()).expect("a report is JSON");
        Report {
            transactions: report["transactions"].as_u64().expect("a report has its count"),
            cpu_s: report["cpu_s"].as_f64().expect("a report has its time"),
        }
    }

    /// Lets it read transactions from a file.
    pub fn feed(&mut self, path: &Path) {
        writeln!(self.stdin, "feed {}", path.display()).expect("tell a validator");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("read what a validator says");
        line.trim().to_owned()
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// CPU time of this process, seconds.
pub fn cpu_s() -> f64 {
    clock_s(libc::CLOCK_PROCESS_CPUTIME_ID)
}

/// Seconds since the machine started.
pub fn monotonic_s() -> f64 {
    clock_s(libc::CLOCK_MONOTONIC)
}

fn clock_s(clock: libc::clockid_t) -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer, and these clocks exist on Linux.
    let failed = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(failed, 0);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The validator's process: runs until its standard input ends.
pub fn run(mut words: impl Iterator<Item = String>) {
    node::keep_freed_memory();
    let folder: PathBuf = words.next().expect("a folder").into();
    let mut number = || {
        words
            .next()
            .and_then(|word| word.parse::<u64>().ok())
            .expect("a number")
    };
    let (index, accounts) = (number() as usize, number());
    let ports: Vec<Ports> = words
        .map(|word| {
            let (rpc, p2p) = word.split_once(':').expect("two ports");
            let port = |word: &str| word.parse().expect("a port");
            Ports {
                rpc: port(rpc),
                p2p: port(p2p),
            }
        })
        .collect();
    let config = runtime::Config::new()
        .with_worker_threads(WORKER_THREADS)
        .with_tcp_nodelay(Some(true))
        .with_storage_directory(folder.join("journals"));
    runtime::Runner::new(config).start(|context| serve_until_told(context, folder, index, accounts, ports));
}

async fn serve_until_told(context: runtime::Context, folder: PathBuf, index: usize, accounts: u64, ports: Vec<Ports>) {
    let keys: Vec<_> = (1..=ports.len() as u8)
        .map(|seed| ValidatorKeys::from_seed(&[seed; 32]))
        .collect();
    let loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let validators: Vec<_> = keys
        .iter()
        .zip(&ports)
        .map(|(keys, ports)| (keys.validator(1), loopback(ports.p2p)))
        .collect();
    std::fs::create_dir_all(&folder).expect("a folder of one's own");
    let store = Store::open(folder.join("chain.redb")).expect("a new file");
    let limits = PoolLimits {
        block_gas: workload::GAS_LIMIT,
        ..PoolLimits::default()
    };
    let ledger = Ledger::open(&workload::genesis(accounts), store, limits).expect("a new chain");
    let tcp = TcpConfig {
        listen: loopback(ports[index].p2p),
        namespace: b"throughput".to_vec(),
    };
    let config = Config {
        keys: keys[index].clone(),
        committees: Arc::new(FixedRoster::new(&validators).expect("distinct keys")),
        epoch_blocks: NonZeroU64::MAX,
        ledger: ledger.clone(),
        beneficiary: Address::repeat_byte(index as u8 + 1),
        partition_prefix: "consensus".into(),
        pace: Pace::default(),
        offences: None,
        certificates: Default::default(),
        beacon: None,
        floor: None,
    };
    let _validator: consensus::Validator = start_on_tcp(context.child("validator"), config, tcp);
    let server = serve(
        EthConfig {
            peer_count: ports.len() as u32 - 1,
            ..EthConfig::alone(loopback(ports[index].rpc), "aloft/throughput")
        },
        ledger.clone(),
    );
    let server = server.await.expect("listen for JSON-RPC");

    let done = Arc::new(AtomicU64::new(0));
    let counting = tokio::spawn(count(ledger.clone(), done.clone()));
    println!("up");
    // A thread of its own waits for lines: the runtime's must not.
    let (lines, mut told) = mpsc::unbounded();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let Ok(line) = line else { return };
            if lines.unbounded_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(line) = told.next().await {
        match line.strip_prefix("feed ") {
            Some(path) => feed(ledger.clone(), path.into()),
            None => {
                let transactions = done.load(Ordering::Relaxed);
                println!(
                    "{}",
                    serde_json::json!({ "transactions": transactions, "cpu_s": cpu_s() })
                );
            }
        }
    }
    counting.abort();
    server.stop().await;
}

/// Counts the transactions of final blocks.
async fn count(ledger: Ledger, done: Arc<AtomicU64>) {
    let mut finals = ledger.subscribe();
    loop {
        match finals.recv().await {
            Ok(block) => done.fetch_add(block.transactions.len() as u64, Ordering::Relaxed),
            Err(RecvError::Lagged(_)) => panic!("the counter is never slow"),
            Err(RecvError::Closed) => return,
        };
    }
}

/// Reads a file's transactions into the pool, as fast as they leave it.
fn feed(ledger: Ledger, path: PathBuf) {
    std::thread::spawn(move || {
        let mut transactions = workload::read(&path);
        loop {
            let batch: Vec<Vec<u8>> = transactions.by_ref().take(FEED_BATCH).collect();
            if batch.is_empty() {
                return;
            }
            while ledger.pool().len() > WAITING_MAX {
                std::thread::sleep(FEED_PAUSE);
            }
            let taken = ledger.submit_all(&batch);
            assert!(taken.iter().all(Result::is_ok), "good transactions");
        }
    });
}

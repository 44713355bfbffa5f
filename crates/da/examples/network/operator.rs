//! One operator in a process of its own, and its handle in the process that measures.
//!
//! The process prints `listening ADDRESS`, then answers each line on its standard input with a [`Report`] in JSON, and ends with
//! its standard input: when the measuring process ends, however it does, so do its operators.

use crate::{
    figures::CpuTime,
    registry::{self, FixedChain},
};
use commonware_runtime::{Metrics, Runner as _, Supervisor, tokio};
use da::{Service, service};
use futures::{StreamExt, channel::mpsc};
use primitives::GIB;
use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// First argument of an operator's process.
pub const HIDDEN_VERB: &str = "operator-process";
/// Threads of an operator, as a node's.
const WORKER_THREADS: usize = 2;
/// Bytes of rows that an operator keeps: more than a measurement sends.
const CAPACITY_BYTES: u64 = 16 * GIB;

/// How an operator's process is started.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Which operator.
    pub index: u32,
    /// Of how many.
    pub operators: u32,
    /// Bytes of rows that it takes a second; 0: as many as it can.
    pub ingest_bytes_per_s: u64,
    /// How often it looks at its chain, milliseconds.
    pub poll_ms: u64,
    /// Blocks that pass on that chain in a second.
    pub blocks_per_s: u64,
}

impl Setup {
    fn words(&self) -> [u64; 5] {
        [
            self.index.into(),
            self.operators.into(),
            self.ingest_bytes_per_s,
            self.poll_ms,
            self.blocks_per_s,
        ]
    }

    fn of_words(words: &[u64]) -> Option<Self> {
        let &[index, operators, ingest_bytes_per_s, poll_ms, blocks_per_s] = words else {
            return None;
        };
        Some(Self {
            index: index.try_into().ok()?,
            operators: operators.try_into().ok()?,
            ingest_bytes_per_s,
            poll_ms,
            blocks_per_s,
        })
    }
}

/// What an operator's process has done since it started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Report {
    /// Bytes received on all streams, with their framing.
    pub received_bytes: u64,
    /// Bytes written to its files.
    pub written_bytes: u64,
    /// Blobs of which it has rows now.
    pub blobs: u64,
    /// CPU time of the process.
    pub cpu: CpuTime,
}

/// The operator's process: runs until its standard input ends.
pub fn run(mut words: impl Iterator<Item = String>) {
    let folder: PathBuf = words.next().expect("a folder").into();
    let numbers: Vec<u64> = words
        .map(|word| word.parse().expect("numbers after the folder"))
        .collect();
    let setup = Setup::of_words(&numbers).expect("five numbers after the folder");
    let config = tokio::Config::new()
        .with_worker_threads(WORKER_THREADS)
        .with_tcp_nodelay(Some(true))
        .with_storage_directory(folder);
    tokio::Runner::new(config).start(|context| async move {
        let (_, bls_key) = registry::keys(setup.index);
        let config = service::Config {
            listen: ([127, 0, 0, 1], 0).into(),
            peer: registry::peer(Some(setup.index)),
            bls_key,
            partition: "rows".into(),
            capacity_bytes: CAPACITY_BYTES,
            unpaid_bytes_max: CAPACITY_BYTES,
            ingest_bytes_per_s: (setup.ingest_bytes_per_s > 0).then_some(setup.ingest_bytes_per_s),
            poll_ms: setup.poll_ms,
        };
        let chain = FixedChain::new(setup.operators, setup.blocks_per_s);
        let service = Service::start(context.child("operator"), config, chain)
            .await
            .expect("start the operator");
        println!("listening {}", service.listen());
        // A thread of its own waits for lines: the runtime's must not.
        let (asks, mut asked) = mpsc::unbounded();
        std::thread::spawn(move || {
            for line in std::io::stdin().lines() {
                if line.is_err() || asks.unbounded_send(()).is_err() {
                    return;
                }
            }
        });
        while asked.next().await.is_some() {
            let metrics = context.encode();
            let cpu = CpuTime::of_this_process();
            let report = serde_json::json!({
                "received_bytes": counter(&metrics, "inbound_bandwidth"),
                "written_bytes": counter(&metrics, "storage_write_bytes"),
                "blobs": service.status().blobs,
                "user_s": cpu.user_s,
                "system_s": cpu.system_s,
            });
            println!("{report}");
        }
        service.stop();
    });
}

/// The runtime's counter `name` in its own text form.
fn counter(metrics: &str, name: &str) -> u64 {
    let name = format!("runtime_{name}_total ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name));
    line.and_then(|value| value.trim().parse().ok())
        .expect("the runtime counts it")
}

/// A running operator's process. Killed when dropped.
pub struct Operator {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    /// Where it listens.
    pub endpoint: SocketAddr,
}

impl Operator {
    /// Starts an operator whose rows are in a folder of its own below `folder`.
    pub fn start(folder: &Path, setup: Setup) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .arg(HIDDEN_VERB)
            .arg(folder.join(format!("operator-{}", setup.index)))
            .args(setup.words().map(|word| word.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start an operator's process");
        let stdin = child.stdin.take().expect("piped");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("read an operator's first line");
        let endpoint = line
            .trim()
            .strip_prefix("listening ")
            .and_then(|address| address.parse().ok());
        Self {
            child,
            stdin,
            stdout,
            endpoint: endpoint.unwrap_or_else(|| panic!("an operator said {line:?} instead of its address")),
        }
    }

    /// What it has done so far.
    pub fn report(&mut self) -> Report {
        writeln!(self.stdin).expect("ask an operator");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("read an operator's report");
        let report: serde_json::Value = serde_json::from_str(&line).expect("a report is JSON");
        let count = |name: &str| report[name].as_u64().expect("a report has its counts");
        let seconds = |name: &str| report[name].as_f64().expect("a report has its times");
        Report {
            received_bytes: count("received_bytes"),
            written_bytes: count("written_bytes"),
            blobs: count("blobs"),
            cpu: CpuTime {
                user_s: seconds("user_s"),
                system_s: seconds("system_s"),
            },
        }
    }

    /// Most memory that the process had at a time, bytes; its files are not in it. Not a number where there is no `/proc`.
    pub fn peak_memory_bytes(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process_id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.and_then(|kib| kib.parse().ok())
            .map_or(f64::NAN, |kib: f64| kib * 1024.0)
    }

    /// Its process, for who looks at it with other tools.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Operator {
    /// Ends the process at once, by SIGKILL.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder in memory for the rows of a measurement, removed when dropped.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let place = match memory.is_dir() {
        true => memory.to_owned(),
        false => std::env::temp_dir(),
    };
    tempfile::Builder::new()
        .prefix("aloft-network-")
        .tempdir_in(place)
        .expect("make a folder for rows")
}

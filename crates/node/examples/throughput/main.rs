//! How many transactions a second the chain makes final, in validator processes of their own, and how fast one node follows.
//!
//! `cargo run --release -p node --example throughput -- [PART].. [--seconds S] [--accounts N] [--anvil PROGRAM]`
//!
//! PART is one of `rpc`, `finality` (with `rpc`, whose rate it halves), `fed`, `alone`, `follow`, `workloads`, `contracts`, `shards`; all when none is said.
//!
//! Four validator processes share the machine with the load; then a development chain, then `anvil` under the same load if it is named. Every
//! transaction is signed beforehand; those counted are in final blocks, over a window that begins once blocks are full. Load goes
//! through JSON-RPC in batches, each sender's transactions to one validator, as fast as pools take them; or is read by each validator from a file
//! into its pool. Then half of the rate, with single transfers among it whose finality is timed by asking for their receipts. Last,
//! one process on one core executes blocks that were made before, recovering every sender, and writes each durably.
//!
//! `workloads` are the three that 0G's own load tool has, transfers, a token's transfers and swaps, on four validators: the best 60 seconds by the
//! times in the blocks. `contracts` are blocks of 100 million gas on development chains: words written, precompiles, swaps.
//! `shards` are one, two and four shards of a local network, each capped, and what users of the root chain see meanwhile.
//!
//! Prints one JSON object on its last line. Rates are by the clock, CPU time is of all processes beside the load.

mod contracts;
mod development;
mod load;
mod replay;
mod shards;
mod validator;
mod workload;
mod workloads;

use development::DevelopmentProcess;
use load::Load;
use serde_json::json;
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use validator::{Report, Validator};
use workload::Workload;

#[global_allocator]
static ALLOCATOR: node::Allocator = node::Allocator;

/// Validators that agree.
const VALIDATORS: usize = 4;
/// Full blocks come first: the window begins after this.
const WARM_UP: Duration = Duration::from_secs(5);
/// Transactions signed for each second that may be measured: more than any of these chains does.
const SIGNED_PER_S: u64 = 16_000;
/// The same for a development chain.
const SIGNED_PER_S_ALONE: u64 = 45_000;
/// Connections to a development chain: it looks at one batch while the next is on its way.
const CONNECTIONS_ALONE: usize = 2;

/// What can be measured apart.
const PARTS: [&str; 8] = [
    "rpc",
    "finality",
    "fed",
    "alone",
    "follow",
    "workloads",
    "contracts",
    "shards",
];

struct Arguments {
    /// What is measured; all when empty.
    parts: Vec<String>,
    seconds: u64,
    accounts: u64,
    anvil: Option<PathBuf>,
}

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> Self {
        let mut parsed = Self {
            parts: Vec::new(),
            seconds: 60,
            accounts: 1_000_000,
            anvil: None,
        };
        let mut words = words.peekable();
        while let Some(name) = words.next() {
            if PARTS.contains(&name.as_str()) {
                parsed.parts.push(name);
                continue;
            }
            let value = words.next().unwrap_or_else(|| panic!("{name} needs a value"));
            let number = || value.parse().unwrap_or_else(|_| panic!("{name} takes a number"));
            match name.as_str() {
                "--seconds" => parsed.seconds = number(),
                "--accounts" => parsed.accounts = number(),
                "--anvil" => parsed.anvil = Some(value.into()),
                _ => panic!("unknown argument {name}"),
            }
        }
        parsed
    }

    fn window(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    fn measures(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|named| named == part)
    }
}

fn main() {
    let mut words = std::env::args().skip(1).peekable();
    match words.peek().map(String::as_str) {
        Some(validator::HIDDEN_VERB) => return validator::run(words.skip(1)),
        Some(replay::HIDDEN_VERB) => return replay::run(words.skip(1)),
        Some(development::HIDDEN_VERB) => return development::run(words.skip(1)),
        // As a local network starts its processes: `node run …`, `shard run …`.
        Some("node" | "shard") => return shards::run_process(words),
        _ => {}
    }
    let arguments = Arguments::parse(words);
    let signed = |per_s: u64| per_s * (arguments.seconds + WARM_UP.as_secs());
    let workload = Workload::new(arguments.accounts);
    let mut figures = serde_json::Map::new();
    let mut set = |name: &str, value: serde_json::Value| {
        println!("{name:44} {value}");
        figures.insert(name.into(), value);
    };
    set("accounts", json!(arguments.accounts));
    set("window_s", json!(arguments.seconds));

    if ["rpc", "finality", "fed"].iter().any(|part| arguments.measures(part)) {
        eprintln!("signing");
        let transfers = workload.transfers(signed(SIGNED_PER_S));
        if arguments.measures("rpc") {
            let per_s = through_rpc(&arguments, &transfers, &mut set);
            if arguments.measures("finality") {
                finality(&arguments, &workload, &transfers, per_s / 2.0, &mut set);
            }
        }
        if arguments.measures("fed") {
            fed(&arguments, &transfers, &mut set);
        }
    }
    if arguments.measures("alone") {
        eprintln!("signing");
        let transfers = workload.transfers(signed(SIGNED_PER_S_ALONE));
        alone(&arguments, &workload, &transfers, &mut set);
    }
    if arguments.measures("follow") {
        for (name, kind) in [("transfers", "follower_tps_core"), ("erc20", "follower_erc20_tps_core")] {
            eprintln!("one node that follows: {name}");
            let replayed = replay::start(name, arguments.accounts);
            set(kind, json!(replayed.per_s.round()));
            set(&format!("{kind}_cpu_us_each"), json!(replayed.cpu_us_each));
        }
    }
    if arguments.measures("workloads") {
        workloads::measure(&arguments, &workload, &mut set);
    }
    if arguments.measures("contracts") {
        contracts::measure(arguments.anvil.as_deref(), &workload, &mut set);
    }
    if arguments.measures("shards") {
        shards::measure(&mut set);
    }
    println!("{}", serde_json::Value::Object(figures));
}

/// Where a figure goes.
type Set<'a> = dyn FnMut(&str, serde_json::Value) + 'a;

/// Four validators, through JSON-RPC; transfers a second.
fn through_rpc(arguments: &Arguments, transfers: &[workload::Signed], set: &mut Set<'_>) -> f64 {
    eprintln!("four validators, through JSON-RPC");
    let mut network = Network::start(VALIDATORS, arguments.accounts);
    let load = Load::start(network.endpoints(), transfers, None);
    let window = network.measure(arguments.window());
    let taken = load.stop();
    set("tps_four_validators", json!(window.per_s().round()));
    set("tps_four_validators_cpu_us_each", json!(window.cpu_us_each(VALIDATORS)));
    set("tps_four_validators_sent", json!(taken.sent));
    window.per_s()
}

/// Four validators at `per_s`, single transfers timed.
fn finality(arguments: &Arguments, workload: &Workload, transfers: &[workload::Signed], per_s: f64, set: &mut Set<'_>) {
    eprintln!("four validators at half of that, single transfers timed");
    let network = Network::start(VALIDATORS, arguments.accounts);
    let load = Load::start(network.endpoints(), transfers, Some(per_s));
    std::thread::sleep(WARM_UP);
    let probes = workload.probes(load::PROBES);
    let mut finality_ms = load::finality_ms(&network.endpoints(), &probes);
    load.stop();
    finality_ms.sort_unstable_by(f64::total_cmp);
    set("finality_p50_ms", json!(finality_ms[finality_ms.len() / 2].round()));
    set(
        "finality_p95_ms",
        json!(finality_ms[finality_ms.len() * 95 / 100].round()),
    );
}

/// Four validators, from files into the pools.
fn fed(arguments: &Arguments, transfers: &[workload::Signed], set: &mut Set<'_>) {
    eprintln!("four validators, from files into the pools");
    let mut network = Network::start(VALIDATORS, arguments.accounts);
    network.feed(transfers);
    let window = network.measure(arguments.window());
    set("tps_four_validators_pool_fed", json!(window.per_s().round()));
    set(
        "tps_four_validators_pool_fed_cpu_us_each",
        json!(window.cpu_us_each(VALIDATORS)),
    );
}

/// A development chain, and anvil if it is named, under the same load.
fn alone(arguments: &Arguments, workload: &Workload, transfers: &[workload::Signed], set: &mut Set<'_>) {
    eprintln!("a development chain, through JSON-RPC");
    let begun = Instant::now();
    let ours = DevelopmentProcess::aloft();
    set("dev_start_s", json!(begun.elapsed().as_secs_f64()));
    let ours = under_load(ours, arguments, workload, transfers);
    set("dev_tps", json!(ours.per_s.round()));
    set("dev_cpu_us_each", json!(ours.cpu_us_each));
    if let Some(program) = &arguments.anvil {
        eprintln!("anvil, through JSON-RPC");
        let anvil = under_load(DevelopmentProcess::anvil(program), arguments, workload, transfers);
        set("anvil_tps", json!(anvil.per_s.round()));
        set("anvil_cpu_us_each", json!(anvil.cpu_us_each));
        set("dev_vs_anvil", json!(ours.per_s / anvil.per_s));
    }
}

/// What a development chain did under load.
struct UnderLoad {
    per_s: f64,
    cpu_us_each: f64,
}

fn under_load(
    process: DevelopmentProcess,
    arguments: &Arguments,
    workload: &Workload,
    transfers: &[workload::Signed],
) -> UnderLoad {
    assert!(load::fund(&process.address, workload), "it takes balances");
    let load = Load::start(vec![process.address; CONNECTIONS_ALONE], transfers, None);
    std::thread::sleep(WARM_UP);
    let cpu_s = process.cpu_s();
    let begun = Instant::now();
    let per_s = load::rate_over(&process.address, arguments.window());
    let count = per_s * begun.elapsed().as_secs_f64();
    let cpu_s = process.cpu_s() - cpu_s;
    load.stop();
    UnderLoad {
        per_s,
        cpu_us_each: (cpu_s * 1e7 / count).round() / 10.0,
    }
}

/// Some validators, each a process.
struct Network {
    validators: Vec<Validator>,
    folder: tempfile::TempDir,
}

/// What became final between two moments.
struct Window {
    transactions: u64,
    elapsed: Duration,
    cpu_s: f64,
}

impl Window {
    fn per_s(&self) -> f64 {
        self.transactions as f64 / self.elapsed.as_secs_f64()
    }

    /// Microseconds of one validator's CPU for each transaction.
    fn cpu_us_each(&self, validators: usize) -> f64 {
        (self.cpu_s * 1e6 / self.transactions as f64 / validators as f64 * 10.0).round() / 10.0
    }
}

impl Network {
    fn start(validators: usize, accounts: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let ports = validator::free_ports(validators);
        let mut started: Vec<_> = (0..validators)
            .map(|index| Validator::spawn(folder.path(), index, &ports, accounts))
            .collect();
        started.iter_mut().for_each(Validator::wait_until_up);
        Self {
            validators: started,
            folder,
        }
    }

    fn endpoints(&self) -> Vec<std::net::SocketAddr> {
        self.validators.iter().map(|validator| validator.rpc).collect()
    }

    /// Lets each validator read a part of `transactions`, whole senders each.
    fn feed(&mut self, transactions: &[workload::Signed]) {
        let count = self.validators.len();
        for (index, validator) in self.validators.iter_mut().enumerate() {
            let path = self.folder.path().join(format!("feed-{index}"));
            let own = transactions
                .iter()
                .filter(|signed| signed.sender as usize % count == index);
            workload::write(&path, own);
            validator.feed(&path);
        }
    }

    fn reports(&mut self) -> Vec<Report> {
        self.validators.iter_mut().map(Validator::report).collect()
    }

    /// What becomes final within `seconds`, once the chain is warm.
    fn measure(&mut self, seconds: Duration) -> Window {
        std::thread::sleep(WARM_UP);
        let (before, begun) = (self.reports(), Instant::now());
        std::thread::sleep(seconds);
        let (after, elapsed) = (self.reports(), begun.elapsed());
        let cpu_s = |reports: &[Report]| reports.iter().map(|report| report.cpu_s).sum::<f64>();
        Window {
            transactions: after[0].transactions - before[0].transactions,
            elapsed,
            cpu_s: cpu_s(&after) - cpu_s(&before),
        }
    }
}

//! Shards as a local network runs them: how their sum grows with their number, and what the root chain's users see while they come and go.
//!
//! The root chain, which is shard 0, and each shard are one validator in a process of its own, for two cores hold no more. A shard's blocks hold so
//! much gas and come so seldom that one core could make several shards' ([`CAP_PER_S`]); each is given more than that. Meanwhile clients
//! send to the root chain all the time.

use crate::{
    Set,
    load::{Client, Load},
    workload::Signed,
};
use alloy_consensus::TxEip1559;
use client::{HttpProvider, Rpc, Wallet};
use contracts::{Provider as _, Request};
use node::{
    Endowment, Layout, LocalNetwork, ShardFile, ShardSettings, add_shard, development_wallets, retire_shard, root_url,
    shard_url,
};
use primitives::{Address, Bytes, U256};
use rayon::prelude::*;
use serde_json::json;
use std::{
    net::SocketAddr,
    num::NonZeroU64,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Numbers of shards that are measured.
const COUNTS: [usize; 3] = [1, 2, 4];
/// How long each number of them is.
const WINDOW: Duration = Duration::from_secs(20);
/// Full blocks come first.
const WARM_UP: Duration = Duration::from_secs(4);
/// Gas limit of a shard's blocks: the least.
const GAS_LIMIT: u64 = node::SHARD_GAS_LIMIT_MIN;
/// Time from one block of a shard to the next.
const INTERVAL_MS: u64 = 1_000;
/// Gas of a transfer.
const TRANSFER_GAS: u64 = 21_000;
/// What a shard can do, a second.
const CAP_PER_S: f64 = (GAS_LIMIT / TRANSFER_GAS) as f64 * 1e3 / INTERVAL_MS as f64;
/// Blocks of the root chain's epochs, and of a shard's: so few that a shard is founded within seconds.
const ROOT_EPOCH_BLOCKS: u64 = 24;
const EPOCH_BLOCKS: u64 = 8;
/// Accounts that send on each shard, and what each has there, wei.
const SENDERS: u64 = 400;
const FUNDS_WEI: u64 = 4_000_000_000_000_000_000;
/// What a sender pays for a unit of gas at most, wei: full blocks raise the price by an eighth each.
const MAX_FEE_WEI: u128 = 2_000_000_000_000;
/// Clients of the root chain, each with one transfer at a time.
const ROOT_CLIENTS: usize = 4;
/// How often the root chain is asked for its height.
const HEIGHT_PAUSE: Duration = Duration::from_millis(5);
/// How long the root chain is watched alone, before the first shard and after the last.
const ALONE: Duration = Duration::from_secs(8);

/// A node's or a shard's validator's process, as [`LocalNetwork`] starts them: `node run …` or `shard run …`.
pub fn run_process(mut words: impl Iterator<Item = String>) {
    let role = words.next().expect("a role");
    assert_eq!(words.next().as_deref(), Some("run"), "what a process is to do");
    let (mut dir, mut chain, mut index) = (None, None, None);
    while let Some(name) = words.next() {
        let mut value = || words.next().expect("a value");
        match name.as_str() {
            "--network" => dir = Some(PathBuf::from(value())),
            "--chain" => chain = Some(value().parse::<u64>().expect("a chain id")),
            "--index" => index = Some(value().parse::<usize>().expect("an index")),
            _ => assert_eq!(name, "--supervised"),
        }
    }
    let (dir, index) = (dir.expect("a network"), index.expect("an index"));
    let ended = match role.as_str() {
        "node" => node::run(&dir, index, true),
        _ => node::run_shard(&dir, chain.expect("a chain"), index, true),
    };
    ended.expect("a process ends well");
}

/// What users of the root chain saw.
#[derive(Default)]
struct Seen {
    transactions: AtomicU64,
    errors: AtomicU64,
    /// When each block was seen, from the first one on.
    blocks: Mutex<Vec<Instant>>,
    stop: AtomicBool,
}

impl Seen {
    /// Milliseconds from each block to the next, of those that came between two moments.
    fn gaps_ms(&self, from: Instant, to: Instant) -> Vec<f64> {
        let blocks = self.blocks.lock().expect("no holder of the lock panics");
        let pairs = blocks.windows(2).filter(|pair| pair[1] >= from && pair[0] <= to);
        pairs.map(|pair| (pair[1] - pair[0]).as_secs_f64() * 1e3).collect()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

/// Measures all numbers of shards on one network.
pub fn measure(set: &mut Set<'_>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    set("shards_cap_tps_each", json!(CAP_PER_S.round()));
    set("shards_load_average_before", json!(load_average()));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let blocks = NonZeroU64::new(ROOT_EPOCH_BLOCKS);
    let layout = Layout::open_or_create_with(folder.path(), Some(1), blocks, contracts::ReleaseKey::Dealt)
        .expect("a new network");
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let mut network = runtime
        .block_on(LocalNetwork::start(layout.clone(), false))
        .expect("the network starts");
    let network = runtime.spawn(async move {
        tokio::select! {
            (name, status) = network.first_end() => panic!("{name} ended with {status}"),
            _ = ended => {}
        }
        network.stop().await.expect("the network stops")
    });

    let seen = Arc::new(Seen::default());
    let url = root_url(&layout).expect("a node");
    let watching = watch(&runtime, &url, &seen);
    let founder = Arc::new(development_wallets().swap_remove(0));
    let root = runtime
        .block_on(HttpProvider::connect(Rpc::new(&url), founder))
        .expect("the root chain answers");

    std::thread::sleep(WARM_UP);
    let alone = Instant::now();
    std::thread::sleep(ALONE);
    let others_come = Instant::now();
    let mut shards: Vec<ShardFile> = Vec::new();
    let mut per_s = Vec::new();
    for count in COUNTS {
        while shards.len() < count {
            eprintln!("founding shard {}", shards.len() + 1);
            let settings = settings(shards.len());
            let added = runtime.block_on(add_shard(&layout, &root, &settings, |step| eprintln!("  {step}")));
            shards.push(added.expect("a shard is founded"));
        }
        eprintln!("{count} shards under load");
        let measured = under_load(&shards);
        set(&format!("shards_{count}_tps"), json!(measured.per_s.round()));
        set(&format!("shards_{count}_cpu_us_each"), json!(measured.cpu_us_each));
        per_s.push((count, measured.per_s));
    }
    for shard in &shards {
        eprintln!("retiring shard {}", shard.chain_id);
        let retired = retire_shard(&layout, &root, shard.chain_id, true, |step| eprintln!("  {step}"));
        runtime.block_on(retired).expect("a shard is retired");
    }
    let others_gone = Instant::now();
    std::thread::sleep(WARM_UP);
    seen.stop.store(true, Ordering::Relaxed);
    for watcher in watching {
        runtime.block_on(watcher).expect("no watcher panics");
    }

    let single = per_s[0].1;
    let ratios = per_s.iter().map(|(count, sum)| sum / (*count as f64 * single));
    set("shards_scaling_min_ratio", json!(ratios.fold(f64::INFINITY, f64::min)));
    let (before, during) = (seen.gaps_ms(alone, others_come), seen.gaps_ms(others_come, others_gone));
    let block_ms = median(during.clone());
    set("shards_shard0_block_ms", json!(block_ms.round()));
    set("shards_shard0_max_gap_ms", json!(most(&during).round()));
    set("shards_shard0_max_gap_blocks", json!(most(&during) / block_ms));
    set(
        "shards_shard0_alone_max_gap_blocks",
        json!(most(&before) / median(before.clone())),
    );
    set("shards_shard0_blocks", json!(during.len()));
    set(
        "shards_shard0_transactions",
        json!(seen.transactions.load(Ordering::Relaxed)),
    );
    set("shards_shard0_errors", json!(seen.errors.load(Ordering::Relaxed)));
    set("shards_load_average_after", json!(load_average()));
    drop(end);
    assert!(
        runtime.block_on(network).expect("the network ran"),
        "all processes end cleanly"
    );
}

/// What each shard is like.
fn settings(place: usize) -> ShardSettings {
    let endowments = (0..SENDERS).map(|index| Endowment {
        account: sender(place, index).address(),
        wei: U256::from(FUNDS_WEI),
    });
    ShardSettings {
        epoch_blocks: NonZeroU64::new(EPOCH_BLOCKS),
        gas_limit: GAS_LIMIT,
        block_interval_ms: INTERVAL_MS,
        endowments: endowments.collect(),
        ..ShardSettings::default()
    }
}

fn sender(place: usize, index: u64) -> Wallet {
    let seed = [(place as u64 + 1).to_be_bytes(), index.to_be_bytes()].concat();
    Wallet::from_bytes(blake3::hash(&seed).as_bytes()).expect("a hash below the curve's order")
}

/// Has clients send to the root chain, and notes when its blocks come, until it is told to stop.
fn watch(runtime: &tokio::runtime::Runtime, url: &str, seen: &Arc<Seen>) -> Vec<JoinHandle<()>> {
    let clients = development_wallets().into_iter().skip(1).take(ROOT_CLIENTS);
    let mut watching: Vec<_> = clients
        .map(|wallet| runtime.spawn(transfer(url.to_owned(), wallet, seen.clone())))
        .collect();
    let (rpc, seen) = (Rpc::new(url), seen.clone());
    watching.push(runtime.spawn(async move {
        let mut last = U256::MAX;
        while !seen.stop.load(Ordering::Relaxed) {
            match rpc.call::<U256>("eth_blockNumber", json!([])).await {
                Ok(height) if height != last => {
                    last = height;
                    seen.blocks
                        .lock()
                        .expect("no holder of the lock panics")
                        .push(Instant::now());
                }
                Ok(_) => {}
                Err(error) => {
                    eprintln!("asking for the root chain's height: {error}");
                    seen.errors.fetch_add(1, Ordering::Relaxed);
                }
            }
            tokio::time::sleep(HEIGHT_PAUSE).await;
        }
    }));
    watching
}

/// Sends one transfer after the other.
async fn transfer(url: String, wallet: Wallet, seen: Arc<Seen>) {
    let client = HttpProvider::connect(Rpc::new(&url), Arc::new(wallet)).await;
    let client = client.expect("the root chain answers");
    while !seen.stop.load(Ordering::Relaxed) {
        let request = Request {
            to: Some(Address::repeat_byte(7)),
            value: U256::from(1),
            data: Bytes::new(),
        };
        let counter = match client.send(request).await {
            Ok(_) => &seen.transactions,
            Err(error) => {
                eprintln!("a client of the root chain: {error}");
                &seen.errors
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// What some shards did together.
struct Measured {
    per_s: f64,
    /// Microseconds of all processes' CPU, the root chain's too, for each transaction.
    cpu_us_each: f64,
}

/// Gives all shards more than they take.
fn under_load(shards: &[ShardFile]) -> Measured {
    // A tenth more than fits, and no more: what waits for ever would be in the way of the next round.
    let count = (CAP_PER_S * 1.1 * (WINDOW + WARM_UP).as_secs_f64()) as u64;
    let endpoint = |shard: &ShardFile| SocketAddr::from(([127, 0, 0, 1], shard.nodes[0].ports.rpc));
    let loads: Vec<(SocketAddr, Vec<Signed>)> = (shards.iter().enumerate())
        .map(|(place, shard)| (endpoint(shard), transfers(place, shard, count)))
        .collect();
    let running: Vec<_> = loads
        .iter()
        .map(|(endpoint, load)| Load::start(vec![*endpoint], load, None))
        .collect();
    std::thread::sleep(WARM_UP);
    let cpu_s = children_cpu_s();
    let rates: Vec<_> = loads
        .iter()
        .map(|(endpoint, _)| *endpoint)
        .map(|endpoint| std::thread::spawn(move || rate(endpoint)))
        .collect();
    let per_s: f64 = rates
        .into_iter()
        .map(|rate| rate.join().expect("a shard is measured"))
        .sum();
    let cpu_s = children_cpu_s() - cpu_s;
    for load in running {
        load.stop();
    }
    for (endpoint, _) in &loads {
        until_empty(*endpoint);
    }
    Measured {
        per_s,
        cpu_us_each: (cpu_s * 1e7 / (per_s * WINDOW.as_secs_f64())).round() / 10.0,
    }
}

/// Transfers of a shard's senders, each one's from its next nonce on.
fn transfers(place: usize, shard: &ShardFile, count: u64) -> Vec<Signed> {
    let rpc = shard_url(shard).expect("a validator");
    let address: SocketAddr = rpc.trim_start_matches("http://").parse().expect("an address");
    let mut client = Client::connect(address).expect("connect to a shard");
    let wallets: Vec<_> = (0..SENDERS).map(|index| sender(place, index)).collect();
    let nonces: Vec<u64> = wallets
        .iter()
        .map(|wallet| {
            let asked = json!([wallet.address(), "latest"]);
            quantity(&client.call("eth_getTransactionCount", asked))
        })
        .collect();
    (0..count)
        .into_par_iter()
        .map(|index| {
            let sender = index % SENDERS;
            let transaction = TxEip1559 {
                chain_id: shard.chain_id,
                nonce: nonces[sender as usize] + index / SENDERS,
                gas_limit: TRANSFER_GAS,
                max_fee_per_gas: MAX_FEE_WEI,
                max_priority_fee_per_gas: 1,
                to: Address::repeat_byte(sender as u8).into(),
                value: U256::from(1),
                ..TxEip1559::default()
            };
            let (_, raw) = wallets[sender as usize].sign_transaction(transaction);
            Signed {
                sender,
                raw: raw.to_vec(),
            }
        })
        .collect()
}

/// Transactions a second in final blocks: from the moment a block was seen to the moment another was, a window later.
fn rate(endpoint: SocketAddr) -> f64 {
    let mut client = Client::connect(endpoint).expect("connect to a shard");
    let mut next_block = |after: u64| loop {
        let height = quantity(&client.call("eth_blockNumber", json!([])));
        if height > after {
            let seen = Instant::now();
            let counts = (after + 1..=height).map(|number| {
                let block = json!([format!("{number:#x}")]);
                quantity(&client.call("eth_getBlockTransactionCountByNumber", block))
            });
            return (height, counts.sum::<u64>(), seen);
        }
        std::thread::sleep(HEIGHT_PAUSE);
    };
    let (height, ..) = next_block(0);
    let (mut last, _, begun) = next_block(height);
    let mut transactions = 0;
    loop {
        let (height, count, seen) = next_block(last);
        (last, transactions) = (height, transactions + count);
        if seen - begun >= WINDOW {
            return transactions as f64 / (seen - begun).as_secs_f64();
        }
    }
}

/// Waits until nothing waits on a shard.
fn until_empty(endpoint: SocketAddr) {
    let mut client = Client::connect(endpoint).expect("connect to a shard");
    for _ in 0..600 {
        let waiting = client.call("txpool_status", json!([]));
        if quantity(&waiting["pending"]) == 0 {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("transactions wait for ever at {endpoint}");
}

fn quantity(value: &serde_json::Value) -> u64 {
    let digits = value
        .as_str()
        .and_then(|value| value.strip_prefix("0x"))
        .expect("a quantity");
    u64::from_str_radix(digits, 16).expect("a quantity")
}

/// Clock ticks a second in `/proc`: a hundred on all that Linux runs on.
const TICKS_PER_S: f64 = 100.0;

/// CPU time of all processes that this one started, seconds.
fn children_cpu_s() -> f64 {
    let own = std::process::id().to_string();
    let processes = std::fs::read_dir("/proc").expect("Linux").filter_map(Result::ok);
    let stats = processes.filter_map(|process| std::fs::read_to_string(process.path().join("stat")).ok());
    let ticks = stats.filter_map(|stat| {
        // After the name in parentheses: state, parent, and, from there on the tenth and eleventh, ticks in user and system mode.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        (fields.get(1) == Some(&own.as_str())).then(|| Some(number(11)? + number(12)?))?
    });
    ticks.sum::<u64>() as f64 / TICKS_PER_S
}

/// Processes that waited for a core in the last minute, on average.
fn load_average() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or_default()
}

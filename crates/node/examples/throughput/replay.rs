//! One node that follows: executes blocks that others made, on one core.

use crate::{
    validator::{cpu_s, monotonic_s},
    workload::{self, Workload},
};
use alloy_consensus::{Block, BlockBody};
use chain::{Ledger, MemoryDisk, PoolLimits, Store};
use primitives::{Address, B256};
use std::{
    process::{Command, Stdio},
    time::Instant,
};

/// First argument of the follower's process.
pub const HIDDEN_VERB: &str = "follower-process";
/// Blocks followed before anything is measured: the tables on disk are written in 64 slices, one a block, so only then does each block
/// write as much as every later one will.
const BLOCKS_BEFORE: usize = 64;
/// Blocks measured.
const BLOCKS: usize = 96;
/// Transactions in each: about what fees let blocks hold for long, of either kind.
const TRANSFERS: u64 = 3_500;
const TOKEN_TRANSFERS: u64 = 1_400;

/// What it did.
pub struct Replayed {
    pub per_s: f64,
    pub cpu_us_each: f64,
}

/// Replays blocks of `kind` in a process of its own.
pub fn start(kind: &str, accounts: u64) -> Replayed {
    let output = Command::new(std::env::current_exe().expect("this program has a path"))
        .args([HIDDEN_VERB, kind, &accounts.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .expect("run the follower");
    assert!(output.status.success(), "the follower ended with {}", output.status);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report is JSON");
    let number = |name: &str| report[name].as_f64().expect("a report has its figures");
    Replayed {
        per_s: number("per_s"),
        cpu_us_each: number("cpu_us_each"),
    }
}

/// The follower's process: makes the blocks, then follows them.
pub fn run(mut words: impl Iterator<Item = String>) {
    node::keep_freed_memory();
    let kind = words.next().expect("a kind");
    let accounts = words.next().and_then(|word| word.parse().ok()).expect("a number");
    // Before any thread is there, so that all of them stay on it: the pool of threads that recovers senders too.
    pin_to_one_core();
    let workload = Workload::new(accounts);
    let blocks = (BLOCKS_BEFORE + BLOCKS) as u64;
    let (each, transactions) = match kind.as_str() {
        "erc20" => (TOKEN_TRANSFERS, workload.token_transfers(blocks * TOKEN_TRANSFERS)),
        _ => (TRANSFERS, workload.transfers(blocks * TRANSFERS)),
    };
    let genesis = workload::genesis(accounts);
    let limits = PoolLimits {
        block_gas: workload::GAS_LIMIT,
        ..PoolLimits::default()
    };
    let store = Store::in_memory(&MemoryDisk::default()).expect("an empty store");
    let maker = Ledger::open(&genesis, store, limits.clone()).expect("a new chain");
    let blocks: Vec<_> = transactions
        .chunks(each as usize)
        .map(|transactions| {
            let raw: Vec<&[u8]> = transactions.iter().map(|signed| &signed.raw[..]).collect();
            assert!(maker.submit_all(&raw).iter().all(Result::is_ok), "good transactions");
            let parent = maker.latest();
            let made = maker
                .propose(
                    parent.hash,
                    parent.header.timestamp + 1,
                    Address::ZERO,
                    B256::ZERO,
                    &mut || false,
                )
                .expect("a block");
            assert_eq!(made.transactions.len(), transactions.len(), "a block holds them all");
            assert!(
                made.receipts.iter().all(evm::Receipt::status),
                "every transaction does what it says"
            );
            maker.finalize(made.hash).expect("a block of one's own");
            let transactions = made.transactions.iter().map(|transaction| transaction.inner().clone());
            let body = BlockBody {
                transactions: transactions.collect(),
                ommers: Vec::new(),
                withdrawals: Some(Default::default()),
            };
            Block::new(made.header.clone(), body)
        })
        .collect();
    drop(maker);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(folder.path().join("chain.redb")).expect("a new file");
    let follower = Ledger::open(&genesis, store, limits).expect("a new chain");
    let follow = |blocks: &[Block<_>]| {
        for block in blocks {
            let sealed = follower.verify(block).expect("a good block");
            follower.finalize(sealed.hash).expect("the next block");
        }
    };
    let (before, measured) = blocks.split_at(BLOCKS_BEFORE);
    follow(before);
    let (begun, cpu, from_s) = (Instant::now(), cpu_s(), monotonic_s());
    follow(measured);
    let count = (measured.len() as u64 * each) as f64;
    let report = serde_json::json!({
        "per_s": count / begun.elapsed().as_secs_f64(),
        "cpu_us_each": ((cpu_s() - cpu) * 1e7 / count).round() / 10.0,
        // When it followed, for a profile of this part alone: `perf record -k CLOCK_MONOTONIC`, `perf report --time FROM,TO`.
        "from_s": from_s,
        "to_s": monotonic_s(),
    });
    println!("{report}");
}

/// Keeps this process on the first core it may use.
fn pin_to_one_core() {
    // SAFETY: a set of cores is plain bits, and both calls are given one with its size.
    unsafe {
        let mut cores: libc::cpu_set_t = std::mem::zeroed();
        let bytes = size_of::<libc::cpu_set_t>();
        assert_eq!(
            libc::sched_getaffinity(0, bytes, &mut cores),
            0,
            "which cores there are"
        );
        let first = (0..libc::CPU_SETSIZE as usize).find(|core| libc::CPU_ISSET(*core, &cores));
        libc::CPU_ZERO(&mut cores);
        libc::CPU_SET(first.expect("a process may use a core"), &mut cores);
        assert_eq!(libc::sched_setaffinity(0, bytes, &cores), 0, "stay on a core");
    }
}

//! The three workloads of 0G's load tool, written anew: transfers, transfers of an ERC-20 token, swaps as on Uniswap v2.

use crate::{
    Arguments, Network, Set, VALIDATORS,
    contracts::Script,
    load::{Client, Load},
    workload::{SENDERS, Workload},
};
use contracts::addresses::USDX;
use serde_json::json;
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

/// The window that counts, by the times in blocks, seconds.
const WINDOW_S: u64 = 60;
/// How long load goes on: a window, and some before and after.
const RUN: Duration = Duration::from_secs(75);
/// Transactions of each kind that are signed for each second: more than four validators do.
const TRANSFERS_PER_S: u64 = 12_000;
const TOKENS_PER_S: u64 = 9_000;
const SWAPS_PER_S: u64 = 9_000;
/// How long a step of what comes before may take to be final.
const SETTLE: Duration = Duration::from_secs(3);

/// Measures each on a network of its own.
pub fn measure(arguments: &Arguments, workload: &Workload, set: &mut Set<'_>) {
    let count = |per_s: u64| per_s * RUN.as_secs();
    let mut script = Script::new(workload);
    let (pair, mut steps) = script.pair(Some(USDX), SENDERS);
    steps.push(script.swaps(pair, SENDERS, SENDERS));
    let kinds = [
        ("transfers", Vec::new(), workload.transfers(count(TRANSFERS_PER_S))),
        ("erc20", Vec::new(), workload.token_transfers(count(TOKENS_PER_S))),
        ("swaps", steps, script.swaps(pair, SENDERS, count(SWAPS_PER_S))),
    ];
    for (name, steps, load) in kinds {
        eprintln!("four validators: {name}");
        let network = Network::start(VALIDATORS, arguments.accounts);
        for step in steps {
            Load::start(network.endpoints(), &step, None).wait();
            std::thread::sleep(SETTLE);
        }
        let load = Load::start(network.endpoints(), &load, None);
        std::thread::sleep(RUN);
        load.stop();
        let best = best_window(network.endpoints()[0]);
        set(&format!("workload_{name}_best_{WINDOW_S}_s_tps"), json!(best.round()));
    }
}

/// Transactions a second of the best window of a chain.
fn best_window(endpoint: SocketAddr) -> f64 {
    let mut client = Client::connect(endpoint).expect("connect to a node");
    let number = |value: &serde_json::Value| {
        let digits = value.as_str().and_then(|value| value.strip_prefix("0x"));
        u64::from_str_radix(digits.expect("a quantity"), 16).expect("a quantity")
    };
    let last = number(&client.call("eth_blockNumber", json!([])));
    let mut by_second: BTreeMap<u64, u64> = BTreeMap::new();
    for block in 1..=last {
        let block = format!("{block:#x}");
        let header = client.call("eth_getHeaderByNumber", json!([block]));
        let transactions = client.call("eth_getBlockTransactionCountByNumber", json!([block]));
        *by_second.entry(number(&header["timestamp"])).or_default() += number(&transactions);
    }
    let in_window = |from: u64| {
        by_second
            .range(from..from + WINDOW_S)
            .map(|(_, count)| count)
            .sum::<u64>()
    };
    let most = by_second.keys().map(|from| in_window(*from)).max().unwrap_or_default();
    most as f64 / WINDOW_S as f64
}

//! The JSON-RPC exchanges of ethereum/execution-apis, each asked of a real server over the suite's own chain.
//!
//! `UPDATE=1 cargo test -p api --test rpc` writes the result to docs/spec/rpc-conformance.md; without it, a result that the page does
//! not show fails. The count can only rise: a case that passes stays passed ([`FAILING`] must name exactly those that fail).

mod compare;
mod network;
mod suite;

use alloy_primitives::B256;
use api::eth::{EthConfig, EthMetrics, serve};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{collections::BTreeMap, fmt::Write as _, path::Path};
use suite::{Case, Suite};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Hash of the suite's block 0: the genesis file leads to it.
const GENESIS: &str = "0x44fd89d504659cd58f48f4796b77a7e7012cf296a2409afa2f6c3cb99b5b3d99";
/// Hash of the suite's last block: all 54 were executed and had the roots that their headers name.
const HEAD: &str = "0xd226371d0b1551adb03fb52b71f08e3e11247fe9b1af994768af8cdaa8e7dcd7";
const PAGE: &str = "docs/spec/rpc-conformance.md";

/// Cases that fail, with the reason.
const FAILING: &[(&str, &str)] = &[
    (
        "debug_getRawBlock/get-block-n",
        "the block has an ommer; blocks of this chain have none, and an imported one's are not kept",
    ),
    (
        "eth_capabilities/get-capabilities",
        "the recorded node deletes old logs and says how; this one keeps all, and leaves the field out, as it may",
    ),
    (
        "eth_config/get-config",
        "asks for the suite's own forks; a node says what its chain runs by, one fork from genesis on",
    ),
    (
        "eth_estimateGas/estimate-with-eip4844",
        "a blob transaction; this chain has no blobs and refuses it",
    ),
    (
        "eth_getBlockByNumber/get-block-shanghai-fork",
        "the block has a withdrawal; blocks of this chain have none, and an imported one's are not kept",
    ),
];

async fn post(address: std::net::SocketAddr, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.into()
}

async fn run(case: &Case, address: std::net::SocketAddr) -> Result<(), String> {
    for (request, expected) in &case.exchanges {
        let found = serde_json::from_str(&post(address, request).await).map_err(|error| error.to_string())?;
        if case.shape_only {
            compare::shape(expected, &found)?;
        } else {
            compare::exact(expected, &found)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn execution_apis_exchanges_are_answered_as_the_suite_says() {
    let suite = Suite::read();
    let ledger = network::open(&suite);
    assert_eq!(ledger.genesis().hash_slow(), GENESIS.parse::<B256>().unwrap());
    assert_eq!(ledger.latest().hash, HEAD.parse::<B256>().unwrap());
    let metrics = EthMetrics::default();
    let config = EthConfig {
        metrics: metrics.clone(),
        ..EthConfig::alone(([127, 0, 0, 1], 0).into(), "test")
    };
    let server = serve(config, ledger).await.unwrap();
    let mut methods: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut failures = BTreeMap::new();
    for case in &suite.cases {
        let (passed, all) = methods.entry(&case.method).or_default();
        *all += 1;
        match run(case, server.address()).await {
            Ok(()) => *passed += 1,
            Err(difference) => {
                failures.insert(case.name(), difference);
            }
        }
    }
    count_by_method(server.address(), &metrics).await;
    server.stop().await;
    let page = page(&suite, &methods);
    println!("{page}");
    for (name, difference) in &failures {
        println!("{name}: {difference}");
    }
    let expected: Vec<&str> = FAILING.iter().map(|(name, _)| *name).collect();
    let failed: Vec<&str> = failures.keys().map(String::as_str).collect();
    assert_eq!(failed, expected, "FAILING must name what fails, in order");
    keep(&page);
}

/// Calls are counted under the methods that there are: names that clients make up make no new series.
async fn count_by_method(address: std::net::SocketAddr, metrics: &EthMetrics) {
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let show = || {
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        page
    };
    let count = |page: &str, method: &str| -> u64 {
        let series = format!("rpc_requests_total{{method=\"{method}\"}} ");
        let line = page.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("{series} is not in {page}"))
            .parse()
            .unwrap()
    };
    let before = show();
    for method in ["eth_nonsense", "moon_landing", "eth_chainId"] {
        let call = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
        post(address, &call).await;
        post(address, &format!("[{call},{call}]")).await;
    }
    let after = show();
    for (method, more) in [("eth_chainId", 3), ("unknown", 6), ("batch", 3)] {
        assert_eq!(count(&after, method), count(&before, method) + more, "{method}");
    }
    assert!(!after.contains("moon"), "{after}");
}

fn page(suite: &Suite, methods: &BTreeMap<&str, (usize, usize)>) -> String {
    let passed: usize = methods.values().map(|(passed, _)| passed).sum();
    let mut page = String::from(
        "# JSON-RPC conformance\n\n\
         The exchanges of ethereum/execution-apis (`tests/`, 033ca6e), asked of a node's JSON-RPC server over the suite's own chain:\n\
         54 blocks from Frontier to the second blob-parameter fork, executed by each block's own rules and checked against the roots in\n\
         its header. Answers must be equal, but for the text of errors. Cases that the suite marks `speconly` must have the shape of\n\
         the recorded answer: the OpenRPC document is not in the copy of the suite.\n\n\
         This page is written by `UPDATE=1 cargo test --release -p api --test rpc`.\n\n",
    );
    writeln!(page, "{passed} of {} cases pass.\n", suite.cases.len()).unwrap();
    if !suite.whole {
        page.push_str(
            "The copy of the suite is not whole: it ends within `eth_getLogs`, and what comes after in the alphabet is missing\n\
             (`eth_getProof`, `eth_simulateV1` and others: 150 of 233 cases).\n\n",
        );
    }
    page.push_str("| method | pass | cases |\n|---|---|---|\n");
    for (method, (passed, all)) in methods {
        writeln!(page, "| `{method}` | {passed} | {all} |").unwrap();
    }
    page.push_str("\n## What fails, and why\n\n");
    for (name, reason) in FAILING {
        writeln!(page, "- `{name}`: {reason}").unwrap();
    }
    page
}

fn keep(page: &str) {
    let path = Path::new("../..").join(PAGE);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, page).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(kept, page, "{PAGE} is not what the suite gives: run with UPDATE=1");
}

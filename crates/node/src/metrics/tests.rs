use super::*;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The engine's metrics that the dashboard shows; `tests/clients/http/metrics` looks for them at a running node. Each was looked up at one.
const ENGINE: &[&str] = &[
    "validator_p2p_tracker_directory_connected",
    "validator_epochs_simplex_voter_finalization_latency",
    "validator_epochs_simplex_voter_state_current_view",
];

fn workspace_file(path: &str) -> PathBuf {
    Path::new("../..").join(path)
}

fn reading() -> Reading {
    Reading {
        pool_transactions: 3,
        rows: da::wire::Status {
            epoch: Default::default(),
            height: 7,
            blobs: 2,
            stored_bytes: 1 << 20,
            capacity_bytes: 1 << 30,
        },
        rows_missing: 1,
        disputes: 0,
        work: Work {
            rows_taken: 10,
            taken_bytes: 11,
            rows_served: 12,
            served_bytes: 13,
            samples_served: 14,
            rows_repaired: 15,
            local_rows_repaired: 16,
            lapses_collected: 17,
        },
        beacon: BeaconReading {
            latest: 18,
            concluded: 3,
            last: Some(contracts::abi::RandomnessBeacon::Ceremony {
                result: RESULT_KEPT,
                posted: 12,
                counted: 10,
                required: 11,
            }),
        },
    }
}

fn page(engine: &str) -> String {
    NodeMetrics::new(&EthMetrics::default(), Path::new("/no/such/chain")).page(&reading(), engine)
}

/// Name as a series begins with it, type and help of every metric on a page.
fn described(page: &str) -> BTreeMap<String, (String, String)> {
    let mut metrics = BTreeMap::new();
    let mut help = "";
    for line in page.lines() {
        if let Some(text) = line.strip_prefix("# HELP ") {
            help = text.split_once(' ').expect("a name and a text").1;
        } else if let Some(text) = line.strip_prefix("# TYPE ") {
            let (name, kind) = text.split_once(' ').expect("a name and a type");
            let name = if kind == "counter" {
                format!("{name}_total")
            } else {
                name.to_owned()
            };
            metrics.insert(name, (kind.to_owned(), help.trim_end_matches('.').to_owned()));
        }
    }
    metrics
}

fn reference() -> BTreeMap<String, (String, String)> {
    let shard = crate::shards::ShardMetrics::new(&EthMetrics::default())
        .chain
        .page(0, "");
    described(&(page("") + &api::http::metrics_reference() + &shard))
}

#[test]
fn a_page_shows_what_the_parts_said_and_then_the_engine_s_own() {
    let page = page("# TYPE engine_views counter\nengine_views_total 5\n# EOF\n");
    for line in [
        "aloft_pool_transactions 3\n",
        "aloft_rows_stored_bytes 1048576\n",
        "aloft_rows_missing 1\n",
        "aloft_rows_taken_total 10\n",
        "aloft_rows_taken_bytes_total 11\n",
        "aloft_rows_repaired_total 15\n",
        "aloft_local_rows_repaired_total 16\n",
        "aloft_lapses_collected_total 17\n",
        "aloft_beacon_height 18\n",
        "aloft_beacon_logs_counted 10\n",
        "aloft_beacon_key_kept 1\n",
        "aloft_rpc_requests_total{method=\"unknown\"} 0\n",
        "engine_views_total 5\n",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
    assert!(!page.contains("# EOF"), "the page goes on with what HTTP counts");
}

/// Two metrics of one name would make the page unreadable to Prometheus.
#[test]
fn no_two_metrics_share_a_name() {
    let page = page("") + &api::http::metrics_reference();
    let types = page.lines().filter(|line| line.starts_with("# TYPE "));
    let names: Vec<&str> = types.filter_map(|line| line.split(' ').nth(2)).collect();
    let mut kinds = BTreeSet::new();
    for name in names {
        assert!(kinds.insert(name), "{name} is there twice");
    }
}

#[test]
fn the_reference_page_is_what_a_node_shows() {
    let mut text = String::from(
        "# Metrics\n\nPrinted by a test of crate `node`, which keeps it so. A node shows them at `/metrics` of its HTTP port (`aloft up` prints the \
         addresses,\n7777 for the first node), in the OpenMetrics text format: `curl -s http://127.0.0.1:7777/metrics`. The same page goes on with what the \
         engine\n(`validator_…`) and the runtime (`runtime_…`) count; those names are commonware's, and change with its releases.\n\
         [grafana/aloft.json](grafana/aloft.json) is a dashboard of both. What begins with `aloft_shard_` is a shard's validator's (`aloft shard add` prints its\naddress).\n\n| metric | type | what |\n|---|---|---|\n",
    );
    for (name, (kind, help)) in reference() {
        text += &format!("| `{name}` | {kind} | {help} |\n");
    }
    let path = workspace_file("docs/metrics.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &text).expect("write docs/metrics.md");
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/metrics.md is out of date: UPDATE=1 cargo test --release -p node --lib metrics"
    );
}

/// Every name in the expressions of `docs/grafana/aloft.json`.
fn names_on_the_dashboard() -> BTreeSet<String> {
    let text = fs::read_to_string(workspace_file("docs/grafana/aloft.json")).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions = targets.filter_map(|target| target["expr"].as_str());
    expressions
        .flat_map(|expression| expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'))
        .filter(|word| {
            ["aloft_", "process_", "validator_", "runtime_"]
                .iter()
                .any(|prefix| word.starts_with(prefix))
        })
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_dashboard_shows_only_metrics_that_exist() {
    let known = reference();
    let names = names_on_the_dashboard();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let series = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| name.strip_suffix(part))
            .unwrap_or(&name);
        let engine = ENGINE.contains(&series);
        assert!(
            engine || known.contains_key(series) || known.contains_key(&name),
            "no metric is called {name}"
        );
    }
}

//! Counts and times, in the Prometheus text format.

use super::Api;
use axum::{
    extract::{MatchedPath, Request, State},
    http::header,
    middleware::Next,
    response::{IntoResponse, Response},
};
use contracts::Provider;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use std::sync::atomic::AtomicU64;

/// Last line of the text format; in the middle of a page it would end the page.
const END: &str = "# EOF\n";

/// What a request to an address that is no route's counts as.
const NO_ROUTE: &str = "none";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
    status: u16,
}

pub(super) struct Metrics {
    registry: Registry,
    requests: Family<Route, Counter>,
    pub(super) rows: Counter,
    pub(super) charged: Counter<u64, AtomicU64>,
    pub(super) deposits: Counter,
    pub(super) replays: Counter,
    pub(super) inference_seconds: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("aloft_http");
        let requests = Family::<Route, Counter>::default();
        // A page of reference needs a series to show.
        let (route, status) = (NO_ROUTE.to_owned(), 404);
        drop(requests.get_or_create(&Route { route, status }));
        let (rows, charged, deposits, replays) = (
            Counter::default(),
            Counter::default(),
            Counter::default(),
            Counter::default(),
        );
        // 100 µs to 6.5 s, doubling.
        let buckets = std::iter::successors(Some(1e-4), |bound| Some(bound * 2.0)).take(17);
        let inference_seconds = Histogram::new(buckets);
        registry.register("requests", "Requests answered, by route and status", requests.clone());
        registry.register("rows", "Rows computed and charged", rows.clone());
        registry.register(
            "charged_micro_usdx",
            "Charged to channels, millionths of USDX",
            charged.clone(),
        );
        registry.register("deposits", "Deposits brought into channels", deposits.clone());
        registry.register("replays", "Requests answered again without a charge", replays.clone());
        registry.register(
            "inference_seconds",
            "Time from the start of the computation until its charge was on disk",
            inference_seconds.clone(),
        );
        Self {
            registry,
            requests,
            rows,
            charged,
            deposits,
            replays,
            inference_seconds,
        }
    }
}

/// What `GET /metrics` shows of this interface when it has answered nothing: names, types and help of its metrics, for a reference.
pub fn metrics_reference() -> String {
    let mut page = String::new();
    encode(&mut page, &Metrics::default().registry).expect("a string takes any text");
    page
}

/// Counts each request under its route's pattern, so that addresses made up by clients make no new series.
pub(super) async fn count<P: Provider>(State(api): State<Api<P>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or(NO_ROUTE, |path| path.as_str())
        .to_owned();
    let response = next.run(request).await;
    let status = response.status().as_u16();
    api.0.metrics.requests.get_or_create(&Route { route, status }).inc();
    response
}

/// `GET /metrics`: the node's and ours.
pub(super) async fn show<P: Provider>(State(api): State<Api<P>>) -> Response {
    page(&api.0.node.metrics(), &api.0.metrics.registry)
}

/// A page of what a node said, and of what is registered here.
pub(super) fn page(node: &str, registry: &Registry) -> Response {
    let mut page = node.strip_suffix(END).unwrap_or(node).to_owned();
    if !page.is_empty() && !page.ends_with('\n') {
        page.push('\n');
    }
    encode(&mut page, registry).expect("a string takes any text");
    (
        [(
            header::CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        page,
    )
        .into_response()
}

//! Counts and times of JSON-RPC, by method.

use jsonrpsee::{
    MethodResponse, Methods,
    core::middleware::{Batch, Notification, RpcServiceT},
    types::Request,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::{collections::BTreeSet, sync::Arc, time::Instant};
use tower::Layer;

/// What a call of a method that is not there counts as: names are the clients' to make up, and a series of each would be without end.
const UNKNOWN: &str = "unknown";
/// What a batch counts as, beside the calls in it.
const BATCH: &str = "batch";

/// Counts and times of the requests to one server. Clones share them.
#[derive(Clone, Debug)]
pub struct EthMetrics {
    requests: Family<Method, Counter>,
    failures: Family<Method, Counter>,
    seconds: Family<Method, Histogram>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

impl Default for EthMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            failures: Family::default(),
            // 100 µs to 6.6 s.
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1e-4, 4.0, 9))),
        }
    }
}

impl EthMetrics {
    /// Shows them in `registry`, as `rpc_…`.
    pub fn register(&self, registry: &mut Registry) {
        // A rate needs a zero to begin from, and a page of reference a series to show.
        for method in [UNKNOWN, BATCH] {
            drop(self.requests.get_or_create(&Method { method }));
            drop(self.failures.get_or_create(&Method { method }));
            drop(self.seconds.get_or_create(&Method { method }));
        }
        registry.register(
            "rpc_requests",
            "JSON-RPC calls, by method; those in a batch count each, and the batch once",
            self.requests.clone(),
        );
        registry.register(
            "rpc_failures",
            "JSON-RPC calls that were answered with an error, by method; those in a batch are not counted",
            self.failures.clone(),
        );
        registry.register_with_unit(
            "rpc",
            "Time from a JSON-RPC call to its answer, by method; a batch as one",
            Unit::Seconds,
            self.seconds.clone(),
        );
    }

    fn count(&self, method: &'static str) {
        self.requests.get_or_create(&Method { method }).inc();
    }

    fn measure(&self, method: &'static str, begun: Instant, is_error: bool) {
        let method = Method { method };
        self.seconds
            .get_or_create(&method)
            .observe(begun.elapsed().as_secs_f64());
        if is_error {
            self.failures.get_or_create(&method).inc();
        }
    }
}

/// Puts a [`Measured`] before a service.
#[derive(Clone)]
pub(super) struct Measure {
    methods: Arc<BTreeSet<&'static str>>,
    metrics: EthMetrics,
}

impl Measure {
    /// Counts calls of `methods` by name, and all others as one.
    pub(super) fn new(methods: &Methods, metrics: EthMetrics) -> Self {
        let methods = Arc::new(methods.method_names().collect());
        Self { methods, metrics }
    }
}

impl<S> Layer<S> for Measure {
    type Service = Measured<S>;

    fn layer(&self, service: S) -> Measured<S> {
        let measure = self.clone();
        Measured { service, measure }
    }
}

/// Counts what passes through it to `service`.
#[derive(Clone)]
pub(super) struct Measured<S> {
    service: S,
    measure: Measure,
}

impl<S> Measured<S> {
    fn name(&self, method: &str) -> &'static str {
        self.measure.methods.get(method).copied().unwrap_or(UNKNOWN)
    }
}

impl<S> RpcServiceT for Measured<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse, BatchResponse = MethodResponse> + Clone + Send + Sync + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (method, begun) = (self.name(request.method_name()), Instant::now());
        let (service, metrics) = (self.service.clone(), self.measure.metrics.clone());
        async move {
            metrics.count(method);
            let response = service.call(request).await;
            metrics.measure(method, begun, response.is_error());
            response
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let begun = Instant::now();
        for entry in batch.iter().flatten() {
            self.measure.metrics.count(self.name(entry.method_name()));
        }
        let (service, metrics) = (self.service.clone(), self.measure.metrics.clone());
        async move {
            metrics.count(BATCH);
            let response = service.batch(batch).await;
            metrics.measure(BATCH, begun, response.is_error());
            response
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = Self::NotificationResponse> + Send + 'a {
        self.measure.metrics.count(self.name(&notification.method));
        self.service.notification(notification)
    }
}

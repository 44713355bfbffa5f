//! What users and clients reach over HTTP, beside Ethereum's JSON-RPC: inference, payment, receipts, health, metrics.
//!
//! Inference is the Open Inference Protocol v2 under `/v2`, so that its public clients work unchanged; it is paid by x402
//! vouchers or by an API key that stands for one. See docs/spec/serving.md for the routes and the rules.

mod blobs;
mod body;
pub(crate) mod failure;
mod funds;
mod health;
mod infer;
pub(crate) mod listen;
mod metrics;
mod models;
mod observe;
mod payment;
mod receipts;
mod seats;
mod service;
mod sessions;
#[cfg(test)]
mod tests;

pub use blobs::blobs;
pub use compute::inference::{Engine, InferError, InferRequest, InferResponse, ModelMetadata};
pub use listen::serve;
pub use metrics::metrics_reference;
pub use observe::observe;
pub use service::Service;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use compute::till::Till;
use contracts::Provider;
use crypto::ecdsa::Secret;
use failure::Failure;
use funds::FundsCache;
use metrics::Metrics;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::sync::Semaphore;

/// Bounds of the HTTP interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body, at most.
    pub body_bytes_max: usize,
    /// How long a client may take to send its body, milliseconds.
    pub body_timeout_ms: u64,
    /// Inferences computed at a time; each takes a thread.
    pub inferences_max: usize,
    /// Inferences that may wait for their turn; more are refused with 503.
    pub queue_max: usize,
    /// How long an inference may wait for its turn, milliseconds.
    pub queue_timeout_ms: u64,
    /// Connections open at a time; more wait in the kernel.
    pub connections_max: usize,
}

impl Default for Limits {
    /// 4 MiB bodies within 10 s, 2 inferences at a time, 256 waiting up to 30 s, 1,024 connections.
    fn default() -> Self {
        Self {
            body_bytes_max: 4 << 20,
            body_timeout_ms: 10_000,
            inferences_max: 2,
            queue_max: 256,
            queue_timeout_ms: 30_000,
            connections_max: 1024,
        }
    }
}

/// What the rest of the node shows through this interface.
pub trait Node: Send + Sync + 'static {
    /// Whether the node can do its work: it follows the chain and its stores are open.
    fn is_ready(&self) -> bool;

    /// Facts for people: heights, peers, roles. Printed by `GET /v1/status`.
    fn status(&self) -> serde_json::Value;

    /// Metrics in the Prometheus text format, shown before this interface's own.
    fn metrics(&self) -> String;
}

/// The HTTP interface of one node. Clones share everything.
pub struct Api<P>(Arc<Inner<P>>);

struct Inner<P> {
    provider: P,
    till: Arc<Till>,
    signer: Secret,
    node: Arc<dyn Node>,
    limits: Limits,
    services: RwLock<BTreeMap<String, Arc<Service>>>,
    funds: FundsCache,
    /// Deposits are sent one at a time: they are transactions of one account.
    deposits: tokio::sync::Mutex<()>,
    turns: Arc<Semaphore>,
    waiting: Semaphore,
    metrics: Metrics,
}

impl<P> Clone for Api<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Provider> Api<P> {
    /// An interface that serves nothing yet.
    ///
    /// `signer` signs receipts and is the channels' receiver authorizer; `provider` sends deposits with the same account.
    pub fn new(provider: P, till: Arc<Till>, signer: Secret, node: Arc<dyn Node>, limits: Limits) -> Self {
        Self(Arc::new(Inner {
            provider,
            till,
            signer,
            node,
            services: RwLock::default(),
            funds: FundsCache::default(),
            deposits: tokio::sync::Mutex::default(),
            turns: Arc::new(Semaphore::new(limits.inferences_max)),
            waiting: Semaphore::new(limits.queue_max),
            metrics: Metrics::default(),
            limits,
        }))
    }

    /// Begins to serve a model, or replaces the one of its name. Requests under way finish with the engine they began with.
    pub fn publish(&self, service: Service) {
        let name = service.metadata().name.clone();
        self.0
            .services
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, Arc::new(service));
    }

    /// Stops to serve a model; whether it was served.
    pub fn withdraw(&self, name: &str) -> bool {
        self.0
            .services
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name)
            .is_some()
    }

    /// The till that this interface sells from.
    pub fn till(&self) -> &Arc<Till> {
        &self.0.till
    }

    /// All routes.
    pub fn router(&self) -> Router {
        self.router_beside(Router::new())
    }

    /// All routes, and those of `others`, which are counted and refused as these.
    pub fn router_beside(&self, others: Router) -> Router {
        others
            .with_state(())
            .route("/v2", get(models::server))
            .route("/v2/health/live", get(health::live))
            .route("/v2/health/ready", get(health::ready::<P>))
            .route("/v2/models", get(models::list::<P>))
            .route("/v2/models/{name}", get(models::metadata::<P>))
            .route("/v2/models/{name}/versions/{version}", get(models::metadata::<P>))
            .route("/v2/models/{name}/ready", get(models::ready::<P>))
            .route("/v2/models/{name}/versions/{version}/ready", get(models::ready::<P>))
            .route("/v2/models/{name}/infer", post(infer::infer::<P>))
            .route("/v2/models/{name}/versions/{version}/infer", post(infer::infer::<P>))
            .route("/v1/sessions", post(sessions::open::<P>))
            .route("/v1/receipts", get(receipts::list::<P>))
            .route("/v1/receipts/{id}", get(receipts::one::<P>))
            .route("/v1/status", get(health::status::<P>))
            .route("/healthz", get(health::live))
            .route("/readyz", get(health::ready::<P>))
            .route("/metrics", get(metrics::show::<P>))
            .fallback(|| async { Failure::NotFound("no such route".into()) })
            .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed })
            .layer(middleware::from_fn_with_state(self.clone(), metrics::count::<P>))
            .with_state(self.clone())
    }

    fn service(&self, name: &str, version: &str) -> Result<Arc<Service>, Failure> {
        let services = self.0.services.read().unwrap_or_else(PoisonError::into_inner);
        let service = services
            .get(name)
            .ok_or_else(|| Failure::NotFound(format!("model {name} is not served here")))?;
        let served = &service.metadata().version;
        if !version.is_empty() && version != served {
            return Err(Failure::NotFound(format!(
                "version {version} of model {name} is not served: {served} is"
            )));
        }
        Ok(service.clone())
    }

    fn services(&self) -> Vec<Arc<Service>> {
        self.0
            .services
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .cloned()
            .collect()
    }
}

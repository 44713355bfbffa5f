//! Health, facts and metrics of a process that sells nothing: a shard's validator.

use super::{Failure, Node, health, metrics::page};
use axum::{Json, Router, extract::State, response::Response, routing::get};
use serde_json::{Value, json};
use std::sync::Arc;

/// The routes by which a process is watched, the same as those of an [`Api`](super::Api): `/healthz`, `/readyz`, `/v1/status`, `/metrics`.
pub fn observe(node: Arc<dyn Node>) -> Router {
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(ready))
        .route("/v1/status", get(status))
        .route("/metrics", get(show))
        .fallback(|| async { Failure::NotFound("no such route".into()) })
        .method_not_allowed_fallback(|| async { Failure::MethodNotAllowed })
        .with_state(node)
}

async fn ready(State(node): State<Arc<dyn Node>>) -> Result<Json<Value>, Failure> {
    if !node.is_ready() {
        return Err(Failure::Unavailable("the node is not ready".into()));
    }
    Ok(Json(json!({ "ready": true })))
}

async fn status(State(node): State<Arc<dyn Node>>) -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": node.is_ready(),
        "node": node.status(),
    }))
}

async fn show(State(node): State<Arc<dyn Node>>) -> Response {
    page(&node.metrics(), &prometheus_client::registry::Registry::default())
}

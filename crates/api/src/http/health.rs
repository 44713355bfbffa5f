//! Whether the process lives, whether the node can work, and facts about it.

use super::{Api, Failure};
use axum::{Json, extract::State};
use contracts::Provider;
use serde_json::{Value, json};

/// `GET /healthz`, `GET /v2/health/live`: the process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "live": true }))
}

/// `GET /readyz`, `GET /v2/health/ready`: the node can do its work.
pub(super) async fn ready<P: Provider>(State(api): State<Api<P>>) -> Result<Json<Value>, Failure> {
    if !api.0.node.is_ready() {
        return Err(Failure::Unavailable("the node is not ready".into()));
    }
    Ok(Json(json!({ "ready": true })))
}

/// `GET /v1/status`: facts for people, from the node and from here.
pub(super) async fn status<P: Provider>(State(api): State<Api<P>>) -> Json<Value> {
    let services = api.services();
    let models: Vec<_> = services
        .iter()
        .map(|service| service.metadata().name.as_str())
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ready": api.0.node.is_ready(),
        "provider": api.0.signer.address(),
        "models": models,
        "node": api.0.node.status(),
    }))
}

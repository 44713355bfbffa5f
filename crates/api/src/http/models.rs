//! What is served: the descriptions of the Open Inference Protocol, with price and provenance beside them.

use super::{Api, Failure, Service};
use axum::{
    Json,
    extract::{Path, State},
};
use compute::inference::TensorSpec;
use contracts::Provider;
use serde::Deserialize;
use serde_json::{Value, json};

/// The model of a route; the version is empty where the route has none.
#[derive(Deserialize)]
pub(super) struct Addressed {
    pub(super) name: String,
    #[serde(default)]
    pub(super) version: String,
}

/// `GET /v2`: the server.
pub(super) async fn server() -> Json<Value> {
    Json(json!({ "name": "aloft", "version": env!("CARGO_PKG_VERSION"), "extensions": ["binary_tensor_data"] }))
}

/// `GET /v2/models`: all models (an addition to the protocol).
pub(super) async fn list<P: Provider>(State(api): State<Api<P>>) -> Json<Value> {
    let models: Vec<_> = api.services().iter().map(|service| describe(service)).collect();
    Json(json!({ "models": models }))
}

/// `GET /v2/models/{name}`: one model.
pub(super) async fn metadata<P: Provider>(
    State(api): State<Api<P>>,
    Path(model): Path<Addressed>,
) -> Result<Json<Value>, Failure> {
    Ok(Json(describe(&*api.service(&model.name, &model.version)?)))
}

/// `GET /v2/models/{name}/ready`: whether it would answer now.
pub(super) async fn ready<P: Provider>(
    State(api): State<Api<P>>,
    Path(model): Path<Addressed>,
) -> Result<Json<Value>, Failure> {
    let service = api.service(&model.name, &model.version)?;
    Ok(Json(json!({ "name": service.metadata().name, "ready": true })))
}

fn describe(service: &Service) -> Value {
    let metadata = service.metadata();
    let engine = &metadata.engine;
    let (offer, quote) = (service.offer(), service.quote());
    json!({
        "name": metadata.name,
        "versions": [metadata.version],
        "platform": metadata.platform,
        "inputs": metadata.inputs.iter().map(tensor).collect::<Vec<_>>(),
        "outputs": metadata.outputs.iter().map(tensor).collect::<Vec<_>>(),
        "x_aloft": {
            "model_root": metadata.root,
            "engine": { "name": engine.name, "version": engine.version, "numerics": engine.numerics },
            "verify_class": service.verify_class(),
            "price_per_row_micro_usdx": quote,
            "network": offer.network(),
            "token": offer.terms.token,
            "receiver": offer.terms.receiver,
            "provider": offer.terms.receiver_authorizer,
        },
    })
}

fn tensor(spec: &TensorSpec) -> Value {
    // The protocol writes -1 for "any".
    let shape: Vec<i64> = spec
        .shape
        .iter()
        .map(|side| side.map_or(-1, |side| i64::try_from(side).unwrap_or(i64::MAX)))
        .collect();
    json!({ "name": spec.name, "datatype": spec.datatype.name(), "shape": shape })
}

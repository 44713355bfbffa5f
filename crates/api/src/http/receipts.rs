//! `GET /v1/receipts`: what was signed. Receipts are public; what they are about is for those who paid.

use super::{Api, Failure, body, infer};
use alloy_primitives::hex;
use axum::{
    Json,
    extract::{Path, Query, State},
    http::{HeaderMap, header},
};
use compute::{
    receipt::{Receipt, SignedReceipt},
    till::Sale,
};
use contracts::Provider;
use primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// Receipts on one page, at most.
const PAGE_MAX: usize = 100;

/// Which receipts to list.
#[derive(Deserialize)]
pub(super) struct Page {
    /// Only those below this number: the `next` of the page before.
    before: Option<u64>,
    /// How many.
    limit: Option<usize>,
}

/// A receipt as it is shown.
#[derive(Serialize)]
struct Shown {
    id: B256,
    provider: Address,
    receipt: Receipt,
    signature: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<ShownEvidence>,
}

/// What a receipt's hashes commit to. The texts are exact: hash them as they are.
#[derive(Serialize)]
struct ShownEvidence {
    salt: String,
    request: String,
    response: String,
}

/// A page of receipts, newest first.
#[derive(Serialize)]
pub(super) struct Listed {
    receipts: Vec<Shown>,
    next: Option<u64>,
}

/// `GET /v1/receipts?limit=&before=`.
pub(super) async fn list<P: Provider>(
    State(api): State<Api<P>>,
    page: Result<Query<Page>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Listed>, Failure> {
    let Query(page) = page.map_err(|_| Failure::BadRequest("limit and before are whole numbers".into()))?;
    let limit = page.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let provider = api.0.signer.address();
    let till = api.0.till.clone();
    let before = page.before.unwrap_or(u64::MAX);
    let sales = tokio::task::spawn_blocking(move || till.latest_sales(before, limit)).await;
    let sales = sales.map_err(|error| Failure::Internal(error.to_string()))??;
    let next = sales.last().filter(|_| sales.len() == limit).map(|(number, _)| *number);
    let receipts = sales
        .into_iter()
        .map(|(_, sale)| show(provider, sale.signed, None))
        .collect();
    Ok(Json(Listed { receipts, next }))
}

/// `GET /v1/receipts/{id}`: with the evidence for whoever shows the salt or an API key of the channel that paid.
pub(super) async fn one<P: Provider>(
    State(api): State<Api<P>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<serde_json::Value>, Failure> {
    let id: B256 = id
        .parse()
        .map_err(|_| Failure::BadRequest("a receipt's id is 0x and 64 digits".into()))?;
    let till = api.0.till.clone();
    let sale = tokio::task::spawn_blocking(move || till.sale(id)).await;
    let sale = sale.map_err(|error| Failure::Internal(error.to_string()))??;
    let sale = sale.ok_or_else(|| Failure::NotFound(format!("receipt {id} is not kept here")))?;
    let evidence = match is_owner(&api, &headers, &sale)? {
        true => Some(ShownEvidence {
            salt: hex::encode_prefixed(sale.evidence.salt),
            request: text(&sale.evidence.request)?,
            response: text(&sale.evidence.response)?,
        }),
        false => None,
    };
    let shown = show(api.0.signer.address(), sale.signed, evidence);
    Ok(Json(
        serde_json::to_value(shown).map_err(|error| Failure::Internal(error.to_string()))?,
    ))
}

fn is_owner<P: Provider>(api: &Api<P>, headers: &HeaderMap, sale: &Sale) -> Result<bool, Failure> {
    if let Some(salt) = body::text(headers, infer::SALT.as_str(), 66)? {
        let shown = hex::decode_to_array::<_, 32>(salt)
            .map_err(|_| Failure::BadRequest("the salt is 0x and 64 digits".into()))?;
        // 256 random bits: comparing them byte by byte tells nobody anything in time.
        return Ok(shown == sale.evidence.salt);
    }
    match body::text(headers, header::AUTHORIZATION.as_str(), 256)? {
        Some(authorization) => Ok(api.session(authorization)?.1.channel_id == sale.signed.receipt.channel_id),
        None => Ok(false),
    }
}

fn text(bytes: &[u8]) -> Result<String, Failure> {
    String::from_utf8(bytes.to_vec()).map_err(|error| Failure::Internal(error.to_string()))
}

fn show(provider: Address, signed: SignedReceipt, evidence: Option<ShownEvidence>) -> Shown {
    let signature = hex::encode_prefixed(signed.signature);
    Shown {
        id: signed.receipt.id(),
        provider,
        receipt: signed.receipt,
        signature,
        evidence,
    }
}

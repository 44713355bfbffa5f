//! `POST /v1/sessions`: one payment, then plain requests.
//!
//! A client that cannot sign vouchers (every inference client there is) gets an API key for a voucher signed once: requests
//! with the key are charged to the voucher's channel until its ceiling is reached. Whoever has the key can spend at most
//! that; the payer's own key never leaves the payer.

use super::{
    Api, Failure, body,
    infer::insert,
    payment::{Ask, KEY_PREFIX},
};
use alloy_primitives::hex;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use compute::{till::Session, x402};
use contracts::Provider;
use primitives::{B256, Digest};
use serde::{Deserialize, Serialize};

/// What a session is asked for.
#[derive(Deserialize)]
struct Wanted {
    /// The model it should pay for.
    model: String,
    /// What it may spend, millionths of USDX, decimal.
    budget: String,
}

/// A session, as its owner gets it. The key is shown once.
#[derive(Serialize)]
struct Opened {
    api_key: String,
    channel_id: B256,
    /// What the channel's charges may reach in all.
    limit: String,
    /// What is left of that.
    spendable: String,
}

/// Opens a session: 402 with what to sign, or 201 with the key.
pub(super) async fn open<P: Provider>(
    State(api): State<Api<P>>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let bytes = body::read(&headers, body, &api.0.limits).await?;
    let wanted: Wanted = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::BadRequest(format!("the body is not {{\"model\", \"budget\"}}: {error}")))?;
    let service = api.service(&wanted.model, "")?;
    let budget = wanted
        .budget
        .parse::<u128>()
        .ok()
        .filter(|budget| *budget >= service.quote().row());
    let least = || {
        format!(
            "budget is decimal text, at least the price of a row ({})",
            service.quote().row()
        )
    };
    let budget = budget.ok_or_else(|| Failure::BadRequest(least()))?;
    if !headers.contains_key(x402::PAYMENT_SIGNATURE) && headers.contains_key("authorization") {
        return Err(Failure::BadRequest(
            "a session is opened with a voucher, not with an API key".into(),
        ));
    }

    let ask = Ask {
        service: &service,
        price: budget,
        uri: &uri,
        headers: &headers,
    };
    let purse = api.purse(&ask, Digest::of(&bytes)).await?;
    let account = api
        .0
        .till
        .account(purse.channel_id)
        .expect("a purse's channel is in the till");
    let spendable = account.spendable(purse.limit, purse.funds);
    if spendable < budget {
        return Err(api.mismatch(
            &ask,
            &purse,
            format!("the voucher leaves {spendable}, the budget is {budget}"),
        ));
    }
    let api_key = format!("{KEY_PREFIX}{}", hex::encode(rand::random::<[u8; 32]>()));
    let session = Session {
        channel_id: purse.channel_id,
        limit: purse.limit,
    };
    let (till, key) = (api.0.till.clone(), *Digest::of(api_key.as_bytes()).as_bytes());
    let stored = tokio::task::spawn_blocking(move || till.open_session(key, session)).await;
    stored.map_err(|error| Failure::Internal(error.to_string()))??;

    let opened = Opened {
        api_key,
        channel_id: purse.channel_id,
        limit: purse.limit.to_string(),
        spendable: spendable.to_string(),
    };
    let mut response = (StatusCode::CREATED, Json(opened)).into_response();
    let paid = api.payment_response(&service, &purse, 0, account.charged);
    insert(&mut response, x402::PAYMENT_RESPONSE, paid);
    Ok(response)
}

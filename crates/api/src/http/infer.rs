//! `POST /v2/models/{name}/infer`: check, admit, compute, charge, answer.
//!
//! The order is the rule: a body that is no request for this model costs nothing and brings no deposit to the chain; money
//! is held before the computation and charged after it; the answer leaves when charge, receipt and answer are on disk.

use super::{
    Api, Failure, Service, body,
    models::Addressed,
    payment::{Admitted, Ask, Purse},
};
use alloy_primitives::hex;
use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use compute::{
    inference::{self, Delivery, InferError, InferRequest, InferResponse},
    receipt::{Evidence, RECEIPT_VERSION, Receipt, SignedReceipt, request_hash, response_hash},
    till::{Charge, Reservation, Sale},
    x402,
};
use contracts::Provider;
use primitives::{Causes, Digest};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// Length of the JSON when tensors' bytes follow it, in requests and answers.
const JSON_BYTES: HeaderName = HeaderName::from_static("inference-header-content-length");
/// The receipt's id.
pub(super) const RECEIPT: HeaderName = HeaderName::from_static("x-aloft-receipt");
/// What the receipt's hashes are salted with: for the payer alone.
pub(super) const SALT: HeaderName = HeaderName::from_static("x-aloft-receipt-salt");
/// What was charged, millionths of USDX.
const COST: HeaderName = HeaderName::from_static("x-aloft-cost-microusd");

/// Answers a request, or says why not and, if it was paid for already, that nothing was charged.
pub(super) async fn infer<P: Provider>(
    State(api): State<Api<P>>,
    Path(model): Path<Addressed>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let service = api.service(&model.name, &model.version)?;
    let json_bytes = json_bytes(&headers)?;
    let body = body::read(&headers, body, &api.0.limits).await?;
    let (request, delivery) = inference::decode(&model.name, &model.version, &body, json_bytes)?;
    drop(body);
    inference::check(service.metadata(), &request)?;
    let price = service
        .quote()
        .total(request.rows())
        .map_err(|error| Failure::BadRequest(error.to_string()))?;

    let ask = Ask {
        service: &service,
        price,
        uri: &uri,
        headers: &headers,
    };
    let text = request.canonical();
    let purse = api.purse(&ask, Digest::of(&text)).await?;
    let computed = match api.admit(&ask, &purse) {
        Ok(Admitted::New(reservation)) => api.compute(&service, request, text, reservation, price).await,
        Ok(Admitted::Before(sale)) => again(*sale),
        Err(failure) => Err(failure),
    };
    Ok(match computed {
        Ok((answer, sale)) => api.deliver(&service, &purse, &answer, &delivery, &sale),
        // The client must learn of a deposit even when it gets no answer, or its count of the channel is wrong. A 402 has
        // its own header for that.
        Err(failure @ Failure::PaymentRequired { .. }) => failure.into_response(),
        Err(failure) => {
            let mut response = failure.into_response();
            let paid = api.payment_response(&service, &purse, 0, api.charged(&purse));
            insert(&mut response, x402::PAYMENT_RESPONSE, paid);
            response
        }
    })
}

/// The answer of a request that was charged before.
fn again(sale: Sale) -> Result<(InferResponse, Sale), Failure> {
    let answer = inference::decode_response(&sale.evidence.response, None);
    Ok((
        answer.map_err(|error| Failure::Internal(Causes(&error).to_string()))?,
        sale,
    ))
}

impl<P: Provider> Api<P> {
    /// Waits for a turn, computes, and charges. Once begun it runs to the end even if the client goes away: the answer is
    /// then on disk for its next try.
    async fn compute(
        &self,
        service: &Arc<Service>,
        request: InferRequest,
        text: Vec<u8>,
        reservation: Reservation,
        price: u128,
    ) -> Result<(InferResponse, Sale), Failure> {
        let busy = || Failure::Unavailable("too many requests are waiting".into());
        let waiting = self.0.waiting.try_acquire().map_err(|_| busy())?;
        let patience = Duration::from_millis(self.0.limits.queue_timeout_ms);
        let turn = tokio::time::timeout(patience, self.0.turns.clone().acquire_owned())
            .await
            .map_err(|_| busy())?;
        let turn = turn.expect("the semaphore is never closed");
        drop(waiting);

        let (api, service) = (self.clone(), service.clone());
        let work = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let rows = request.rows();
            let answer = inference::answer(&**service.engine(), &request)?;
            // The next request computes while this one waits for the disk; those that wait together share one sync.
            drop(turn);
            let evidence = Evidence {
                salt: rand::random(),
                request: text,
                response: answer.canonical(),
            };
            let sale = api
                .0
                .till
                .charge(reservation, price, |charge| api.receipt(&service, charge, evidence))?;
            let metrics = &api.0.metrics;
            metrics.inference_seconds.observe(began.elapsed().as_secs_f64());
            metrics.rows.inc_by(rows);
            metrics.charged.inc_by(u64::try_from(price).unwrap_or(u64::MAX));
            Ok((answer, sale))
        });
        work.await.unwrap_or_else(|error| {
            Err(InferError::Failed {
                reason: format!("the computation was cut short: {error}"),
            }
            .into())
        })
    }

    fn receipt(&self, service: &Service, charge: Charge, evidence: Evidence) -> (SignedReceipt, Evidence) {
        let metadata = service.metadata();
        let since_1970 = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let receipt = Receipt {
            version: RECEIPT_VERSION,
            chain_id: service.offer().terms.chain_id,
            service: metadata.name.clone(),
            model_root: metadata.root,
            engine: metadata.engine.clone(),
            request_hash: request_hash(&evidence.salt, &evidence.request),
            response_hash: response_hash(&evidence.salt, &evidence.response),
            price: charge.price,
            channel_id: charge.channel_id,
            sequence: charge.sequence,
            timestamp_ms: u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX),
            verify_class: service.verify_class(),
        };
        (receipt.sign(&self.0.signer), evidence)
    }

    fn deliver(
        &self,
        service: &Service,
        purse: &Purse,
        answer: &InferResponse,
        delivery: &Delivery,
        sale: &Sale,
    ) -> Response {
        let (body, json_bytes) = inference::encode(answer, delivery);
        let form = if json_bytes.is_some() {
            "application/octet-stream"
        } else {
            "application/json"
        };
        let mut response = ([(header::CONTENT_TYPE, form)], body).into_response();
        let receipt = &sale.signed.receipt;
        insert(&mut response, JSON_BYTES, json_bytes.map(|bytes| bytes.to_string()));
        insert(&mut response, RECEIPT, Some(receipt.id().to_string()));
        insert(&mut response, SALT, Some(hex::encode_prefixed(sale.evidence.salt)));
        insert(&mut response, COST, Some(receipt.price.to_string()));
        let paid = self.payment_response(service, purse, receipt.price, sale.charged);
        insert(&mut response, x402::PAYMENT_RESPONSE, paid);
        response
    }
}

/// Sets a header to text that is hexadecimal, decimal or base64.
pub(super) fn insert(response: &mut Response, name: impl TryInto<HeaderName>, value: Option<String>) {
    if let (Ok(name), Some(value)) = (name.try_into(), value) {
        let value = HeaderValue::from_str(&value).expect("digits and base64 are header text");
        response.headers_mut().insert(name, value);
    }
}

fn json_bytes(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let text = body::text(headers, JSON_BYTES.as_str(), 20)?;
    let wrong = |_| Failure::BadRequest(format!("header {JSON_BYTES} is not a length"));
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

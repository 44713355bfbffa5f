//! The whole path of a paid request, over TCP, against the real contracts in an EVM: what a client sees, what is charged,
//! what reaches the splitter.

mod chain;
mod client;

use super::*;
use chain::{CHAIN_ID, Chain};
use client::{Answer, Payer, Server, infer_body, key};
use compute::{
    inference::{EngineId, Tensor, TensorSpec},
    price::Quote,
    receipt::{Evidence, SignedReceipt, VerifyClass, verify},
    settlement,
    till::TillLimits,
    voucher::Terms,
    x402::{self, Offer, PaymentRequired, PaymentResponse, reason},
};
use contracts::{abi::RevenueSplitter, addresses, read};
use primitives::{Address, BlobRoot, U256, hex};
use redb::backends::InMemoryBackend;
use serde_json::json;

/// 0.002 USDX a row, the economy's worked example.
const QUOTE: Quote = Quote {
    compute: 1200,
    royalty: 700,
    storage: 100,
};
const ROW: u128 = 2000;
const ROOT: [u8; 32] = [7; 32];

/// `y = 2x`; fails on a first row that begins with -13.
struct Doubler;

impl Engine for Doubler {
    fn metadata(&self) -> ModelMetadata {
        let spec = |name: &str| TensorSpec {
            name: name.into(),
            datatype: compute::inference::Datatype::Fp32,
            shape: vec![None, Some(2)],
        };
        ModelMetadata {
            name: "doubler".into(),
            version: "1".into(),
            platform: "aloft_test".into(),
            inputs: vec![spec("x")],
            outputs: vec![spec("y")],
            root: BlobRoot::from(ROOT),
            engine: EngineId {
                name: "doubler".into(),
                version: "1".into(),
                numerics: "bit-exact-f32/1".into(),
            },
        }
    }

    fn infer(&self, request: &InferRequest) -> Result<InferResponse, InferError> {
        let x = request.input("x")?;
        let values = x.to_fp32()?;
        if values[0] == -13.0 {
            return Err(InferError::Failed {
                reason: "minus thirteen".into(),
            });
        }
        let doubled: Vec<f32> = values.iter().map(|value| value * 2.0).collect();
        Ok(InferResponse {
            model_name: String::new(),
            model_version: String::new(),
            id: String::new(),
            outputs: vec![Tensor::fp32("y", x.shape(), &doubled)?],
        })
    }
}

struct Quiet;

impl Node for Quiet {
    fn is_ready(&self) -> bool {
        true
    }

    fn status(&self) -> serde_json::Value {
        json!({ "height": 3 })
    }

    fn metrics(&self) -> String {
        "# HELP node_height Height\nnode_height 3\n# EOF\n".into()
    }
}

/// A provider that serves the doubler on a chain of its own.
struct Network {
    chain: Chain,
    api: Api<Chain>,
    server: Server,
    offer: Offer,
}

impl Network {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        let chain = Chain::new(key(1).address(), key(2).address());
        let receiver = chain.create_splitter(BlobRoot::from(ROOT)).await;
        let terms = Terms {
            chain_id: CHAIN_ID,
            receiver,
            receiver_authorizer: key(2).address(),
            token: addresses::USDX,
            withdraw_delay_s: 3600,
        };
        let offer = Offer {
            terms,
            token_name: "USDX".into(),
            token_version: "1".into(),
        };
        let till = Till::open_backend(InMemoryBackend::new(), TillLimits::default()).unwrap();
        let api = Api::new(chain.clone(), till, key(2), Arc::new(Quiet), limits);
        let service = Service::new(Arc::new(Doubler), QUOTE, offer.clone(), VerifyClass::Reexecutable).unwrap();
        api.publish(service);
        let server = Server::start(api.router(), limits.connections_max).await;
        Self {
            chain,
            api,
            server,
            offer,
        }
    }

    fn payer(&self) -> Payer {
        Payer::new(key(1))
    }

    async fn infer(&self, body: &str, headers: &[(&str, &str)]) -> Answer {
        self.server
            .post("/v2/models/doubler/infer", headers, body.as_bytes())
            .await
    }

    /// Asks, pays what is asked, and asks again, as the public client does.
    async fn buy(&self, payer: &mut Payer, body: &str) -> Answer {
        let unpaid = self.infer(body, &[]).await;
        assert_eq!(unpaid.status, 402, "{}", unpaid.text());
        let header = payer.pay(&unpaid, &self.chain);
        let paid = self.infer(body, &[("payment-signature", &header)]).await;
        payer.learn(&paid);
        paid
    }

    async fn session(&self, payer: &mut Payer, budget: u128) -> String {
        let body = json!({ "model": "doubler", "budget": budget.to_string() }).to_string();
        let unpaid = self.server.post("/v1/sessions", &[], body.as_bytes()).await;
        let header = payer.pay(&unpaid, &self.chain);
        let opened = self
            .server
            .post("/v1/sessions", &[("payment-signature", &header)], body.as_bytes())
            .await;
        assert_eq!(opened.status, 201, "{}", opened.text());
        payer.learn(&opened);
        opened.json()["api_key"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_unpaid_request_is_told_what_it_costs() {
    let network = Network::new().await;
    let answer = network.infer(&infer_body(&[1.0, 2.0, 3.0, 4.0]), &[]).await;
    assert_eq!(answer.status, 402);
    assert_eq!(answer.json()["error"], "payment required: 4000 micro-USDX (2000 a row)");
    let required: PaymentRequired = x402::from_header(answer.header("payment-required").unwrap().as_bytes()).unwrap();
    assert_eq!(required.accepts, [network.offer.requirements(2 * ROW)]);
}

#[tokio::test]
async fn twenty_paid_requests_take_few_transactions_and_all_their_money_reaches_the_splitter() {
    let network = Network::new().await;
    let mut payer = network.payer();
    for request in 0..20u8 {
        let answer = network.buy(&mut payer, &infer_body(&[f32::from(request), 0.5])).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(
            answer.json()["outputs"][0]["data"],
            json!([f32::from(request) * 2.0, 1.0])
        );
    }
    assert_eq!(
        network.chain.transactions(),
        1 + 2,
        "the splitter, and two deposits of ten requests"
    );
    assert_eq!(
        network.chain.nonce(key(1).address()),
        0,
        "the payer never sent a transaction"
    );

    let settled = settlement::settle(network.api.till(), &network.chain).await.unwrap();
    assert_eq!(settled.claimed, 20 * ROW);
    let splitter = network.offer.terms.receiver;
    let token = addresses::USDX;
    let mut credited = read(&network.chain, splitter, &RevenueSplitter::dataCreditedCall { token })
        .await
        .unwrap();
    for account in [
        Address::repeat_byte(0xc0),
        Address::repeat_byte(0x5a),
        Address::repeat_byte(0x7a),
    ] {
        credited += read(
            &network.chain,
            splitter,
            &RevenueSplitter::creditedCall { token, account },
        )
        .await
        .unwrap();
    }
    assert_eq!(
        credited,
        U256::from(20 * ROW),
        "what was charged is what the legs were credited"
    );
    assert_eq!(
        settlement::settle(network.api.till(), &network.chain).await.unwrap(),
        settlement::Settled::default()
    );
}

/// With the salt from the answer's header, and not without it, a receipt's evidence is shown, and every line of the receipt
/// holds, the re-execution included.
#[tokio::test]
async fn a_receipt_can_be_checked_by_whoever_paid() {
    let network = Network::new().await;
    let answer = network.buy(&mut network.payer(), &infer_body(&[0.1, 1e-7])).await;
    let path = format!("/v1/receipts/{}", answer.header("x-aloft-receipt").unwrap());
    assert!(network.server.get(&path, &[]).await.json().get("evidence").is_none());
    let other_salt = hex::encode_prefixed([0; 32]);
    assert!(
        network
            .server
            .get(&path, &[("x-aloft-receipt-salt", &other_salt)])
            .await
            .json()
            .get("evidence")
            .is_none()
    );

    let salt = answer.header("x-aloft-receipt-salt").unwrap().to_owned();
    let shown = network
        .server
        .get(&path, &[("x-aloft-receipt-salt", &salt)])
        .await
        .json();
    let signed: SignedReceipt =
        serde_json::from_value(json!({ "receipt": shown["receipt"], "signature": shown["signature"] })).unwrap();
    let evidence = Evidence {
        salt: hex::decode_to_array(salt).unwrap(),
        request: shown["evidence"]["request"].as_str().unwrap().into(),
        response: shown["evidence"]["response"].as_str().unwrap().into(),
    };
    assert_eq!(
        evidence.response, answer.body,
        "the body of a JSON answer is what was signed"
    );
    let again = |request: &[u8]| compute::inference::reexecute(&Doubler, request).map_err(|error| error.to_string());
    let verdict = verify(&signed, key(2).address(), BlobRoot::from(ROOT), &evidence, Some(&again));
    assert!(verdict.holds(), "{verdict}");

    let listed = network.server.get("/v1/receipts?limit=1", &[]).await.json();
    assert_eq!(listed["receipts"][0]["id"], shown["id"]);
}

#[tokio::test]
async fn a_request_sent_twice_is_charged_once_and_answered_twice() {
    let network = Network::new().await;
    let mut payer = network.payer();
    let body = infer_body(&[3.0, 4.0]);
    let header = payer.pay(&network.infer(&body, &[]).await, &network.chain);
    let first = network.infer(&body, &[("payment-signature", &header)]).await;
    let second = network.infer(&body, &[("payment-signature", &header)]).await;
    assert_eq!((first.status, second.status), (200, 200), "{}", second.text());
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("x-aloft-receipt"), second.header("x-aloft-receipt"));
    assert_eq!(
        first.header("x-aloft-receipt-salt"),
        second.header("x-aloft-receipt-salt")
    );
    assert_eq!(network.api.till().durable_accounts().unwrap()[0].1.charged, ROW);
    assert_eq!(network.chain.transactions(), 1 + 1, "the deposit is brought once");
}

/// A client that lost its state signs too low; what it is told lets it check and go on.
#[tokio::test]
async fn a_client_that_lost_count_is_told_the_count_with_its_own_signature() {
    let network = Network::new().await;
    let mut payer = network.payer();
    let body = infer_body(&[1.0, 1.0]);
    network.buy(&mut payer, &body).await;
    payer.charged = 0;
    let other = infer_body(&[2.0, 2.0]);
    let behind = network.buy(&mut payer, &other).await;
    assert_eq!(behind.status, 402);
    let required: PaymentRequired = x402::from_header(behind.header("payment-required").unwrap().as_bytes()).unwrap();
    assert_eq!(required.error, reason::CUMULATIVE_MISMATCH);
    let extra = &required.accepts[0].extra;
    assert_eq!(
        extra.channel_state.as_ref().unwrap().charged_cumulative_amount,
        ROW.to_string()
    );
    assert_eq!(
        extra.voucher_state.as_ref().unwrap().signed_max_claimable,
        ROW.to_string()
    );
    payer.charged = ROW;
    assert_eq!(network.buy(&mut payer, &other).await.status, 200);
}

#[tokio::test]
async fn an_api_key_pays_for_plain_requests_until_its_budget_is_used_up() {
    let network = Network::new().await;
    let mut payer = network.payer();
    let key = format!("Bearer {}", network.session(&mut payer, 3 * ROW).await);
    let ask = async |value: f32| {
        network
            .infer(&infer_body(&[value, 0.0]), &[("authorization", &key)])
            .await
    };
    for value in [1.0, 2.0, 3.0] {
        let answer = ask(value).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-aloft-cost-microusd"), Some("2000"));
        assert_eq!(answer.header("payment-response"), None);
    }
    assert_eq!(ask(4.0).await.status, 402);
    let unknown = [("authorization", "Bearer sk-aloft-00")];
    assert_eq!(network.infer(&infer_body(&[1.0, 1.0]), &unknown).await.status, 401);
    // The owner of the key sees what its requests were.
    let listed = network.server.get("/v1/receipts", &[]).await.json();
    let path = format!("/v1/receipts/{}", listed["receipts"][0]["id"].as_str().unwrap());
    let shown = network.server.get(&path, &[("authorization", &key)]).await.json();
    assert!(shown["evidence"]["request"].as_str().unwrap().contains("3.0"));
}

#[tokio::test]
async fn a_retry_with_the_same_idempotency_key_is_charged_once() {
    let network = Network::new().await;
    let key = format!("Bearer {}", network.session(&mut network.payer(), 10 * ROW).await);
    let charged = || network.api.till().durable_accounts().unwrap()[0].1.charged;
    let body = infer_body(&[1.0, 1.0]);
    for _ in 0..3 {
        let headers = [("authorization", key.as_str()), ("idempotency-key", "a")];
        assert_eq!(network.infer(&body, &headers).await.status, 200);
    }
    assert_eq!(charged(), ROW);
    network
        .infer(&body, &[("authorization", &key), ("idempotency-key", "b")])
        .await;
    network.infer(&body, &[("authorization", &key)]).await;
    network.infer(&body, &[("authorization", &key)]).await;
    assert_eq!(
        charged(),
        4 * ROW,
        "requests that are not marked as the same are different ones"
    );
}

/// What inference clients send unless told otherwise: tensors as bytes after the JSON, in both directions.
#[tokio::test]
async fn binary_tensors_go_both_ways() {
    let network = Network::new().await;
    let key = format!("Bearer {}", network.session(&mut network.payer(), 10 * ROW).await);
    let json = json!({
        "id": "7", "parameters": { "binary_data_output": true },
        "inputs": [{ "name": "x", "shape": [1, 2], "datatype": "FP32", "parameters": { "binary_data_size": 8 } }],
    });
    let json = json.to_string();
    let mut body = json.clone().into_bytes();
    body.extend([1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()));
    let length = json.len().to_string();
    let headers = [
        ("authorization", key.as_str()),
        ("inference-header-content-length", length.as_str()),
    ];
    let answer = network
        .server
        .post("/v2/models/doubler/versions/1/infer", &headers, &body)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let split: usize = answer
        .header("inference-header-content-length")
        .unwrap()
        .parse()
        .unwrap();
    let head: serde_json::Value = serde_json::from_slice(&answer.body[..split]).unwrap();
    assert_eq!(head["outputs"][0]["parameters"]["binary_data_size"], 8);
    assert_eq!(
        &answer.body[split..],
        [3f32.to_le_bytes(), (-4f32).to_le_bytes()].concat()
    );
}

#[tokio::test]
async fn a_bad_request_costs_nothing_and_brings_no_deposit() {
    let network = Network::new().await;
    let mut payer = network.payer();
    let header = payer.pay(&network.infer(&infer_body(&[1.0, 1.0]), &[]).await, &network.chain);
    let before = network.chain.transactions();
    for body in [
        "",
        "{}",
        r#"{"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#,
    ] {
        let answer = network.infer(body, &[("payment-signature", &header)]).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(network.chain.transactions(), before);
    assert!(network.api.till().durable_accounts().unwrap().is_empty());
}

#[tokio::test]
async fn a_request_the_engine_fails_on_is_not_charged_and_its_deposit_is_reported() {
    let network = Network::new().await;
    let mut payer = network.payer();
    let answer = network.buy(&mut payer, &infer_body(&[-13.0, 0.0])).await;
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["error"], "the server failed; nothing was charged");
    let paid: PaymentResponse = x402::from_header(answer.header("payment-response").unwrap().as_bytes()).unwrap();
    assert_eq!((paid.extra.charged_amount.as_str(), paid.transaction.len()), ("0", 66));
    assert_eq!(network.buy(&mut payer, &infer_body(&[1.0, 0.0])).await.status, 200);
    assert_eq!(network.chain.transactions(), 1 + 1, "the deposit was kept count of");
}

#[tokio::test]
async fn worthless_payments_are_refused_with_the_reason() {
    let network = Network::new().await;
    let body = infer_body(&[1.0, 1.0]);
    let unpaid = network.infer(&body, &[]).await;
    let refused = async |header: String| {
        let answer = network.infer(&body, &[("payment-signature", &header)]).await;
        let required = answer
            .header("payment-required")
            .map(|header| x402::from_header(header.as_bytes()).unwrap());
        (answer.status, required.map(|required: PaymentRequired| required.error))
    };
    let is = |reason: &str| (402, Some(reason.to_owned()));
    let mut stranger = Payer::new(key(9));
    assert_eq!(
        refused(stranger.pay(&unpaid, &network.chain)).await,
        is(reason::DEPOSIT_SIMULATION_FAILED)
    );

    let payment = |change: &dyn Fn(&mut x402::Payment)| {
        let header = network.payer().pay(&unpaid, &network.chain);
        let mut payment = x402::Payment::from_header(header.as_bytes()).unwrap();
        change(&mut payment);
        payment.to_header()
    };
    assert_eq!(
        refused(payment(&|p| p.voucher.ceiling += 1)).await,
        is(reason::VOUCHER_SIGNATURE)
    );
    assert_eq!(
        refused(payment(&|p| p.channel_id = p.channel_id.reverse())).await,
        is(reason::CHANNEL_ID_MISMATCH)
    );
    assert_eq!(
        refused(payment(&|p| p.voucher.config.receiver = Address::ZERO)).await,
        is(reason::RECEIVER_MISMATCH)
    );
    assert_eq!(
        refused(payment(&|p| p.network = "eip155:1".into())).await,
        is(reason::NETWORK_MISMATCH)
    );
    assert_eq!(
        refused(payment(&|p| p.scheme = "exact".into())).await,
        is(reason::SCHEME)
    );
    assert_eq!(
        refused(payment(&|p| p.deposit = None)).await,
        is(reason::EXCEEDS_BALANCE)
    );
    assert_eq!(refused("!".into()).await, (400, None));
    assert_eq!(network.chain.transactions(), 1, "no gas was spent on any of them");
}

trait Reverse {
    fn reverse(self) -> Self;
}

impl Reverse for primitives::B256 {
    fn reverse(mut self) -> Self {
        self.0.reverse();
        self
    }
}

#[tokio::test]
async fn limits_hold_before_anything_is_computed() {
    let network = Network::with(Limits {
        body_bytes_max: 200,
        ..Limits::default()
    })
    .await;
    let long = infer_body(&[0.123_456_78; 40]);
    assert_eq!(network.infer(&long, &[]).await.status, 413);
    let body = infer_body(&[1.0, 1.0]);
    assert_eq!(network.infer(&body, &[("content-encoding", "gzip")]).await.status, 415);
    assert_eq!(
        network
            .infer(&body, &[("inference-header-content-length", "-1")])
            .await
            .status,
        400
    );
    assert_eq!(
        network
            .server
            .post("/v2/models/other/infer", &[], body.as_bytes())
            .await
            .status,
        404
    );
    assert_eq!(
        network
            .server
            .post("/v2/models/doubler/versions/2/infer", &[], body.as_bytes())
            .await
            .status,
        404
    );
    assert_eq!(network.server.get("/v2/models/doubler/infer", &[]).await.status, 405);
    assert_eq!(
        network.server.get("/nowhere", &[]).await.json()["error"],
        "no such route"
    );
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_given_up() {
    let network = Network::with(Limits {
        body_timeout_ms: 20,
        ..Limits::default()
    })
    .await;
    let answer = network
        .server
        .send_head("POST /v2/models/doubler/infer HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{");
    assert_eq!(answer.await.status, 408);
}

#[tokio::test]
async fn descriptions_health_and_metrics_are_there() {
    let network = Network::new().await;
    network.buy(&mut network.payer(), &infer_body(&[1.0, 1.0])).await;
    let get = async |path: &str| network.server.get(path, &[]).await;
    for path in [
        "/healthz",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/doubler/ready",
    ] {
        assert_eq!(get(path).await.status, 200, "{path}");
    }
    assert_eq!(get("/v2").await.json()["extensions"], json!(["binary_tensor_data"]));
    let model = get("/v2/models/doubler").await.json();
    assert_eq!(
        model["inputs"],
        json!([{ "name": "x", "datatype": "FP32", "shape": [-1, 2] }])
    );
    assert_eq!(model["x_aloft"]["price_per_row_micro_usdx"]["royalty"], 700);
    assert_eq!(get("/v1/status").await.json()["node"]["height"], 3);
    let metrics = get("/metrics").await.text();
    for line in [
        "node_height 3\n",
        "aloft_http_charged_micro_usdx_total 2000\n",
        "aloft_http_requests_total{route=\"/v2/models/{name}/infer\",status=\"200\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n") && metrics.matches("# EOF").count() == 1);
}

#[tokio::test]
async fn a_model_can_be_withdrawn_and_published_while_the_server_runs() {
    let network = Network::new().await;
    assert!(network.api.withdraw("doubler"));
    assert_eq!(network.infer(&infer_body(&[1.0, 1.0]), &[]).await.status, 404);
    let dearer = Quote { compute: 5000, ..QUOTE };
    let offer = network.offer.clone();
    network
        .api
        .publish(Service::new(Arc::new(Doubler), dearer, offer, VerifyClass::Reexecutable).unwrap());
    let answer = network.infer(&infer_body(&[1.0, 1.0]), &[]).await;
    assert!(answer.text().contains("5800 micro-USDX"));
}

/// Sixteen clients of one key at a time: all are served, all are charged, none is charged twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_of_one_key_add_up() {
    let network = Arc::new(Network::new().await);
    let key = Arc::new(format!(
        "Bearer {}",
        network.session(&mut network.payer(), 64 * ROW).await
    ));
    let clients: Vec<_> = (0..16u8)
        .map(|client| {
            let (network, key) = (network.clone(), key.clone());
            tokio::spawn(async move {
                for request in 0..4u8 {
                    let body = infer_body(&[f32::from(client), f32::from(request)]);
                    assert_eq!(network.infer(&body, &[("authorization", &key)]).await.status, 200);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let account = &network.api.till().durable_accounts().unwrap()[0].1;
    assert_eq!((account.charged, account.sequence), (64 * ROW, 64));
}

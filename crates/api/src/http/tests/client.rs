//! The client's side: HTTP by hand, and a payer that does what the public x402 client does.

use super::{Chain, serve};
use alloy_primitives::aliases::U40;
use axum::Router;
use compute::{
    voucher::Voucher,
    x402::{self, Deposit, Payment, PaymentRequired, PaymentResponse},
};
use contracts::{
    addresses,
    typed_data::{self, ChannelConfig, ReceiveWithAuthorization},
};
use crypto::ecdsa::Secret;
use primitives::{B256, U256};
use serde_json::json;
use std::{collections::HashMap, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

pub(super) fn key(byte: u8) -> Secret {
    Secret::from_bytes(&[byte; 32]).unwrap()
}

/// A request for rows of two values.
pub(super) fn infer_body(values: &[f32]) -> String {
    let shape = [values.len() / 2, 2];
    json!({ "inputs": [{ "name": "x", "shape": shape, "datatype": "FP32", "data": values }] }).to_string()
}

/// An HTTP answer, whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    headers: HashMap<String, String>,
}

impl Answer {
    fn parse(raw: &[u8]) -> Self {
        let end = raw
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("an answer has a head");
        let head = std::str::from_utf8(&raw[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: raw[end + 4..].to_vec(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }
}

/// A server on a port of its own, until the runtime of its test ends.
pub(super) struct Server(SocketAddr);

impl Server {
    pub(super) async fn start(router: Router, connections_max: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, router, connections_max, std::future::pending()));
        Self(address)
    }

    pub(super) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.request("GET", path, headers, b"").await
    }

    pub(super) async fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request("POST", path, headers, body).await
    }

    async fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.0);
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        self.exchange(&[head.as_bytes(), body].concat()).await
    }

    /// Sends bytes as they are, and waits for an answer without sending more.
    pub(super) async fn send_head(&self, bytes: &str) -> Answer {
        self.exchange(bytes.as_bytes()).await
    }

    async fn exchange(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut raw = Vec::new();
        // A server that has answered a body it will not read may reset the connection after the answer.
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut chunk).await {
            raw.extend_from_slice(&chunk[..count]);
        }
        Answer::parse(&raw)
    }
}

/// One channel of a payer, counted as the public client counts it.
pub(super) struct Payer {
    signer: Secret,
    pub(super) charged: u128,
    balance: u128,
    pending_deposit: u128,
    deposits: u8,
}

impl Payer {
    pub(super) fn new(signer: Secret) -> Self {
        Self {
            signer,
            charged: 0,
            balance: 0,
            pending_deposit: 0,
            deposits: 0,
        }
    }

    /// The header that pays what an unpaid answer asks for, with a deposit when the channel holds too little.
    pub(super) fn pay(&mut self, unpaid: &Answer, chain: &Chain) -> String {
        let required = unpaid
            .header("payment-required")
            .expect("an unpaid answer says what it costs");
        let required: PaymentRequired = x402::from_header(required.as_bytes()).unwrap();
        let wanted = &required.accepts[0];
        let config = ChannelConfig {
            payer: self.signer.address(),
            payerAuthorizer: self.signer.address(),
            receiver: wanted.pay_to,
            receiverAuthorizer: wanted.extra.receiver_authorizer,
            token: wanted.asset,
            withdrawDelay: U40::from(wanted.extra.withdraw_delay),
            salt: B256::ZERO,
        };
        let channel_id = typed_data::channel_id(super::CHAIN_ID, &config);
        let ceiling = self.charged + wanted.amount.parse::<u128>().unwrap();
        self.pending_deposit = 0;
        let deposit = (ceiling > self.balance).then(|| {
            self.deposits += 1;
            let amount = (ceiling - self.balance).max(wanted.extra.min_deposit.parse().unwrap());
            self.pending_deposit = amount;
            let salt = U256::from(self.deposits);
            let authorization = ReceiveWithAuthorization {
                from: self.signer.address(),
                to: addresses::ERC3009_COLLECTOR,
                value: U256::from(amount),
                validAfter: U256::ZERO,
                validBefore: U256::from(chain.now() + wanted.max_timeout_seconds),
                nonce: typed_data::deposit_nonce(channel_id, salt),
            };
            let digest = typed_data::receive_with_authorization_digest(super::CHAIN_ID, &authorization);
            Deposit {
                amount,
                valid_after: authorization.validAfter,
                valid_before: authorization.validBefore,
                salt,
                signature: self.signer.sign(&digest),
            }
        });
        let voucher = Voucher::sign(&self.signer, super::CHAIN_ID, config, ceiling);
        let (scheme, network) = (wanted.scheme.clone(), wanted.network.clone());
        Payment {
            scheme,
            network,
            channel_id,
            voucher,
            deposit,
        }
        .to_header()
    }

    /// Counts what an answer says was charged.
    pub(super) fn learn(&mut self, answer: &Answer) {
        let Some(paid) = answer.header("payment-response") else {
            return;
        };
        let paid: PaymentResponse = x402::from_header(paid.as_bytes()).unwrap();
        self.charged += paid.extra.charged_amount.parse::<u128>().unwrap();
        assert_eq!(
            paid.extra.channel_state.charged_cumulative_amount,
            self.charged.to_string()
        );
        self.balance += std::mem::take(&mut self.pending_deposit);
        assert_eq!(paid.extra.channel_state.balance, self.balance.to_string());
    }
}

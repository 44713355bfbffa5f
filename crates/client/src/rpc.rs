//! Ethereum JSON-RPC over HTTP: one request, one typed answer.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Longest wait for one answer. A call may execute for a while; a node that says nothing for this long is gone.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Largest answer read, in bytes: block answers with full transactions fit, a hostile node's stream does not.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Why a JSON-RPC request failed.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// The node could not be reached, or the answer broke off.
    #[error("no answer from the node at {url} to {method}")]
    Http {
        /// Where the request went.
        url: String,
        /// JSON-RPC method.
        method: &'static str,
        /// What the transport said.
        source: reqwest::Error,
    },
    /// The answer is larger than the client reads.
    #[error("answer to {method} is larger than {MAX_ANSWER_BYTES} bytes")]
    TooLarge {
        /// JSON-RPC method.
        method: &'static str,
    },
    /// The answer is not what the method promises.
    #[error("answer to {method} is not understood")]
    Malformed {
        /// JSON-RPC method.
        method: &'static str,
        /// Where the JSON went wrong.
        source: serde_json::Error,
    },
    /// The node understood and refused.
    #[error("{message}")]
    Refused {
        /// JSON-RPC error code; 3 is a revert.
        code: i64,
        /// The node's words.
        message: String,
        /// Extra data: the revert data of a revert, hexadecimal.
        data: Option<String>,
    },
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Value,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: i64,
    message: String,
    data: Option<Value>,
}

/// A JSON-RPC endpoint. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Rpc {
    url: Arc<str>,
    http: reqwest::Client,
    next_id: Arc<AtomicU64>,
}

impl Rpc {
    /// An endpoint at an `http://` URL; nothing is sent yet.
    pub fn new(url: &str) -> Self {
        let http = reqwest::Client::builder()
            .timeout(REQUEST_TIMEOUT)
            .no_proxy()
            .build()
            .expect("a client without TLS or proxies has nothing to fail on");
        Self {
            url: url.into(),
            http,
            next_id: Arc::default(),
        }
    }

    /// The URL this endpoint was made with.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls `method` with positional `params`.
    ///
    /// # Errors
    ///
    /// [`RpcError`]; a refusal by the node is [`RpcError::Refused`].
    pub async fn call<T: DeserializeOwned>(&self, method: &'static str, params: Value) -> Result<T, RpcError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let unreachable = |source| RpcError::Http {
            url: self.url.to_string(),
            method,
            source,
        };
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let mut response = self
            .http
            .post(&*self.url)
            .json(&body)
            .send()
            .await
            .map_err(unreachable)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(RpcError::TooLarge { method });
            }
            bytes.extend_from_slice(&chunk);
        }
        let malformed = |source| RpcError::Malformed { method, source };
        let answer: Answer = serde_json::from_slice(&bytes).map_err(malformed)?;
        match answer.error {
            Some(Refusal { code, message, data }) => Err(RpcError::Refused {
                code,
                message,
                data: data.and_then(|data| data.as_str().map(str::to_owned)),
            }),
            None => serde_json::from_value(answer.result).map_err(malformed),
        }
    }
}

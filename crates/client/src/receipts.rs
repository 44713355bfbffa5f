//! Receipts of answers bought: fetch one with its evidence, and keep the salts that open them.

use crate::inference::{InferenceError, SALT_HEADER, read, refusal};
use compute::receipt::{Evidence, SignedReceipt};
use primitives::{B256, hex};
use reqwest::StatusCode;
use serde::Deserialize;
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    time::Duration,
};

/// Longest wait for a node's answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A receipt, and what it commits to where the node showed it.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The receipt and its signature.
    pub signed: SignedReceipt,
    /// Request, answer and salt; only whoever has the salt is shown them.
    pub evidence: Option<Evidence>,
}

#[derive(Deserialize)]
struct Shown {
    #[serde(flatten)]
    signed: SignedReceipt,
    evidence: Option<ShownEvidence>,
}

#[derive(Deserialize)]
struct ShownEvidence {
    salt: B256,
    request: String,
    response: String,
}

/// Fetches receipt `id` from the node at `url`, with its evidence when `salt` opens it.
///
/// Nothing in it is checked yet: see [`compute::receipt::verify`].
///
/// # Errors
///
/// [`InferenceError`] when the node does not answer, does not have it, or answers something else.
pub async fn fetch(url: &str, id: B256, salt: Option<&[u8; 32]>) -> Result<Fetched, InferenceError> {
    let url = format!("{}/v1/receipts/{id}", url.trim_end_matches('/'));
    let mut request = http().get(&url);
    if let Some(salt) = salt {
        request = request.header(SALT_HEADER, B256::from(*salt).to_string());
    }
    let body = answer(request, &url).await?;
    let malformed = |error: serde_json::Error| InferenceError::Malformed {
        reason: error.to_string(),
    };
    let shown: Shown = serde_json::from_slice(&body).map_err(malformed)?;
    let evidence = shown.evidence.map(|evidence| Evidence {
        salt: evidence.salt.0,
        request: evidence.request.into_bytes(),
        response: evidence.response.into_bytes(),
    });
    Ok(Fetched {
        signed: shown.signed,
        evidence,
    })
}

/// What the node at `url` says of itself (`GET /v1/status`).
///
/// # Errors
///
/// [`InferenceError`] when it does not answer, or answers something else.
pub async fn status(url: &str) -> Result<serde_json::Value, InferenceError> {
    let url = format!("{}/v1/status", url.trim_end_matches('/'));
    let body = answer(http().get(&url), &url).await?;
    serde_json::from_slice(&body).map_err(|error| InferenceError::Malformed {
        reason: error.to_string(),
    })
}

fn http() -> reqwest::Client {
    let client = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build();
    client.expect("a client without TLS or proxies has nothing to fail on")
}

async fn answer(request: reqwest::RequestBuilder, url: &str) -> Result<Vec<u8>, InferenceError> {
    let response = request.send().await.map_err(|source| InferenceError::Http {
        url: url.to_owned(),
        source,
    })?;
    if response.status() != StatusCode::OK {
        return Err(refusal(response).await);
    }
    read(response, url).await
}

/// Keeps the salt of receipt `id` in the user's folder, readable by them only.
///
/// # Errors
///
/// When the folder cannot be made or the file not written.
pub fn keep(id: B256, salt: &[u8; 32]) -> io::Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder)?;
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(folder.join(id.to_string()))?;
    file.write_all(hex::encode(salt).as_bytes())
}

/// The salt that [`keep`] kept; `None` when there is none.
pub fn kept(id: B256) -> Option<[u8; 32]> {
    let text = fs::read_to_string(folder().join(id.to_string())).ok()?;
    let mut salt = [0; 32];
    hex::decode_to_slice(text.trim(), &mut salt).ok()?;
    Some(salt)
}

/// `$ALOFT_HOME/receipts`; `~/.aloft-client/receipts` when that is not set.
fn folder() -> PathBuf {
    let home = std::env::var_os("ALOFT_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".aloft-client")));
    home.unwrap_or_else(|| PathBuf::from(".aloft-client")).join("receipts")
}

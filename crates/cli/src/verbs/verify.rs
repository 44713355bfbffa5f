//! `aloft verify`

use super::{connection::Connection, done};
use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{Files, HttpProvider, receipts};
use commonware_runtime::{Supervisor as _, tokio::Context};
use compute::{
    inference::reexecute,
    receipt::{Receipt, Verdict, verify},
};
use contracts::{
    CallError, ProviderError,
    abi::{ModelRegistry, OperatorRegistry, StakeVault},
    addresses, read,
};
use node::NetworkEngine;
use primitives::{Address, B256, BlobRoot};
use serde::Serialize;
use std::fmt;

/// Check what somebody claims.
#[derive(clap::Args)]
pub struct Verify {
    #[command(subcommand)]
    what: What,
}

/// What can be checked.
#[derive(clap::Subcommand)]
enum What {
    Receipt(VerifyReceipt),
}

/// Check a receipt line by line, and compute the answer again from the published model, bit for bit.
///
/// Ends with 0 when every line holds, 1 when one does not, 3 when one could not be checked.
///
/// Example: aloft verify receipt 0x9c1d…
#[derive(clap::Args)]
struct VerifyReceipt {
    /// The receipt's id, as `aloft infer` printed it.
    id: B256,
    /// The receipt's salt; `aloft infer` keeps it for you.
    #[arg(long)]
    salt: Option<B256>,
    #[command(flatten)]
    connection: Connection,
}

/// A verdict with the receipt it is about.
#[derive(Serialize)]
pub struct Checked {
    /// The receipt's id.
    pub id: B256,
    /// Who signed it.
    pub provider: Option<Address>,
    /// What it says.
    pub receipt: Receipt,
    /// What holds.
    pub verdict: Verdict,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "receipt {}", self.id)?;
        let Receipt {
            service,
            price,
            sequence,
            model_root,
            ..
        } = &self.receipt;
        writeln!(
            f,
            "{service}, answer {sequence} of its channel, {price} millionths of a USDX, model {model_root}"
        )?;
        write!(f, "{}", self.verdict.to_string().trim_end())
    }
}

impl Checked {
    fn code(&self) -> ExitCode {
        match (self.verdict.holds(), self.verdict.is_refuted()) {
            (true, _) => ExitCode::Done,
            (false, true) => ExitCode::Failed,
            (false, false) => ExitCode::DoneWithSkippedChecks,
        }
    }
}

impl Verify {
    /// Makes the checks.
    pub async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let What::Receipt(VerifyReceipt { id, salt, connection }) = self.what;
        let salt = salt.map(|salt| salt.0).or_else(|| receipts::kept(id));
        let salt = salt.context("the receipt's salt is not kept here: give it with --salt")?;
        let checked = check(context, connection.provider().await?, &connection.api, id, salt).await?;
        let code = checked.code();
        done(output, &checked)?;
        Ok(code)
    }
}

/// Fetches receipt `id` and its evidence from the provider at `api`, the model from the network, and checks one against the other.
pub async fn check(
    context: Context,
    provider: HttpProvider,
    api: &str,
    id: B256,
    salt: [u8; 32],
) -> anyhow::Result<Checked> {
    let fetched = receipts::fetch(api, id, Some(&salt)).await?;
    let receipt = fetched.signed.receipt.clone();
    anyhow::ensure!(
        receipt.id() == id,
        "the provider answered with receipt {}",
        receipt.id()
    );
    let evidence = fetched
        .evidence
        .context("the provider does not show request and answer for this salt")?;

    // Whoever signed must have something at stake in this network; anybody else's signature is worth nothing here.
    let signer = fetched.signed.signer().ok();
    let expected = match signer {
        Some(signer) if has_stake(&provider, signer).await? => Some(signer),
        _ => None,
    };

    let registered = registered_version(&provider, &receipt).await?;
    let root = registered.map_or(BlobRoot(B256::ZERO), |_| receipt.model_root);
    let engine = match registered {
        Some(version) => {
            let mut files = Files::open(context.child("files"), provider.clone()).await?;
            let file = files.get(receipt.model_root, |_| {}).await?;
            Some(NetworkEngine::load(
                &receipt.service,
                version,
                receipt.model_root,
                &file.bytes,
            )?)
        }
        None => None,
    };
    let again = engine
        .as_ref()
        .map(|engine| move |request: &[u8]| reexecute(engine, request).map_err(|error| error.to_string()));
    let again = again.as_ref().map(|again| again as compute::receipt::Reexecute<'_>);
    let verdict = verify(
        &fetched.signed,
        expected.unwrap_or(Address::ZERO),
        root,
        &evidence,
        again,
    );
    Ok(Checked {
        id,
        provider: signer,
        receipt,
        verdict,
    })
}

/// The version under which the registry names the receipt's model; `None` when the chain never heard of it.
async fn registered_version(provider: &HttpProvider, receipt: &Receipt) -> anyhow::Result<Option<u64>> {
    let name = receipt.service.clone();
    let newest = read(
        provider,
        addresses::MODEL_REGISTRY,
        &ModelRegistry::latestCall { name: name.clone() },
    )
    .await?;
    for version in (1..=newest.version).rev() {
        let call = ModelRegistry::modelCall {
            name: name.clone(),
            version,
        };
        if read(provider, addresses::MODEL_REGISTRY, &call).await?.root == receipt.model_root.0 {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Whether `account` is an operator with stake.
async fn has_stake(provider: &HttpProvider, account: Address) -> Result<bool, CallError> {
    let call = OperatorRegistry::numberOfCall { account };
    let operator = match read(provider, addresses::OPERATOR_REGISTRY, &call).await {
        Err(CallError::Provider(ProviderError::Reverted { .. })) => return Ok(false),
        answer => answer?,
    };
    let stake = read(provider, addresses::STAKE_VAULT, &StakeVault::stakeOfCall { operator }).await?;
    Ok(stake.active > 0)
}

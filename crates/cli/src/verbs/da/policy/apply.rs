//! `aloft da policy apply` and `aloft da policy lift`

use super::PolicyId;
use crate::{
    output::{ExitCode, Failure, Output},
    verbs::{connection::Connection, done},
};
use client::{Files, Shared};
use commonware_runtime::{Supervisor as _, tokio::Context};
use primitives::{B256, BlobRoot};
use serde::Serialize;
use std::fmt;

/// Let the network's committee release the key of a stored file of the acting key to whom a policy lets in, in place of the policy that the file had.
/// Not a byte of the file moves.
///
/// To be called again after `aloft da policy deny`, which begins another epoch: what was released before opens nothing that is applied after.
///
/// Example: aloft da policy apply soil 0x5e0b…
#[derive(clap::Args)]
pub(super) struct Apply {
    /// The name of a policy of the acting key, or any policy's id.
    policy: PolicyId,
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    #[command(flatten)]
    connection: Connection,
}

/// Offer the key of a stored file of the acting key under no policy any more. Who could have it released may have kept it, and so may who keeps the
/// old list of readers.
///
/// Example: aloft da policy lift 0x5e0b…
#[derive(clap::Args)]
pub(super) struct Lift {
    /// The file's root, as `aloft put` printed it.
    root: BlobRoot,
    #[command(flatten)]
    connection: Connection,
}

/// The list of readers that says so now.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    shared: Shared,
    /// The policy under which the key is released; none: it is released to nobody.
    policy: Option<B256>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.policy {
            Some(policy) => writeln!(f, "released to whom policy {policy} lets in")?,
            None => writeln!(f, "released under no policy")?,
        }
        let shared = &self.shared;
        write!(
            f,
            "list {} recorded in block {}, {}",
            shared.version, shared.block, shared.transaction
        )
    }
}

impl Apply {
    /// Records a list of readers with the policy.
    pub(super) async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let provider = self.connection.provider().await?;
        let policy = self.policy.of(provider.wallet().address());
        let mut files = Files::open(context.child("files"), provider).await?;
        let shared = files.release_under(self.root, policy).await?;
        let policy = Some(policy);
        done(output, &Report { shared, policy })
    }
}

impl Lift {
    /// Records a list of readers without a policy.
    pub(super) async fn run(self, context: Context, output: &Output) -> Result<ExitCode, Failure> {
        let mut files = Files::open(context.child("files"), self.connection.provider().await?).await?;
        let shared = files.release_no_more(self.root).await?;
        done(output, &Report { shared, policy: None })
    }
}

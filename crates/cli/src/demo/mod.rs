//! The main job, end to end: real processes, real sockets, and at the end the books must balance.

mod farms;
mod memory;
mod pay;
mod publish;
mod report;
mod serve;
mod survive;
mod train;

use crate::{
    output::{ExitCode, Failure, Output},
    verbs::demo::Demo,
};
use anyhow::Context as _;
use client::{HttpProvider, Rpc, Wallet};
use commonware_runtime::tokio::Context;
use contracts::Mined;
use farms::Farms;
use node::{Layout, LocalNetwork, development_wallets};
use primitives::{B256, BlobRoot};
use report::{Check, Report, Transaction};
use serde_json::json;
use std::{fmt, path::PathBuf, sync::Arc, time::Instant};
use tokio::signal::unix::{SignalKind, signal};

/// The node that is killed.
const VICTIM: usize = 3;

/// Everything the steps share.
pub struct Stage<'a> {
    context: Context,
    output: &'a Output,
    network: LocalNetwork,
    farms: Farms,
    /// Pays what somebody has to pay to begin with.
    sponsor: HttpProvider,
    /// Trains, publishes the model, earns the trainer's share.
    trainer: HttpProvider,
    /// Asks the model and pays.
    user: HttpProvider,
    checks: Vec<Check>,
    transactions: Vec<Transaction>,
    /// The held-out rows, once they are published.
    held_out_root: Option<BlobRoot>,
}

impl Stage<'_> {
    /// Records that a statement held, with what was seen; or fails with both.
    fn check(&mut self, held: bool, statement: &str, seen: impl fmt::Display) -> anyhow::Result<()> {
        let seen = seen.to_string();
        anyhow::ensure!(held, "this did not hold: {statement} ({seen})");
        self.output.say(format_args!("   ✓ {statement} ({seen})"));
        self.checks.push(Check {
            statement: statement.into(),
            seen,
        });
        Ok(())
    }

    fn title(&self, number: u32, title: &str) {
        self.output.say(format_args!("\n{number}. {title}"));
    }

    fn transaction(&mut self, what: impl Into<String>, mined: &Mined) {
        let Mined {
            hash, block, gas_used, ..
        } = *mined;
        self.transactions.push(Transaction {
            what: what.into(),
            hash: hash.to_string(),
            block,
            gas: gas_used,
        });
    }

    /// Records a transaction that somebody else sent, by its hash.
    async fn foreign_transaction(&mut self, what: &str, hash: B256) -> anyhow::Result<()> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Receipt {
            block_number: primitives::U256,
            gas_used: primitives::U256,
        }
        let receipt: Receipt = self.user.rpc().call("eth_getTransactionReceipt", json!([hash])).await?;
        let mined = Mined {
            hash,
            block: receipt.block_number.to(),
            gas_used: receipt.gas_used.to(),
            created: None,
        };
        self.transaction(what, &mined);
        Ok(())
    }
}

/// Runs the demo.
pub async fn run(options: Demo, context: Context, output: &Output) -> Result<ExitCode, Failure> {
    let started = Instant::now();
    // Before anything is started, published or paid: is there something to train on?
    let farms = farms::load(&options)?;
    for note in farms.notes() {
        output.say(format_args!("note: {note}"));
    }
    let folder = Folder::new()?;
    let bar = output.spinner("starting four nodes");
    let layout = Layout::open_or_create(&folder.0, Some(4))?;
    let network = LocalNetwork::start(layout, options.logs).await?;
    bar.finish_and_clear();
    let memory = memory::Watch::start(network.process_ids());

    let rpc = Rpc::new(&network.rpc_url(0));
    let mut wallets = development_wallets().into_iter().map(Arc::new);
    let mut wallet = || wallets.next().context("the network funds ten accounts");
    let sponsor = HttpProvider::connect(rpc, wallet()?).await?;
    let user = sponsor.with_wallet(wallet()?);
    let trainer = sponsor.with_wallet(Arc::new(sponsor.wallet().derive("demo trainer")));
    output.say(format_args!(
        "Four nodes are up in {:.1} s, {} farms have rows of {}. Folder: {}",
        started.elapsed().as_secs_f64(),
        farms.len(),
        farms.source(),
        folder.0.display()
    ));
    let mut stage = Stage {
        context,
        output,
        network,
        farms,
        sponsor,
        trainer,
        user,
        checks: vec![],
        transactions: vec![],
        held_out_root: None,
    };

    let published = publish::run(&mut stage).await.context("publish")?;
    survive::run(&mut stage, &published).await.context("survive")?;
    let trained = train::run(&mut stage, &published, &memory).await.context("train")?;
    let served = serve::run(&mut stage, &trained).await.context("serve")?;
    let paid = pay::run(&mut stage, &trained, &served).await.context("pay")?;

    let Stage {
        network,
        farms,
        checks,
        transactions,
        ..
    } = stage;
    let peak_memory_bytes = memory.stop();
    let report = Report {
        data: farms.source().to_owned(),
        target: farms.target().to_owned(),
        joint_losses: trained.losses,
        pooled_loss: trained.pooled_loss,
        farms: paid.farms,
        earners: paid.earners,
        paid_micro_usdx: paid.paid_micro_usdx,
        left_micro_usdx: paid.left_micro_usdx,
        checks,
        transactions,
        seconds: started.elapsed().as_secs_f64(),
        peak_memory_bytes,
        rpc_url: network.rpc_url(0),
        api_url: network.http_url(serve::PROVIDER),
    };
    std::fs::write(&options.report, report.html()).with_context(|| format!("write {}", options.report.display()))?;
    if output.is_json() {
        println!(
            "{}",
            serde_json::to_string(&report).context("write the report as JSON")?
        );
    } else {
        println!(
            "\nEvery step held: {:.1} s, {} MiB of memory at most. Report: {}",
            report.seconds,
            report.peak_memory_bytes >> 20,
            options.report.display()
        );
    }
    if options.stay {
        output.say(format_args!(
            "\nThe network stays up. JSON-RPC {}, HTTP {}. Stop: Ctrl-C\nTry: aloft node status",
            report.rpc_url, report.api_url
        ));
        wait_for_interrupt().await?;
    }
    if !network.stop().await? {
        return Err(anyhow::anyhow!("a node had to be killed at the end").into());
    }
    Ok(ExitCode::Done)
}

/// Waits for Ctrl-C or a termination signal.
async fn wait_for_interrupt() -> anyhow::Result<()> {
    let mut interrupted = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
    let mut terminated = signal(SignalKind::terminate()).context("listen for termination")?;
    tokio::select! {
        _ = interrupted.recv() => {}
        _ = terminated.recv() => {}
    }
    Ok(())
}

/// The demo's own folder, deleted with everything in it when the demo ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("aloft-demo-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("make the folder {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left behind in a temporary folder harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A farm's wallet: the same for the same name, funded by the sponsor.
fn farm_wallet(sponsor: &HttpProvider, name: &str) -> Arc<Wallet> {
    Arc::new(sponsor.wallet().derive(&format!("demo farm {name}")))
}

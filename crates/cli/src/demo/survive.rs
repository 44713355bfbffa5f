//! Step 2: one node is killed; the chain goes on, every file is read back from the others; the node returns and repairs its rows.

use super::{
    Stage, VICTIM,
    publish::{self, Published},
};
use anyhow::Context as _;
use client::{Files, Readers};
use commonware_runtime::Supervisor as _;
use contracts::Provider as _;
use da::Meta;
use futures::future::try_join_all;
use std::time::{Duration, Instant};

/// Blocks that must be finalized while the node is down.
const BLOCKS_WITHOUT: u64 = 3;

/// How long the chain may take for them, and the node for its repair.
const PATIENCE: Duration = Duration::from_secs(25);

/// Pause between two looks.
const POLL: Duration = Duration::from_millis(100);

/// Kills, reads, restarts, waits for the repair.
pub async fn run(stage: &mut Stage<'_>, published: &Published) -> anyhow::Result<()> {
    stage.title(2, "Survive: one of four nodes is killed with SIGKILL");
    stage.network.kill(VICTIM).await?;
    let height = stage.user.height().await?;

    // Stored while the node is down, so that it has rows to repair when it returns.
    let meta = Meta {
        name: "held-out.csv".into(),
        content_type: "text/csv".into(),
    };
    let held_out = stage.farms.held_out_csv.clone();
    let held_out = publish::store(stage, stage.trainer.clone(), held_out, meta, Readers::Everybody).await?;
    stage.transaction("certificate of the held-out rows", &publish::mined(&held_out));
    stage.held_out_root = Some(held_out.root);

    let bar = stage.output.spinner("reading every table back");
    let reads = published
        .farms
        .iter()
        .zip(&published.tables)
        .zip(stage.farms.iter())
        .map(|((farm, stored), expected)| {
            let context = stage.context.child("files");
            async move {
                let mut files = Files::open(context, farm.clone()).await?;
                let file = files
                    .get(stored.root, |_| {})
                    .await
                    .with_context(|| format!("read {}", expected.name))?;
                anyhow::Ok(file.bytes == expected.csv)
            }
        });
    let equal = try_join_all(reads).await?;
    bar.finish_and_clear();
    let statement = "every table was read back from three nodes, verified, decoded, decrypted, byte for byte the same";
    stage.check(
        equal.iter().all(|equal| *equal),
        statement,
        format_args!("{} tables", equal.len()),
    )?;

    let deadline = Instant::now() + PATIENCE;
    let mut now = stage.user.height().await?;
    while now < height + BLOCKS_WITHOUT && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
        now = stage.user.height().await?;
    }
    let seen = format!("blocks {height} to {now} without the node");
    stage.check(
        now >= height + BLOCKS_WITHOUT,
        "the chain went on finalizing with three of four validators",
        seen,
    )?;

    let returned = Instant::now();
    stage.network.restart(VICTIM, now).await?;
    stage.check(
        true,
        "the node caught up with the chain",
        format_args!("{:.1} s", returned.elapsed().as_secs_f64()),
    )?;

    let files = published.tables.len() as u64 + 1;
    let url = stage.network.http_url(VICTIM);
    let deadline = Instant::now() + PATIENCE;
    let (mut blobs, mut missing) = (0, u64::MAX);
    while (blobs < files || missing > 0) && Instant::now() < deadline {
        let status = client::status(&url).await?;
        let number = |field: &str| status["node"]["rows"][field].as_u64().unwrap_or(u64::MAX);
        (blobs, missing) = (number("blobs"), number("missing"));
        tokio::time::sleep(POLL).await;
    }
    let seen = format!(
        "rows of {blobs} files, {missing} missing, {:.1} s after its start",
        returned.elapsed().as_secs_f64()
    );
    stage.check(
        blobs == files && missing == 0,
        "the node repaired the rows it lacked, without any key",
        seen,
    )
}

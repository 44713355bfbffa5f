//! Step 1: every farm's table is encrypted under its owner's key, coded, spread and certified; the held-out rows are public.

use super::{Stage, farm_wallet};
use anyhow::Context as _;
use client::{Files, HttpProvider, Readers, Stored};
use commonware_runtime::Supervisor as _;
use contracts::{Provider as _, Request};
use da::Meta;
use futures::future::try_join_all;
use primitives::{ByteCount, Bytes, U256};

/// Coins each publisher gets first, in wei: for the fee and gas of a few transactions.
const FUNDS_WEI: u64 = 1_000_000_000_000_000_000;

/// Blocks that the demo's files are kept for.
pub const RETENTION_BLOCKS: u64 = 100_000;

/// What was published.
pub struct Published {
    /// Each farm's provider, in the order of the farms.
    pub farms: Vec<HttpProvider>,
    /// Each farm's table, in the same order.
    pub tables: Vec<Stored>,
}

/// Funds the farms and the trainer, and stores every table.
pub async fn run(stage: &mut Stage<'_>) -> anyhow::Result<Published> {
    stage.title(
        1,
        "Publish: tables encrypted, coded into 3,072 rows each, certified on chain",
    );
    let farms: Vec<HttpProvider> = stage
        .farms
        .iter()
        .map(|farm| stage.sponsor.with_wallet(farm_wallet(&stage.sponsor, &farm.name)))
        .collect();
    let accounts = farms
        .iter()
        .chain([&stage.trainer])
        .map(|provider| provider.wallet().address());
    let funded = accounts.map(|account| {
        let request = Request {
            to: Some(account),
            value: U256::from(FUNDS_WEI),
            data: Bytes::new(),
        };
        stage.sponsor.send(request)
    });
    try_join_all(funded).await.context("fund the farms")?;

    let bar = stage.output.spinner("storing the tables");
    let stored = stage.farms.iter().zip(&farms).map(|(farm, provider)| {
        let meta = Meta {
            name: format!("{}.csv", farm.name),
            content_type: "text/csv".into(),
        };
        store(
            stage,
            provider.clone(),
            farm.csv.clone(),
            meta,
            Readers::OwnerAnd(vec![]),
        )
    });
    let tables = try_join_all(stored).await?;
    bar.finish_and_clear();
    for (farm, stored) in stage.farms.iter().zip(&tables) {
        let Stored {
            root,
            length,
            signers,
            block,
            ..
        } = stored;
        let size = ByteCount(*length).to_string();
        stage.output.say(format_args!(
            "   {:22} {size:>9}  signed by {} nodes, block {block}  {root}",
            farm.name,
            signers.len()
        ));
    }
    for (index, stored) in tables.iter().enumerate() {
        let what = format!("certificate of farm {}'s table", index + 1);
        stage.transaction(what, &mined(stored));
    }
    let least = tables.iter().map(|stored| stored.signers.len()).min().unwrap_or(0);
    let statement = "every table has a certificate over two thirds of its rows, verified by the contract";
    stage.check(
        least >= 3,
        statement,
        format_args!("{} tables, at least {least} of 4 nodes signed each", tables.len()),
    )?;
    Ok(Published { farms, tables })
}

/// Stores one file on behalf of `provider`.
pub async fn store(
    stage: &Stage<'_>,
    provider: HttpProvider,
    bytes: Vec<u8>,
    meta: Meta,
    readers: Readers,
) -> anyhow::Result<Stored> {
    let name = meta.name.clone();
    let mut files = Files::open(stage.context.child("files"), provider).await?;
    files
        .put(bytes, &meta, readers, RETENTION_BLOCKS, |_| {})
        .await
        .with_context(|| format!("store {name}"))
}

/// The transaction that recorded a file.
pub fn mined(stored: &Stored) -> contracts::Mined {
    let Stored {
        transaction: hash,
        block,
        gas_used,
        ..
    } = *stored;
    contracts::Mined {
        hash,
        block,
        gas_used,
        created: None,
    }
}

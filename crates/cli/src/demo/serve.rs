//! Step 4: the model is published, served by a node, asked and paid for; one answer is computed again from its receipt.

use super::{Stage, farm_wallet, publish, train::Trained};
use crate::verbs::verify;
use anyhow::Context as _;
use client::{Buyer, Readers};
use commonware_runtime::Supervisor as _;
use compute::inference::{InferRequest, Tensor};
use contracts::{
    abi::{ContributionBook, ModelRegistry, SplitterFactory},
    addresses, read, typed_data, write,
};
use crypto::merkle;
use da::Meta;
use node::ROWS_INPUT;
use primitives::{Address, BlobRoot, Digest, U256};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use training::valuation::WEIGHT_TOTAL;

/// Name under which the model is sold.
const MODEL: &str = "harvest";

/// Price of one row of input, in millionths of a USDX.
const PRICE_PER_ROW: u128 = 2_000;

/// Requests, and rows of each: a morning's questions.
const REQUESTS: usize = 30;
const ROWS_PER_REQUEST: usize = 3;

/// The node that serves the model and is paid for computing.
pub const PROVIDER: usize = 0;

/// Shares of the revenue, in ten thousandths. The data leg takes what the others leave.
const COMPUTE_BPS: u16 = 4_000;
const STORAGE_BPS: u16 = 250;
const TRAINER_BPS: u16 = 2_000;

/// `LegKind` in `IRevenueSplitter.sol`.
const COMPUTE: u8 = 0;
const STORAGE: u8 = 1;
const TRAINER: u8 = 2;
const DATA: u8 = 3;

/// How long the node may take to fetch the model and put it on sale.
const PATIENCE: Duration = Duration::from_secs(15);

/// What was sold.
pub struct Served {
    /// Who is paid: the splitter of the model.
    pub splitter: Address,
    /// Charged for all answers, in millionths of a USDX.
    pub charged_micro_usdx: u128,
    /// The farms' tree of weights, leaves in the order of the farms.
    pub weights: merkle::Tree,
    /// Accounts with a plain leg and what they are paid for.
    pub plain: Vec<(Address, String)>,
}

/// Publishes, asks, verifies.
pub async fn run(stage: &mut Stage<'_>, trained: &Trained) -> anyhow::Result<Served> {
    stage.title(
        4,
        "Serve: the model is stored, served and asked over the Open Inference Protocol",
    );
    let meta = Meta {
        name: format!("{MODEL}.safetensors"),
        content_type: "application/octet-stream".into(),
    };
    let model = publish::store(
        stage,
        stage.trainer.clone(),
        trained.model.to_vec(),
        meta,
        Readers::Everybody,
    )
    .await?;
    stage.transaction("certificate of the model", &publish::mined(&model));

    let farms: Vec<Address> = stage
        .farms
        .iter()
        .map(|farm| farm_wallet(&stage.sponsor, &farm.name).address())
        .collect();
    let leaves = farms
        .iter()
        .zip(&trained.weights)
        .map(|(account, weight)| typed_data::contribution_leaf(*account, *weight));
    let weights = merkle::Tree::new(leaves.collect());
    let evaluation =
        serde_json::to_vec(&(&trained.losses, &trained.rows, &trained.weights)).context("the report is data")?;
    let call = ContributionBook::publishCall {
        modelRoot: model.root.0,
        weightsRoot: weights.root(),
        reportHash: Digest::of(&evaluation).0,
        totalWeight: WEIGHT_TOTAL,
    };
    let mined = write(&stage.trainer, addresses::CONTRIBUTION_BOOK, &call, U256::ZERO)
        .await
        .context("record the contributions")?;
    stage.transaction("contributions of the farms, by Merkle root", &mined);

    let (splitter, plain) = make_splitter(stage, model.root).await?;
    let call = ModelRegistry::publishCall {
        name: MODEL.into(),
        root: model.root.0,
        splitter,
        token: addresses::USDX,
        pricePerRow: PRICE_PER_ROW,
    };
    let mined = write(&stage.trainer, addresses::MODEL_REGISTRY, &call, U256::ZERO)
        .await
        .context("publish the model")?;
    stage.transaction(format!("model {MODEL} published"), &mined);

    let api = stage.network.http_url(PROVIDER);
    let mut buyer = Buyer::new(&api, stage.user.clone());
    let bar = stage.output.bar("asking the model", REQUESTS as u64);
    let deadline = Instant::now() + PATIENCE;
    let (mut charged, mut last, mut deposits, mut error) = (0, None, vec![], 0.0);
    for index in 0..REQUESTS {
        let (request, targets) = request(stage, index)?;
        let price = PRICE_PER_ROW * ROWS_PER_REQUEST as u128;
        let inference = loop {
            match buyer.infer(&request, price).await {
                // The node polls the registry; until it has fetched the model it does not know it.
                Err(client::InferenceError::Refused { status: 404, .. }) if Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                answer => break answer.context("ask the model")?,
            }
        };
        let answers = inference
            .response
            .outputs
            .first()
            .context("the model gives one output")?
            .to_fp32()?;
        error += answers
            .iter()
            .zip(targets)
            .map(|(answer, target)| f64::from(answer - target).powi(2))
            .sum::<f64>();
        charged += inference.price;
        deposits.extend(inference.deposit);
        last = Some(inference);
        bar.inc(1);
    }
    bar.finish_and_clear();
    for deposit in deposits.iter().copied() {
        stage
            .foreign_transaction("deposit into the payment channel", deposit)
            .await?;
    }
    let rows = (REQUESTS * ROWS_PER_REQUEST) as f64;
    let expected = PRICE_PER_ROW * (REQUESTS * ROWS_PER_REQUEST) as u128;
    let seen = format!(
        "{REQUESTS} answers for {} USDX, {} deposit on chain, error {:.3} on {rows} held-out rows",
        super::report::usdx(charged as u64),
        deposits.len(),
        error / rows
    );
    stage.check(
        charged == expected,
        "every request was paid by a signature, exactly its price",
        seen,
    )?;

    let last = last.context("there was a last answer")?;
    let salt = last.salt.context("the payer is given the receipt's salt")?;
    let checked = verify::check(
        stage.context.child("verify"),
        stage.user.clone(),
        &api,
        last.receipt,
        salt,
    )
    .await?;
    let seen = format!("receipt {}", last.receipt);
    stage.check(
        checked.verdict.holds(),
        "an answer was computed again from its receipt, bit for bit the same",
        seen,
    )?;
    Ok(Served {
        splitter,
        charged_micro_usdx: charged,
        weights,
        plain,
    })
}

/// Creates the model's splitter: compute, storage, trainer, and the farms through their contributions.
async fn make_splitter(stage: &mut Stage<'_>, root: BlobRoot) -> anyhow::Result<(Address, Vec<(Address, String)>)> {
    let nodes = stage.network.layout().network.nodes.clone();
    let trainer = stage.trainer.wallet().address();
    let mut plain = vec![(
        nodes[PROVIDER].account,
        COMPUTE_BPS,
        COMPUTE,
        format!("{}, computing", nodes[PROVIDER].name),
    )];
    plain.extend(
        nodes
            .iter()
            .map(|node| (node.account, STORAGE_BPS, STORAGE, format!("{}, storing", node.name))),
    );
    plain.push((trainer, TRAINER_BPS, TRAINER, "the trainer".into()));
    let data_bps = 10_000 - plain.iter().map(|(_, bps, ..)| bps).sum::<u16>();
    let leg = |account: Address, bps: u16, kind: u8| SplitterFactory::Leg { account, bps, kind };
    let mut legs: Vec<_> = plain
        .iter()
        .map(|(account, bps, kind, _)| leg(*account, *bps, *kind))
        .collect();
    legs.push(leg(trainer, data_bps, DATA));
    let create = SplitterFactory::createCall {
        modelRoot: root.0,
        legs: legs.clone(),
    };
    let mined = write(&stage.trainer, addresses::SPLITTER_FACTORY, &create, U256::ZERO)
        .await
        .context("create the splitter")?;
    stage.transaction("the model's splitter", &mined);
    let predict = SplitterFactory::predictCall {
        modelRoot: root.0,
        legs,
    };
    let splitter = read(&stage.trainer, addresses::SPLITTER_FACTORY, &predict).await?;
    // The provider's account has two legs; it is one earner with two reasons.
    let mut accounts: Vec<(Address, String)> = Vec::new();
    for (account, _, _, what) in plain {
        match accounts.iter_mut().find(|(known, _)| *known == account) {
            Some((_, reasons)) => *reasons = format!("{}, computing and storing", nodes[PROVIDER].name),
            None => accounts.push((account, what)),
        }
    }
    Ok((splitter, accounts))
}

/// Some held-out rows as a request, and what the answer should be near.
fn request(stage: &Stage<'_>, index: usize) -> anyhow::Result<(InferRequest, Vec<f32>)> {
    let held_out = &stage.farms.held_out;
    let rows: Vec<usize> = (0..ROWS_PER_REQUEST)
        .map(|row| (index * ROWS_PER_REQUEST + row) % held_out.len())
        .collect();
    let rows = held_out.select(&rows);
    let tensor = Tensor::fp32(ROWS_INPUT, &[ROWS_PER_REQUEST as u64, rows.width as u64], &rows.inputs)?;
    let request = InferRequest {
        model_name: MODEL.into(),
        model_version: String::new(),
        id: index.to_string(),
        parameters: BTreeMap::new(),
        inputs: vec![tensor],
        outputs: vec![],
    };
    Ok((request, rows.targets))
}

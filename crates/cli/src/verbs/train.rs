//! `aloft train`: the two processes of a training run, driven over standard input and output by whoever started them.
//!
//! Each line is one JSON value. Secrets come by standard input, never as arguments, which every user of a machine can read.

use crate::output::{ExitCode, Failure, Output};
use anyhow::Context as _;
use client::{Files, HttpProvider, Rpc, Wallet};
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_runtime::{Supervisor as _, tokio::Context};
use model::{Activation, Loss, Mlp, MlpConfig, Network, Standardisation};
use node::{LearnerConfig, TableLearner};
use primitives::{BlobRoot, Bytes, Digest};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines, Stdin};
use training::{
    Learner,
    compress::{Decay, Density},
    round::Plan,
    service::{CoordinatorConfig, CoordinatorService, WorkerConfig, run_worker},
    table::{Examples, Scaling},
    valuation::{Cap, Sketch, SketchKey, value_farms},
};

/// Longest line read from whoever drives the process, in bytes: a job with its scaling fits many times over.
const MAX_LINE_BYTES: u64 = 8 << 20;

/// How long a coordinator waits for its workers, and a worker for its coordinator.
const JOIN_WAIT: Duration = Duration::from_secs(30);

/// How long a round waits for all before it closes with a quorum.
const ROUND_WAIT: Duration = Duration::from_secs(10);

/// One participant's or the coordinator's process in a training run; `aloft demo` starts them.
#[derive(clap::Args)]
pub struct Train {
    #[command(subcommand)]
    role: Role,
}

#[derive(clap::Subcommand)]
enum Role {
    /// Train on the rows of one farm.
    Worker,
    /// Close rounds, judge them on held-out rows, value the farms.
    Coordinator,
}

/// What all processes of a run build alike: the network and how it is trained.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Recipe {
    /// Widths of the hidden layers.
    pub hidden: Vec<u32>,
    /// Seeds the first parameters and the minibatches.
    pub seed: u64,
    /// Rows of a minibatch.
    pub batch_rows: usize,
    /// Step size of AdamW.
    pub learning_rate: f32,
    /// Rounds.
    pub rounds: u32,
    /// Local steps of a round.
    pub local_steps: u32,
    /// Parameters an update carries of every 4,096.
    pub density: u16,
    /// How figures become inputs.
    pub scaling: Scaling,
}

impl Recipe {
    /// The network before training: the same in every process.
    pub fn network(&self) -> anyhow::Result<Network> {
        let inputs = self.scaling.width();
        let config = MlpConfig {
            inputs: u32::try_from(inputs).context("the table is too wide")?,
            hidden: self.hidden.clone(),
            outputs: 1,
            activation: Activation::Relu,
            loss: Loss::MeanSquaredError,
        };
        // Figures are standardised before they come here, so the network's own units stay as they are.
        Ok(Network::from(Mlp::new(
            config,
            Standardisation::identity(inputs, 1),
            self.seed,
        )?))
    }

    /// A learner on some rows, judged on others.
    pub fn learner(&self, rows: &Examples, held_out: &Examples) -> anyhow::Result<TableLearner> {
        let config = LearnerConfig {
            batch_rows: self.batch_rows,
            learning_rate: self.learning_rate,
            seed: self.seed,
        };
        Ok(TableLearner::new(
            self.network()?,
            examples(rows)?,
            examples(held_out)?,
            config,
        )?)
    }

    /// Local steps of the whole run: what a farm or a pool alone may take, for a fair comparison.
    pub fn steps(&self) -> u32 {
        self.rounds * self.local_steps
    }

    /// Names the order and meaning of the parameters.
    fn layout(&self) -> anyhow::Result<Digest> {
        let network = self.network()?;
        let names: Vec<String> = network
            .layout()
            .tensors()
            .iter()
            .map(|tensor| format!("{tensor:?}"))
            .collect();
        Ok(Digest::of(names.join("\n").as_bytes()))
    }
}

fn examples(rows: &Examples) -> anyhow::Result<model::Examples> {
    Ok(model::Examples::table(
        rows.inputs.clone(),
        rows.targets.clone(),
        rows.width,
        1,
    )?)
}

/// First line to a worker.
#[derive(Serialize, Deserialize)]
pub struct WorkerJob {
    /// JSON-RPC URL of a node.
    pub rpc: String,
    /// The farm's private key: opens its table, and names it in the run.
    pub private_key: String,
    /// The farm's table.
    pub table: BlobRoot,
    /// The held-out rows, for everybody.
    pub held_out: BlobRoot,
    /// The pool's secret salt.
    pub salt: Digest,
    /// What is trained.
    pub recipe: Recipe,
}

/// First line from a worker.
#[derive(Serialize, Deserialize)]
pub struct Sketched {
    /// Digests of its rows: [`Sketch`], encoded.
    pub sketch: Bytes,
    /// The key it trains with.
    pub worker: Bytes,
    /// Rows it has.
    pub rows: usize,
}

/// Second line to a worker.
#[derive(Serialize, Deserialize)]
pub struct Start {
    /// Rows that are nobody's before; the others must not be trained on.
    pub keep: Vec<usize>,
    /// Where the coordinator listens; `None` when nothing was kept, so that there is nothing to train.
    pub coordinator: Option<Listening>,
    /// Names the run.
    pub run: Digest,
}

/// Last line from a worker.
#[derive(Serialize, Deserialize)]
pub struct WorkerDone {
    /// Held-out loss of a model trained on this farm's rows alone, as many steps as the run has.
    pub solo_loss: f64,
    /// Bytes it sent in the run, at the socket.
    pub sent_bytes: u64,
    /// Bytes it received in the run, at the socket.
    pub received_bytes: u64,
}

/// First line to a coordinator.
#[derive(Serialize, Deserialize)]
pub struct CoordinatorJob {
    /// JSON-RPC URL of a node.
    pub rpc: String,
    /// The trainer's private key: names the coordinator.
    pub private_key: String,
    /// The held-out rows.
    pub held_out: BlobRoot,
    /// Each farm's worker key, in the order of the farms; `None` for a farm with nothing to train on.
    pub workers: Vec<Option<Bytes>>,
    /// What is trained.
    pub recipe: Recipe,
    /// Names the run.
    pub run: Digest,
}

/// First line from a coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listening {
    /// Where.
    pub address: SocketAddr,
    /// Its key.
    pub key: Bytes,
}

/// Last line from a coordinator.
#[derive(Serialize, Deserialize)]
pub struct CoordinatorDone {
    /// The trained model, as safetensors.
    pub model: Bytes,
    /// Held-out loss before the first round and after each.
    pub losses: Vec<f64>,
    /// Value of each farm, in loss.
    pub values: Vec<f64>,
    /// Weight of each farm, of 10¹².
    pub weights: Vec<u64>,
    /// Seconds from the first round's start to the last one's close.
    pub seconds: f64,
    /// Bytes of an update, on average.
    pub update_bytes: f64,
}

impl Train {
    /// Plays the role until it is over, or until standard input ends.
    pub async fn run(self, context: Context, _: &Output) -> Result<ExitCode, Failure> {
        let mut input = Input(BufReader::new(tokio::io::stdin().take(MAX_LINE_BYTES)).lines());
        match self.role {
            Role::Worker => work(context, &mut input).await?,
            Role::Coordinator => coordinate(context, &mut input).await?,
        }
        Ok(ExitCode::Done)
    }
}

/// Lines from whoever drives the process.
struct Input(Lines<BufReader<tokio::io::Take<Stdin>>>);

impl Input {
    async fn line<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let line = self
            .0
            .next_line()
            .await
            .context("read standard input")?
            .context("standard input ended")?;
        serde_json::from_str(&line).context("read a line of standard input")
    }
}

fn say(value: &impl Serialize) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", serde_json::to_string(value)?)?;
    Ok(output.flush()?)
}

/// The key a wallet trains with: derived, so that it is the same whenever it comes back.
fn training_key(wallet: &Wallet) -> PrivateKey {
    let seed = wallet.derive("training").secret().to_bytes();
    PrivateKey::decode(Bytes::copy_from_slice(&seed).0).expect("any 32 bytes are an ed25519 secret")
}

async fn open_files(context: &Context, rpc: &str, private_key: &str) -> anyhow::Result<Files<Context>> {
    let wallet: Wallet = private_key.parse()?;
    let provider = HttpProvider::connect(Rpc::new(rpc), Arc::new(wallet)).await?;
    Ok(Files::open(context.child("files"), provider).await?)
}

async fn work(context: Context, input: &mut Input) -> anyhow::Result<()> {
    let job: WorkerJob = input.line().await?;
    let recipe = &job.recipe;
    let mut files = open_files(&context, &job.rpc, &job.private_key).await?;
    let table = files
        .get(job.table, |_| {})
        .await
        .context("read this farm's table from the network")?;
    let held_out = files
        .get(job.held_out, |_| {})
        .await
        .context("read the held-out rows from the network")?;
    let rows = recipe
        .scaling
        .read_farm(&table.bytes)
        .context("read this farm's table")?;
    let held_out = recipe
        .scaling
        .read_farm(&held_out.bytes)
        .context("read the held-out rows")?;

    let key = training_key(files.provider().wallet());
    let sketch = Sketch::of(&rows, &SketchKey::new(*job.salt.as_bytes()));
    let worker = key.public_key().encode().to_vec().into();
    say(&Sketched {
        sketch: sketch.encode().to_vec().into(),
        worker,
        rows: rows.len(),
    })?;

    let start: Start = input.line().await?;
    anyhow::ensure!(
        start.keep.iter().all(|row| *row < rows.len()),
        "told to keep rows that this farm does not have"
    );
    // What the farm reaches by itself is judged on all its rows: they are its own to learn from.
    let mut alone = recipe.learner(&rows, &held_out)?;
    alone.train(0, recipe.steps());
    let solo_loss = alone.held_out_loss();
    let mut done = WorkerDone {
        solo_loss,
        sent_bytes: 0,
        received_bytes: 0,
    };
    if let Some(coordinator) = start.coordinator {
        let learner = recipe.learner(&rows.select(&start.keep), &held_out)?;
        let config = WorkerConfig {
            coordinator: coordinator.address,
            coordinator_key: PublicKey::decode(coordinator.key.0.clone()).context("read the coordinator's key")?,
            key,
            run: start.run,
            layout: recipe.layout()?,
            reconnect_wait: Duration::from_millis(200),
            attempts_max: (JOIN_WAIT.as_millis() / 200) as u32,
        };
        let report = run_worker(context.child("worker"), config, learner).await?;
        done.sent_bytes = report.traffic.sent_bytes;
        done.received_bytes = report.traffic.received_bytes;
    }
    say(&done)
}

async fn coordinate(context: Context, input: &mut Input) -> anyhow::Result<()> {
    let job: CoordinatorJob = input.line().await?;
    let recipe = &job.recipe;
    let mut files = open_files(&context, &job.rpc, &job.private_key).await?;
    let held_out = files
        .get(job.held_out, |_| {})
        .await
        .context("read the held-out rows from the network")?;
    let held_out = recipe
        .scaling
        .read_farm(&held_out.bytes)
        .context("read the held-out rows")?;
    // The coordinator trains on nothing: its learner only judges.
    let mut judge = recipe.learner(&held_out.select(&[]), &held_out)?;

    let workers: Vec<Option<PublicKey>> = job
        .workers
        .iter()
        .map(|key| key.as_ref().map(|key| PublicKey::decode(key.0.clone())).transpose())
        .collect::<Result<_, _>>()
        .context("read a worker's key")?;
    let present: Vec<PublicKey> = workers.iter().flatten().cloned().collect();
    let key = training_key(files.provider().wallet());
    let plan = Plan {
        run: job.run,
        layout: recipe.layout()?,
        rounds: recipe.rounds,
        local_steps: recipe.local_steps,
        density: Density::new(recipe.density).context("the density is out of range")?,
        decay: Decay::DEFAULT,
    };
    let config = CoordinatorConfig {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        key: key.clone(),
        plan,
        quorum: CoordinatorConfig::two_thirds(present.len()),
        workers: present,
        open_wait: JOIN_WAIT,
        round_wait: ROUND_WAIT,
        initial: judge.parameters().to_vec(),
        observer: None,
    };
    let service = CoordinatorService::bind(context.child("coordinator"), config).await?;
    say(&Listening {
        address: service.address(),
        key: key.public_key().encode().to_vec().into(),
    })?;
    let served = service.serve().await?;

    let valuation = value_farms(&served.outcome, &workers, &mut judge, Cap::NONE)?;
    judge.set_parameters(&served.outcome.parameters);
    let updates = served
        .outcome
        .rounds
        .iter()
        .flat_map(|round| &round.accepted)
        .map(|accepted| accepted.update_bytes);
    let (count, bytes) = updates.fold((0u32, 0), |(count, bytes), update| (count + 1, bytes + update));
    say(&CoordinatorDone {
        model: judge.network().save().into(),
        losses: valuation.report.losses,
        values: valuation.report.values,
        weights: valuation.weights.iter().map(|(_, weight)| *weight).collect(),
        seconds: served.closed_after.last().map_or(0.0, Duration::as_secs_f64),
        update_bytes: bytes as f64 / f64::from(count.max(1)),
    })
}

/// Held-out loss of a model trained on all of `rows` in one place, as many steps as the run has.
pub fn pooled_loss(recipe: &Recipe, rows: &Examples, held_out: &Examples) -> anyhow::Result<f64> {
    let mut learner = recipe.learner(rows, held_out)?;
    learner.train(0, recipe.steps());
    Ok(learner.held_out_loss())
}

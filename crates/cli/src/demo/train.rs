//! Step 3: the farms train one model together, each in its own process on its own rows; duplicates are removed first, contributions
//! valued after.

use super::{Stage, memory::Watch, publish::Published};
use crate::verbs::train::{
    CoordinatorDone, CoordinatorJob, Listening, Recipe, Sketched, Start, WorkerDone, WorkerJob, pooled_loss,
};
use anyhow::Context as _;
use commonware_codec::DecodeExt as _;
use futures::future::try_join_all;
use node::{LocalNetwork, Process};
use primitives::{ByteCount, Bytes, Digest, hex};
use rand::Rng as _;
use serde::{Serialize, de::DeserializeOwned};
use training::valuation::{Sketch, WEIGHT_TOTAL, deduplicate};

/// What came of training.
pub struct Trained {
    /// The model, as safetensors.
    pub model: Bytes,
    /// Held-out loss before the first round and after each.
    pub losses: Vec<f64>,
    /// Held-out loss of pooled training.
    pub pooled_loss: f64,
    /// Held-out loss of each farm alone.
    pub solo_losses: Vec<f64>,
    /// Rows each farm has, and rows that were left after duplicates were removed.
    pub rows: Vec<(usize, usize)>,
    /// Weight of each farm, of 10¹².
    pub weights: Vec<u64>,
}

/// The recipe: small enough for two cores and a minute, large enough that training together shows.
fn recipe(stage: &Stage<'_>) -> Recipe {
    Recipe {
        hidden: vec![32, 16],
        seed: 7,
        batch_rows: 32,
        learning_rate: 0.004,
        rounds: 24,
        local_steps: 12,
        density: 1024,
        scaling: stage.farms.scaling.clone(),
    }
}

/// One child process and the JSON lines exchanged with it.
struct Child(Process);

impl Child {
    fn start(network: &LocalNetwork, memory: &Watch, name: &str, role: &str) -> anyhow::Result<Self> {
        let process = network.spawn(name, &["train", role])?;
        process.id().into_iter().for_each(|id| memory.add(id));
        Ok(Self(process))
    }

    async fn tell(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        Ok(self.0.write_line(&serde_json::to_string(value)?).await?)
    }

    async fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let line = self.0.read_line().await?;
        let line = line.with_context(|| format!("{} ended early: see the log (--logs)", self.0.name()))?;
        serde_json::from_str(&line).with_context(|| format!("read what {} says", self.0.name()))
    }
}

/// Trains and values.
pub async fn run(stage: &mut Stage<'_>, published: &Published, memory: &Watch) -> anyhow::Result<Trained> {
    stage.title(3, "Train: one model, every farm's rows stay in its own process");
    let recipe = recipe(stage);
    let mut salt = [0; 32];
    rand::rng().fill_bytes(&mut salt);
    let held_out = stage
        .held_out_root
        .context("the held-out rows are published before training")?;
    let rpc = stage.network.rpc_url(0);

    let mut workers = Vec::new();
    for (farm, provider) in stage.farms.iter().zip(&published.farms) {
        workers.push((Child::start(&stage.network, memory, &farm.name, "worker")?, provider));
    }
    let mut sketches = Vec::new();
    for ((worker, provider), stored) in workers.iter_mut().zip(&published.tables) {
        let job = WorkerJob {
            rpc: rpc.clone(),
            private_key: hex::encode(provider.wallet().secret().to_bytes()),
            table: stored.root,
            held_out,
            salt: Digest::from(salt),
            recipe: recipe.clone(),
        };
        worker.tell(&job).await?;
    }
    for (worker, _) in &mut workers {
        sketches.push(worker.hear::<Sketched>().await?);
    }
    let decoded: Vec<Sketch> = sketches
        .iter()
        .map(|sketched| Sketch::decode(sketched.sketch.0.clone()).context("read a farm's sketch"))
        .collect::<Result<_, _>>()?;
    let kept = deduplicate(&decoded);
    let rows: Vec<(usize, usize)> = sketches
        .iter()
        .zip(&kept.rows)
        .map(|(sketched, kept)| (sketched.rows, kept.len()))
        .collect();
    let copy = rows.len() - 1;
    let seen = format!(
        "{} rows dropped, {} left of the copy's {}",
        kept.dropped.len(),
        rows[copy].1,
        rows[copy].0
    );
    stage.check(
        rows[copy].1 == 0,
        "duplicates were found by salted digests, no row was shown",
        seen,
    )?;

    let run = Digest::of(&[b"demo run".as_slice(), &salt].concat());
    let mut coordinator = Child::start(&stage.network, memory, "coordinator", "coordinator")?;
    let keys = sketches
        .iter()
        .zip(&kept.rows)
        .map(|(sketched, kept)| (!kept.is_empty()).then(|| sketched.worker.clone()));
    let job = CoordinatorJob {
        rpc,
        private_key: hex::encode(stage.trainer.wallet().secret().to_bytes()),
        held_out,
        workers: keys.collect(),
        recipe: recipe.clone(),
        run,
    };
    coordinator.tell(&job).await?;
    let listening: Listening = coordinator.hear().await?;
    for ((worker, _), keep) in workers.iter_mut().zip(&kept.rows) {
        let coordinator = (!keep.is_empty()).then(|| listening.clone());
        worker
            .tell(&Start {
                keep: keep.clone(),
                coordinator,
                run,
            })
            .await?;
    }
    let bar = stage.output.spinner("training");
    let done: CoordinatorDone = coordinator.hear().await?;
    let farms = try_join_all(workers.iter_mut().map(|(worker, _)| worker.hear::<WorkerDone>())).await?;
    let (pooled, judge) = (stage.farms.pooled.clone(), stage.farms.held_out.clone());
    let pooled_loss = tokio::task::spawn_blocking(move || pooled_loss(&recipe, &pooled, &judge)).await??;
    bar.finish_and_clear();

    let solo_losses: Vec<f64> = farms.iter().map(|farm| farm.solo_loss).collect();
    let (first, last) = (done.losses[0], done.losses[done.losses.len() - 1]);
    stage.output.say(format_args!(
        "   held-out loss (mean squared error; the mean alone gets about 1):"
    ));
    stage.output.say(format_args!(
        "     together       {first:.3} → {last:.3} in {} rounds, {:.1} s",
        done.losses.len() - 1,
        done.seconds
    ));
    stage.output.say(format_args!(
        "     pooled         {pooled_loss:.3}   (all honest rows in one place: only for comparison)"
    ));
    for (index, farm) in stage.farms.iter().enumerate() {
        let share = done.weights[index] as f64 / WEIGHT_TOTAL as f64 * 100.0;
        let loss = solo_losses[index];
        stage.output.say(format_args!(
            "     {:14} {loss:.3} alone   contribution {share:5.2} %  {}",
            farm.name, farm.role
        ));
    }
    let sent: u64 = farms.iter().map(|farm| farm.sent_bytes).sum();
    let seen = format!(
        "{} sent by all farms, {:.0} bytes an update",
        ByteCount(sent),
        done.update_bytes
    );
    stage.check(sent > 0, "only compressed updates crossed the network", seen)?;
    stage.check(
        last < 0.9 * first,
        "held-out loss fell",
        format_args!("{first:.3} to {last:.3}"),
    )?;
    let honest = || {
        stage
            .farms
            .iter()
            .zip(&solo_losses)
            .filter(|(farm, _)| farm.role.is_empty())
    };
    let mean = honest().map(|(_, loss)| loss).sum::<f64>() / honest().count() as f64;
    let seen = format!("{last:.3} together, {mean:.3} alone on average");
    stage.check(last < mean, "together the farms do better than alone", seen)?;
    anyhow::ensure!(
        done.weights.iter().sum::<u64>() == WEIGHT_TOTAL,
        "the weights do not add up"
    );
    Ok(Trained {
        model: done.model,
        losses: done.losses,
        pooled_loss,
        solo_losses,
        rows,
        weights: done.weights,
    })
}

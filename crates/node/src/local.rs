//! A local network that runs: one process a node, started, watched, killed and stopped by this one.

use crate::{
    layout::Layout,
    shards::ShardProcesses,
    supervisor::{MergedLog, Process, Program, SupervisorError},
};
use client::{Rpc, RpcError};
use primitives::U256;
use serde_json::json;
use std::{
    io,
    path::PathBuf,
    process::ExitStatus,
    time::{Duration, Instant},
};

/// How long nodes may take from start to the first answer and the first block. A start reads state, dials peers and agrees on one
/// block; on two busy cores that is a second or two.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause between two looks at a node that is starting.
const START_POLL: Duration = Duration::from_millis(40);

/// Why a local network did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A child process.
    #[error(transparent)]
    Process(#[from] SupervisorError),
    /// A node ended while it was starting.
    #[error("{name} ended with {status} while starting: see {log}")]
    Ended {
        /// The node.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// Where it says why.
        log: PathBuf,
    },
    /// A node did not come up in time.
    #[error("{name} did not answer within {} s: see {log}", START_TIMEOUT.as_secs())]
    Silent {
        /// The node.
        name: String,
        /// Where it may say why.
        log: PathBuf,
        /// What its port last answered.
        source: Option<RpcError>,
    },
    /// The path of this program is unknown, so no child can be started from it.
    #[error("find the path of this program")]
    Program(#[source] io::Error),
}

/// One node's place: its process while it runs, what to start when it does not.
enum Place {
    Running(Box<Process>),
    Stopped(Program),
}

/// A running local network, and its shards. Dropping it kills the nodes; [`Self::stop`] lets them finish.
pub struct LocalNetwork {
    layout: Layout,
    log: MergedLog,
    places: Vec<Option<Place>>,
    /// Run while [`Self::first_end`] waits.
    shards: ShardProcesses,
}

impl LocalNetwork {
    /// Starts every node of `layout` as a child of this program and waits until all answer and the chain finalizes.
    ///
    /// With `show_log`, the merged log also goes to standard error.
    ///
    /// # Errors
    ///
    /// [`LocalError`], naming the node and its log.
    pub async fn start(layout: Layout, show_log: bool) -> Result<Self, LocalError> {
        let log = MergedLog::open(&layout.log_path(), show_log)?;
        let path = std::env::current_exe().map_err(LocalError::Program)?;
        let places = (0..layout.network.nodes.len()).map(|index| {
            Some(Place::Stopped(Program {
                name: layout.network.nodes[index].name.clone(),
                path: path.clone(),
                arguments: vec![
                    "node".into(),
                    "run".into(),
                    "--network".into(),
                    layout.dir.display().to_string(),
                    "--index".into(),
                    index.to_string(),
                    "--supervised".into(),
                ],
            }))
        });
        let mut network = Self {
            places: places.collect(),
            shards: ShardProcesses::new(&layout.dir, &path),
            log,
            layout,
        };
        for index in 0..network.places.len() {
            network.launch(index)?;
        }
        for index in 0..network.places.len() {
            network.ready(index, 1).await?;
        }
        Ok(network)
    }

    /// The network's folder and file.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// JSON-RPC URL of node `index`.
    pub fn rpc_url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.layout.network.nodes[index].ports.rpc)
    }

    /// URL of node `index`'s other HTTP server.
    pub fn http_url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.layout.network.nodes[index].ports.http)
    }

    /// URL of a node's server for rollups of the OP Stack, if it has one.
    pub fn alt_da_url(&self, index: usize) -> Option<String> {
        let port = self.layout.network.nodes[index].ports.alt_da?;
        Some(format!("http://127.0.0.1:{port}"))
    }

    /// URL of a node's server for 0G's clients, if it has one.
    pub fn disperser_url(&self, index: usize) -> Option<String> {
        let port = self.layout.network.nodes[index].ports.disperser?;
        Some(format!("http://127.0.0.1:{port}"))
    }

    /// Starts another child of this program, its log merged with the nodes'.
    ///
    /// # Errors
    ///
    /// [`LocalError`] when it does not start.
    pub fn spawn(&self, name: &str, arguments: &[&str]) -> Result<Process, LocalError> {
        let path = std::env::current_exe().map_err(LocalError::Program)?;
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Ok(Process::start(
            Program {
                name: name.into(),
                path,
                arguments,
            },
            &self.log,
        )?)
    }

    /// Process ids of the nodes that run.
    pub fn process_ids(&self) -> Vec<u32> {
        let id = |place: &Option<Place>| match place {
            Some(Place::Running(process)) => process.id(),
            _ => None,
        };
        self.places.iter().filter_map(id).collect()
    }

    /// SIGKILL to node `index`: no goodbye, no flush. Does nothing when it does not run.
    ///
    /// # Errors
    ///
    /// [`LocalError::Process`] when the system refuses.
    pub async fn kill(&mut self, index: usize) -> Result<(), LocalError> {
        if let Some(Place::Running(process)) = self.places[index].take() {
            self.places[index] = Some(Place::Stopped(process.kill().await?));
        }
        Ok(())
    }

    /// Starts node `index` again and waits until it answers and has at least `height` finalized blocks.
    ///
    /// # Errors
    ///
    /// [`LocalError`], naming the node and its log.
    pub async fn restart(&mut self, index: usize, height: u64) -> Result<(), LocalError> {
        self.launch(index)?;
        self.ready(index, height).await
    }

    /// Asks every node and every validator of a shard to stop, all at once, and waits. Says whether all ended cleanly.
    ///
    /// # Errors
    ///
    /// [`LocalError::Process`] when the system refuses.
    pub async fn stop(mut self) -> Result<bool, LocalError> {
        let running = self.places.drain(..).flatten().filter_map(|place| match place {
            Place::Running(process) => Some(process.stop()),
            Place::Stopped(_) => None,
        });
        let (ends, shards) = tokio::join!(futures::future::join_all(running), self.shards.stop());
        let clean = shards?;
        ends.into_iter().try_fold(clean, |all, clean| Ok(all && clean?))
    }

    /// Waits until some node ends by itself, which none should; returns its name and how it ended. Meanwhile the network's shards are looked after:
    /// they are started as their files appear, and again when they end.
    pub async fn first_end(&mut self) -> (String, ExitStatus) {
        loop {
            self.shards.tend(&self.log);
            for place in self.places.iter_mut().flatten() {
                if let Place::Running(process) = place
                    && let Some(status) = process.ended()
                {
                    return (process.name().to_owned(), status);
                }
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    fn launch(&mut self, index: usize) -> Result<(), LocalError> {
        if let Some(Place::Stopped(program)) = self.places[index].take() {
            self.places[index] = Some(Place::Running(Box::new(Process::start(program, &self.log)?)));
        }
        Ok(())
    }

    async fn ready(&mut self, index: usize, height: u64) -> Result<(), LocalError> {
        let rpc = Rpc::new(&self.rpc_url(index));
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let answer = rpc.call::<U256>("eth_blockNumber", json!([])).await;
            if answer.as_ref().is_ok_and(|found| *found >= U256::from(height)) {
                return Ok(());
            }
            let name = self.layout.network.nodes[index].name.clone();
            let log = self.layout.log_path();
            if let Some(Place::Running(process)) = &mut self.places[index]
                && let Some(status) = process.ended()
            {
                return Err(LocalError::Ended { name, status, log });
            }
            if Instant::now() > deadline {
                return Err(LocalError::Silent {
                    name,
                    log,
                    source: answer.err(),
                });
            }
            tokio::time::sleep(START_POLL).await;
        }
    }
}

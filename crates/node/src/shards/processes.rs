//! The processes of a local network's shards, as the supervisor of its nodes has them: started when a shard's file says so, started again when one
//! ends, stopped when the shard is retired or the network stops. A shard's process that ends touches no other.

use super::ShardFile;
use crate::supervisor::{MergedLog, Process, Program, SupervisorError};
use primitives::Causes;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Name under which the supervisor's own lines are in the merged log.
const LOG_NAME: &str = "shards";
/// Pause between two looks at the shards' files.
const LOOK_PAUSE: Duration = Duration::from_millis(500);
/// Pause before a process that ended is started again, at first; it doubles each time.
const RESTART_PAUSE: Duration = Duration::from_millis(500);
/// Longest such pause.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// A process that ran for so long before it ended counts as one that ended for the first time.
const SETTLED: Duration = Duration::from_secs(60);

/// A shard, and the node beside which the process runs.
type Place = (u64, usize);

/// What becomes of a place.
enum State {
    Running {
        process: Box<Process>,
        since: Instant,
    },
    /// Ended by itself; to be started again then.
    Waiting {
        until: Instant,
    },
}

struct Validator {
    state: State,
    /// Pause after its next end.
    pause: Duration,
}

/// All processes of a network's shards. Dropping it kills them; [`Self::stop`] lets them finish.
pub(crate) struct ShardProcesses {
    dir: PathBuf,
    program: PathBuf,
    validators: BTreeMap<Place, Validator>,
    next_look: Instant,
    /// What was wrong with the files at the last look, so that it is said once.
    complaint: Option<String>,
}

impl ShardProcesses {
    /// Those of the network in `dir`, to be started from `program`. None runs yet.
    pub(crate) fn new(dir: &Path, program: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            program: program.to_owned(),
            validators: BTreeMap::new(),
            next_look: Instant::now(),
            complaint: None,
        }
    }

    /// Starts, starts again and stops what the files ask for. To be called again and again; it looks at the files now and then.
    pub(crate) fn tend(&mut self, log: &MergedLog) {
        let now = Instant::now();
        if now < self.next_look {
            return;
        }
        self.next_look = now + LOOK_PAUSE;
        match ShardFile::all(&self.dir) {
            Ok(shards) => {
                self.complaint = None;
                self.follow(&shards, log);
            }
            // What runs goes on: a file that cannot be read says nothing about it.
            Err(error) => {
                let complaint = Causes(&error).to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    log.line(LOG_NAME, &complaint);
                }
                self.complaint = Some(complaint);
            }
        }
        self.restart(now, log);
    }

    /// Adds places that are new, and tells those to end that are no more wanted.
    fn follow(&mut self, shards: &[ShardFile], log: &MergedLog) {
        let active = shards.iter().filter(|shard| shard.founding.is_some() && !shard.retired);
        let wanted: Vec<Place> = active
            .flat_map(|shard| shard.nodes.iter().map(|node| (shard.chain_id, node.index)))
            .collect();
        for place in &wanted {
            self.validators.entry(*place).or_insert_with(|| Validator {
                state: State::Waiting { until: Instant::now() },
                pause: RESTART_PAUSE,
            });
        }
        let dropped: Vec<Place> = self
            .validators
            .keys()
            .copied()
            .filter(|place| !wanted.contains(place))
            .collect();
        for place in dropped {
            if let Some(Validator {
                state: State::Running { process, .. },
                ..
            }) = self.validators.remove(&place)
            {
                let log = log.clone();
                tokio::spawn(async move {
                    let name = process.name().to_owned();
                    if let Err(error) = process.stop().await {
                        log.line(&name, &Causes(&error).to_string());
                    }
                });
            }
        }
    }

    /// Notes which ended, and starts those whose time has come.
    fn restart(&mut self, now: Instant, log: &MergedLog) {
        for (place, validator) in &mut self.validators {
            match &mut validator.state {
                State::Running { process, since } => {
                    let Some(status) = process.ended() else { continue };
                    if now.duration_since(*since) >= SETTLED {
                        validator.pause = RESTART_PAUSE;
                    }
                    let (name, seconds) = (process.name().to_owned(), validator.pause.as_secs_f64());
                    log.line(
                        &name,
                        &format!("ended by itself, {status}; it is started again in {seconds} s"),
                    );
                    validator.state = State::Waiting {
                        until: now + validator.pause,
                    };
                    validator.pause = (validator.pause * 2).min(RESTART_PAUSE_MAX);
                }
                State::Waiting { until } if *until <= now => match launch(&self.program, &self.dir, *place, log) {
                    Ok(process) => {
                        let process = Box::new(process);
                        validator.state = State::Running { process, since: now };
                    }
                    Err(error) => {
                        log.line(LOG_NAME, &Causes(&error).to_string());
                        *until = now + validator.pause;
                        validator.pause = (validator.pause * 2).min(RESTART_PAUSE_MAX);
                    }
                },
                State::Waiting { .. } => {}
            }
        }
    }

    /// Asks all to stop, at once, and waits. Says whether all ended cleanly.
    ///
    /// # Errors
    ///
    /// [`SupervisorError`] when the system refuses.
    pub(crate) async fn stop(&mut self) -> Result<bool, SupervisorError> {
        let validators = std::mem::take(&mut self.validators).into_values();
        let running = validators.filter_map(|validator| match validator.state {
            State::Running { process, .. } => Some(process.stop()),
            State::Waiting { .. } => None,
        });
        let ends = futures::future::join_all(running).await;
        ends.into_iter().try_fold(true, |all, clean| Ok(all && clean?))
    }
}

fn launch(program: &Path, dir: &Path, (chain, index): Place, log: &MergedLog) -> Result<Process, SupervisorError> {
    let arguments = ["shard", "run", "--network"].map(str::to_owned);
    let place = [
        dir.display().to_string(),
        "--chain".into(),
        chain.to_string(),
        "--index".into(),
        index.to_string(),
        "--supervised".into(),
    ];
    let program = Program {
        name: format!("shard-{chain}/node-{index}"),
        path: program.to_owned(),
        arguments: arguments.into_iter().chain(place).collect(),
    };
    Process::start(program, log)
}

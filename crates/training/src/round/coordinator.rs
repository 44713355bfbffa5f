//! The coordinator: who is in, which round is open, when it closes, and what the shared parameters become.

use super::{
    Close, FromCoordinator, Plan, Refusal, SHARE_TOTAL, Update, UpdateConfig, UpdateError, Welcome, aggregate, shares,
    state_hash, version_for,
};
use crate::compress::Sparse;
use bytes::Bytes;
use commonware_cryptography::ed25519::PublicKey;
use primitives::Digest;
use std::collections::{BTreeMap, BTreeSet};

/// Deadlines a round may pass without a quorum before the run is given up.
const MAX_DEADLINES: u32 = 8;

/// How many times the median an update's weight counts at most: a worker says itself how many examples it trained on.
const WEIGHT_OVER_MEDIAN_MAX: u64 = 4;

/// What the coordinator wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send `message` to worker `to`.
    Send {
        /// Whom to.
        to: PublicKey,
        /// What.
        message: Box<FromCoordinator>,
    },
    /// Call [`Coordinator::deadline`] with `round` when the time of a round has passed.
    SetDeadline {
        /// The round.
        round: u32,
    },
    /// The run is over: [`Coordinator::into_outcome`].
    Finished,
}

/// An accepted update and its share of the round.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Whose it is.
    pub worker: PublicKey,
    /// Its share of [`SHARE_TOTAL`].
    pub share: u32,
    /// What it changes.
    pub delta: Sparse,
    /// Bytes of the update as it travelled.
    pub update_bytes: usize,
    /// What its training reported.
    pub summary: crate::TrainSummary,
}

/// A closed round: enough to recompute the shared parameters, and to value who took part.
#[derive(Clone, Debug)]
pub struct RoundRecord {
    /// The round.
    pub round: u32,
    /// Accepted updates by ascending worker key.
    pub accepted: Vec<Accepted>,
    /// Hash of the shared parameters after it.
    pub state: Digest,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Shared parameters at the start.
    pub initial: Vec<f32>,
    /// Shared parameters after the last closed round.
    pub parameters: Vec<f32>,
    /// Closed rounds, in order; all of the plan's unless the quorum was lost.
    pub rounds: Vec<RoundRecord>,
}

/// Why a worker is not let in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum JoinError {
    /// Its key is not on the list.
    #[error("worker {worker} is not on the list of this run")]
    Stranger {
        /// The key.
        worker: Box<PublicKey>,
    },
    /// No round is left to train.
    #[error("the last round is open: worker {worker} comes too late")]
    TooLate {
        /// The key.
        worker: Box<PublicKey>,
    },
}

/// The state of a run. Every method returns what is to be done; none waits.
pub struct Coordinator {
    plan: Plan,
    allowed: BTreeSet<PublicKey>,
    quorum: usize,
    /// The open round; `None` before the start.
    round: Option<u32>,
    deadlines_passed: u32,
    /// Workers present, with the first round each is to deliver.
    active: BTreeMap<PublicKey, u32>,
    /// Updates of the open round and of the next one.
    received: BTreeMap<(u32, PublicKey), (Update, Bytes)>,
    initial: Vec<f32>,
    parameters: Vec<f32>,
    /// Hash of `parameters`, and of what they were before the last close.
    states: [Digest; 2],
    closed: Vec<RoundRecord>,
}

impl Coordinator {
    /// A run of `plan` from `initial` parameters, for the workers in `allowed`. A round closes with `quorum` updates at least.
    ///
    /// # Panics
    ///
    /// When `quorum` is not in 1 to the number of allowed workers, or the plan has no rounds.
    pub fn new(plan: Plan, allowed: impl IntoIterator<Item = PublicKey>, quorum: usize, initial: Vec<f32>) -> Self {
        let allowed: BTreeSet<_> = allowed.into_iter().collect();
        assert!(
            (1..=allowed.len()).contains(&quorum) && allowed.len() <= super::MAX_WORKERS,
            "a quorum of the workers"
        );
        assert!(plan.rounds > 0 && plan.local_steps > 0, "a plan with rounds and steps");
        let state = state_hash(&initial);
        Self {
            plan,
            allowed,
            quorum,
            round: None,
            deadlines_passed: 0,
            active: BTreeMap::new(),
            received: BTreeMap::new(),
            parameters: initial.clone(),
            initial,
            states: [state; 2],
            closed: Vec::new(),
        }
    }

    /// The plan of the run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether round 0 was opened.
    pub fn is_started(&self) -> bool {
        self.round.is_some()
    }

    /// Rounds closed so far.
    pub fn closed(&self) -> &[RoundRecord] {
        &self.closed
    }

    /// A worker is connected. Before the start it waits for the others; later it begins with the next round.
    ///
    /// # Errors
    ///
    /// [`JoinError`]: it is to be disconnected.
    pub fn join(&mut self, worker: &PublicKey) -> Result<Vec<Action>, JoinError> {
        if !self.allowed.contains(worker) {
            return Err(JoinError::Stranger {
                worker: Box::new(worker.clone()),
            });
        }
        let Some(open) = self.round else {
            self.active.insert(worker.clone(), 0);
            return Ok(if self.active.len() == self.allowed.len() {
                self.start()
            } else {
                vec![]
            });
        };
        if open + 1 >= self.plan.rounds {
            return Err(JoinError::TooLate {
                worker: Box::new(worker.clone()),
            });
        }
        Ok(vec![self.welcome(worker, open + 1)])
    }

    /// The time to wait for workers is over: start if a quorum is there.
    pub fn open_deadline(&mut self) -> Vec<Action> {
        if self.round.is_none() && self.active.len() >= self.quorum {
            self.start()
        } else {
            vec![]
        }
    }

    /// A worker is gone; what it delivered stays.
    pub fn leave(&mut self, worker: &PublicKey) -> Vec<Action> {
        self.active.remove(worker);
        self.close_if_complete()
    }

    /// A worker sent `bytes`.
    pub fn receive(&mut self, from: &PublicKey, bytes: Bytes) -> Vec<Action> {
        let config = UpdateConfig {
            parameter_count: self.parameters.len(),
            density: self.plan.density,
        };
        let update = match Update::open(bytes.clone(), &config) {
            Ok(update) => update,
            Err(UpdateError::Signature { round, .. }) => return refuse(from, round, Refusal::Malformed),
            Err(UpdateError::Decode(_)) => return refuse(from, self.round.unwrap_or(0), Refusal::Malformed),
        };
        let round = update.round;
        let is_ours = update.worker == *from
            && update.run == self.plan.run
            && update.layout == self.plan.layout
            && update.local_steps == self.plan.local_steps;
        let Some(open) = self.round.filter(|_| is_ours) else {
            return refuse(from, round, Refusal::Malformed);
        };
        if !(open..=open + 1).contains(&round) || round >= self.plan.rounds || !self.active.contains_key(from) {
            return refuse(from, round, Refusal::WrongRound);
        }
        // Round `open` starts from version `open - 1`, the next one from `open`: the two states we know.
        let base = if version_for(round) == open {
            self.states[0]
        } else {
            self.states[1]
        };
        if update.base != base {
            let mut actions = refuse(from, round, Refusal::WrongBase);
            if open + 1 < self.plan.rounds {
                actions.push(self.welcome(from, open + 1));
            }
            actions.extend(self.close_if_complete());
            return actions;
        }
        let key = (round, from.clone());
        if self.received.contains_key(&key) {
            return refuse(from, round, Refusal::Duplicate);
        }
        self.received.insert(key, (update, bytes));
        self.close_if_complete()
    }

    /// The time of `round` has passed: close it if a quorum delivered, else wait as long again, a bounded number of times.
    pub fn deadline(&mut self, round: u32) -> Vec<Action> {
        if self.round != Some(round) {
            return vec![];
        }
        self.deadlines_passed += 1;
        if self.delivered(round) >= self.quorum {
            self.close(round)
        } else if self.deadlines_passed < MAX_DEADLINES {
            vec![Action::SetDeadline { round }]
        } else {
            vec![Action::Finished]
        }
    }

    /// What came of the run.
    pub fn into_outcome(self) -> Outcome {
        Outcome {
            initial: self.initial,
            parameters: self.parameters,
            rounds: self.closed,
        }
    }

    fn start(&mut self) -> Vec<Action> {
        self.round = Some(0);
        let workers: Vec<PublicKey> = self.active.keys().cloned().collect();
        let mut actions: Vec<Action> = workers.iter().map(|worker| self.welcome(worker, 0)).collect();
        actions.push(Action::SetDeadline { round: 0 });
        actions
    }

    /// Lets a worker in from `round` on; the parameters it needs for that round are the present ones.
    fn welcome(&mut self, worker: &PublicKey, round: u32) -> Action {
        self.active.insert(worker.clone(), round);
        let parameters = self.parameters.clone();
        let message = FromCoordinator::Welcome(Welcome {
            plan: self.plan,
            round,
            parameters,
        });
        Action::Send {
            to: worker.clone(),
            message: Box::new(message),
        }
    }

    fn delivered(&self, round: u32) -> usize {
        self.received.keys().filter(|(of, _)| *of == round).count()
    }

    fn close_if_complete(&mut self) -> Vec<Action> {
        let Some(round) = self.round else { return vec![] };
        let mut expected = self.active.iter().filter(|(_, first)| **first <= round);
        let complete = expected.all(|(worker, _)| self.received.contains_key(&(round, worker.clone())));
        if complete && self.delivered(round) >= self.quorum {
            self.close(round)
        } else {
            vec![]
        }
    }

    fn close(&mut self, round: u32) -> Vec<Action> {
        let (delivered, later): (BTreeMap<_, _>, BTreeMap<_, _>) = std::mem::take(&mut self.received)
            .into_iter()
            .partition(|((of, _), _)| *of == round);
        self.received = later;
        let weights: Vec<u64> = delivered.values().map(|(update, _)| update.summary.examples).collect();
        let shares = shares(&bounded(weights));
        debug_assert_eq!(shares.iter().sum::<u32>(), SHARE_TOTAL);

        aggregate(
            &mut self.parameters,
            delivered
                .values()
                .zip(&shares)
                .map(|((update, _), share)| (&update.delta, *share)),
        );
        self.states = [state_hash(&self.parameters), self.states[0]];
        let accepted = delivered
            .values()
            .zip(&shares)
            .map(|((update, bytes), share)| Accepted {
                worker: update.worker.clone(),
                share: *share,
                delta: update.delta.clone(),
                update_bytes: bytes.len(),
                summary: update.summary,
            });
        self.closed.push(RoundRecord {
            round,
            accepted: accepted.collect(),
            state: self.states[0],
        });
        self.round = Some(round + 1);
        self.deadlines_passed = 0;

        let accepted: Vec<(PublicKey, u32)> = delivered
            .values()
            .zip(&shares)
            .map(|((update, _), share)| (update.worker.clone(), *share))
            .collect();
        let close_for = |to: &PublicKey| Action::Send {
            to: to.clone(),
            message: Box::new(FromCoordinator::Close(Close {
                round,
                accepted: accepted.clone(),
                updates: delivered
                    .values()
                    .filter(|(update, _)| update.worker != *to)
                    .map(|(_, bytes)| bytes.clone())
                    .collect(),
                state: self.states[0],
            })),
        };
        let mut actions: Vec<Action> = self.active.keys().map(close_for).collect();
        if round + 1 == self.plan.rounds {
            actions.push(Action::Finished);
        } else {
            actions.push(Action::SetDeadline { round: round + 1 });
            // Workers that are ahead have delivered the next round already.
            actions.extend(self.close_if_complete());
        }
        actions
    }
}

fn refuse(to: &PublicKey, round: u32, reason: Refusal) -> Vec<Action> {
    vec![Action::Send {
        to: to.clone(),
        message: Box::new(FromCoordinator::Refused { round, reason }),
    }]
}

/// Weights, none above [`WEIGHT_OVER_MEDIAN_MAX`] medians (the lower one of an even number).
fn bounded(weights: Vec<u64>) -> Vec<u64> {
    let mut sorted = weights.clone();
    sorted.sort_unstable();
    let median = sorted.get((sorted.len().max(1) - 1) / 2).copied().unwrap_or(0);
    let most = median.max(1).saturating_mul(WEIGHT_OVER_MEDIAN_MAX);
    weights.into_iter().map(|weight| weight.min(most)).collect()
}

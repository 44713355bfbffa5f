//! The worker: trains its learner round after round, and merges what the coordinator closes.

use super::{
    Close, FromCoordinator, MessageConfig, Plan, Refusal, SHARE_TOTAL, Update, UpdateConfig, UpdateError, Welcome,
    aggregate, state_hash, version_for,
};
use crate::{
    TrainSummary,
    compress::{ErrorFeedback, Sparse},
    learner::Learner,
};
use bytes::Bytes;
use commonware_codec::{Decode, Encode};
use commonware_cryptography::{Signer as _, ed25519};
use primitives::Digest;
use std::collections::BTreeMap;

/// Why a worker cannot go on with this connection. Nothing of its own progress is lost: a new [`Welcome`] sets it right.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The bytes are no message.
    #[error("decode a message of the coordinator")]
    Decode(#[from] commonware_codec::Error),
    /// An update in a close message is not what it should be.
    #[error("check the accepted updates of round {round}")]
    Update {
        /// The round closed.
        round: u32,
        /// What is wrong with it.
        source: UpdateError,
    },
    /// The coordinator speaks of another run, or of a model of another layout.
    #[error("the coordinator runs {found}, not {expected}")]
    OtherRun {
        /// What we were told to take part in.
        expected: Digest,
        /// What the coordinator says.
        found: Digest,
    },
    /// A close message is out of order or contradicts itself.
    #[error("the close of round {round} does not fit: {reason}")]
    Close {
        /// The round closed.
        round: u32,
        /// What does not fit.
        reason: &'static str,
    },
    /// Merging what was accepted gave other parameters than the coordinator's.
    #[error("after round {round} the shared parameters are {found}, the coordinator has {expected}")]
    Diverged {
        /// The round merged.
        round: u32,
        /// The coordinator's state hash.
        expected: Digest,
        /// Ours.
        found: Digest,
    },
}

/// One member of a run: a learner, its key, and what it knows of the shared parameters.
pub struct Worker<L> {
    learner: L,
    key: ed25519::PrivateKey,
    run: Digest,
    layout: Digest,
    feedback: Option<ErrorFeedback>,
    member: Option<Member>,
}

/// What a welcome gave us, and what came since.
struct Member {
    plan: Plan,
    next_round: u32,
    /// Rounds merged in `parameters`.
    version: u32,
    parameters: Vec<f32>,
    /// Closed rounds that are not merged yet, from `version` on without a gap.
    closed: BTreeMap<u32, Merge>,
    /// Updates sent and neither accepted nor refused so far.
    pending: BTreeMap<u32, Sparse>,
    /// Own progress of the last trained round, while its update is on its way.
    progress: Option<(u32, Vec<f32>)>,
}

/// What a closed round changes.
struct Merge {
    updates: Vec<(Sparse, u32)>,
    state: Digest,
}

/// A round trained: what to send, and what training reported.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The round.
    pub round: u32,
    /// The signed update.
    pub update: Bytes,
    /// What training reported.
    pub summary: TrainSummary,
}

impl<L: Learner> Worker<L> {
    /// A worker that takes part in `run` with `learner`, whose parameters are ordered as `layout` names.
    pub fn new(learner: L, key: ed25519::PrivateKey, run: Digest, layout: Digest) -> Self {
        Self {
            learner,
            key,
            run,
            layout,
            feedback: None,
            member: None,
        }
    }

    /// The learner.
    pub fn learner(&self) -> &L {
        &self.learner
    }

    /// The learner, to evaluate with; training goes through [`Worker::train`].
    pub fn learner_mut(&mut self) -> &mut L {
        &mut self.learner
    }

    /// Gives the learner back.
    pub fn into_learner(self) -> L {
        self.learner
    }

    /// Whether a welcome came.
    pub fn is_member(&self) -> bool {
        self.member.is_some()
    }

    /// Rounds known to be closed.
    pub fn closed_rounds(&self) -> u32 {
        self.member.as_ref().map_or(0, Member::closed_rounds)
    }

    /// Whether every round of the run is closed.
    pub fn is_finished(&self) -> bool {
        self.member
            .as_ref()
            .is_some_and(|member| member.closed_rounds() >= member.plan.rounds)
    }

    /// Takes a message of the coordinator.
    ///
    /// # Errors
    ///
    /// [`WorkerError`]: reconnect, and a welcome sets things right.
    pub fn receive(&mut self, bytes: Bytes) -> Result<(), WorkerError> {
        let config = MessageConfig {
            parameter_count: self.learner.parameters().len(),
        };
        match FromCoordinator::decode_cfg(bytes, &config)? {
            FromCoordinator::Welcome(welcome) => self.welcome(welcome),
            FromCoordinator::Close(close) => self.close(close),
            // The first one stands.
            FromCoordinator::Refused {
                reason: Refusal::Duplicate,
                ..
            } => Ok(()),
            FromCoordinator::Refused { round, .. } => {
                self.take_back(round);
                Ok(())
            }
        }
    }

    /// Trains the next round, if what it starts from is known and a round is left. This takes as long as training takes.
    ///
    /// # Errors
    ///
    /// [`WorkerError::Diverged`] when merging closed rounds gives other parameters than the coordinator's.
    pub fn train(&mut self) -> Result<Option<Trained>, WorkerError> {
        let Some(member) = &mut self.member else {
            return Ok(None);
        };
        // A slow worker skips rounds that closed without it.
        let round = member.next_round.max(member.closed_rounds());
        if round >= member.plan.rounds || member.closed_rounds() < version_for(round) {
            return Ok(None);
        }
        member.merge_up_to(version_for(round))?;

        let mut start = member.parameters.clone();
        if let Some((_, own)) = member.progress.take().filter(|(of, _)| of + 1 == round) {
            // Own progress that is not merged yet: without it a round of work would be undone and done again.
            start
                .iter_mut()
                .zip(own)
                .for_each(|(parameter, delta)| *parameter -= delta);
        }
        self.learner.set_parameters(&start);
        let summary = self.learner.train(round, member.plan.local_steps);
        let delta: Vec<f32> = start
            .iter()
            .zip(self.learner.parameters())
            .map(|(start, end)| start - end)
            .collect();

        let feedback = self.feedback.as_mut().expect("a welcome makes a buffer");
        let sparse = feedback.compress(&delta, member.plan.density);
        let base = state_hash(&member.parameters);
        let Plan {
            run,
            layout,
            local_steps,
            ..
        } = member.plan;
        let update = Update::sign(
            &self.key,
            run,
            round,
            base,
            local_steps,
            summary,
            layout,
            sparse.clone(),
        );
        member.pending.insert(round, sparse);
        member.progress = Some((round, delta));
        member.next_round = round + 1;
        Ok(Some(Trained {
            round,
            update: update.encode(),
            summary,
        }))
    }

    /// Merges all closed rounds and puts the shared parameters into the learner. They are those of the whole run when
    /// [`Worker::is_finished`].
    ///
    /// # Errors
    ///
    /// [`WorkerError::Diverged`].
    pub fn finish(&mut self) -> Result<(), WorkerError> {
        if let Some(member) = &mut self.member {
            member.merge_up_to(member.closed_rounds())?;
            self.learner.set_parameters(&member.parameters);
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn spoil(&mut self) {
        self.member.as_mut().expect("a member").parameters[0] += 1.0;
    }

    fn welcome(&mut self, welcome: Welcome) -> Result<(), WorkerError> {
        for (expected, found) in [(self.run, welcome.plan.run), (self.layout, welcome.plan.layout)] {
            if expected != found {
                return Err(WorkerError::OtherRun { expected, found });
            }
        }
        let length = welcome.parameters.len();
        let feedback = self
            .feedback
            .get_or_insert_with(|| ErrorFeedback::new(length, welcome.plan.decay));
        // Rounds from `version` on are still to be closed, and may name what we sent before. Of older ones we cannot know what
        // counted: sending a little twice is better than losing it.
        let version = version_for(welcome.round);
        let mut pending = self.member.take().map_or_else(BTreeMap::new, |member| member.pending);
        let open = pending.split_off(&version);
        pending.values().for_each(|update| feedback.restore(update));
        self.member = Some(Member {
            plan: welcome.plan,
            next_round: welcome.round,
            version,
            parameters: welcome.parameters,
            closed: BTreeMap::new(),
            pending: open,
            progress: None,
        });
        Ok(())
    }

    fn close(&mut self, close: Close) -> Result<(), WorkerError> {
        let round = close.round;
        let misfit = |reason| WorkerError::Close { round, reason };
        let Some(member) = &mut self.member else {
            return Err(misfit("no welcome came before"));
        };
        if round < member.closed_rounds() {
            // The welcome was on its way when this round closed: it is merged already.
            return Ok(());
        }
        if round != member.closed_rounds() || round >= member.plan.rounds {
            return Err(misfit("it is not the next round"));
        }
        if close
            .accepted
            .iter()
            .try_fold(0u32, |sum, (_, share)| sum.checked_add(*share))
            != Some(SHARE_TOTAL)
        {
            return Err(misfit("its shares do not add up"));
        }
        let config = UpdateConfig {
            parameter_count: member.parameters.len(),
            density: member.plan.density,
        };
        let me = self.key.public_key();
        let own = member.pending.get(&round).cloned();
        let own_is_accepted = close.accepted.iter().any(|(worker, _)| *worker == me);
        let mut others = close.updates.into_iter();
        let mut updates = Vec::with_capacity(close.accepted.len());
        for (worker, share) in close.accepted {
            if worker == me {
                updates.push((own.clone().ok_or(misfit("it names an update we did not send"))?, share));
                continue;
            }
            let bytes = others.next().ok_or(misfit("an update is missing"))?;
            let update = Update::open(bytes, &config).map_err(|source| WorkerError::Update { round, source })?;
            if update.worker != worker || update.round != round || update.run != member.plan.run {
                return Err(misfit("an update is not the one listed"));
            }
            updates.push((update.delta, share));
        }
        if others.next().is_some() {
            return Err(misfit("an update is not listed"));
        }
        member.closed.insert(
            round,
            Merge {
                updates,
                state: close.state,
            },
        );
        if own_is_accepted {
            member.pending.remove(&round);
        } else {
            self.take_back(round);
        }
        Ok(())
    }

    /// The update of `round` does not count: its content goes back into the error buffer.
    fn take_back(&mut self, round: u32) {
        let Some(member) = &mut self.member else { return };
        if let Some(update) = member.pending.remove(&round) {
            self.feedback
                .as_mut()
                .expect("a welcome makes a buffer")
                .restore(&update);
            member.progress.take_if(|(of, _)| *of == round);
        }
    }
}

impl Member {
    fn closed_rounds(&self) -> u32 {
        self.version + self.closed.len() as u32
    }

    fn merge_up_to(&mut self, version: u32) -> Result<(), WorkerError> {
        while self.version < version {
            let round = self.version;
            let merge = self.closed.remove(&round).expect("closed rounds have no gap");
            aggregate(
                &mut self.parameters,
                merge.updates.iter().map(|(update, share)| (update, *share)),
            );
            self.version += 1;
            let found = state_hash(&self.parameters);
            if found != merge.state {
                return Err(WorkerError::Diverged {
                    round,
                    expected: merge.state,
                    found,
                });
            }
        }
        Ok(())
    }
}

//! The beacon's task beside consensus: hears messages and final blocks, tells what follows from them, and keeps what must not be forgotten.

use super::{
    Post, SignatureBytes,
    ceremony::{Ceremony, MessageError},
    message::{Acks, Dealing, MAX_HEIGHTS, Message, Partials},
    plan::{self, Plan, PlanError},
    ready::Beacon,
    rules::NewsError,
    state::{RecordedSharing, Standing, StateError},
    values::{Era, Progress, Values, WINDOW},
    vault::Vault,
};
use crate::{
    consensus::Runtime,
    keys::{Identity, ValidatorKeys},
    ledger::Ledger,
};
use alloy_primitives::B256;
use commonware_codec::{DecodeExt as _, Encode as _};
use commonware_cryptography::bls12381::{
    dkg::feldman_desmedt as dkg,
    primitives::{group::Share, variant::MinSig},
};
use commonware_macros::select;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_storage::metadata;
use commonware_utils::channel::mpsc;
use std::{num::NonZeroU64, time::Duration};
use tokio::sync::broadcast::error::RecvError;

/// How often what nobody answered is told again: dealings without acknowledgement, signatures of heights without a value.
const REPEAT: Duration = Duration::from_secs(1);

/// What the beacon of a validator is made of.
pub(crate) struct Setup {
    pub(crate) keys: ValidatorKeys,
    pub(crate) ledger: Ledger,
    pub(crate) epoch_blocks: NonZeroU64,
    pub(crate) beacon: Beacon,
    /// Where logs go, to be posted to the contract.
    pub(crate) posts: mpsc::Sender<Post>,
    /// Begins the names of journals.
    pub(crate) prefix: String,
}

/// Why the beacon stopped here. Consensus goes on without it.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("keep what must not be forgotten")]
    Vault(#[from] metadata::Error),
    #[error("the validator stops")]
    Over,
}

/// Why something was put off until the next final block.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error(transparent)]
    News(#[from] NewsError),
    #[error("what is kept of the ceremony does not fit what is posted")]
    Kept(#[from] dkg::Error),
    #[error("a task was cut off")]
    Cut,
}

struct Actor<E: Runtime, S, B> {
    context: E,
    setup: Setup,
    sender: S,
    blocker: B,
    /// Taken out while it is written.
    vault: Option<Vault<E>>,
    ceremony: Option<Ceremony>,
    values: Values,
    /// Epochs whose ceremony's end `values` goes by: sharings change with that alone.
    followed: Option<u64>,
    /// The last epoch in which we cannot take part, as what we kept does not fit.
    sat_out: Option<u64>,
    /// From which block on our logs are to be posted, again if they were; none once all are in the state.
    post_from: Option<u64>,
    /// First height whose signatures were not told yet.
    untold: u64,
}

/// Runs until the validator stops. An error that keeps the beacon from going on here does not stop the validator.
pub(crate) async fn run<E: Runtime>(
    context: E,
    setup: Setup,
    sender: impl Sender<PublicKey = Identity>,
    receiver: impl Receiver<PublicKey = Identity>,
    blocker: impl Blocker<PublicKey = Identity>,
) {
    match Vault::open(&context, &setup.prefix).await {
        Ok(vault) => {
            let actor = Actor {
                values: Values::new(setup.beacon.namespace.to_vec()),
                vault: Some(vault),
                ceremony: None,
                followed: None,
                sat_out: None,
                post_from: None,
                untold: 0,
                context,
                setup,
                sender,
                blocker,
            };
            match actor.run(receiver).await {
                Stop::Over => return,
                stop => tracing::error!(%stop, source = ?std::error::Error::source(&stop), "the beacon stopped here"),
            }
        }
        Err(error) => tracing::error!(%error, "the beacon cannot begin here"),
    }
    // What runs beside it must not take this for its own end.
    std::future::pending().await
}

impl<E: Runtime, S: Sender<PublicKey = Identity>, B: Blocker<PublicKey = Identity>> Actor<E, S, B> {
    async fn run(mut self, mut receiver: impl Receiver<PublicKey = Identity>) -> Stop {
        let mut finals = self.setup.ledger.subscribe();
        let mut repeat = self.context.current() + REPEAT;
        if let Err(stop) = self.advance().await {
            return stop;
        }
        loop {
            let turn = select! {
                _ = self.context.stopped() => Err(Stop::Over),
                block = finals.recv() => match block {
                    // Only the last one matters, and it is looked up.
                    Ok(_) | Err(RecvError::Lagged(_)) => self.advance().await,
                    Err(RecvError::Closed) => Err(Stop::Over),
                },
                message = receiver.recv() => match message {
                    Ok((sender, bytes)) => match Message::decode(bytes) {
                        Ok(message) => self.hear(sender, message).await,
                        Err(error) => {
                            commonware_p2p::block!(self.blocker, sender, %error, "a message of the beacon does not decode");
                            Ok(())
                        }
                    },
                    Err(_) => Err(Stop::Over),
                },
                _ = self.context.sleep_until(repeat) => {
                    repeat = self.context.current() + REPEAT;
                    self.repeat().await
                },
            };
            if let Err(stop) = turn {
                return stop;
            }
        }
    }

    fn vault(&self) -> &Vault<E> {
        self.vault
            .as_ref()
            .expect("it is put back after each write, or the task ends")
    }

    fn tell(&mut self, recipients: Recipients<Identity>, message: &Message) {
        // What does not get through is repeated.
        let _ = self.sender.send(recipients, message.encode(), false);
    }

    /// Does what follows from the last final block.
    async fn advance(&mut self) -> Result<(), Stop> {
        match self.follow().await? {
            Ok(()) => {}
            Err(trouble) => {
                tracing::warn!(%trouble, source = ?std::error::Error::source(&trouble), "the beacon waits for the next block");
            }
        }
        Ok(())
    }

    async fn follow(&mut self) -> Result<Result<(), Trouble>, Stop> {
        let latest = self.setup.ledger.latest();
        let (at, height) = (latest.hash, latest.header.number);
        let standing = match self.setup.beacon.state.standing(&at) {
            Ok(standing) => standing,
            Err(error) => return Ok(Err(error.into())),
        };
        if let Err(trouble) = self.follow_sharings(&at, standing.concluded).await? {
            return Ok(Err(trouble));
        }
        self.setup.beacon.settle(standing.next);
        let progress = self.values.settle(standing.next, height);
        self.report(progress);
        self.tell_new();
        self.follow_ceremony(&at, height + 1, &standing).await
    }

    /// Learns how the key is shared, and makes our shares where a ceremony has just ended.
    async fn follow_sharings(&mut self, at: &B256, concluded: u64) -> Result<Result<(), Trouble>, Stop> {
        if self.followed == Some(concluded) {
            return Ok(Ok(()));
        }
        let recorded = match self.setup.beacon.state.sharings(at) {
            Ok(recorded) => recorded,
            Err(error) => return Ok(Err(error.into())),
        };
        let oldest = recorded.first().map_or(0, |sharing| sharing.from_epoch);
        for RecordedSharing { from_epoch, .. } in &recorded {
            if self.vault().shares(*from_epoch).is_empty() {
                let shares = match self.finish(at, *from_epoch).await {
                    Ok(shares) => shares,
                    Err(trouble) => return Ok(Err(trouble)),
                };
                if !shares.is_empty() {
                    let vault = self.vault.take().ok_or(Stop::Over)?;
                    self.vault = Some(vault.keep_shares(*from_epoch, shares, oldest).await?);
                }
            }
        }
        let eras: Result<Vec<Era>, Trouble> = recorded.iter().map(|sharing| self.era(at, sharing)).collect();
        Ok(eras.map(|eras| {
            let from_epoch = recorded.last().map_or(0, |sharing| sharing.from_epoch);
            let (shares, of) = eras
                .last()
                .map_or((0, 0), |last| (last.shares.len(), last.holders.len()));
            if concluded == 0 {
                tracing::debug!("the beacon has no key yet");
            } else if from_epoch == concluded {
                tracing::info!(from_epoch, shares, of, "the beacon's key is shared");
            } else {
                let epoch = concluded.saturating_sub(1);
                tracing::warn!(
                    epoch,
                    from_epoch,
                    shares,
                    of,
                    "a ceremony of the beacon failed: who held the key holds it"
                );
            }
            self.values.share(eras);
            self.followed = Some(concluded);
        }))
    }

    /// Our shares of the sharing from `from_epoch` on, of what we acknowledged in the ceremony before it.
    async fn finish(&mut self, at: &B256, from_epoch: u64) -> Result<Vec<Share>, Trouble> {
        let beacon = self.setup.beacon.clone();
        let Some(epoch) = from_epoch.checked_sub(1) else {
            return Ok(Vec::new());
        };
        let logs = beacon.state.logs(at, epoch)?;
        if logs.is_empty() {
            // They are gone: we were away for too long to take part.
            return Ok(Vec::new());
        }
        let ceremony = match self.ceremony.take_if(|ceremony| ceremony.epoch() == epoch) {
            Some(ceremony) => ceremony,
            None => match self.join(at, epoch) {
                Ok(ceremony) => ceremony,
                Err(Trouble::Kept(error)) => {
                    tracing::error!(%error, epoch, "what is kept of a ceremony does not fit what is posted: no share of the beacon's key");
                    return Ok(Vec::new());
                }
                Err(trouble) => return Err(trouble),
            },
        };
        let work = self.context.child("finish").shared(true);
        let finished = work.spawn(move |_| async move { ceremony.finish(&logs) });
        finished.await.map_err(|_| Trouble::Cut)
    }

    fn era(&self, at: &B256, sharing: &RecordedSharing) -> Result<Era, Trouble> {
        let RecordedSharing { from_epoch, output } = sharing;
        let output = plan::read_output(*from_epoch, output)?;
        let seats = plan::Seats::of(&self.setup.beacon.state.committee(at, *from_epoch)?);
        // One that is not of this sharing would make us a liar.
        let fits = |share: &&Share| output.public().partial_public(share.index).ok() == Some(share.public::<MinSig>());
        let shares = self.vault().shares(*from_epoch).iter().filter(fits);
        let holders = output.players().iter().map(|key| seats.holder(key).cloned());
        Ok(Era {
            from_height: from_epoch.saturating_mul(self.setup.epoch_blocks.get()),
            holders: holders.collect(),
            shares: shares.cloned().collect(),
            output,
        })
    }

    /// Plays our part in the ceremony of the next block's epoch.
    async fn follow_ceremony(
        &mut self,
        at: &B256,
        next: u64,
        standing: &Standing,
    ) -> Result<Result<(), Trouble>, Stop> {
        let beacon = self.setup.beacon.clone();
        let epoch = beacon.schedule.epoch_of(next);
        if standing.concluded > epoch {
            self.ceremony = None;
            return Ok(Ok(()));
        }
        if beacon.schedule.concludes(next) {
            let (work, at) = (self.context.child("conclude").shared(true), *at);
            let concluded = work.spawn(move |_| async move { beacon.conclude(&at, epoch).map(drop) });
            return Ok(concluded.await.map_or(Err(Trouble::Cut), |ended| Ok(ended?)));
        }
        if self.sat_out == Some(epoch) {
            return Ok(Ok(()));
        }
        if self.ceremony.as_ref().is_none_or(|ceremony| ceremony.epoch() != epoch) {
            self.ceremony = None;
            match self.join(at, epoch) {
                Ok(ceremony) => (self.ceremony, self.post_from) = (Some(ceremony), Some(next)),
                Err(trouble @ Trouble::Kept(_)) => {
                    self.sat_out = Some(epoch);
                    return Ok(Err(trouble));
                }
                Err(trouble) => return Ok(Err(trouble)),
            }
            self.deal().await?;
        }
        if let Some(ceremony) = self.ceremony.take() {
            self.ceremony = Some(ceremony.close(beacon.schedule.logs_are_due(next)));
        }
        Ok(self.post(at, epoch, next))
    }

    /// Begins our part in the ceremony of `epoch`.
    fn join(&self, at: &B256, epoch: u64) -> Result<Ceremony, Trouble> {
        let beacon = &self.setup.beacon;
        let plan = Plan::read(&*beacon.state, at, &beacon.namespace, epoch)?;
        let logs = beacon.state.logs(at, epoch)?;
        let previous = plan.previous.as_ref().map(|(from_epoch, _)| *from_epoch);
        let held = previous.map_or(&[][..], |from_epoch| self.vault().shares(from_epoch));
        let kept = self.vault().dealings(epoch);
        Ok(Ceremony::begin(plan, &self.setup.keys, held, kept, &logs)?)
    }

    /// Posts what is closed and not in the state, and again what does not come there.
    fn post(&mut self, at: &B256, epoch: u64, next: u64) -> Result<(), Trouble> {
        let Some(ceremony) = self.ceremony.as_ref().filter(|ceremony| ceremony.has_closed()) else {
            return Ok(());
        };
        if self.post_from.is_none_or(|from| from > next) {
            return Ok(());
        }
        let beacon = &self.setup.beacon;
        let posts = ceremony.posts(&beacon.state.logs(at, epoch)?);
        let over = posts.is_empty() && ceremony.is_closed();
        self.post_from = (!over).then_some(if posts.is_empty() {
            next + 1
        } else {
            next + beacon.schedule.patience()
        });
        for post in posts {
            // What finds no room is posted later.
            let _ = self.setup.posts.try_send(post);
        }
        Ok(())
    }

    /// Deals to whoever has not acknowledged, ourselves first.
    async fn deal(&mut self) -> Result<(), Stop> {
        let own = self.setup.keys.identity();
        let outstanding = self.ceremony.as_ref().map_or_else(Vec::new, Ceremony::outstanding);
        for (player, dealing) in outstanding {
            if player == own {
                self.hear_dealing(&own, dealing).await?;
            } else {
                self.tell(Recipients::One(player), &Message::Dealing(dealing));
            }
        }
        Ok(())
    }

    async fn hear(&mut self, sender: Identity, message: Message) -> Result<(), Stop> {
        match message {
            Message::Dealing(dealing) => self.hear_dealing(&sender, dealing).await,
            Message::Acks(acks) => {
                self.hear_acks(&sender, acks);
                Ok(())
            }
            Message::Partials(partials) => {
                let progress = self.values.hear(&sender, partials);
                self.report(progress);
                Ok(())
            }
        }
    }

    /// Keeps what is dealt to our seats, and only then acknowledges it.
    async fn hear_dealing(&mut self, sender: &Identity, dealing: Dealing) -> Result<(), Stop> {
        let Some(ceremony) = &mut self.ceremony else {
            return Ok(());
        };
        let taken = match ceremony.take_dealing(sender, dealing) {
            Ok(taken) => taken,
            Err(error) => {
                refused(sender, &error);
                return Ok(());
            }
        };
        if let Some(new) = taken.new {
            let vault = self.vault.take().ok_or(Stop::Over)?;
            self.vault = Some(vault.keep_dealing(new).await?);
        }
        if *sender == self.setup.keys.identity() {
            self.hear_acks(sender, taken.acks);
        } else if !taken.acks.acks.is_empty() {
            self.tell(Recipients::One(sender.clone()), &Message::Acks(taken.acks));
        }
        Ok(())
    }

    fn hear_acks(&mut self, sender: &Identity, acks: Acks) {
        if let Some(ceremony) = &mut self.ceremony
            && let Err(error) = ceremony.take_acks(sender, acks)
        {
            refused(sender, &error);
        }
    }

    /// Hands on what is complete, and cuts off who lied.
    fn report(&mut self, progress: Progress) {
        for (height, value) in progress.values {
            let bytes: SignatureBytes = value
                .encode()
                .as_ref()
                .try_into()
                .expect("a compressed point of G1 has 48 bytes");
            self.setup.beacon.add(height, bytes);
        }
        for liar in progress.liars {
            commonware_p2p::block!(
                self.blocker,
                liar,
                "a signature by its share of the beacon's key is wrong"
            );
        }
    }

    /// Tells our signatures of heights that became final.
    fn tell_new(&mut self) {
        loop {
            let partials = self.values.own(self.untold, MAX_HEIGHTS);
            let Some(last) = partials.last() else { return };
            self.untold = last.height + 1;
            self.tell(Recipients::All, &Message::Partials(partials));
        }
    }

    /// Tells again what nobody answered.
    async fn repeat(&mut self) -> Result<(), Stop> {
        let partials: Vec<Partials> = self.values.own(0, MAX_HEIGHTS);
        if !partials.is_empty() {
            self.tell(Recipients::All, &Message::Partials(partials));
        }
        self.deal().await
    }
}

fn refused(sender: &Identity, error: &MessageError) {
    // At an epoch's boundary some are there before others.
    if !matches!(error, MessageError::OtherEpoch { .. }) {
        tracing::warn!(%sender, %error, source = ?std::error::Error::source(error), "a message of the beacon's ceremony is not used");
    }
}

const _: () = assert!(
    MAX_HEIGHTS as u64 <= WINDOW,
    "a message of signatures is not longer than what is gathered"
);

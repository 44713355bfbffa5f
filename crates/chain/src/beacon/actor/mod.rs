//! The beacon's task beside consensus: hears messages and final blocks, tells what follows from them, and keeps what must not be forgotten.

mod ceremonies;
mod sharings;

use super::{
    Post, SignatureBytes,
    ceremony::Ceremony,
    message::{MAX_HEIGHTS, Message, Partials},
    plan::PlanError,
    ready::Beacon,
    rules::NewsError,
    state::StateError,
    values::{Progress, Values, WINDOW},
    vault::Vault,
};
use crate::{
    consensus::Runtime,
    keys::{Identity, ValidatorKeys},
    ledger::Ledger,
};
use commonware_codec::{DecodeExt as _, Encode as _};
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
    Kept(#[from] crypto::ceremony::Error),
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

const _: () = assert!(
    MAX_HEIGHTS as u64 <= WINDOW,
    "a message of signatures is not longer than what is gathered"
);

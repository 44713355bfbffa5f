//! Our part in ceremonies: dealings and acknowledgements come and go, logs are posted.

use super::{Actor, Stop, Trouble};
use crate::{
    beacon::{
        ceremony::{Ceremony, MessageError},
        message::{Acks, Dealing, Message},
        plan::Plan,
        state::Standing,
    },
    consensus::Runtime,
    keys::Identity,
};
use alloy_primitives::B256;
use commonware_p2p::{Blocker, Recipients, Sender};

impl<E: Runtime, S: Sender<PublicKey = Identity>, B: Blocker<PublicKey = Identity>> Actor<E, S, B> {
    /// Plays our part in the ceremony of the next block's epoch.
    pub(super) async fn follow_ceremony(
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
    pub(super) fn join(&self, at: &B256, epoch: u64) -> Result<Ceremony, Trouble> {
        let beacon = &self.setup.beacon;
        let plan = Plan::read(&*beacon.state, at, &beacon.namespace, epoch)?;
        let logs = beacon.state.logs(at, epoch)?;
        let held = plan
            .previous
            .map_or(&[][..], |from_epoch| self.vault().shares(from_epoch));
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
    pub(super) async fn deal(&mut self) -> Result<(), Stop> {
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

    /// Keeps what is dealt to our seats, and only then acknowledges it.
    pub(super) async fn hear_dealing(&mut self, sender: &Identity, dealing: Dealing) -> Result<(), Stop> {
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
        if let Some(error) = &taken.refused {
            refused(sender, error);
        }
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

    pub(super) fn hear_acks(&mut self, sender: &Identity, acks: Acks) {
        if let Some(ceremony) = &mut self.ceremony
            && let Err(error) = ceremony.take_acks(sender, acks)
        {
            refused(sender, &error);
        }
    }
}

fn refused(sender: &Identity, error: &MessageError) {
    // At an epoch's boundary some are there before others.
    if !matches!(error, MessageError::OtherEpoch { .. }) {
        tracing::warn!(%sender, %error, source = ?std::error::Error::source(error), "a message of the beacon's ceremony is not used");
    }
}

//! How the key is shared, as blocks record it, and our shares of it.

use super::{Actor, Stop, Trouble};
use crate::{
    beacon::{plan, state::RecordedSharing, values::Era},
    consensus::Runtime,
    keys::Identity,
};
use alloy_primitives::B256;
use commonware_cryptography::bls12381::primitives::{group::Share, variant::MinSig};
use commonware_p2p::{Blocker, Sender};

impl<E: Runtime, S: Sender<PublicKey = Identity>, B: Blocker<PublicKey = Identity>> Actor<E, S, B> {
    /// Learns how the key is shared, and makes our shares where a ceremony has just ended.
    pub(super) async fn follow_sharings(&mut self, at: &B256, concluded: u64) -> Result<Result<(), Trouble>, Stop> {
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
}

//! Play the lottery: in each draw, show on chain the pieces of this operator's rows that won.

use super::{
    Shared,
    show::{ShowError, show},
};
use crate::{Record, Runtime, lottery::Draw, sample::Challenge};
use alloy_sol_types::SolEvent;
use commonware_codec::Encode;
use contracts::{
    CallError, EventFilter, Provider, ProviderError,
    abi::{
        DAEntrance,
        DALottery::{self, Ticket},
    },
    addresses::DA_LOTTERY,
};
use primitives::{Address, BlobRoot, Bytes, U256};
use std::{sync::Arc, time::Duration};

/// Why a row that won was not paid.
#[derive(Debug, thiserror::Error)]
enum ClaimError {
    /// The row cannot be shown.
    #[error("show the piece")]
    Show(#[from] ShowError),
    /// The chain did not say who signed for the blob.
    #[error("read who signed for blob {root}")]
    Signers { root: BlobRoot },
    /// The chain did not answer.
    #[error("ask the chain")]
    Call(#[from] CallError),
    /// The chain did not take the claim.
    #[error("claim")]
    Send(#[from] ProviderError),
}

/// The task that plays.
pub(super) struct Player<E: Runtime, P: Provider> {
    shared: Arc<Shared<E>>,
    provider: P,
    account: Address,
    /// A smaller prize is not worth its gas, wei.
    prize_min: U256,
    /// The draw played last.
    played: Option<u64>,
}

impl<E: Runtime, P: Provider> Player<E, P> {
    pub(super) fn new(shared: Arc<Shared<E>>, provider: P, prize_min: U256) -> Self {
        Self {
            account: shared.account,
            shared,
            provider,
            prize_min,
            played: None,
        }
    }

    /// Looks for a new draw again and again.
    pub(super) async fn run(mut self, context: E) {
        let poll = Duration::from_millis(self.shared.config.poll_ms);
        loop {
            match self.open_draw().await {
                Ok(Some(draw)) => {
                    self.play(&context, draw).await;
                    self.played = Some(draw.number);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(?error, "look for a draw"),
            }
            context.sleep(poll).await;
        }
    }

    /// The present draw, if it was not played and a prize in it is worth its gas.
    async fn open_draw(&self) -> Result<Option<Draw>, CallError> {
        let current = contracts::read(&self.provider, DA_LOTTERY, &DALottery::currentDrawCall {}).await?;
        // The first draw of a chain has no seed.
        if current.number == 0 || self.played == Some(current.number) {
            return Ok(None);
        }
        // Every blob that takes part was recorded before the draw: the follower must have come so far.
        let draw_blocks = contracts::read(&self.provider, DA_LOTTERY, &DALottery::DRAW_BLOCKSCall {}).await?;
        if self.shared.height() < current.number.saturating_mul(draw_blocks) {
            return Ok(None);
        }
        let pool = contracts::read(&self.provider, DA_LOTTERY, &DALottery::poolCall {}).await?;
        let divisor = contracts::read(&self.provider, DA_LOTTERY, &DALottery::PRIZE_DIVISORCall {}).await?;
        if pool / divisor < self.prize_min.max(U256::from(1)) {
            return Ok(None);
        }
        Ok(Some(Draw {
            number: current.number,
            seed: contracts::read(&self.provider, DA_LOTTERY, &DALottery::seedCall {}).await?,
            target: current.target,
        }))
    }

    /// Claims for each row that won. A claim that fails is not tried again: the draw may be full, or the blob too young.
    async fn play(&self, context: &E, draw: Draw) {
        for (ticket, piece) in self.winners(context, draw).await {
            let root = BlobRoot(ticket.root);
            match self.claim(ticket, piece).await {
                Ok(gas_used) => tracing::info!(%root, ?piece, draw = draw.number, gas_used, "won a prize"),
                Err(error) => tracing::info!(%root, ?piece, draw = draw.number, ?error, "won, and was not paid"),
            }
        }
    }

    /// The winning rows on disk that this operator owns.
    async fn winners(&self, context: &E, draw: Draw) -> Vec<(Ticket, Challenge)> {
        let records: Vec<Record> = self.shared.chain.lock().certified.values().cloned().collect();
        let (shared, account) = (self.shared.clone(), self.account);
        // A hash a row: half a second for a thousand blobs, not on a thread that streams wait for.
        let search = context.child("draw").shared(true).spawn(move |_| async move {
            let mut found = Vec::new();
            for record in records {
                let root = record.root();
                let won = draw.winners(root, record.row_bytes(), &shared.store.held(root), account);
                if won.is_empty() {
                    continue;
                }
                let Some((committee, Some(operator))) = shared.seat(record.committee()) else {
                    continue;
                };
                let owned = committee.rows_of(operator, &root, record.shape());
                let own = won.into_iter().filter(|piece| owned.contains(piece.row));
                found.extend(own.map(|piece| {
                    let (root, row) = (root.0, piece.row);
                    (Ticket { root, row, operator }, piece)
                }));
            }
            found
        });
        search.await.unwrap_or_default()
    }

    /// Shows a piece; returns the gas that took.
    async fn claim(&self, ticket: Ticket, piece: Challenge) -> Result<u64, ClaimError> {
        let root = BlobRoot(ticket.root);
        let sample = show(&self.shared, &self.provider, root, piece).await?;
        let call = DALottery::claimCall {
            ticket,
            signersBitmap: self.signers(root).await?,
            sample: sample.encode().into(),
        };
        let mined = contracts::write(&self.provider, DA_LOTTERY, &call, U256::ZERO).await?;
        Ok(mined.gas_used)
    }

    /// Who signed for a blob, from the event of its certificate.
    async fn signers(&self, root: BlobRoot) -> Result<Bytes, ClaimError> {
        let entrance = self.shared.config.peer.domain.entrance;
        let blob = contracts::read(&self.provider, entrance, &DAEntrance::blobCall { root: root.0 }).await?;
        let filter = EventFilter {
            addresses: vec![entrance],
            topic0: vec![DAEntrance::BlobCertified::SIGNATURE_HASH],
            from_block: blob.certifiedBlock,
            to_block: Some(blob.certifiedBlock),
        };
        let events = self.provider.events(filter).await?;
        let mut certified = events
            .iter()
            .filter_map(|event| event.decode::<DAEntrance::BlobCertified>().ok());
        let found = certified.find(|event| event.root == root.0);
        found
            .map(|event| event.signersBitmap)
            .ok_or(ClaimError::Signers { root })
    }
}

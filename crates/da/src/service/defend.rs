//! Answer what the operator is challenged for on chain, before its window ends.
//!
//! Three answers: the sample, from the rows on disk; that the row is another's; or none yet, while the row is being repaired. A
//! sample is checked before it is sent, for a wrong one loses stake as surely as none.

use super::{
    Shared,
    show::{ShowError, show},
};
use crate::{
    CommitteeId, Record, Runtime,
    dispute::{Dispute, Docket},
    record::RecordError,
};
use alloy_sol_types::SolEvent;
use commonware_codec::Encode;
use contracts::{
    CHALLENGE_WINDOW_BLOCKS, EventFilter, Mined, Provider, ProviderError,
    abi::DAChallenges::{self, Answered, Challenged, Disowned, Slashed},
    addresses::DA_CHALLENGES,
};
use futures::future::join_all;
use primitives::U256;
use std::{sync::Arc, time::Duration};

/// Answers under way at a time: each waits for a block, and holds a sample of 1.4 KiB.
const ANSWERS_AT_ONCE: usize = 32;
/// Blocks whose events are asked for at a time: providers bound their answers.
const PAGE_BLOCKS: u64 = 1_000;

/// Why a dispute was not answered.
#[derive(Debug, thiserror::Error)]
enum DefenceError {
    /// The row cannot be shown.
    #[error("show the piece")]
    Show(#[from] ShowError),
    /// Whether the row is this operator's cannot be told yet.
    #[error("the committee of {id} was not read yet")]
    NoCommittee { id: CommitteeId },
    /// The chain did not take the answer.
    #[error("send the answer")]
    Send(#[from] ProviderError),
}

/// The task that answers.
pub(super) struct Defender<E: Runtime, P: Provider> {
    shared: Arc<Shared<E>>,
    provider: P,
    docket: Docket,
    /// Not known until the chain answered once.
    next_block: Option<u64>,
}

impl<E: Runtime, P: Provider> Defender<E, P> {
    pub(super) fn new(shared: Arc<Shared<E>>, provider: P) -> Self {
        Self {
            docket: Docket::new(shared.account),
            shared,
            provider,
            next_block: None,
        }
    }

    /// Looks at the chain again and again, and answers what waits.
    pub(super) async fn run(mut self, context: E) {
        let poll = Duration::from_millis(self.shared.config.poll_ms);
        loop {
            if let Err(error) = self.catch_up().await {
                tracing::debug!(?error, "look for challenges");
            }
            self.answer_all().await;
            self.shared.set_disputes(self.docket.len());
            context.sleep(poll).await;
        }
    }

    /// Reads the events since the last time; the first time those of one window, for older challenges are over.
    async fn catch_up(&mut self) -> Result<(), ProviderError> {
        let height = self.provider.height().await?;
        let oldest = height.saturating_sub(CHALLENGE_WINDOW_BLOCKS);
        let mut from = match self.next_block {
            Some(next) if !self.docket.take_overflow() => next,
            _ => oldest,
        };
        while from <= height {
            let to = height.min(from.saturating_add(PAGE_BLOCKS - 1));
            let filter = EventFilter {
                addresses: vec![DA_CHALLENGES],
                topic0: vec![
                    Challenged::SIGNATURE_HASH,
                    Answered::SIGNATURE_HASH,
                    Disowned::SIGNATURE_HASH,
                    Slashed::SIGNATURE_HASH,
                ],
                from_block: from,
                to_block: Some(to),
            };
            let events = self.provider.events(filter).await?;
            events.iter().for_each(|event| self.docket.record(event));
            from = to + 1;
            self.next_block = Some(from);
        }
        for Dispute { root, challenge, .. } in self.docket.expire(height) {
            tracing::error!(%root, ?challenge, "a challenge was not answered in time: stake will be lost");
        }
        Ok(())
    }

    /// Answers what can be answered now. What cannot is tried again at the next look; what was answered is taken off by its event.
    async fn answer_all(&mut self) {
        let waiting = self.docket.waiting();
        for disputes in waiting.chunks(ANSWERS_AT_ONCE) {
            let answers = join_all(disputes.iter().map(|dispute| self.answer(dispute))).await;
            for (
                Dispute {
                    root,
                    challenge,
                    deadline,
                    ..
                },
                answer,
            ) in disputes.iter().zip(answers)
            {
                match answer {
                    Ok(Mined { gas_used, block, .. }) => {
                        tracing::info!(%root, ?challenge, block, deadline, gas_used, "answered a challenge");
                    }
                    Err(error) => tracing::warn!(%root, ?challenge, deadline, ?error, "challenge not answered yet"),
                }
            }
        }
    }

    async fn answer(&self, dispute: &Dispute) -> Result<Mined, DefenceError> {
        let Dispute { root, challenge, .. } = *dispute;
        let piece = dispute.piece();
        let shared = &self.shared;
        let owns = match Record::read(&self.provider, &shared.config.peer.domain, root).await {
            Ok(record) => {
                let id = record.committee();
                let owned = shared.owned(id, &root, record.shape());
                owned.ok_or(DefenceError::NoCommittee { id })?.contains(challenge.row)
            }
            // Rows that were added to a blob and dropped again are nobody's.
            Err(RecordError::NotCertified { .. }) => false,
            Err(error) => return Err(ShowError::from(error).into()),
        };
        if !owns {
            let call = DAChallenges::disownCall { piece };
            return Ok(contracts::write(&self.provider, DA_CHALLENGES, &call, U256::ZERO).await?);
        }
        let sample = show(shared, &self.provider, root, challenge).await?;
        let call = DAChallenges::answerCall {
            piece,
            sample: sample.encode().into(),
        };
        Ok(contracts::write(&self.provider, DA_CHALLENGES, &call, U256::ZERO).await?)
    }
}

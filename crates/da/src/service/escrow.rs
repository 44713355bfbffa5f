//! Asks the chain what payers have in escrow, on behalf of the streams.

use super::Shared;
use crate::Runtime;
use contracts::{Provider, abi::DAEntrance};
use futures::{
    SinkExt, StreamExt,
    channel::{mpsc, oneshot},
};
use primitives::{Address, U256};

/// Questions that wait for their answer: one a stream at most.
const WAITING_MAX: usize = super::MAX_STREAMS as usize;

/// Whose escrow, and where the answer goes: none when the chain does not answer.
type Asked = (Address, oneshot::Sender<Option<U256>>);

/// Where streams hand their questions in.
pub(super) type Desk = mpsc::Sender<Asked>;

/// The task that asks.
pub(super) struct Teller<P: Provider> {
    provider: P,
    entrance: Address,
    asked: mpsc::Receiver<Asked>,
}

impl<P: Provider> Teller<P> {
    pub(super) fn new(provider: P, entrance: Address) -> (Desk, Self) {
        let (desk, asked) = mpsc::channel(WAITING_MAX);
        let teller = Self {
            provider,
            entrance,
            asked,
        };
        (desk, teller)
    }

    pub(super) async fn run(mut self) {
        while let Some((payer, answer)) = self.asked.next().await {
            // Who hung up meanwhile is not worth a look at the chain.
            if answer.is_canceled() {
                continue;
            }
            let call = DAEntrance::escrowOfCall { payer };
            let escrow = contracts::read(&self.provider, self.entrance, &call).await;
            let free = escrow.map(|escrow| U256::from(escrow.balance.saturating_sub(escrow.leaving)));
            let _ = answer.send(free.map_err(|error| tracing::warn!(?error, "ask for an escrow")).ok());
        }
    }
}

/// What `payer` has in escrow and did not announce to take away, wei; none when the chain does not answer.
pub(super) async fn of<E: Runtime>(shared: &Shared<E>, payer: Address) -> Option<U256> {
    let (answer, answered) = oneshot::channel();
    shared.escrows.clone().send((payer, answer)).await.ok()?;
    answered.await.ok()?
}

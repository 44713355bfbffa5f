//! The role of an operator of the release committee: answers requests that come on its streams.

use super::Shared;
use crate::{
    Runtime,
    release::{Member, Request, Response},
};
use contracts::Provider;
use futures::{
    SinkExt, StreamExt,
    channel::{mpsc, oneshot},
};

/// Requests that wait for their answer: one a stream at most, and no more than streams.
const WAITING_MAX: usize = super::MAX_STREAMS as usize;

/// A request, and where its answer goes.
type Asked = (Request, oneshot::Sender<Response>);

/// Where sessions hand their requests in.
pub(super) type Desk = mpsc::Sender<Asked>;

/// The task that holds the shares: nothing else sees it, and requests never take more than one processor.
pub(super) struct Keeper<P: Provider> {
    member: Member<P>,
    asked: mpsc::Receiver<Asked>,
}

impl<P: Provider> Keeper<P> {
    pub(super) fn new(member: Member<P>) -> (Desk, Self) {
        let (desk, asked) = mpsc::channel(WAITING_MAX);
        (desk, Self { member, asked })
    }

    /// Answers one request after the other, in the order in which they came.
    pub(super) async fn run<E: Runtime>(mut self, mut context: E) {
        while let Some((request, answer)) = self.asked.next().await {
            // Who hung up meanwhile is not worth a look at the chain.
            if !answer.is_canceled() {
                let _ = answer.send(self.member.answer(&mut context, &request).await);
            }
        }
    }
}

/// Upon receiving `Release`: the keeper's answer; none where no share is held.
pub(super) async fn answer<E: Runtime>(shared: &Shared<E>, request: Request) -> Option<Response> {
    let mut desk = shared.releases.lock().clone()?;
    let (answer, answered) = oneshot::channel();
    let handed_in = desk.send((request, answer)).await;
    match handed_in {
        Ok(()) => Some(answered.await.unwrap_or(Response::Unavailable)),
        // The node is stopping.
        Err(_) => Some(Response::Unavailable),
    }
}

//! Transactions from users, taken many at a time.
//!
//! To recover the senders of many transactions together costs a fifth of what it costs one by one, and users send one by one. So each
//! transaction goes into a queue, from which one task takes whatever is there and hands it to the ledger: nobody waits for a batch to fill,
//! and while one is worked on the next one gathers.

use super::error::EthError;
use alloy_primitives::{B256, Bytes};
use chain::{Ledger, PoolError};
use tokio::sync::{mpsc, oneshot};

/// Transactions that wait to be looked at. One more is refused at once: the pool holds as many, and a client that is told can wait.
const WAITING_MAX: usize = 32_768;
/// Transactions that are looked at together: some 8 ms of work, after which those who sent them hear of it.
const TOGETHER_MAX: usize = 1_000;

/// A transaction, and where its sender waits.
type Waiting = (Bytes, oneshot::Sender<Result<B256, PoolError>>);

/// The way into a ledger's pool. Clones share it; it ends with the last of them.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    queue: mpsc::Sender<Waiting>,
}

impl Intake {
    /// Begins to take transactions for `ledger`, by a task on the current runtime.
    pub(super) fn start(ledger: Ledger) -> Self {
        let (intake, waiting) = Self::new(WAITING_MAX);
        tokio::spawn(drain(ledger, waiting));
        intake
    }

    fn new(waiting_max: usize) -> (Self, mpsc::Receiver<Waiting>) {
        let (queue, waiting) = mpsc::channel(waiting_max);
        (Self { queue }, waiting)
    }

    /// Gives the ledger a transaction; its hash, once it waits in the pool.
    ///
    /// # Errors
    ///
    /// [`EthError::Pool`] as [`Ledger::submit`] has it; [`EthError::Busy`] where too many transactions wait to be looked at.
    pub(super) async fn submit(&self, raw: Bytes) -> Result<B256, EthError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send((raw, answer)).map_err(|_| EthError::Busy)?;
        // The task ends only with its runtime, or by a panic of ours.
        Ok(answered.await.map_err(|_| EthError::Busy)??)
    }
}

async fn drain(ledger: Ledger, mut waiting: mpsc::Receiver<Waiting>) {
    let mut together = Vec::with_capacity(TOGETHER_MAX);
    while waiting.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let (raw, answers): (Vec<Bytes>, Vec<_>) = together.drain(..).unzip();
        let ledger = ledger.clone();
        // Off the runtime's threads: a full batch is milliseconds of arithmetic.
        let taken = tokio::task::spawn_blocking(move || ledger.submit_all(&raw)).await;
        let Ok(taken) = taken else { continue };
        for (answer, taken) in answers.into_iter().zip(taken) {
            // A client that went away is told nothing.
            let _ = answer.send(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody drains this queue: who comes when it is full is told so and does not wait.
    #[tokio::test]
    async fn who_finds_the_queue_full_is_refused_at_once() {
        let (intake, mut waiting) = Intake::new(2);
        let submit = |byte: u8| {
            let intake = intake.clone();
            tokio::spawn(async move { intake.submit(Bytes::from(vec![byte])).await })
        };
        let (first, second) = (submit(1), submit(2));
        while intake.queue.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(intake.submit(Bytes::new()).await, Err(EthError::Busy)));
        for _ in 0..2 {
            let (raw, answer) = waiting.recv().await.unwrap();
            answer.send(Ok(B256::repeat_byte(raw[0]))).unwrap();
        }
        assert_eq!(first.await.unwrap().unwrap(), B256::repeat_byte(1));
        assert_eq!(second.await.unwrap().unwrap(), B256::repeat_byte(2));
    }
}

//! Batches whose transactions are taken together.
//!
//! The server library answers the calls of a batch one after another. Here successive `eth_sendRawTransaction` begin at once, so that they
//! meet in [`super::intake`] and their senders are recovered together; they are looked at in their order. Every other call waits for those
//! before it, so that a batch has the answers it always had.

use futures::future::join_all;
use jsonrpsee::{
    BatchResponseBuilder, MethodResponse,
    core::middleware::{Batch, BatchEntry, Notification, Request, RpcServiceT},
};
use std::future::Future;

/// The method whose calls begin at once.
const TOGETHER: &str = "eth_sendRawTransaction";

/// The service that answers single calls, and batches of them.
#[derive(Clone, Debug)]
pub(super) struct Batches<S> {
    calls: S,
    response_bytes_max: usize,
}

impl<S> Batches<S> {
    /// A batch's answer has `response_bytes_max` bytes at most.
    pub(super) fn new(calls: S, response_bytes_max: usize) -> Self {
        Self {
            calls,
            response_bytes_max,
        }
    }
}

impl<S> RpcServiceT for Batches<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse> + Clone + Send + Sync + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = S::NotificationResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.calls.call(request)
    }

    /// The server has bounded how many calls there are.
    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (calls, response_bytes_max) = (self.calls.clone(), self.response_bytes_max);
        async move {
            let mut answers = BatchResponseBuilder::new_with_limit(response_bytes_max);
            let (mut notified, mut begun) = (false, Vec::new());
            for entry in batch {
                let call = match entry {
                    Ok(BatchEntry::Call(request)) if request.method_name() == TOGETHER => {
                        begun.push(calls.call(request));
                        continue;
                    }
                    Ok(BatchEntry::Call(request)) => Ok(request),
                    // A notification asks for nothing and gets no answer.
                    Ok(BatchEntry::Notification(_)) => {
                        notified = true;
                        continue;
                    }
                    Err(error) => Err(error),
                };
                let mut done = join_all(begun.drain(..)).await;
                done.push(match call {
                    Ok(request) => calls.call(request).await,
                    Err(error) => {
                        let (error, id) = error.into_parts();
                        MethodResponse::error(id, error)
                    }
                });
                if let Err(too_large) = append(&mut answers, done) {
                    return too_large;
                }
            }
            if let Err(too_large) = append(&mut answers, join_all(begun).await) {
                return too_large;
            }
            if answers.is_empty() && notified {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(answers.finish())
        }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = S::NotificationResponse> + Send + 'a {
        self.calls.notification(notification)
    }
}

fn append(answers: &mut BatchResponseBuilder, more: Vec<MethodResponse>) -> Result<(), MethodResponse> {
    more.into_iter().try_for_each(|answer| answers.append(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonrpsee::{ResponsePayload, types::Id};
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    const RESPONSE_BYTES_MAX: usize = 1 << 10;

    /// Answers each call with how many are under way when it ends.
    #[derive(Clone, Default)]
    struct Counting(Arc<AtomicUsize>);

    impl RpcServiceT for Counting {
        type MethodResponse = MethodResponse;
        type NotificationResponse = MethodResponse;
        type BatchResponse = MethodResponse;

        fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
            let under_way = self.0.clone();
            under_way.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                let count = under_way.fetch_sub(1, Ordering::Relaxed);
                MethodResponse::response(request.id(), ResponsePayload::success(count), RESPONSE_BYTES_MAX)
            }
        }

        fn batch<'a>(&self, _: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
            futures::future::pending()
        }

        fn notification<'a>(&self, _: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
            futures::future::pending()
        }
    }

    async fn answers(methods: &[&'static str]) -> String {
        let entries = (0..).zip(methods).map(|(id, method)| {
            let request = Request::borrowed(method, None, Id::Number(id));
            Ok(BatchEntry::Call(request))
        });
        let batch = Batch::from(entries.collect());
        let answer = Batches::new(Counting::default(), RESPONSE_BYTES_MAX).batch(batch).await;
        answer.as_json().get().to_owned()
    }

    #[tokio::test]
    async fn transactions_in_a_row_begin_together_and_all_else_waits_for_what_is_before_it() {
        let answers = answers(&[TOGETHER, TOGETHER, "eth_blockNumber", TOGETHER]).await;
        let answers: Vec<serde_json::Value> = serde_json::from_str(&answers).unwrap();
        let told: Vec<_> = answers
            .iter()
            .map(|answer| (answer["id"].as_u64().unwrap(), answer["result"].as_u64().unwrap()))
            .collect();
        assert_eq!(told, [(0, 2), (1, 1), (2, 1), (3, 1)]);
    }

    #[tokio::test]
    async fn a_batch_of_nothing_and_one_with_too_long_an_answer_are_refused() {
        assert!(answers(&[]).await.contains("\"error\""));
        assert!(
            answers(&[TOGETHER; 100])
                .await
                .starts_with("{\"jsonrpc\":\"2.0\",\"id\":null,\"error\"")
        );
    }
}

//! `eth_subscribe`: blocks, logs and pool transactions pushed over WebSocket.

use super::{block, log};
use alloy_rpc_types_eth::{
    Filter,
    pubsub::{Params, SubscriptionKind},
};
use chain::Ledger;
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionMessage, SubscriptionSink,
    server::IdProvider,
    types::{ErrorObjectOwned, SubscriptionId, error::INVALID_PARAMS_CODE},
};
use serde::Serialize;
use std::sync::Arc;
use tokio::sync::broadcast::{self, error::RecvError};

/// Blocks that a subscriber who does not keep up may be behind before it is cut off.
const BACKLOG_BLOCKS_MAX: u64 = 1024;

/// Names subscriptions as Ethereum's clients expect: a hexadecimal number, as a string.
#[derive(Debug)]
pub(crate) struct SubscriptionIds;

impl IdProvider for SubscriptionIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        format!("{:#x}", rand::random::<u128>()).into()
    }
}

/// Serves one subscription until the client leaves.
pub(crate) async fn serve(
    ledger: Ledger,
    mut rewinds: broadcast::Receiver<u64>,
    pending: PendingSubscriptionSink,
    kind: SubscriptionKind,
    params: Option<Params>,
) {
    let filter = match (&kind, params) {
        (SubscriptionKind::Logs, Some(Params::Logs(filter))) => *filter,
        (SubscriptionKind::Logs, None | Some(Params::None)) => Filter::default(),
        (SubscriptionKind::NewHeads, _) => Filter::default(),
        (SubscriptionKind::NewPendingTransactions, None | Some(Params::None | Params::Bool(false))) => {
            Filter::default()
        }
        _ => {
            let text = "this node serves newHeads, logs and newPendingTransactions (hashes)";
            pending
                .reject(ErrorObjectOwned::owned(INVALID_PARAMS_CODE, text, None::<()>))
                .await;
            return;
        }
    };
    // From before the client is told that it is subscribed, so that it misses nothing after.
    let first = ledger.latest().header.number + 1;
    let blocks = ledger.subscribe();
    let arrived = ledger.pool().arrived();
    let Ok(sink) = pending.accept().await else { return };
    let work = async {
        match kind {
            SubscriptionKind::NewPendingTransactions => pool_transactions(&ledger, &sink, arrived).await,
            SubscriptionKind::Logs => {
                let show = |block: &chain::Sealed| log::of_block(block, &filter);
                follow(&ledger, &sink, first, blocks, &mut rewinds, show).await;
            }
            _ => {
                let show = |block: &chain::Sealed| vec![block::header(block)];
                follow(&ledger, &sink, first, blocks, &mut rewinds, show).await;
            }
        }
    };
    // Whatever ends the work, the client sees its subscription end.
    tokio::select! {
        () = work => {}
        () = sink.closed() => {}
    }
}

/// Sends what `show` makes of each final block from `next` on; one that the notices skipped is read from the ledger.
async fn follow<T: Serialize>(
    ledger: &Ledger,
    sink: &SubscriptionSink,
    mut next: u64,
    mut blocks: broadcast::Receiver<Arc<chain::Sealed>>,
    rewinds: &mut broadcast::Receiver<u64>,
    show: impl Fn(&chain::Sealed) -> Vec<T>,
) {
    loop {
        let latest = ledger.latest().header.number;
        if latest.saturating_sub(next) > BACKLOG_BLOCKS_MAX {
            return;
        }
        while next <= latest {
            let block = match ledger.by_number(next) {
                Ok(Some(block)) => block,
                // A development chain went back meanwhile, and says so below.
                Ok(None) => break,
                Err(_) => return,
            };
            for item in show(&block) {
                if send(sink, &item).await.is_none() {
                    return;
                }
            }
            next += 1;
        }
        tokio::select! {
            biased;
            rewound = rewinds.recv() => match rewound {
                Ok(height) => next = next.min(height + 1),
                Err(_) => return,
            },
            block = blocks.recv() => if let Err(RecvError::Closed) = block {
                return;
            },
        }
    }
}

/// Sends the hashes of transactions as they arrive in the pool, from the `arrived`-th on. Who falls far behind misses some: the pool knows the last
/// [`chain::pool::RECENT_MAX`] only.
async fn pool_transactions(ledger: &Ledger, sink: &SubscriptionSink, mut arrived: u64) {
    let mut arrivals = ledger.pool().arrivals();
    loop {
        arrivals.forget();
        let hashes;
        (hashes, arrived) = ledger.pool().arrived_after(arrived);
        for hash in hashes {
            if send(sink, &hash).await.is_none() {
                return;
            }
        }
        arrivals.changed().await;
    }
}

async fn send(sink: &SubscriptionSink, item: &impl Serialize) -> Option<()> {
    let message = SubscriptionMessage::new(sink.method_name(), sink.subscription_id(), item).ok()?;
    sink.send(message).await.ok()
}

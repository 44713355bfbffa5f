//! What a process says of itself that has a chain and sells nothing: a node that joined, or a shard's validator.

use crate::metrics::ChainMetrics;
use api::http;
use chain::Ledger;
use commonware_runtime::{Metrics as _, tokio as runtime};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// Its facts and metrics, from before its chain is open.
pub(crate) struct ChainStatus {
    chain_id: u64,
    /// An object of what else there is to say: who it is.
    own: Box<dyn Fn() -> Value + Send + Sync>,
    metrics: ChainMetrics,
    /// Shows what the engine counts.
    context: runtime::Context,
    ledger: OnceLock<Ledger>,
}

impl ChainStatus {
    /// Of a process whose chain is not open yet. `own` gives an object, to which what the chain says is added.
    pub(crate) fn new(
        chain_id: u64,
        metrics: ChainMetrics,
        context: runtime::Context,
        own: impl Fn() -> Value + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            chain_id,
            own: Box::new(own),
            metrics,
            context,
            ledger: OnceLock::new(),
        })
    }

    /// Says from now on what `ledger` has. What is returned counts every block that becomes final, until the ledger is gone.
    pub(crate) fn open(&self, ledger: Ledger) -> impl Future<Output = ()> + Send + 'static {
        let ledger = self.ledger.get_or_init(|| ledger);
        self.metrics.follow(ledger.clone())
    }

    fn waiting(&self) -> usize {
        self.ledger.get().map_or(0, |ledger| ledger.pool().len())
    }
}

impl http::Node for ChainStatus {
    fn is_ready(&self) -> bool {
        self.ledger
            .get()
            .is_some_and(|ledger| ledger.latest().header.number > 0)
    }

    fn status(&self) -> Value {
        let mut shown = (self.own)();
        shown["chain_id"] = json!(self.chain_id);
        if let Some(ledger) = self.ledger.get() {
            let latest = ledger.latest();
            shown["height"] = json!(latest.header.number);
            shown["block_hash"] = json!(latest.hash);
            shown["first_block"] = json!(ledger.first());
        }
        shown["waiting_transactions"] = json!(self.waiting());
        shown
    }

    fn metrics(&self) -> String {
        self.metrics.page(self.waiting(), &self.context.encode())
    }
}

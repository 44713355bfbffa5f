//! What a shard's validator counts, in the Prometheus text format.

use super::Relayed;
use crate::metrics::ChainMetrics;
use api::eth::EthMetrics;
use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};
use std::sync::atomic::AtomicI64;

/// Where messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(super) enum Way {
    /// From the root chain to the shard.
    ToShard,
    /// From the shard to the root chain.
    ToRoot,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Direction {
    way: Way,
}

/// What was carried, each way.
#[derive(Clone, Default)]
pub(super) struct Carried {
    delivered: Family<Direction, Counter>,
    headers: Family<Direction, Counter>,
    failures: Family<Direction, Counter>,
    waiting: Family<Direction, Gauge<i64, AtomicI64>>,
    lag_blocks: Family<Direction, Gauge<i64, AtomicI64>>,
    offences: Counter,
}

impl Carried {
    /// Counts a step that was taken.
    pub(super) fn step(&self, way: Way, done: &Relayed) {
        let direction = Direction { way };
        self.delivered.get_or_create(&direction).inc_by(done.delivered as u64);
        self.headers.get_or_create(&direction).inc_by(done.headers as u64);
    }

    /// Counts a look or a step that failed.
    pub(super) fn failure(&self, way: Way) {
        self.failures.get_or_create(&Direction { way }).inc();
    }

    /// Shows what waits, and for how many blocks of the chain it comes from the first of it has.
    pub(super) fn look(&self, way: Way, waiting: usize, lag_blocks: u64) {
        let direction = Direction { way };
        self.waiting.get_or_create(&direction).set(waiting as i64);
        let lag = i64::try_from(lag_blocks).unwrap_or(i64::MAX);
        self.lag_blocks.get_or_create(&direction).set(lag);
    }

    /// Counts a validator of the shard that was reported to the root chain.
    pub(super) fn offence(&self) {
        self.offences.inc();
    }

    fn register(&self, registry: &mut Registry) {
        for way in [Way::ToShard, Way::ToRoot] {
            // A series that is there from the start shows that nothing failed.
            self.step(way, &Relayed::default());
            self.look(way, 0, 0);
            drop(self.failures.get_or_create(&Direction { way }));
        }
        registry.register(
            "shard_messages_delivered",
            "Messages between the root chain and the shard that this process delivered",
            self.delivered.clone(),
        );
        registry.register(
            "shard_headers_shown",
            "Headers that this process showed to the other chain",
            self.headers.clone(),
        );
        registry.register(
            "shard_carrier_failures",
            "Times that carrying failed; it is tried again",
            self.failures.clone(),
        );
        registry.register(
            "shard_messages_waiting",
            "Messages and announcements that wait to be carried",
            self.waiting.clone(),
        );
        registry.register(
            "shard_carrier_lag_blocks",
            "Blocks of the chain it comes from for which the oldest message has waited",
            self.lag_blocks.clone(),
        );
        registry.register(
            "shard_offences_reported",
            "Validators that voted twice on the shard, reported to the root chain by this process",
            self.offences.clone(),
        );
    }
}

/// A shard's validator's metrics.
pub(crate) struct ShardMetrics {
    /// Of its chain, and the page that shows all.
    pub(crate) chain: ChainMetrics,
    pub(super) carried: Carried,
}

impl ShardMetrics {
    /// Metrics of the validator whose JSON-RPC counts in `eth`.
    pub(crate) fn new(eth: &EthMetrics) -> Self {
        let carried = Carried::default();
        Self {
            chain: ChainMetrics::new(eth, |registry| carried.register(registry)),
            carried,
        }
    }
}

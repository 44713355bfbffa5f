//! Simulations of the unchanged node.

mod agreement;
mod beacon;
mod validators;

use sim::Link;

/// Between machines far apart that lose nothing.
const WAN: Link = Link {
    latency_ms: 40,
    jitter_ms: 10,
    loss: 0.0,
};

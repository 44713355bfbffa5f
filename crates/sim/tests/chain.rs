//! Four validators on a simulated network, with faults.

use sim::{
    Link,
    chain::{Event, Network, Outcome},
};

const WAN: Link = Link {
    latency_ms: 40,
    jitter_ms: 10,
    loss: 0.0,
};

fn assert_agreed(outcome: &Outcome, height: u64, transactions: usize) {
    let log = &outcome.log;
    assert!(
        outcome.heights.iter().all(|reached| *reached >= height),
        "{:?} of {height}\n{log}",
        outcome.heights
    );
    assert_eq!((outcome.included, outcome.missing), (transactions, 0), "\n{log}");
}

#[test]
fn four_validators_finalize_the_same_blocks_and_every_transaction_once() {
    let network = Network::new(1)
        .link(WAN)
        .at_ms(500, Event::Transfers { to: 0, count: 3 });
    let outcome = network
        .at_ms(2_000, Event::Transfers { to: 2, count: 2 })
        .run(12, 60_000);
    assert_agreed(&outcome, 12, 40);
}

//! Validators that agree on blocks while links lose messages, machines crash and networks split.

mod node;
mod observer;

pub use observer::Outcome;

use crate::{Link, Wallet};
use alloy_primitives::U256;
use chain::{
    Committee, ValidatorKeys,
    consensus::{Pace, max_message_bytes},
    keys::Identity,
};
use commonware_p2p::simulated;
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _, deterministic};
use commonware_utils::NZUsize;
use node::Node;
use observer::Observer;
use std::{collections::BTreeSet, num::NonZeroUsize, time::Duration};

/// Chain id of simulated chains.
const CHAIN_ID: u64 = 16602;
/// Gas limit of their blocks.
const GAS_LIMIT: u64 = 36_000_000;
/// How often the observer looks, and faults can strike, in simulated time.
const STEP: Duration = Duration::from_millis(50);
/// Users with funds.
const WALLETS: u64 = 8;

/// Something that happens to the network at a certain time.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A validator's machine loses power: its unsynced writes are gone, or not, by chance.
    Crash(usize),
    /// Its machine is switched on again.
    Restart(usize),
    /// Only validators of the same group reach each other; who is in no group reaches nobody.
    Partition(Vec<Vec<usize>>),
    /// All reach each other again.
    Heal,
    /// A validator is given `count` transfers by each of eight users, which follow those already given.
    Transfers {
        /// Who gets them.
        to: usize,
        /// How many of each user.
        count: u64,
    },
}

/// A simulated network of validators. Made by its methods one after another; [`Network::run`] runs it.
#[derive(Clone, Debug)]
pub struct Network {
    seed: u64,
    validators: usize,
    link: Link,
    pace: Pace,
    events: Vec<(Duration, Event)>,
}

impl Network {
    /// Four validators on fast links, with `seed` for all that is left to chance.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            validators: 4,
            link: Link::default(),
            pace: Pace::default(),
            events: Vec::new(),
        }
    }

    /// How many validators there are.
    pub fn validators(mut self, validators: usize) -> Self {
        self.validators = validators;
        self
    }

    /// What lies between any two of them.
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// How often blocks come.
    pub fn pace(mut self, pace: Pace) -> Self {
        self.pace = pace;
        self
    }

    /// Makes `event` happen `ms` milliseconds after the start.
    pub fn at_ms(mut self, ms: u64, event: Event) -> Self {
        self.events.push((Duration::from_millis(ms), event));
        self
    }

    /// Runs until every validator that is up has `height` final blocks, every event has happened and every transaction given to a
    /// validator is final, or until `limit_ms` of simulated time have passed.
    ///
    /// # Panics
    ///
    /// When two validators hold different final blocks at one height, or one finalizes a transaction twice.
    pub fn run(mut self, height: u64, limit_ms: u64) -> Outcome {
        // Events in their order; those of the same time in the order given.
        self.events.sort_by_key(|(time, _)| *time);
        let config = deterministic::Config::new().with_seed(self.seed).with_timeout(None);
        deterministic::Runner::new(config)
            .start(|context| async move { self.simulate(context, height, limit_ms).await })
    }

    async fn simulate(self, context: deterministic::Context, height: u64, limit_ms: u64) -> Outcome {
        let keys: Vec<_> = (0..self.validators)
            .map(|index| ValidatorKeys::from_seed(&[index as u8 + 1; 32]))
            .collect();
        let members: Vec<_> = keys.iter().map(ValidatorKeys::member).collect();
        let committee = Committee::new(&members).expect("the keys are distinct and proved");
        let identities: Vec<Identity> = keys.iter().map(ValidatorKeys::identity).collect();
        let config = simulated::Config {
            max_size: max_message_bytes(self.validators),
            max_peers_per_set: NonZeroUsize::new(self.validators).expect("there is a validator"),
            disconnect_on_block: true,
            tracked_peer_sets: NZUsize!(1),
        };
        let (p2p, oracle) = simulated::Network::new_with_peers(context.child("p2p"), config, identities.clone()).await;
        p2p.start();
        let links = Links {
            oracle: &oracle,
            identities: &identities,
            link: self.link,
        };
        links.connect(&[(0..self.validators).collect()]).await;

        let genesis = genesis();
        let mut nodes = Vec::new();
        for (index, keys) in keys.into_iter().enumerate() {
            let node = Node::new(index, keys, committee.clone(), genesis.clone(), self.pace);
            nodes.push(node);
        }
        for node in &mut nodes {
            node.start(&context, &oracle).await;
        }

        let start = context.current();
        let mut observer = Observer::new(start);
        let mut events = self.events.into_iter().peekable();
        let mut sent = vec![0u64; WALLETS as usize];
        loop {
            let now = context.current();
            let elapsed = now.duration_since(start).unwrap_or_default();
            while let Some((_, event)) = events.next_if(|(time, _)| *time <= elapsed) {
                observer.note(now, &format!("{event:?}"));
                match event {
                    Event::Crash(index) => nodes[index].crash(&context).await,
                    Event::Restart(index) => nodes[index].start(&context, &oracle).await,
                    Event::Partition(groups) => links.connect(&groups).await,
                    Event::Heal => links.connect(&[(0..identities.len()).collect()]).await,
                    Event::Transfers { to, count } => {
                        for (wallet, nonce) in (0..WALLETS).zip(&mut sent) {
                            for _ in 0..count {
                                let user = Wallet::nth(wallet);
                                let to_address = Wallet::nth((wallet + 1) % WALLETS).address();
                                let transfer = user.transfer(CHAIN_ID, *nonce, to_address, 1);
                                let hash = nodes[to].submit(&transfer).expect("a funded user sends in order");
                                observer.expect(hash);
                                *nonce += 1;
                            }
                        }
                    }
                }
            }
            for node in &nodes {
                observer.look(now, node);
            }
            let reached = nodes.iter().filter_map(Node::height).all(|reached| reached >= height);
            if (reached && events.peek().is_none() && observer.missing() == 0)
                || elapsed >= Duration::from_millis(limit_ms)
            {
                return observer.outcome(&nodes, context.auditor().state());
            }
            context.sleep(STEP).await;
        }
    }
}

/// The simulated cables.
struct Links<'a> {
    oracle: &'a simulated::Oracle<Identity, deterministic::Context>,
    identities: &'a [Identity],
    link: Link,
}

impl Links<'_> {
    /// Connects exactly the validators that share a group.
    async fn connect(&self, groups: &[Vec<usize>]) {
        let together: BTreeSet<(usize, usize)> = groups
            .iter()
            .flat_map(|group| group.iter().flat_map(move |a| group.iter().map(move |b| (*a, *b))))
            .collect();
        for (a, from) in self.identities.iter().enumerate() {
            for (b, to) in self.identities.iter().enumerate().filter(|(b, _)| *b != a) {
                // An error says that there was no such cable.
                let _ = self.oracle.remove_link(from.clone(), to.clone()).await;
                if together.contains(&(a, b)) {
                    let added = self.oracle.add_link(from.clone(), to.clone(), self.link.into()).await;
                    added.expect("the cable was just removed");
                }
            }
        }
    }
}

fn genesis() -> evm::Genesis {
    let rich = U256::from(10).pow(U256::from(24));
    evm::Genesis {
        chain_id: CHAIN_ID,
        timestamp: 0,
        gas_limit: GAS_LIMIT,
        prev_randao: Default::default(),
        allocations: (0..WALLETS).map(|index| (Wallet::nth(index).address(), rich)).collect(),
        contracts: Vec::new(),
        calls: Vec::new(),
    }
}

//! Validators that agree on blocks while links lose messages, machines crash and networks split.

mod beacon;
mod equivocator;
mod node;
mod observer;
mod stake;

pub use beacon::BeaconFault;
pub use observer::{CeremonyEnd, Outcome};

use crate::{Link, Wallet};
use alloy_primitives::{B256, U256};
use chain::{
    PoolError, ValidatorKeys,
    consensus::{FixedRoster, PEER_SETS, PEERS_MAX, Pace, max_message_bytes},
    keys::Identity,
};
use commonware_p2p::simulated;
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _, deterministic};
use contracts::{SEATS_PER_FOUNDER, Terms};
use node::{Node, Setup};
use observer::Observer;
use stake::Stakes;
use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU64,
    time::Duration,
};

/// Chain id of simulated chains.
const CHAIN_ID: u64 = 16602;
/// Gas limit of their blocks.
const GAS_LIMIT: u64 = 36_000_000;
/// How often the observer looks, and faults can strike, in simulated time.
const STEP: Duration = Duration::from_millis(50);
/// Users with funds.
const WALLETS: u64 = 8;
/// The user who never stops.
const STEADY_WALLET: u64 = WALLETS;

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
    /// A machine's operator registers, with stake and vote keys. It counts four epochs later.
    Register(usize),
    /// Its operator asks for seats: it votes from the third epoch after this one on, at the latest.
    Join(usize),
    /// Its operator gives its seats back, in as many epochs.
    Leave(usize),
    /// From now on, until it is switched off, the machine votes for two blocks whenever it votes for one.
    Equivocate(usize),
    /// From now on the machine fails the randomness beacon in this way.
    FailBeacon(usize, BeaconFault),
}

/// When an event happens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    /// This long after the start.
    After(Duration),
    /// When somebody has this many final blocks.
    Height(u64),
}

/// Validators that are chosen by stake.
#[derive(Clone, Copy, Debug)]
struct Staked {
    founders: usize,
    epoch_blocks: NonZeroU64,
    /// Votes of each operator, if there is a randomness beacon; it costs time that others need not spend.
    beacon: Option<usize>,
}

/// A chain that was made elsewhere.
#[derive(Clone, Debug)]
struct Given {
    genesis: evm::Genesis,
    keys: Vec<ValidatorKeys>,
    epoch_blocks: NonZeroU64,
}

/// A simulated network of validators. Made by its methods one after another; [`Network::run`] runs it.
#[derive(Clone, Debug)]
pub struct Network {
    seed: u64,
    validators: usize,
    link: Link,
    pace: Pace,
    events: Vec<(When, Event)>,
    staked: Option<Staked>,
    /// Validators that a given chain's first block names.
    given: Option<Given>,
    /// Machines of which there are two with the same keys.
    twins: Vec<usize>,
    /// Pause between two transfers of a user who never stops.
    steady: Option<Duration>,
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
            staked: None,
            given: None,
            twins: Vec::new(),
            steady: None,
        }
    }

    /// How many validators there are, or machines that may come to be.
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
        self.events.push((When::After(Duration::from_millis(ms)), event));
        self
    }

    /// Makes `event` happen when somebody has `height` final blocks.
    pub fn at_height(mut self, height: u64, event: Event) -> Self {
        self.events.push((When::Height(height), event));
        self
    }

    /// Lets stake choose the validators, in epochs of `epoch_blocks`: the first `founders` machines have stake in the first block.
    ///
    /// # Panics
    ///
    /// When an epoch has no block.
    pub fn staked(mut self, founders: usize, epoch_blocks: u64) -> Self {
        self.staked = Some(Staked {
            founders,
            epoch_blocks: NonZeroU64::new(epoch_blocks).expect("an epoch has a block"),
            beacon: None,
        });
        self
    }

    /// Runs the chain that begins with `genesis`, whose state says who of the machines with `keys` votes, in epochs of `epoch_blocks`. What is at stake is
    /// on another chain: offences are not reported on this one, they are among what comes of the run.
    pub fn shard(mut self, genesis: evm::Genesis, keys: Vec<ValidatorKeys>, epoch_blocks: NonZeroU64) -> Self {
        self.validators = keys.len();
        self.given = Some(Given {
            genesis,
            keys,
            epoch_blocks,
        });
        self
    }

    /// Gives a machine a twin from the start on: a second one with the same keys and a disk of its own, each unaware of the other.
    pub fn twin(mut self, validator: usize) -> Self {
        self.twins.push(validator);
        self
    }

    /// Lets validators that stake chooses run a randomness beacon, and gives each operator `votes` of its own, at most
    /// [`SEATS_PER_FOUNDER`].
    ///
    /// # Panics
    ///
    /// When validators are not chosen by stake.
    pub fn beacon(mut self, votes: usize) -> Self {
        self.staked.as_mut().expect("seats are stake").beacon = Some(votes);
        self
    }

    /// Lets a user send one transfer every `ms` milliseconds, from the start to the end, to the first machine that is up and takes it.
    pub fn steady(mut self, ms: u64) -> Self {
        self.steady = Some(Duration::from_millis(ms));
        self
    }

    /// Runs until every validator that is up has `height` final blocks, every event has happened and every transaction given to a
    /// validator is final, or until `limit_ms` of simulated time have passed.
    ///
    /// # Panics
    ///
    /// When two validators hold different final blocks at one height, one finalizes a transaction twice, or one's proof that a block is final
    /// does not verify.
    pub fn run(self, height: u64, limit_ms: u64) -> Outcome {
        let config = deterministic::Config::new().with_seed(self.seed).with_timeout(None);
        deterministic::Runner::new(config)
            .start(|context| async move { self.simulate(context, height, limit_ms).await })
    }

    async fn simulate(self, context: deterministic::Context, height: u64, limit_ms: u64) -> Outcome {
        let keys: Vec<_> = match &self.given {
            Some(given) => given.keys.clone(),
            None => (0..self.validators)
                .map(|index| ValidatorKeys::from_seed(&[index as u8 + 1; 32]))
                .collect(),
        };
        let identities: Vec<Identity> = keys.iter().map(ValidatorKeys::identity).collect();
        let config = simulated::Config {
            max_size: max_message_bytes(),
            max_peers_per_set: PEERS_MAX,
            disconnect_on_block: true,
            tracked_peer_sets: PEER_SETS,
        };
        let (p2p, oracle) = simulated::Network::new(context.child("p2p"), config);
        p2p.start();
        let links = Links {
            oracle: &oracle,
            identities: &identities,
            link: self.link,
        };
        let votes_each = self.staked.and_then(|staked| staked.beacon);
        let mut stakes = Stakes::new(CHAIN_ID, votes_each.unwrap_or(SEATS_PER_FOUNDER as usize), &keys);
        let setup = self.setup(&keys, &stakes);
        let mut nodes: Vec<Node> = (keys.into_iter().enumerate())
            .map(|(index, keys)| Node::new(index, keys, setup.clone()))
            .collect();
        self.twins.iter().for_each(|twin| nodes[*twin].double());
        for node in &mut nodes {
            node.start(&context, &oracle).await;
        }
        links.connect(&[(0..self.validators).collect()]).await;

        let start = context.current();
        let mut observer = Observer::new(start, chain::beacon::namespace(CHAIN_ID, setup.genesis.prev_randao));
        let mut events = self.events;
        let mut operators = self.staked.map_or(0, |staked| staked.founders as u32);
        let mut users = Users::default();
        let mut next_transfer = Duration::ZERO;
        loop {
            let now = context.current();
            let elapsed = now.duration_since(start).unwrap_or_default();
            let reached = nodes.iter().filter_map(Node::height).max().unwrap_or(0);
            // Events in the order given, each as soon as it is due.
            let due = |when: &When| match when {
                When::After(time) => *time <= elapsed,
                When::Height(height) => *height <= reached,
            };
            let happening: Vec<_> = events.extract_if(.., |(when, _)| due(when)).collect();
            for (_, event) in happening {
                observer.note(now, &format!("{event:?}"));
                match event {
                    Event::Crash(index) => nodes[index].crash(&context).await,
                    Event::Restart(index) => nodes[index].start(&context, &oracle).await,
                    Event::Partition(groups) => links.connect(&groups).await,
                    Event::Heal => links.connect(&[(0..identities.len()).collect()]).await,
                    Event::Transfers { to, count } => {
                        for wallet in 0..WALLETS {
                            for _ in 0..count {
                                observer.expect(users.send(wallet, &nodes[to]));
                            }
                        }
                    }
                    Event::Register(index) => {
                        let sent = stakes.register(index, operators);
                        operators += 1;
                        sent.iter().for_each(|raw| observer.expect(submit(&nodes, raw)));
                    }
                    Event::Join(index) => observer.expect(submit(&nodes, &stakes.join(index))),
                    Event::Leave(index) => observer.expect(submit(&nodes, &stakes.leave(index))),
                    Event::Equivocate(index) => nodes[index].equivocate(),
                    Event::FailBeacon(index, fault) => nodes[index].gag(fault),
                }
            }
            if let Some(pause) = self.steady
                && elapsed >= next_transfer
                && send_steadily(&nodes)
            {
                next_transfer = elapsed + pause;
            }
            for node in &mut nodes {
                observer.look(now, node);
                node.report(&mut stakes);
                node.post(&mut stakes);
            }
            let all = nodes.iter().filter_map(Node::height).all(|reached| reached >= height);
            if (all && events.is_empty() && observer.missing() == 0) || elapsed >= Duration::from_millis(limit_ms) {
                for node in &nodes {
                    node.prove().await;
                }
                let stakes = nodes.iter().find_map(Node::ledger).filter(|_| self.staked.is_some());
                let stakes = stakes.map(stake::stakes).unwrap_or_default();
                return observer.outcome(&nodes, stakes, context.auditor().state());
            }
            context.sleep(STEP).await;
        }
    }

    /// What all machines begin with.
    fn setup(&self, keys: &[ValidatorKeys], stakes: &Stakes) -> Setup {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        let fixed: Vec<_> = keys.iter().map(|keys| (keys.validator(1), address)).collect();
        let fixed = FixedRoster::new(&fixed).expect("the keys are distinct");
        let mut setup = Setup {
            genesis: genesis(),
            pace: self.pace,
            fixed: Some(fixed),
            epoch_blocks: NonZeroU64::MAX,
            beacon: false,
            stake_elsewhere: self.given.is_some(),
        };
        if let Some(given) = &self.given {
            setup.genesis = given.genesis.clone();
            (setup.fixed, setup.epoch_blocks) = (None, given.epoch_blocks);
        }
        if let Some(Staked {
            founders,
            epoch_blocks,
            beacon,
        }) = self.staked
        {
            let founders: Vec<_> = (0..founders).map(|index| stakes.founder(index)).collect();
            let terms = Terms {
                epoch_blocks: epoch_blocks.get(),
                ..Terms::default()
            };
            setup.genesis.allocations.extend(stakes.allocations());
            setup.genesis.contracts = contracts::genesis_contracts_with(&terms);
            let calls = contracts::founding_calls(&founders).into_iter();
            setup.genesis.calls = calls
                .map(|call| evm::GenesisCall {
                    from: call.from,
                    to: call.to,
                    data: call.data,
                    value: call.value,
                })
                .collect();
            (setup.fixed, setup.epoch_blocks, setup.beacon) = (None, epoch_blocks, beacon.is_some());
        }
        setup
    }
}

/// Gives the next transfer of the user who never stops to the first machine that is up and takes it; whether there is one.
fn send_steadily(nodes: &[Node]) -> bool {
    let mut up = nodes.iter().filter(|node| node.height().is_some());
    up.any(|node| match node.transfer(&Wallet::nth(STEADY_WALLET)) {
        Ok(_) => true,
        // It hears of no block any more: it is cut off, or its operator left.
        Err(PoolError::NonceTooHigh { .. }) => false,
        Err(error) => panic!("a funded user sends in order: {error}"),
    })
}

/// Gives a transaction to the first machine that is up.
fn submit(nodes: &[Node], raw: &[u8]) -> B256 {
    let node = nodes.iter().find(|node| node.height().is_some());
    let node = node.expect("a machine is up");
    node.submit(raw).expect("an operator's transaction is in order")
}

/// Users with funds, and how many transfers each has sent.
#[derive(Default)]
struct Users {
    sent: [u64; WALLETS as usize],
}

impl Users {
    /// One more transfer of the `wallet`-th user, given to `node`.
    fn send(&mut self, wallet: u64, node: &Node) -> B256 {
        let nonce = &mut self.sent[wallet as usize];
        let to = Wallet::nth((wallet + 1) % WALLETS).address();
        let transfer = Wallet::nth(wallet).transfer(CHAIN_ID, *nonce, to, 1);
        *nonce += 1;
        node.submit(&transfer).expect("a funded user sends in order")
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
        allocations: (0..=STEADY_WALLET)
            .map(|index| (Wallet::nth(index).address(), rich))
            .collect(),
        contracts: Vec::new(),
        calls: Vec::new(),
    }
}

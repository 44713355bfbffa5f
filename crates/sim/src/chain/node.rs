//! One validator's machine: its disk, and what runs on it while it has power.

use super::{
    beacon::{BeaconFault, Ear, Gag},
    equivocator::{Equivocator, Wire},
    stake::Stakes,
};
use crate::Wallet;
use alloy_primitives::{Address, B256};
use chain::{
    Ledger, MemoryDisk, PoolError, PoolLimits, Store, ValidatorKeys,
    beacon::Post,
    consensus::{
        self, BeaconConfig, Certificates, Channels, Committees, Config, FixedRoster, Offence, Pace, Transport,
        Validator, quotas,
    },
    keys::Identity,
};
use commonware_p2p::simulated::{self, Oracle, SplitTarget};
use commonware_runtime::{Clock as _, Quota, Supervisor as _, deterministic};
use node::{ContractBeacon, StakedCommittees};
use rand::RngExt as _;
use std::{num::NonZeroU64, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How long what was aborted takes, at most, to let go of its files.
const SETTLE: Duration = Duration::from_millis(1);

/// Byte of the account that is paid for the blocks of a second machine with the same keys: no machine's number.
const TWINS_BENEFICIARY: u8 = 0xf7;
/// Offences of others that wait until the observer's next look.
const OFFENCES_WAITING: usize = 64;
/// Logs of its seats that wait, too.
const POSTS_WAITING: usize = 16;

/// What all machines have in common.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) genesis: evm::Genesis,
    pub(super) pace: Pace,
    /// Who votes on a chain whose state does not say.
    pub(super) fixed: Option<FixedRoster>,
    pub(super) epoch_blocks: NonZeroU64,
    /// Whether there is a randomness beacon.
    pub(super) beacon: bool,
    /// Whether what is at stake is on another chain, so that offences are not reported on this one.
    pub(super) stake_elsewhere: bool,
}

/// Channels of a machine: what each carries and how often is [`quotas`].
const CHANNELS: [Quota; 7] = [
    quotas::VOTES,
    quotas::CERTIFICATES,
    quotas::RESOLVER,
    quotas::BLOCKS,
    quotas::BACKFILL,
    quotas::TRANSACTIONS,
    quotas::BEACON,
];

type WireSender = simulated::Sender<Identity, deterministic::Context>;
type WireReceiver = simulated::Receiver<Identity>;
/// The ends of all channels, in the order of [`CHANNELS`].
type Wires = Vec<(WireSender, WireReceiver)>;

pub(super) struct Node {
    pub(super) index: usize,
    pub(super) keys: ValidatorKeys,
    setup: Setup,
    disk: MemoryDisk,
    running: Option<Running>,
    /// A second machine with the same keys, if there is one: its disk, and what runs on it.
    twin: Option<(MemoryDisk, Option<Running>)>,
    equivocator: Arc<Equivocator>,
    gag: Gag,
    /// What it saw of others, where nobody is told.
    pub(super) offences: Vec<Offence>,
}

struct Running {
    ledger: Ledger,
    validator: Validator,
    offences: mpsc::Receiver<Offence>,
    certificates: Certificates,
    posts: mpsc::Receiver<Post>,
}

impl Node {
    pub(super) fn new(index: usize, keys: ValidatorKeys, setup: Setup) -> Self {
        let namespace = consensus::namespace(setup.genesis.chain_id, setup.genesis.prev_randao);
        Self {
            index,
            equivocator: Arc::new(Equivocator::new(namespace, keys.clone())),
            keys,
            setup,
            disk: MemoryDisk::new(),
            running: None,
            twin: None,
            gag: Gag::default(),
            offences: Vec::new(),
        }
    }

    /// Gives it a second machine with the same keys, from the next start on.
    pub(super) fn double(&mut self) {
        self.twin = Some((MemoryDisk::new(), None));
    }

    /// Switches the machine on, and its twin if it has one: both hear all that is said to either, and both speak in the same name.
    pub(super) async fn start(
        &mut self,
        context: &deterministic::Context,
        oracle: &Oracle<Identity, deterministic::Context>,
    ) {
        assert!(self.running.is_none(), "validator {} is up", self.index);
        let control = oracle.control(self.keys.identity());
        let (mut own, mut of_twin) = (Wires::new(), Wires::new());
        for (number, quota) in (0..).zip(CHANNELS) {
            let (sender, receiver) = control.register(number, quota).await.expect("the network is up");
            if self.twin.is_some() {
                let both = receiver.split_with(context.child("twin").with_attribute("channel", number), |_| {
                    SplitTarget::Both
                });
                own.push((sender.clone(), both.0));
                of_twin.push((sender, both.1));
            } else {
                own.push((sender, receiver));
            }
        }
        self.running = Some(self.run(context, oracle, own, &self.disk, "validator", self.index as u8 + 1));
        if let Some((disk, _)) = &self.twin {
            // The twin's blocks are others, if only for who is paid for them.
            let running = self.run(context, oracle, of_twin, disk, "twin", TWINS_BENEFICIARY);
            self.twin = Some((disk.clone(), Some(running)));
        }
    }

    /// Runs a validator of its keys on a disk.
    fn run(
        &self,
        context: &deterministic::Context,
        oracle: &Oracle<Identity, deterministic::Context>,
        wires: Wires,
        disk: &MemoryDisk,
        name: &'static str,
        beneficiary: u8,
    ) -> Running {
        let store = Store::in_memory(disk).expect("the disk holds a whole database, or none");
        let ledger =
            Ledger::open(&self.setup.genesis, store, PoolLimits::default()).expect("the disk holds this chain");
        let mut wires = wires.into_iter().map(|(sender, receiver)| {
            let ear = Ear {
                inner: receiver,
                gag: None,
            };
            (Wire::honest(sender), ear)
        });
        let mut next = || wires.next().expect("each channel has its wire");
        let (votes, received_votes) = next();
        let (certificates_wire, resolver, blocks, backfill, transactions) = (next(), next(), next(), next(), next());
        let (beacon, heard) = next();
        let gag = Some(self.gag.clone());
        let transport = Transport {
            channels: Channels {
                votes: (votes.with(self.equivocator.clone()), received_votes),
                certificates: certificates_wire,
                resolver,
                blocks,
                backfill,
                transactions,
                beacon: (beacon.gagged(self.gag.clone()), Ear { gag, ..heard }),
            },
            blocker: oracle.control(self.keys.identity()),
            peers: oracle.socket_manager(),
        };
        let committees: Arc<dyn Committees> = match &self.setup.fixed {
            Some(roster) => Arc::new(roster.clone()),
            None => Arc::new(StakedCommittees::new(ledger.clone())),
        };
        let (seen, offences) = mpsc::channel(OFFENCES_WAITING);
        let certificates = Certificates::default();
        let (posts, posted) = mpsc::channel(POSTS_WAITING);
        let beacon = self.setup.beacon.then(|| BeaconConfig {
            state: Arc::new(ContractBeacon::new(ledger.clone())),
            posts,
        });
        let config = Config {
            keys: self.keys.clone(),
            committees,
            epoch_blocks: self.setup.epoch_blocks,
            ledger: ledger.clone(),
            beneficiary: Address::repeat_byte(beneficiary),
            partition_prefix: format!("{name}-{}", self.index),
            pace: self.setup.pace,
            offences: Some(seen),
            certificates: certificates.clone(),
            beacon,
            floor: None,
        };
        let validator = consensus::start(
            context.child(name).with_attribute("index", self.index),
            config,
            transport,
        );
        Running {
            ledger,
            validator,
            offences,
            certificates,
            posts: posted,
        }
    }

    /// Cuts the machine's power: tasks end where they are, and each unsynced write is there afterwards or not.
    pub(super) async fn crash(&mut self, context: &deterministic::Context) {
        let running = self.running.take().expect("it is up");
        let of_twin = self.twin.as_mut().and_then(|(_, running)| running.take());
        for mut running in std::iter::once(running).chain(of_twin) {
            running.validator.abort();
            running.validator.halted().await;
        }
        context.sleep(SETTLE).await;
        let mut chance = context.child("chance");
        self.disk.crash(|| chance.random_bool(0.5));
        if let Some((disk, _)) = &self.twin {
            disk.crash(|| chance.random_bool(0.5));
        }
    }

    /// The node's view of the chain, while it has power.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.running.as_ref().map(|running| &running.ledger)
    }

    /// Gives it a transfer by `user`, after those that it knows of.
    pub(super) fn transfer(&self, user: &Wallet) -> Result<B256, PoolError> {
        let ledger = self.ledger().expect("it is up");
        let (_, state) = ledger.pending();
        let final_nonce = state.account(&user.address()).map_or(0, |account| account.nonce);
        let nonce = ledger.pool().next_nonce(&user.address(), final_nonce);
        let transfer = user.transfer(ledger.chain_id(), nonce, Address::repeat_byte(0xaa), 1);
        ledger.submit(&transfer)
    }

    /// From now on it votes twice.
    pub(super) fn equivocate(&self) {
        self.equivocator.begin();
    }

    /// Reports what it saw of others since the last call, from the account that `stakes` has of it.
    pub(super) fn report(&mut self, stakes: &mut Stakes) {
        let Some(running) = &mut self.running else { return };
        while let Ok(offence) = running.offences.try_recv() {
            if self.setup.stake_elsewhere {
                self.offences.push(offence);
                continue;
            }
            let call = node::report_call(&running.ledger, &offence).expect("the state knows who offends");
            let transaction = stakes.report(self.index, &call);
            running.ledger.submit(&transaction).expect("an operator can pay");
        }
    }

    /// The proof of finality that it gives of a block in the middle of its chain, while it has power.
    ///
    /// # Panics
    ///
    /// When it has none, or it does not verify.
    pub(super) async fn prove(&self) {
        let Some(running) = &self.running else { return };
        let Setup { genesis, fixed, .. } = &self.setup;
        let middle = running.ledger.latest().header.number / 2;
        if middle == 0 {
            return;
        }
        let proof = running.certificates.at_or_after(middle).await;
        let proof = proof
            .expect("the state says who voted")
            .expect("a final block has a certificate");
        let header = proof.summary.header();
        let known = running.ledger.by_number(header.number).expect("memory does not fail");
        assert_eq!(known.expect("the block is final").header, *header);
        let roster = match fixed {
            Some(fixed) => fixed.roster(proof.epoch),
            None => StakedCommittees::new(running.ledger.clone()).roster(proof.epoch),
        };
        let namespace = consensus::namespace(genesis.chain_id, genesis.prev_randao);
        let committee = roster.expect("the state says who voted").committee;
        proof.verify(&namespace, &committee).expect("a quorum signed");
    }

    /// How its beacon is at fault from now on.
    pub(super) fn gag(&self, fault: BeaconFault) {
        self.gag.set(fault);
    }

    /// Posts the logs of its seats that were closed since the last call, from the account that `stakes` has of it.
    pub(super) fn post(&mut self, stakes: &mut Stakes) {
        let Some(running) = &mut self.running else { return };
        let account = stakes.account(self.index);
        let times = match self.gag.fault() {
            BeaconFault::NoLog => 0,
            BeaconFault::LogTwice => 2,
            _ => 1,
        };
        while let Ok(post) = running.posts.try_recv() {
            let call = node::post_call(&running.ledger, account, &post).expect("it deals for its own seats");
            for _ in 0..times {
                let (_, state) = running.ledger.pending();
                let final_nonce = state.account(&account).map_or(0, |account| account.nonce);
                // A post that was lost with power is no gap.
                let nonce = running.ledger.pool().next_nonce(&account, final_nonce);
                let transaction = stakes.post(self.index, nonce, &call);
                running.ledger.submit(&transaction).expect("an operator can pay");
            }
        }
    }

    /// Its last final height, while it has power.
    pub(super) fn height(&self) -> Option<u64> {
        self.ledger().map(|ledger| ledger.latest().header.number)
    }

    /// Gives it a transaction, as a user does.
    pub(super) fn submit(&self, raw: &[u8]) -> Result<B256, PoolError> {
        self.ledger().expect("it is up").submit(raw)
    }
}

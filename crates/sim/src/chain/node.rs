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
use commonware_p2p::simulated::Oracle;
use commonware_runtime::{Clock as _, Supervisor as _, deterministic};
use node::{ContractBeacon, StakedCommittees};
use rand::RngExt as _;
use std::{num::NonZeroU64, sync::Arc, time::Duration};
use tokio::sync::mpsc;

/// How long what was aborted takes, at most, to let go of its files.
const SETTLE: Duration = Duration::from_millis(1);

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
}

pub(super) struct Node {
    pub(super) index: usize,
    pub(super) keys: ValidatorKeys,
    setup: Setup,
    disk: MemoryDisk,
    running: Option<Running>,
    equivocator: Arc<Equivocator>,
    gag: Gag,
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
            gag: Gag::default(),
        }
    }

    /// Switches the machine on.
    pub(super) async fn start(
        &mut self,
        context: &deterministic::Context,
        oracle: &Oracle<Identity, deterministic::Context>,
    ) {
        assert!(self.running.is_none(), "validator {} is up", self.index);
        let store = Store::in_memory(&self.disk).expect("the disk holds a whole database, or none");
        let ledger =
            Ledger::open(&self.setup.genesis, store, PoolLimits::default()).expect("the disk holds this chain");
        let control = oracle.control(self.keys.identity());
        let channel = async |number, quota| {
            let (sender, receiver) = control.register(number, quota).await.expect("the network is up");
            (
                Wire::honest(sender),
                Ear {
                    inner: receiver,
                    gag: None,
                },
            )
        };
        let (votes, received_votes) = channel(0, quotas::VOTES).await;
        let (beacon, heard) = channel(6, quotas::BEACON).await;
        let gag = Some(self.gag.clone());
        let transport = Transport {
            channels: Channels {
                votes: (votes.with(self.equivocator.clone()), received_votes),
                certificates: channel(1, quotas::CERTIFICATES).await,
                resolver: channel(2, quotas::RESOLVER).await,
                blocks: channel(3, quotas::BLOCKS).await,
                backfill: channel(4, quotas::BACKFILL).await,
                transactions: channel(5, quotas::TRANSACTIONS).await,
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
            beneficiary: Address::repeat_byte(self.index as u8 + 1),
            partition_prefix: format!("validator-{}", self.index),
            pace: self.setup.pace,
            offences: Some(seen),
            certificates: certificates.clone(),
            beacon,
            floor: None,
        };
        let validator = consensus::start(
            context.child("validator").with_attribute("index", self.index),
            config,
            transport,
        );
        self.running = Some(Running {
            ledger,
            validator,
            offences,
            certificates,
            posts: posted,
        });
    }

    /// Cuts the machine's power: tasks end where they are, and each unsynced write is there afterwards or not.
    pub(super) async fn crash(&mut self, context: &deterministic::Context) {
        let mut running = self.running.take().expect("it is up");
        running.validator.abort();
        running.validator.halted().await;
        drop(running);
        context.sleep(SETTLE).await;
        let mut chance = context.child("chance");
        self.disk.crash(|| chance.random_bool(0.5));
    }

    /// The node's view of the chain, while it has power.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.running.as_ref().map(|running| &running.ledger)
    }

    /// Gives it a transfer by `user`, after those that it knows of.
    pub(super) fn transfer(&self, user: &Wallet) {
        let ledger = self.ledger().expect("it is up");
        let (_, state) = ledger.pending();
        let final_nonce = state.account(&user.address()).map_or(0, |account| account.nonce);
        let nonce = ledger.pool().next_nonce(&user.address(), final_nonce);
        let transfer = user.transfer(ledger.chain_id(), nonce, Address::repeat_byte(0xaa), 1);
        ledger.submit(&transfer).expect("a funded user sends in order");
    }

    /// From now on it votes twice.
    pub(super) fn equivocate(&self) {
        self.equivocator.begin();
    }

    /// Reports what it saw of others since the last call, from the account that `stakes` has of it.
    pub(super) fn report(&mut self, stakes: &mut Stakes) {
        let Some(running) = &mut self.running else { return };
        while let Ok(offence) = running.offences.try_recv() {
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
        while let Ok(post) = running.posts.try_recv() {
            let call = node::post_call(&running.ledger, account, &post).expect("it deals for its own seats");
            let (_, state) = running.ledger.pending();
            let final_nonce = state.account(&account).map_or(0, |account| account.nonce);
            // A post that was lost with power is no gap.
            let nonce = running.ledger.pool().next_nonce(&account, final_nonce);
            let transaction = stakes.post(self.index, nonce, &call);
            running.ledger.submit(&transaction).expect("an operator can pay");
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

//! One validator's machine: its disk, and what runs on it while it has power.

use alloy_primitives::{Address, B256};
use chain::{
    Committee, Ledger, MemoryDisk, PoolError, PoolLimits, Store, ValidatorKeys,
    consensus::{self, Channels, Config, Pace, Transport, Validator, quotas},
    keys::Identity,
};
use commonware_p2p::simulated::Oracle;
use commonware_runtime::{Clock as _, Supervisor as _, deterministic};
use rand::RngExt as _;
use std::time::Duration;

/// How long what was aborted takes, at most, to let go of its files.
const SETTLE: Duration = Duration::from_millis(1);

pub(super) struct Node {
    pub(super) index: usize,
    keys: ValidatorKeys,
    committee: Committee,
    genesis: evm::Genesis,
    pace: Pace,
    disk: MemoryDisk,
    running: Option<(Ledger, Validator)>,
}

impl Node {
    pub(super) fn new(
        index: usize,
        keys: ValidatorKeys,
        committee: Committee,
        genesis: evm::Genesis,
        pace: Pace,
    ) -> Self {
        Self {
            index,
            keys,
            committee,
            genesis,
            pace,
            disk: MemoryDisk::new(),
            running: None,
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
        let ledger = Ledger::open(&self.genesis, store, PoolLimits::default()).expect("the disk holds this chain");
        let control = oracle.control(self.keys.identity());
        let channel = async |number, quota| control.register(number, quota).await.expect("the network is up");
        let transport = Transport {
            channels: Channels {
                votes: channel(0, quotas::VOTES).await,
                certificates: channel(1, quotas::CERTIFICATES).await,
                resolver: channel(2, quotas::RESOLVER).await,
                blocks: channel(3, quotas::BLOCKS).await,
                backfill: channel(4, quotas::BACKFILL).await,
                transactions: channel(5, quotas::TRANSACTIONS).await,
            },
            blocker: oracle.control(self.keys.identity()),
            peers: oracle.manager(),
        };
        let config = Config {
            keys: self.keys.clone(),
            committee: self.committee.clone(),
            ledger: ledger.clone(),
            beneficiary: Address::repeat_byte(self.index as u8 + 1),
            partition_prefix: format!("validator-{}", self.index),
            pace: self.pace,
        };
        let validator = consensus::start(
            context.child("validator").with_attribute("index", self.index),
            config,
            transport,
        );
        self.running = Some((ledger, validator));
    }

    /// Cuts the machine's power: tasks end where they are, and each unsynced write is there afterwards or not.
    pub(super) async fn crash(&mut self, context: &deterministic::Context) {
        let (ledger, mut validator) = self.running.take().expect("it is up");
        validator.abort();
        validator.halted().await;
        drop((ledger, validator));
        context.sleep(SETTLE).await;
        let mut chance = context.child("chance");
        self.disk.crash(|| chance.random_bool(0.5));
    }

    /// The node's view of the chain, while it has power.
    pub(super) fn ledger(&self) -> Option<&Ledger> {
        self.running.as_ref().map(|(ledger, _)| ledger)
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

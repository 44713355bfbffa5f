//! Someone who sees all validators at once, and holds them to their promises.

use super::node::Node;
use alloy_primitives::B256;
use chain::{Sealed, beacon::SignatureBytes, consensus::Offence};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::{
    Hasher as _, Sha256,
    bls12381::primitives::{
        ops,
        variant::{MinSig, Variant},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    time::SystemTime,
};

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Last final height of each validator that was up at the end.
    pub heights: Vec<u64>,
    /// Hash of the final block at each height that any validator had.
    pub blocks: BTreeMap<u64, B256>,
    /// Transactions that users gave to validators and that are final.
    pub included: usize,
    /// Transactions that users gave to validators and that are not final.
    pub missing: usize,
    /// Who made the final block at each height.
    pub proposers: BTreeMap<u64, usize>,
    /// Most milliseconds between two blocks that a validator made final one after the other while it was up and had what the others had, and
    /// height of the second; up to 50 more than it was.
    pub longest_wait: Option<(u64, u64)>,
    /// What is at stake behind each operator, wei, by its number.
    pub stakes_wei: Vec<u128>,
    /// How each epoch's ceremony of the randomness beacon ended, as a block said.
    pub ceremonies: BTreeMap<u64, CeremonyEnd>,
    /// The random value of each height that has one, as a signature that the observer verified.
    pub values: BTreeMap<u64, SignatureBytes>,
    /// Height of the block that brought it.
    pub value_blocks: BTreeMap<u64, u64>,
    /// What validators saw of others that voted twice, where it is not reported on the same chain; each as often as somebody saw it.
    pub offences: Vec<Offence>,
    /// Simulated milliseconds.
    pub elapsed_ms: u64,
    /// What was observed, line by line: the same for the same seed.
    pub log: String,
    /// Digest of everything the runtime did: every message, timer and random number.
    pub audit: String,
}

impl Outcome {
    /// SHA-256 of the log, in hexadecimal.
    pub fn log_digest(&self) -> String {
        Sha256::hash(&[self.log.as_bytes()]).to_string()
    }
}

/// How a ceremony of the randomness beacon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CeremonyEnd {
    /// Whether the key was made, or handed on.
    pub succeeded: bool,
    /// Logs that dealers posted.
    pub posted: u32,
    /// Logs that counted.
    pub counted: u32,
    /// Logs that it takes.
    pub required: u32,
}

pub(super) struct Observer {
    beacon_namespace: Vec<u8>,
    /// The beacon's public key, once there is one.
    key: Option<<MinSig as Variant>::Public>,
    ceremonies: BTreeMap<u64, CeremonyEnd>,
    values: BTreeMap<u64, SignatureBytes>,
    value_blocks: BTreeMap<u64, u64>,
    start: SystemTime,
    now: SystemTime,
    /// The final block at each height, by whoever had it first.
    blocks: BTreeMap<u64, B256>,
    /// Next height to look at, of each validator.
    next: HashMap<usize, u64>,
    proposers: BTreeMap<u64, usize>,
    /// When each validator's last block was final there. Forgotten when it is switched off.
    last: HashMap<usize, u64>,
    longest_wait: Option<(u64, u64)>,
    given: BTreeSet<B256>,
    included: HashMap<B256, u64>,
    log: String,
}

impl Observer {
    pub(super) fn new(start: SystemTime, beacon_namespace: Vec<u8>) -> Self {
        Self {
            beacon_namespace,
            key: None,
            ceremonies: BTreeMap::new(),
            values: BTreeMap::new(),
            value_blocks: BTreeMap::new(),
            start,
            now: start,
            blocks: BTreeMap::new(),
            next: HashMap::new(),
            proposers: BTreeMap::new(),
            last: HashMap::new(),
            longest_wait: None,
            given: BTreeSet::new(),
            included: HashMap::new(),
            log: String::new(),
        }
    }

    fn elapsed_ms(&self) -> u64 {
        self.now
            .duration_since(self.start)
            .map_or(0, |since| since.as_millis() as u64)
    }

    /// Writes a line.
    pub(super) fn note(&mut self, now: SystemTime, line: &str) {
        self.now = now;
        let _ = writeln!(self.log, "{:>8} {line}", self.elapsed_ms());
    }

    /// A user gave a validator this transaction.
    pub(super) fn expect(&mut self, transaction: B256) {
        self.given.insert(transaction);
    }

    /// How many of those transactions are not final.
    pub(super) fn missing(&self) -> usize {
        self.given
            .iter()
            .filter(|hash| !self.included.contains_key(*hash))
            .count()
    }

    /// Looks at the final blocks that a validator has since last time.
    pub(super) fn look(&mut self, now: SystemTime, node: &Node) {
        self.now = now;
        let Some(ledger) = node.ledger() else {
            self.last.remove(&node.index);
            return;
        };
        let next = self.next.get(&node.index).copied().unwrap_or(0);
        let latest = ledger.latest().header.number;
        let highest = self.blocks.last_key_value().map_or(0, |(height, _)| *height);
        // After a crash a validator may lack blocks whose durability it had not confirmed; it gets them again.
        for height in next..=latest {
            let block = ledger
                .by_number(height)
                .expect("the disk works")
                .expect("final blocks have no gaps");
            let first = *self.blocks.entry(height).or_insert(block.hash);
            assert_eq!(
                block.hash, first,
                "validator {} has another final block at height {height}",
                node.index
            );
            self.look_at_beacon(&block);
            let proposer = block.header.beneficiary.0[0].checked_sub(1);
            self.proposers
                .extend(proposer.map(|index| (height, usize::from(index))));
            self.note(
                now,
                &format!("validator {} height {height} block {}", node.index, block.hash),
            );
            for transaction in &block.transactions {
                let seen = *self.included.entry(*transaction.tx_hash()).or_insert(height);
                assert_eq!(seen, height, "transaction {} is final twice", transaction.tx_hash());
            }
        }
        if next <= latest {
            let elapsed = self.elapsed_ms();
            let last = self.last.insert(node.index, elapsed);
            // Who catches up waits for itself.
            if let Some(last) = last.filter(|_| highest <= next) {
                self.longest_wait = self.longest_wait.max(Some((elapsed - last, latest)));
            }
        }
        self.next.insert(node.index, latest + 1);
    }

    /// Verifies what a block says of the randomness beacon, with what anybody has: the key that the first ceremony made.
    fn look_at_beacon(&mut self, block: &Sealed) {
        let number = block.header.number;
        if let Some(ceremony) = &block.beacon.ceremony {
            let end = CeremonyEnd {
                succeeded: ceremony.made.is_some(),
                posted: ceremony.posted,
                counted: ceremony.counted,
                required: ceremony.required,
            };
            if self.ceremonies.insert(ceremony.epoch, end).is_none() {
                self.note(
                    self.now,
                    &format!("ceremony of epoch {} in block {number}: {end:?}", ceremony.epoch),
                );
            }
            if let Some(made) = &ceremony.made {
                let key = <MinSig as Variant>::Public::decode(Copying(made.key.as_slice())).expect("a point of G2");
                assert_eq!(
                    *self.key.get_or_insert(key),
                    key,
                    "block {number} changes the beacon's key"
                );
            }
        }
        for (height, bytes) in (block.beacon.first_height..).zip(&block.beacon.signatures) {
            if let Some(known) = self.values.insert(height, *bytes) {
                assert_eq!(known, *bytes, "height {height} has two values");
                continue;
            }
            self.value_blocks.insert(height, number);
            let key = self.key.as_ref().expect("a key before values");
            let signature = <MinSig as Variant>::Signature::decode(Copying(bytes.as_slice())).expect("a point of G1");
            ops::verify_message::<MinSig>(key, &self.beacon_namespace, &height.to_be_bytes(), &signature)
                .unwrap_or_else(|_| panic!("the value of height {height} is not the committee's"));
        }
    }

    pub(super) fn outcome(self, nodes: &[Node], stakes_wei: Vec<u128>, audit: String) -> Outcome {
        let missing = self.missing();
        Outcome {
            heights: nodes.iter().filter_map(Node::height).collect(),
            included: self.given.len() - missing,
            missing,
            elapsed_ms: self.elapsed_ms(),
            proposers: self.proposers,
            longest_wait: self.longest_wait,
            stakes_wei,
            offences: nodes.iter().flat_map(|node| node.offences.iter().cloned()).collect(),
            ceremonies: self.ceremonies,
            values: self.values,
            value_blocks: self.value_blocks,
            blocks: self.blocks,
            log: self.log,
            audit,
        }
    }
}

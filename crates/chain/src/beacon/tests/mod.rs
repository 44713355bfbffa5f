//! Ceremonies and values among validators in one thread, without network, chain or disk.

mod ceremonies;
mod faults;
mod messages;
mod values;

use super::{
    ceremony::{Ceremony, MessageError},
    conclusion,
    message::{Acks, Dealing, Message, Partials},
    news,
    plan::{Plan, Seats, read_output},
    rules::{self, NewsError},
    state::Standing,
    values::{Era, Values},
    *,
};
use crate::keys::{Committee, Identity, ValidatorKeys};
use alloy_primitives::Bytes;
use commonware_codec::{Copying, DecodeExt as _, Encode as _, EncodeSize as _};
use commonware_cryptography::bls12381::primitives::group::Share;
use evm::{BeaconCeremony, BeaconNews, BeaconSharing};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::collections::BTreeMap;

const NAMESPACE: &[u8] = b"aloft-beacon of tests";

/// Validator number `index`.
fn keys(index: u8) -> ValidatorKeys {
    ValidatorKeys::from_seed(&[index; 32])
}

/// A committee of validators with `seats` each.
fn committee(members: &[u8], seats: usize) -> Committee {
    let validators: Vec<_> = members.iter().map(|index| keys(*index).validator(seats)).collect();
    Committee::new(&validators).unwrap()
}

/// How the key is shared after a ceremony, with the shares that a test may look at.
#[derive(Clone)]
struct Shared {
    from_epoch: u64,
    output: Output,
    shares: BTreeMap<u8, Vec<Share>>,
}

/// What goes wrong in a ceremony.
#[derive(Default)]
struct Faults<'a> {
    /// Neither deal nor acknowledge.
    silent: &'a [u8],
    /// Deal shares that do not fit what they commit to.
    garbage: &'a [u8],
    /// Deal one thing to the first half of the players, and another to the others.
    equivocating: &'a [u8],
    /// Lose power when everybody has dealt, and remember what they kept.
    restarted: &'a [u8],
}

/// One ceremony of `epoch`: `dealers` to `players`, who have `seats` each.
struct Hall {
    plan: Plan,
    nodes: BTreeMap<u8, Node>,
    held: BTreeMap<u8, Vec<Share>>,
}

struct Node {
    ceremony: Ceremony,
    kept: Vec<Dealing>,
}

impl Hall {
    fn new(epoch: u64, previous: Option<&Shared>, dealers: &[u8], players: &[u8], seats: usize) -> Self {
        let output = previous.map(|shared| (shared.from_epoch, shared.output.clone()));
        let (dealing, playing) = (committee(dealers, seats), committee(players, seats));
        let plan = Plan::new(NAMESPACE, epoch, output, &dealing, &playing).unwrap();
        let held = previous.map(|shared| shared.shares.clone()).unwrap_or_default();
        let mut hall = Self {
            plan,
            nodes: BTreeMap::new(),
            held,
        };
        for index in dealers.iter().chain(players) {
            let node = hall.start(*index, Vec::new());
            hall.nodes.insert(*index, node);
        }
        hall
    }

    fn start(&self, index: u8, kept: Vec<Dealing>) -> Node {
        let held = self.held.get(&index).map_or(&[][..], Vec::as_slice);
        let ceremony = Ceremony::begin(self.plan.clone(), &keys(index), held, &kept, &[]).unwrap();
        Node { ceremony, kept }
    }

    fn index_of(&self, identity: &Identity) -> u8 {
        *self
            .nodes
            .keys()
            .find(|index| keys(**index).identity() == *identity)
            .unwrap()
    }

    /// Brings one dealing to its player, and its acknowledgements back.
    fn deliver(&mut self, from: u8, to: u8, dealing: Dealing) -> Result<(), MessageError> {
        let (dealer, player) = (keys(from).identity(), keys(to).identity());
        let node = self.nodes.get_mut(&to).unwrap();
        let taken = node.ceremony.take_dealing(&dealer, dealing)?;
        node.kept.extend(taken.new);
        let dealing = &mut self.nodes.get_mut(&from).unwrap().ceremony;
        dealing.take_acks(&player, taken.acks)
    }

    /// All logs, and how the ceremony ends by them.
    fn run(mut self, faults: &Faults<'_>) -> (BeaconCeremony, Option<Shared>) {
        // The same dealers in a ceremony that nobody else is in: other polynomials.
        let mut elsewhere = self.plan.clone();
        elsewhere.round.summary = commonware_cryptography::sha256::Digest([0; 32]);
        let mut sent = Vec::new();
        for (from, node) in &self.nodes {
            let dealt = node.ceremony.outstanding();
            let held = self.held.get(from).map_or(&[][..], Vec::as_slice);
            let other = Ceremony::begin(elsewhere.clone(), &keys(*from), held, &[], &[]).unwrap();
            for ((player, dealing), (_, other)) in dealt.into_iter().zip(other.outstanding()) {
                sent.push((*from, self.index_of(&player), dealing, other));
            }
        }
        let half = self.nodes.len() as u8 / 2;
        for (from, to, mut dealing, other) in sent {
            if faults.silent.contains(&from) || faults.silent.contains(&to) {
                continue;
            }
            if faults.garbage.contains(&from) && from != to {
                dealing.shares = dealing
                    .shares
                    .into_iter()
                    .zip(other.shares)
                    .map(|((key, _), (_, share))| (key, share))
                    .collect();
            } else if faults.equivocating.contains(&from) && to > half {
                dealing = other;
            }
            // What is wrong is not acknowledged.
            let _ = self.deliver(from, to, dealing);
        }
        for index in faults.restarted {
            let node = self.nodes.remove(index).unwrap();
            let node = self.start(*index, node.kept);
            self.nodes.insert(*index, node);
            // It deals again; who acknowledged before acknowledges again.
            for (player, dealing) in self.nodes[index].ceremony.outstanding() {
                let to = self.index_of(&player);
                if !faults.silent.contains(&to) {
                    self.deliver(*index, to, dealing).unwrap();
                }
            }
        }
        let mut logs = Vec::new();
        let mut closed = BTreeMap::new();
        for (index, node) in self.nodes {
            let ceremony = node.ceremony.close(true);
            if !faults.silent.contains(&index) {
                logs.extend(ceremony.posts(&[]).into_iter().map(|post| post.log));
            }
            closed.insert(index, ceremony);
        }
        let ended = conclusion::conclude(&self.plan, &logs);
        let shared = ended.made.as_ref().map(|made| Shared {
            from_epoch: self.plan.epoch + 1,
            output: read_output(self.plan.epoch + 1, &made.output).unwrap(),
            shares: closed
                .into_iter()
                .map(|(index, ceremony)| (index, ceremony.finish(&logs)))
                .collect(),
        });
        (ended, shared)
    }
}

fn made(ended: &BeaconCeremony) -> KeyBytes {
    ended.made.as_ref().expect("a key").key
}

/// The values that `members` see of a sharing's heights, up to `last`.
fn values(shared: &Shared, members: &[u8], seats: usize, own: u8, first: u64, last: u64) -> Values {
    let seats = Seats::of(&committee(members, seats));
    let era = Era {
        from_height: first,
        output: shared.output.clone(),
        holders: shared
            .output
            .players()
            .iter()
            .map(|key| seats.holder(key).cloned())
            .collect(),
        shares: shared.shares.get(&own).cloned().unwrap_or_default(),
    };
    let mut values = Values::new(NAMESPACE.to_vec());
    values.share(vec![era]);
    let _ = values.settle(first, last);
    values
}

/// What `member` tells of one height.
fn partials(shared: &Shared, members: &[u8], seats: usize, member: u8, height: u64) -> Vec<Partials> {
    values(shared, members, seats, member, height, height).own(0, 16)
}

/// The value of a height as `own` finds it after hearing `from`.
fn value(shared: &Shared, members: &[u8], seats: usize, own: u8, from: &[u8], height: u64) -> Option<Signature> {
    let mut values = values(shared, members, seats, own, height, height);
    let mut found = values.settle(height, height).values;
    for member in from {
        let progress = values.hear(
            &keys(*member).identity(),
            partials(shared, members, seats, *member, height),
        );
        assert!(progress.liars.is_empty());
        found.extend(progress.values);
    }
    found.into_iter().map(|(_, value)| value).next()
}

fn shared() -> (Shared, [u8; 4]) {
    let all = [1, 2, 3, 4];
    (
        Hall::new(0, None, &all, &all, 1).run(&Faults::default()).1.unwrap(),
        all,
    )
}

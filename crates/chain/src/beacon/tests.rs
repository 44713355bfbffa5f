//! Ceremonies and values among validators in one thread, without network, chain or disk.

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
        let elsewhere = Plan {
            summary: commonware_cryptography::sha256::Digest([0; 32]),
            ..self.plan.clone()
        };
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

/// The key is made by the first committee, and each later one has it, though nobody of the first is left in the end.
#[test]
fn the_key_stays_the_same_while_all_who_hold_it_change() {
    let (first, shared) = Hall::new(0, None, &[1, 2, 3, 4], &[1, 2, 3, 4], 1).run(&Faults::default());
    assert_eq!((first.posted, first.counted, first.required), (4, 3, 3));
    let key = made(&first);
    let mut shared = shared.unwrap();
    let mut holders = vec![1, 2, 3, 4];
    for epoch in 1..=4u8 {
        let before = shared.clone();
        let mut next = holders[1..].to_vec();
        next.push(4 + epoch);
        let hall = Hall::new(epoch.into(), Some(&shared), &holders, &next, 1);
        let (ended, made_now) = hall.run(&Faults::default());
        assert_eq!(made(&ended), key, "epoch {epoch}");
        shared = made_now.unwrap();
        // Who left and who came find the same value of a height.
        let old = value(&before, &holders, 1, holders[0], &holders[1..], 7).unwrap();
        assert_eq!(value(&shared, &next, 1, next[3], &next[..3], 7), Some(old));
        holders = next;
    }
    assert_eq!(holders, [5, 6, 7, 8]);
}

/// Committees grow and shrink, and seats are the unit: two of eight validators have as much as a quarter.
#[test]
fn a_committee_of_other_size_with_more_seats_takes_the_key_over() {
    let (first, shared) = Hall::new(0, None, &[1, 2, 3, 4], &[1, 2], 2).run(&Faults::default());
    let shared = shared.unwrap();
    assert_eq!(shared.output.players().len(), 4);
    let (ended, grown) = Hall::new(1, Some(&shared), &[1, 2], &[3, 4, 5, 6], 2).run(&Faults::default());
    assert_eq!(made(&ended), made(&first));
    let grown = grown.unwrap();
    assert_eq!((grown.output.players().len(), grown.output.public().required()), (8, 6));
    let members = [3, 4, 5, 6];
    let before = value(&shared, &[1, 2], 2, 1, &[2], 9).unwrap();
    assert_eq!(value(&grown, &members, 2, 3, &[4, 5], 9), Some(before));
    // Four seats of eight are too few.
    assert_eq!(value(&grown, &members, 2, 3, &[4], 9), None);
}

#[test]
fn a_third_that_is_silent_keeps_no_key_from_being_handed_on_and_one_more_does() {
    let all = [1, 2, 3, 4, 5, 6, 7];
    let (first, shared) = Hall::new(0, None, &all, &all, 1).run(&Faults::default());
    let shared = shared.unwrap();
    let silent = |silent| Faults {
        silent,
        ..Faults::default()
    };
    let (ended, next) = Hall::new(1, Some(&shared), &all, &all, 1).run(&silent(&[2, 5]));
    assert_eq!((ended.posted, made(&ended)), (5, made(&first)));
    // Even who did not hear a word has the shares that were shown to all in its stead.
    assert!(next.unwrap().shares[&2].len() == 1);
    let (ended, next) = Hall::new(2, Some(&shared), &all, &all, 1).run(&silent(&[2, 5, 6]));
    assert_eq!((ended.made, next.is_none()), (None, true));
    assert!(
        ended.counted < ended.required,
        "{} of {}",
        ended.counted,
        ended.required
    );
    // The holders are still there: the next ceremony is theirs again.
    let (again, _) = Hall::new(3, Some(&shared), &all, &all, 1).run(&Faults::default());
    assert_eq!(made(&again), made(&first));
}

#[test]
fn a_dealer_of_garbage_and_one_that_deals_two_things_are_left_out() {
    let all = [1, 2, 3, 4, 5, 6, 7];
    for previous in [false, true] {
        let shared = previous.then(|| Hall::new(0, None, &all, &all, 1).run(&Faults::default()).1.unwrap());
        let faults = Faults {
            garbage: &[1],
            equivocating: &[2],
            ..Faults::default()
        };
        let (ended, next) = Hall::new(1, shared.as_ref(), &all, &all, 1).run(&faults);
        let next = next.expect("five of seven are enough");
        assert_eq!((ended.posted, ended.counted), (7, 5));
        for liar in [1, 2] {
            let key = keys(liar).seat_secrets().next().map(SeatKey::from).unwrap();
            assert!(!next.output.dealers().iter().any(|dealer| *dealer == key));
        }
        assert!(value(&next, &all, 1, 3, &[4, 5, 6, 7], 1).is_some());
    }
}

/// A dealer that deals anew what it dealt before gives nothing away; a player that forgot nothing has its share.
#[test]
fn whoever_starts_again_deals_the_same_and_has_what_it_acknowledged() {
    let all = [1, 2, 3, 4];
    let (first, _) = Hall::new(0, None, &all, &all, 1).run(&Faults::default());
    for restarted in [&[1][..], &[2, 3], &all] {
        let faults = Faults {
            restarted,
            ..Faults::default()
        };
        let (ended, shared) = Hall::new(0, None, &all, &all, 1).run(&faults);
        assert_eq!(ended, first);
        assert!(shared.unwrap().shares.values().all(|shares| shares.len() == 1));
    }
}

#[test]
fn what_is_no_log_of_this_ceremony_does_not_count() {
    let all = [1, 2, 3, 4];
    let logs = |epoch| -> Vec<Bytes> {
        let hall = Hall::new(epoch, None, &all, &all, 1);
        let closed = hall.nodes.into_values().map(|node| node.ceremony.close(true));
        closed
            .flat_map(|ceremony| ceremony.posts(&[]))
            .map(|post| post.log)
            .collect()
    };
    let plan = Hall::new(1, None, &all, &all, 1).plan;
    let mut posted = logs(0);
    posted.extend([Bytes::new(), Bytes::from(vec![7; 3_000])]);
    let ended = conclusion::conclude(&plan, &posted);
    assert_eq!(
        (ended.posted, ended.counted, ended.required, ended.made),
        (6, 0, 3, None)
    );
}

/// A sender on an authenticated channel can only speak for its own seats.
#[test]
fn nobody_deals_or_acknowledges_for_another() {
    let all = [1, 2, 3, 4];
    let mut hall = Hall::new(0, None, &all, &all, 1);
    let stranger = keys(3).identity();
    let (player, dealing) = hall.nodes[&1].ceremony.outstanding().swap_remove(1);
    let to = hall.index_of(&player);
    let node = hall.nodes.get_mut(&to).unwrap();
    let refused = node.ceremony.take_dealing(&stranger, dealing.clone());
    assert!(matches!(refused, Err(MessageError::NotItsSeat)));
    let late = Dealing {
        epoch: 1,
        ..dealing.clone()
    };
    let refused = node.ceremony.take_dealing(&keys(1).identity(), late);
    assert!(matches!(
        refused,
        Err(MessageError::OtherEpoch { found: 1, expected: 0 })
    ));
    let taken = node.ceremony.take_dealing(&keys(1).identity(), dealing).unwrap();
    let other = all.into_iter().find(|index| *index != to && *index != 1).unwrap();
    let dealer = hall.nodes.get_mut(&1).unwrap();
    let refused = dealer.ceremony.take_acks(&keys(other).identity(), taken.acks);
    assert!(matches!(refused, Err(MessageError::NotItsSeat)));
}

fn shared() -> (Shared, [u8; 4]) {
    let all = [1, 2, 3, 4];
    (
        Hall::new(0, None, &all, &all, 1).run(&Faults::default()).1.unwrap(),
        all,
    )
}

#[test]
fn every_quorum_makes_the_same_value_and_anybody_can_verify_it() {
    let (shared, all) = shared();
    let value_of = |own, from: &[u8]| value(&shared, &all, 1, own, from, 42);
    let found = value_of(1, &[2, 3]).unwrap();
    assert_eq!([value_of(4, &[2, 1]), value_of(2, &[3, 4])], [Some(found); 2]);
    assert_eq!(value_of(1, &[2]), None);
    let bytes: SignatureBytes = found.encode().as_ref().try_into().unwrap();
    let standing = Standing {
        next: 42,
        key: shared.output.public().public().encode().as_ref().try_into().ok(),
        ..Standing::default()
    };
    let news = |first_height, bytes| BeaconNews {
        first_height,
        signatures: vec![bytes],
        ..BeaconNews::default()
    };
    let check = |number, news| rules::check_signatures(NAMESPACE, &standing, number, &news, &BTreeMap::new());
    check(43, news(42, bytes)).unwrap();
    assert!(matches!(check(43, news(41, bytes)), Err(NewsError::NotTheNext { .. })));
    assert!(matches!(check(42, news(42, bytes)), Err(NewsError::NotFinal { .. })));
    let mut wrong = bytes;
    wrong[5] ^= 1;
    assert!(matches!(
        check(43, news(42, wrong)),
        Err(NewsError::WrongSignature { height: 42 })
    ));
    let other: SignatureBytes = value(&shared, &all, 1, 1, &[2, 3], 43)
        .unwrap()
        .encode()
        .as_ref()
        .try_into()
        .unwrap();
    assert!(matches!(
        check(43, news(42, other)),
        Err(NewsError::WrongSignature { height: 42 })
    ));
}

/// Whoever could make us sign a height before it is final would know its value before its block is fixed.
#[test]
fn a_height_that_is_not_final_is_not_signed_and_signatures_of_it_wait() {
    let (shared, all) = shared();
    let mut values = values(&shared, &all, 1, 1, 10, 10);
    assert_eq!(values.own(11, 16), []);
    for member in [2, 3] {
        let ahead = partials(&shared, &all, 1, member, 11);
        assert!(values.hear(&keys(member).identity(), ahead).values.is_empty());
    }
    let progress = values.settle(10, 11);
    assert_eq!(progress.values.len(), 1);
    assert_eq!(progress.values[0].0, 11);
}

#[test]
fn who_sends_a_wrong_signature_is_found_and_the_value_is_made_without_it() {
    let (shared, all) = shared();
    let mut values = values(&shared, &all, 1, 1, 42, 42);
    let mut lie = partials(&shared, &all, 1, 2, 41);
    lie[0].height = 42;
    assert!(values.hear(&keys(2).identity(), lie).values.is_empty());
    let progress = values.hear(&keys(3).identity(), partials(&shared, &all, 1, 3, 42));
    assert_eq!(progress.liars, [keys(2).identity()]);
    assert!(progress.values.is_empty());
    // Another's signature under one's own name is not counted, and nobody's lie.
    let stolen = partials(&shared, &all, 1, 4, 42);
    assert!(values.hear(&keys(3).identity(), stolen.clone()).values.is_empty());
    let mut again = values.hear(&keys(3).identity(), partials(&shared, &all, 1, 3, 42));
    again.values.extend(values.hear(&keys(4).identity(), stolen).values);
    assert_eq!((again.values.len(), again.liars.len()), (1, 0));
}

#[test]
fn signatures_far_ahead_or_long_recorded_are_not_kept() {
    let (shared, all) = shared();
    let mut values = values(&shared, &all, 1, 1, 10, 10);
    for height in [9, 10 + super::values::WINDOW, u64::MAX] {
        let mut far = partials(&shared, &all, 1, 2, 42);
        far[0].height = height;
        let _ = values.hear(&keys(2).identity(), far);
    }
    assert_eq!(values.heard(), 0);
}

fn some_news(random: &mut StdRng) -> BeaconNews {
    let made = random.random_bool(0.5).then(|| BeaconSharing {
        key: random.random::<[u8; 32]>().repeat(3).try_into().unwrap(),
        output: (0..random.random_range(1..200))
            .map(|_| random.random::<u8>())
            .collect(),
    });
    let count = random.random_range(0..=news::MAX_SIGNATURES);
    BeaconNews {
        ceremony: random.random_bool(0.5).then(|| BeaconCeremony {
            epoch: random.random::<u64>() >> random.random_range(0..64),
            posted: random.random(),
            counted: 3,
            required: 0,
            made,
        }),
        first_height: if count == 0 {
            0
        } else {
            random.random::<u64>() >> random.random_range(0..64)
        },
        signatures: (0..count)
            .map(|_| random.random::<[u8; 16]>().repeat(3).try_into().unwrap())
            .collect(),
    }
}

fn news_bytes(of: &BeaconNews) -> Vec<u8> {
    let mut bytes = Vec::new();
    news::write(of, &mut bytes);
    bytes
}

#[test]
fn what_a_block_says_reads_back_and_no_other_bytes_say_the_same() {
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..200 {
        let said = some_news(&mut random);
        let mut bytes = news_bytes(&said);
        assert_eq!(
            (bytes.len(), bytes.len() <= news::MAX_NEWS_BYTES),
            (news::size(&said), true)
        );
        assert_eq!(news::read(&mut Copying(bytes.as_slice())).unwrap(), said);
        for _ in 0..50 {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
            let mut rest = Copying(bytes.as_slice());
            if let Ok(read) = news::read(&mut rest) {
                assert_eq!(news_bytes(&read), bytes[..bytes.len() - rest.0.len()]);
            }
            bytes.truncate(random.random_range(1..=bytes.len()));
        }
    }
}

/// The largest output that a ceremony can come to has to fit into a block.
#[test]
fn the_output_of_the_largest_committee_fits() {
    assert!(Output::max_encode_size(plan::MAX_PARTICIPANTS) <= news::MAX_OUTPUT_BYTES);
}

#[test]
fn messages_read_back_and_mutated_ones_are_refused_or_canonical() {
    let (shared, all) = shared();
    let hall = Hall::new(1, Some(&shared), &all, &all, 1);
    let (_, dealing) = hall.nodes[&1].ceremony.outstanding().swap_remove(1);
    let secret = format!("{dealing:?}");
    let mut acknowledging = Hall::new(1, Some(&shared), &all, &all, 1);
    let (player, mine) = hall.nodes[&1].ceremony.outstanding().swap_remove(1);
    let to = acknowledging.index_of(&player);
    let node = acknowledging.nodes.get_mut(&to).unwrap();
    let acks: Acks = node.ceremony.take_dealing(&keys(1).identity(), mine).unwrap().acks;
    let messages = [
        Message::Dealing(dealing),
        Message::Acks(acks),
        Message::Partials(partials(&shared, &all, 1, 2, 9)),
    ];
    assert!(!secret.contains("share"), "{secret}");
    let mut random = StdRng::seed_from_u64(5);
    for message in messages {
        let bytes = message.encode();
        assert!(bytes.len() == message.encode_size() && bytes.len() <= max_message_bytes());
        assert_eq!(Message::decode(bytes.clone()).unwrap(), message);
        for _ in 0..300 {
            let mut mutated = bytes.to_vec();
            let at = random.random_range(0..mutated.len());
            mutated[at] ^= 1 << random.random_range(0..8);
            mutated.truncate(random.random_range(at..=mutated.len()));
            if let Ok(read) = Message::decode(Copying(mutated.as_slice())) {
                assert_eq!(read.encode(), mutated);
            }
        }
    }
}

#[test]
fn a_ceremony_is_concluded_once_in_the_last_quarter_of_its_epoch() {
    let schedule = super::schedule::Schedule::new(std::num::NonZeroU64::new(100).unwrap());
    let check = |concluded, number, epoch| {
        let standing = Standing {
            concluded,
            ..Standing::default()
        };
        rules::check_moment(schedule, &standing, number, epoch).is_ok()
    };
    assert!(check(3, 375, 3) && check(0, 399, 3));
    assert!(!check(3, 374, 3) && !check(3, 400, 3) && !check(4, 375, 3) && !check(3, 375, 2));
}

#[test]
fn the_seen_random_number_is_that_of_the_last_signature_and_changes_with_every_block() {
    let place = crate::fixtures::place();
    let (one, other): (SignatureBytes, SignatureBytes) = ([1; 48], [2; 48]);
    let all = [
        rules::prev_randao(&place, 7, None),
        rules::prev_randao(&place, 7, Some(&one)),
        rules::prev_randao(&place, 8, Some(&one)),
        rules::prev_randao(&place, 7, Some(&other)),
    ];
    for (at, value) in all.iter().enumerate() {
        assert!(!all[..at].contains(value));
    }
}

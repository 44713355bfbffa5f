//! Dealers that say different things to different players, or to the contract, and power that goes at every point of a ceremony.
//!
//! However it goes, there is one key for all or the old one stays where it was: no validator that follows the protocol is left without the share that
//! the others count on.

use super::*;
use crate::beacon::{ceremony::Taken, vault::Vault};
use commonware_runtime::{
    Runner as _, Supervisor as _,
    deterministic::{self, FaultConfig, PartialWriteMode, WriteConfig},
};
use commonware_utils::probability;

/// Where power goes while a dealing travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// The player's machine stops before it has kept its share.
    BeforeKeeping,
    /// It stops when the share is kept, and nothing is acknowledged.
    BeforeAcknowledging,
    /// The dealer's machine stops before the acknowledgement comes.
    DealerBefore,
    /// It stops after that, and forgets it.
    DealerAfter,
}

impl Hall {
    fn restart(&mut self, index: u8) {
        let node = self.nodes.remove(&index).unwrap();
        let node = self.start(index, node.kept);
        self.nodes.insert(index, node);
    }

    /// Deals until all is acknowledged, while power goes once: at `cut` of the delivery number `at`. How many deliveries there were.
    fn deal_until_done(&mut self, at: usize, cut: Cut) -> usize {
        let mut deliveries = 0;
        loop {
            let dealt: Vec<_> = self
                .nodes
                .iter()
                .flat_map(|(from, node)| node.ceremony.outstanding().into_iter().map(|dealt| (*from, dealt)))
                .collect();
            if dealt.is_empty() {
                return deliveries;
            }
            for (from, (player, dealing)) in dealt {
                let to = self.index_of(&player);
                let now = (deliveries == at).then_some(cut);
                deliveries += 1;
                let node = self.nodes.get_mut(&to).unwrap();
                let Taken { new, acks, refused } = node.ceremony.take_dealing(&keys(from).identity(), dealing).unwrap();
                assert!(refused.is_none());
                if now == Some(Cut::BeforeKeeping) {
                    self.restart(to);
                    continue;
                }
                node.kept.extend(new);
                match now {
                    Some(Cut::BeforeAcknowledging) => {
                        self.restart(to);
                        continue;
                    }
                    Some(Cut::DealerBefore) => self.restart(from),
                    _ => {}
                }
                let dealer = self.nodes.get_mut(&from).unwrap();
                dealer.ceremony.take_acks(&player, acks).unwrap();
                if now == Some(Cut::DealerAfter) {
                    self.restart(from);
                }
            }
        }
    }

    /// Closes all logs, and ends the ceremony by them.
    fn end(self) -> (BeaconCeremony, BTreeMap<u8, Vec<Share>>) {
        let closed = self
            .nodes
            .into_iter()
            .map(|(index, node)| (index, node.ceremony.close(true)));
        let closed: BTreeMap<_, _> = closed.collect();
        let logs: Vec<Bytes> = closed
            .values()
            .flat_map(|ceremony| ceremony.posts(&[]))
            .map(|post| post.log)
            .collect();
        let ended = conclusion::conclude(&self.plan, &logs);
        let shares = closed.into_iter().map(|(index, closed)| (index, closed.finish(&logs)));
        (ended, shares.collect())
    }
}

/// A restart changes nothing: not what is dealt, not what comes of it.
#[test]
fn power_that_goes_at_any_write_or_message_changes_nothing_of_how_a_ceremony_ends() {
    let all = [1, 2, 3, 4];
    let (_, shared) = Hall::new(0, None, &all, &all, 1).run(&Faults::default());
    let hall = || Hall::new(1, shared.as_ref(), &all, &all, 1);
    let mut undisturbed = hall();
    let deliveries = undisturbed.deal_until_done(usize::MAX, Cut::DealerAfter);
    assert_eq!(deliveries, 16);
    let (ended, shares) = undisturbed.end();
    assert!(shares.values().all(|own| own.len() == 1));
    for at in 0..deliveries {
        for cut in [
            Cut::BeforeKeeping,
            Cut::BeforeAcknowledging,
            Cut::DealerBefore,
            Cut::DealerAfter,
        ] {
            let mut hall = hall();
            hall.deal_until_done(at, cut);
            let (again, own) = hall.end();
            assert_eq!(again, ended, "{cut:?} at {at}");
            assert!(own == shares, "{cut:?} at {at}");
        }
    }
}

/// The sound part of a dealing is taken, so it has to be kept: a dealer that repeats it is given an acknowledgement, and a validator that had forgotten it
/// by then would have no share of the key, nor any part in the ceremony.
#[test]
fn the_sound_part_of_a_dealing_is_kept_although_the_rest_of_it_is_not_sound() {
    let (dealers, players) = ([1, 2, 3, 4], [5, 6]);
    let hall = Hall::new(0, None, &dealers, &players, 2);
    let dealt = hall.nodes[&1].ceremony.outstanding();
    let (victim, good) = dealt.iter().find(|(player, _)| *player == keys(5).identity()).unwrap();
    let other = dealt.iter().find(|(player, _)| player != victim).unwrap();
    assert_eq!(good.shares.len(), 2);
    let mut bad = good.clone();
    bad.shares[1].1 = other.1.shares[1].1.clone();

    let mut node = hall.start(5, Vec::new());
    let dealer = keys(1).identity();
    let taken = node.ceremony.take_dealing(&dealer, bad).unwrap();
    assert!(matches!(taken.refused, Some(MessageError::Dealing(_))));
    assert_eq!(taken.acks.acks.len(), 1, "of the sound share alone");
    node.kept.extend(taken.new);
    let taken = node.ceremony.take_dealing(&dealer, good.clone()).unwrap();
    assert!(taken.refused.is_none());
    assert_eq!(taken.acks.acks.len(), 2);
    node.kept.extend(taken.new);

    // Both are acknowledged, so both are there when it starts again, whatever the dealer posts.
    let mut again = hall.start(5, node.kept);
    let repeated = again.ceremony.take_dealing(&dealer, good.clone()).unwrap();
    assert!(repeated.new.is_none());
    assert_eq!(repeated.acks, taken.acks);
}

/// A dealing with a share that is not the receiver's is not taken at all.
#[test]
fn a_dealing_to_another_is_not_taken_in_part() {
    let hall = Hall::new(0, None, &[1, 2, 3, 4], &[5, 6], 2);
    let mut dealt = hall.nodes[&1].ceremony.outstanding();
    let (_, mut dealing) = dealt.swap_remove(0);
    let (player, other) = dealt.swap_remove(0);
    dealing.shares.extend(other.shares);
    let index = hall.index_of(&player);
    let mut node = hall.start(index, Vec::new());
    let refused = node.ceremony.take_dealing(&keys(1).identity(), dealing);
    assert!(matches!(refused, Err(MessageError::NotOurs)));
}

/// What a liar does with one player.
#[derive(Clone, Copy)]
enum Word {
    /// What it says to most.
    One,
    /// A sound share of another polynomial.
    Another,
    /// A share that does not fit what it commits to.
    Garbage,
    Nothing,
}

/// Which logs a liar posts, if any.
const POSTED: [&[usize]; 5] = [&[], &[0], &[1], &[0, 1], &[1, 0]];

/// A ceremony in which `liars` do as chance says: as dealers to each player, as players to each dealer, and to the contract. Honest players lose power
/// at times, too.
fn hostile(mut hall: Hall, liars: &[u8], random: &mut StdRng) -> (BeaconCeremony, BTreeMap<u8, Vec<Share>>, usize) {
    // The same dealers with other polynomials, for the same ceremony.
    let mut elsewhere = hall.plan.clone();
    elsewhere.round.summary = commonware_cryptography::sha256::Digest([0; 32]);
    let mut others: BTreeMap<u8, Ceremony> = liars
        .iter()
        .map(|liar| {
            let held = hall.held.get(liar).map_or(&[][..], Vec::as_slice);
            let other = Ceremony::begin(elsewhere.clone(), &keys(*liar), held, &[], &[]).unwrap();
            (*liar, other)
        })
        .collect();
    let dealers: Vec<u8> = hall.nodes.keys().copied().collect();
    for from in dealers {
        let other_words = others.get(&from).map_or_else(Vec::new, Ceremony::outstanding);
        for (place, (player, dealing)) in hall.nodes[&from].ceremony.outstanding().into_iter().enumerate() {
            let to = hall.index_of(&player);
            if liars.contains(&to) && random.random_bool(0.5) {
                continue;
            }
            if !liars.contains(&from) {
                hall.deliver(from, to, dealing).unwrap();
            } else {
                let (same, other) = other_words[place].clone();
                assert_eq!(same, player);
                let word = [Word::One, Word::One, Word::Another, Word::Garbage, Word::Nothing];
                match word[random.random_range(0..word.len())] {
                    Word::One => hall.deliver(from, to, dealing).unwrap(),
                    Word::Another => {
                        let node = hall.nodes.get_mut(&to).unwrap();
                        let taken = node.ceremony.take_dealing(&keys(from).identity(), other).unwrap();
                        node.kept.extend(taken.new);
                        let dealer = others.get_mut(&from).unwrap();
                        dealer.take_acks(&player, taken.acks).unwrap();
                    }
                    Word::Garbage => {
                        let garbage = Dealing {
                            shares: other.shares,
                            ..dealing
                        };
                        let node = hall.nodes.get_mut(&to).unwrap();
                        let taken = node.ceremony.take_dealing(&keys(from).identity(), garbage).unwrap();
                        assert!(taken.new.is_none() && taken.acks.acks.is_empty() && taken.refused.is_some());
                    }
                    Word::Nothing => {}
                }
            }
            if !liars.contains(&to) && random.random_bool(0.2) {
                hall.restart(to);
                // It forgot who acknowledged to it: it deals again, and gets the same answers.
                for (player, dealing) in hall.nodes[&to].ceremony.outstanding() {
                    let again = hall.index_of(&player);
                    let known = hall.nodes[&again].kept.iter().any(|kept| kept.dealer == dealing.dealer);
                    if known {
                        hall.deliver(to, again, dealing).unwrap();
                    }
                }
            }
        }
    }
    let mut logs = Vec::new();
    let mut closed = BTreeMap::new();
    for (index, node) in hall.nodes {
        let ceremony = node.ceremony.close(true);
        let log = |ceremony: &Ceremony| ceremony.posts(&[]).swap_remove(0).log;
        if let Some(other) = others.remove(&index) {
            let both = [log(&ceremony), log(&other.close(true))];
            let posted = POSTED[random.random_range(0..POSTED.len())];
            logs.extend(posted.iter().map(|which| both[*which].clone()));
        } else {
            logs.push(log(&ceremony));
        }
        closed.insert(index, ceremony);
    }
    let ended = conclusion::conclude(&hall.plan, &logs);
    let shares = closed.into_iter().map(|(index, closed)| (index, closed.finish(&logs)));
    (ended, shares.collect(), logs.len())
}

/// Up to a third of the dealers do whatever chance says, on sixteen seeds: the key is handed on, it is the same, and everybody honest has a share of it.
#[test]
fn whatever_a_third_of_the_dealers_say_to_whom_there_is_one_key_for_all() {
    let all = [1, 2, 3, 4, 5, 6, 7];
    let (first, shared) = Hall::new(0, None, &all, &all, 1).run(&Faults::default());
    let shared = shared.unwrap();
    let old = value(&shared, &all, 1, 3, &[1, 2, 4, 5, 6], 5).unwrap();
    for seed in 0..16 {
        let mut random = StdRng::seed_from_u64(seed);
        let liars = [[1, 4], [2, 7], [6, 3], [5, 1]][seed as usize % 4];
        let previous = (seed % 2 == 1).then_some(&shared);
        let hall = Hall::new(1, previous, &all, &all, 1);
        let (ended, shares, posted) = hostile(hall, &liars, &mut random);
        assert_eq!(ended.posted as usize, posted, "seed {seed}");
        let made = ended.made.as_ref().unwrap_or_else(|| panic!("seed {seed}: {ended:?}"));
        let next = Shared {
            from_epoch: 2,
            output: read_output(2, &made.output).unwrap(),
            shares,
        };
        let honest: Vec<u8> = all.into_iter().filter(|index| !liars.contains(index)).collect();
        for index in &honest {
            let [share] = &next.shares[index][..] else {
                panic!("seed {seed}: {index} has no share")
            };
            let public = next.output.public().partial_public(share.index).unwrap();
            assert_eq!(share.public::<MinSig>(), public, "seed {seed}: {index}");
        }
        let found = value(&next, &all, 1, honest[0], &honest[1..], 5).unwrap();
        if previous.is_some() {
            assert_eq!((made.key, found), (super::made(&first), old), "seed {seed}");
        }
    }
}

/// More than a third may keep the key from being handed on, which the end says with figures, but cannot make another or leave somebody without a share.
#[test]
fn more_liars_than_a_third_stop_a_ceremony_or_change_nothing() {
    let all = [1, 2, 3, 4];
    let (first, shared) = Hall::new(0, None, &all, &all, 1).run(&Faults::default());
    let (mut failed, mut succeeded) = (0, 0);
    for seed in 100..140 {
        let mut random = StdRng::seed_from_u64(seed);
        let hall = Hall::new(1, shared.as_ref(), &all, &all, 1);
        let (ended, shares, _) = hostile(hall, &[1, 3], &mut random);
        match &ended.made {
            Some(made) => {
                succeeded += 1;
                assert_eq!(made.key, super::made(&first), "seed {seed}");
                assert!([2, 4].iter().all(|honest| shares[honest].len() == 1), "seed {seed}");
            }
            None => {
                failed += 1;
                assert!(ended.counted < ended.required, "seed {seed}: {ended:?}");
                assert!(shares.values().all(Vec::is_empty), "seed {seed}");
            }
        }
    }
    assert!(failed > 5 && succeeded > 0, "{failed} failed and {succeeded} did not");
}

/// What a seat posts twice counts once, the first time.
#[test]
fn a_log_that_is_posted_twice_counts_once() {
    let all = [1, 2, 3, 4];
    let hall = Hall::new(0, None, &all, &all, 1);
    let closed: Vec<_> = hall.nodes.into_values().map(|node| node.ceremony.close(true)).collect();
    let logs: Vec<Bytes> = closed
        .iter()
        .flat_map(|ceremony| ceremony.posts(&[]))
        .map(|post| post.log)
        .collect();
    let twice = [&logs[..], &logs[..2]].concat();
    assert_eq!(hall.plan.round.signed(&conclusion::plain(&twice)).len(), 4);
    // Whoever sees its log posted posts it no more.
    assert!(closed.iter().all(|ceremony| ceremony.posts(&twice).is_empty()));
}

/// Writes to a vault until one fails or all are done, on a disk that fails and tears by chance. What is acknowledged is there afterwards.
#[test]
fn what_a_vault_said_it_keeps_is_there_after_a_write_that_failed() {
    let all = [1, 2, 3, 4];
    let (_, shared) = Hall::new(0, None, &all, &all, 1).run(&Faults::default());
    let shares = shared.unwrap().shares;
    let hall = Hall::new(1, None, &all, &all, 1);
    let dealings: Vec<Dealing> = hall
        .nodes
        .values()
        .flat_map(|node| node.ceremony.outstanding())
        .map(|(_, dealing)| dealing)
        .collect();
    let (mut cut, mut whole) = (0, 0);
    for seed in 0..150 {
        let faults = FaultConfig::default()
            .write(WriteConfig {
                failure_rate: probability!(0.05),
                retention_rate: probability!(0.5),
                mode: if seed % 2 == 0 {
                    PartialWriteMode::Subset
                } else {
                    PartialWriteMode::Prefix
                },
            })
            .sync(probability!(0.05));
        let config = deterministic::Config::new()
            .with_seed(seed)
            .with_storage_fault_config(faults);
        let (writes, own) = (dealings.clone(), shares[&1].clone());
        let ((acknowledged, done), checkpoint) =
            deterministic::Runner::new(config).start_and_recover(async move |context| {
                let mut acknowledged = 0;
                let Ok(mut vault) = Vault::open(&context.child("first"), "v").await else {
                    return (acknowledged, false);
                };
                for dealing in writes {
                    match vault.keep_dealing(dealing).await {
                        Ok(kept) => (vault, acknowledged) = (kept, acknowledged + 1),
                        Err(_) => return (acknowledged, false),
                    }
                }
                (acknowledged, vault.keep_shares(2, own, 0).await.is_ok())
            });
        (cut, whole) = (cut + usize::from(!done), whole + usize::from(done));
        let (dealings, own) = (dealings.clone(), shares[&1].clone());
        deterministic::Runner::from(checkpoint).start(async move |context| {
            *context.storage_fault_config().write() = FaultConfig::default();
            let vault = Vault::open(&context.child("again"), "v").await.expect("it opens");
            let kept = vault.dealings(1);
            assert!(
                kept.len() >= acknowledged && kept == &dealings[..kept.len()],
                "seed {seed}"
            );
            assert!(kept.len() <= acknowledged + 1, "seed {seed}");
            match vault.shares(2) {
                [] => assert!(!done, "seed {seed}"),
                found => assert!(found == own, "seed {seed}"),
            }
            let count = kept.len();
            // It goes on.
            let vault = vault.keep_dealing(dealings[0].clone()).await.expect("the disk works");
            assert_eq!(vault.dealings(1).len(), count + 1, "seed {seed}");
        });
    }
    assert!(cut > 30 && whole > 10, "{cut} were cut and {whole} were not");
}

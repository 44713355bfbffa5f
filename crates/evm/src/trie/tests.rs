use super::*;
use alloy_primitives::{U256, keccak256};
use alloy_trie::{Nibbles, proof::verify_proof, root::storage_root_unsorted};
use std::collections::BTreeMap;

/// A small generator, so that a failing case can be told by its seed.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }
}

/// Keys that part late as well as early: a few distinct prefixes, each followed by a few distinct tails.
pub(super) fn clustered_key(dice: &mut Dice) -> B256 {
    let mut key = keccak256(dice.roll(6).to_be_bytes());
    let tail_from = 32 - [0, 1, 2, 16, 31][dice.roll(5) as usize];
    let tail = keccak256(dice.roll(4).to_be_bytes());
    key[tail_from..].copy_from_slice(&tail[tail_from..]);
    if dice.roll(3) == 0 {
        key[31] ^= dice.roll(4) as u8;
    }
    key
}

pub(super) fn encoded(value: &U256) -> Vec<u8> {
    alloy_rlp::encode(value)
}

fn check_against_alloy(trie: &Trie<U256>, model: &BTreeMap<B256, U256>) {
    assert_eq!(
        trie.root(),
        storage_root_unsorted(model.iter().map(|(key, value)| (*key, *value)))
    );
    for (key, value) in model {
        assert_eq!(trie.get(key), Some(value));
    }
}

/// Updates and removals in any order give the root that alloy-trie builds from scratch, nodes shorter than 32 bytes included.
#[test]
fn roots_equal_those_of_alloy_after_any_updates_and_removals() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let mut trie = Trie::default();
        let mut model = BTreeMap::new();
        for step in 0..120 {
            let key = clustered_key(&mut dice);
            if dice.roll(5) < 3 {
                let value = U256::from(dice.roll(300) + 1) << (8 * dice.roll(31)) as usize;
                trie.insert(key, value);
                model.insert(key, value);
            } else {
                trie.remove(&key);
                model.remove(&key);
                assert_eq!(trie.get(&key), None);
            }
            if step % 7 == 0 {
                check_against_alloy(&trie, &model);
            }
        }
        for key in model.keys().copied().collect::<Vec<_>>() {
            trie.remove(&key);
            model.remove(&key);
            check_against_alloy(&trie, &model);
        }
        assert!(trie.root.is_none());
    }
}

/// Wide branches keep the hashes of their children: every change has to show in them, in every clone.
#[test]
fn wide_branches_give_the_roots_of_alloy_whatever_changes() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let key = |dice: &mut Dice| keccak256(dice.roll(500).to_be_bytes());
        let mut model: BTreeMap<B256, U256> = (0..300).map(|_| (key(&mut dice), U256::from(1))).collect();
        let mut trie = Trie::default();
        for (key, value) in &model {
            trie.insert(*key, *value);
        }
        check_against_alloy(&trie, &model);
        for step in 0..40u64 {
            let before = (trie.clone(), model.clone());
            for _ in 0..dice.roll(12) {
                let key = key(&mut dice);
                if dice.roll(3) > 0 {
                    trie.insert(key, U256::from(step + 2));
                    model.insert(key, U256::from(step + 2));
                } else {
                    trie.remove(&key);
                    model.remove(&key);
                }
            }
            // Some changes follow each other without a root between them.
            if dice.roll(3) > 0 {
                check_against_alloy(&trie, &model);
            }
            check_against_alloy(&before.0, &before.1);
        }
        check_against_alloy(&trie, &model);
    }
}

#[test]
fn a_clone_keeps_its_root_and_values_while_the_other_changes() {
    let mut dice = Dice(7);
    let mut trie = Trie::default();
    let mut model = BTreeMap::new();
    let mut kept = Vec::new();
    for step in 0..600u64 {
        let key = clustered_key(&mut dice);
        if dice.roll(3) > 0 {
            trie.insert(key, U256::from(step + 1));
            model.insert(key, U256::from(step + 1));
        } else {
            trie.remove(&key);
            model.remove(&key);
        }
        if step % 50 == 0 {
            // Half of the clones are taken before their root was ever computed.
            if step % 100 == 0 {
                trie.root();
            }
            kept.push((trie.clone(), model.clone()));
        }
    }
    for (trie, model) in &kept {
        check_against_alloy(trie, model);
    }
}

#[test]
fn a_proof_shows_what_is_there_and_what_is_not() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let mut trie = Trie::default();
        for _ in 0..dice.roll(40) {
            trie.insert(clustered_key(&mut dice), U256::from(dice.roll(1000) + 1));
        }
        for _ in 0..40 {
            let key = clustered_key(&mut dice);
            let value = trie.get(&key).map(encoded);
            let proof = trie.proof(&key);
            verify_proof(trie.root(), Nibbles::unpack(key), value, &proof).unwrap();
            let wrong = Some(encoded(&U256::from(123_456)));
            assert!(verify_proof(trie.root(), Nibbles::unpack(key), wrong, &proof).is_err());
        }
    }
}

#[test]
fn the_root_of_a_list_is_that_of_alloy_for_every_length_and_for_short_entries() {
    let mut dice = Dice(7);
    let lengths = (0..300).chain([511, 512, 513, 4_095, 4_097, 66_000]);
    for entries in lengths {
        let shortest = dice.roll(40);
        let values: Vec<Vec<u8>> = (0..entries)
            .map(|_| {
                let length = shortest + dice.roll(1 + shortest * 8);
                (0..length).map(|_| dice.roll(256) as u8).collect()
            })
            .collect();
        let expected = alloy_trie::root::ordered_trie_root_encoded(&values);
        assert_eq!(
            ordered_root(&values),
            expected,
            "{entries} entries of {shortest} bytes or more"
        );
    }
}

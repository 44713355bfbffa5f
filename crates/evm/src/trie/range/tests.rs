use super::*;
use crate::trie::tests::{Dice, clustered_key, encoded};
use alloy_primitives::U256;

/// A trie of some keys that part late as well as early, with values of one byte to thirty-two: nodes shorter than a hash among them.
fn trie(dice: &mut Dice, keys: u64) -> Trie<U256> {
    let mut trie = Trie::default();
    for _ in 0..keys {
        let value = U256::from(dice.roll(300) + 1) << (8 * dice.roll(31)) as usize;
        trie.insert(clustered_key(dice), value);
    }
    trie
}

fn leaves(rows: &[(B256, U256)]) -> Vec<(B256, Vec<u8>)> {
    rows.iter().map(|(key, value)| (*key, encoded(value))).collect()
}

fn check(trie: &Trie<U256>, first: B256, page: &Page<U256>) -> Result<(), RangeError> {
    verify(trie.root(), first, &leaves(&page.rows), page.more, &page.proof)
}

#[test]
fn pages_put_together_are_the_whole_trie_whatever_their_size() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let keys = dice.roll(120);
        let trie = trie(&mut dice, keys);
        let rows_max = 1 + dice.roll(30) as usize;
        let (mut first, mut found) = (Some(B256::ZERO), Vec::new());
        while let Some(from) = first {
            let page = trie.page(&from, rows_max);
            assert_eq!(check(&trie, from, &page), Ok(()), "seed {seed} from {from}");
            assert!(page.rows.len() <= rows_max && page.proof.len() <= RANGE_NODES_MAX);
            first = page.rows.last().filter(|_| page.more).and_then(|(key, _)| after(key));
            found.extend(page.rows);
        }
        let whole = trie.page(&B256::ZERO, usize::MAX);
        assert!(!whole.more && whole.proof.is_empty());
        assert_eq!(found, whole.rows);
    }
}

/// From any key, in the trie or not, to any key.
#[test]
fn a_page_from_anywhere_is_proved() {
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let keys = dice.roll(60);
        let trie = trie(&mut dice, keys);
        for _ in 0..30 {
            let mut first = clustered_key(&mut dice);
            match dice.roll(4) {
                0 => first = keccak256(first),
                1 => first = B256::ZERO,
                2 => first = B256::repeat_byte(0xff),
                _ => {}
            }
            let page = trie.page(&first, 1 + dice.roll(9) as usize);
            assert_eq!(check(&trie, first, &page), Ok(()), "seed {seed} from {first}");
        }
    }
}

#[test]
fn a_page_that_lacks_a_leaf_or_has_one_more_is_refused() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let keys = 20 + dice.roll(40);
        let trie = trie(&mut dice, keys);
        let first = if dice.roll(2) == 0 {
            B256::ZERO
        } else {
            clustered_key(&mut dice)
        };
        let page = trie.page(&first, 12);
        let refused = |rows: &[(B256, U256)], more: bool| {
            verify(trie.root(), first, &leaves(rows), more, &page.proof).unwrap_err();
        };
        for index in 0..page.rows.len() {
            let mut rows = page.rows.clone();
            let (key, value) = rows.remove(index);
            // Without its last row it may be a shorter page, as good as any.
            if !page.more || index + 1 < page.rows.len() {
                refused(&rows, page.more);
            }
            rows.insert(index, (key, value + U256::from(1)));
            refused(&rows, page.more);
            let mut rows = page.rows.clone();
            if let Some(between) = after(&key).filter(|next| page.rows.get(index + 1).is_none_or(|row| row.0 > *next)) {
                rows.insert(index + 1, (between, value));
                refused(&rows, page.more);
            }
        }
        if page.more {
            // As if the trie ended here.
            refused(&page.rows, false);
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_in_a_proof_is_refused_and_never_panics() {
    for seed in 0..6 {
        let mut dice = Dice(seed);
        let trie = trie(&mut dice, 50);
        let first = clustered_key(&mut dice);
        let page = trie.page(&first, 7);
        let rows = leaves(&page.rows);
        let mut needed = 0;
        for node in 0..page.proof.len() {
            let mut without = page.proof.clone();
            without.remove(node);
            // A leaf that is the only key beneath its path at the page's end proves itself: its node is sent and not looked at.
            if verify(trie.root(), first, &rows, page.more, &without).is_ok() {
                continue;
            }
            needed += 1;
            for at in 0..page.proof[node].len() {
                let mut proof = page.proof.clone();
                let mut bytes = proof[node].to_vec();
                bytes[at] ^= 1 << dice.roll(8);
                proof[node] = bytes.into();
                let refused = verify(trie.root(), first, &rows, page.more, &proof).unwrap_err();
                assert!(matches!(refused, RangeError::Missing { .. }), "{refused}");
            }
        }
        assert!(
            needed + 1 >= page.proof.len(),
            "{needed} of {} nodes are needed",
            page.proof.len()
        );
        for index in 0..rows.len() {
            for at in 0..32 {
                let mut rows = rows.clone();
                rows[index].0[at] ^= 1 << dice.roll(8);
                verify(trie.root(), first, &rows, page.more, &page.proof).unwrap_err();
            }
            for at in 0..rows[index].1.len() {
                let mut rows = rows.clone();
                rows[index].1[at] ^= 1 << dice.roll(8);
                verify(trie.root(), first, &rows, page.more, &page.proof).unwrap_err();
            }
        }
    }
}

#[test]
fn what_is_out_of_order_endless_or_too_large_is_refused_before_anything_is_hashed() {
    let mut dice = Dice(3);
    let trie = trie(&mut dice, 30);
    let page = trie.page(&B256::ZERO, 5);
    let rows = leaves(&page.rows);
    let refused =
        |rows: &[(B256, Vec<u8>)], more, proof: &[Bytes], first| verify(trie.root(), first, rows, more, proof);
    let mut turned = rows.clone();
    turned.swap(1, 2);
    let key = turned[2].0;
    assert_eq!(
        refused(&turned, true, &page.proof, B256::ZERO),
        Err(RangeError::Order { key })
    );
    let twice = [rows[0].clone(), rows[0].clone()];
    assert_eq!(
        refused(&twice, true, &page.proof, B256::ZERO),
        Err(RangeError::Order { key: rows[0].0 })
    );
    let late = after(&rows[0].0).unwrap();
    assert_eq!(
        refused(&rows, true, &page.proof, late),
        Err(RangeError::Order { key: rows[0].0 })
    );
    assert_eq!(refused(&[], true, &page.proof, B256::ZERO), Err(RangeError::Endless));
    let long: Bytes = vec![0; RANGE_NODE_BYTES_MAX + 1].into();
    assert_eq!(
        refused(&rows, true, &[long], B256::ZERO),
        Err(RangeError::Size { nodes: 1 })
    );
    let many = vec![Bytes::new(); RANGE_NODES_MAX + 1];
    let nodes = many.len();
    assert_eq!(refused(&rows, true, &many, B256::ZERO), Err(RangeError::Size { nodes }));
}

/// A root by hand: whoever has two thirds of the votes can certify any root, with nodes of any kind beneath it.
#[test]
fn nodes_that_are_none_are_refused_and_never_panic() {
    let mut dice = Dice(9);
    for _ in 0..4_000 {
        let length = dice.roll(60) as usize;
        let mut node: Vec<u8> = (0..length).map(|_| dice.roll(256) as u8).collect();
        // Most of them lists of about the right length.
        if dice.roll(4) > 0 && length > 2 {
            node[0] = 0xc0 + (length - 1).min(55) as u8;
            node[1] = [0x80, 0x81, 0x82, 0xa0, 0xa1, 0x20][dice.roll(6) as usize];
        }
        let root = keccak256(&node);
        let first = clustered_key(&mut dice);
        let _ = verify(root, first, &[], false, &[node.clone().into()]);
        let _ = verify(root, B256::ZERO, &[(first, vec![1])], true, &[node.into()]);
    }
}

#[test]
fn the_key_after_the_last_is_none() {
    assert_eq!(after(&B256::repeat_byte(0xff)), None);
    assert_eq!(after(&B256::ZERO), Some(B256::with_last_byte(1)));
    assert_eq!(after(&B256::with_last_byte(0xff)).unwrap()[30..], [1, 0]);
}

use super::*;
use crate::stream;
use bytes::Bytes;
use commonware_codec::{DecodeExt, Encode};
use proptest::prelude::*;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

const INFO: &[u8] = b"content 1";

fn reader(seed: u8) -> RecipientSecret {
    RecipientSecret::from_seed(&[seed; 32])
}

fn key() -> Key {
    Key::from_bytes([9; 32])
}

fn list(seeds: &[u8]) -> Recipients {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut list = Recipients::new();
    for &seed in seeds {
        assert!(list.add(&mut rng, &reader(seed).public(), &key(), INFO).unwrap());
    }
    list
}

/// What a caller compares: the commitment that travels with the content.
fn is_key(key: &Key) -> bool {
    stream::commitment(key, b"context") == stream::commitment(&Key::from_bytes([9; 32]), b"context")
}

#[test]
fn every_reader_of_a_list_opens_its_own_envelope_and_others_none() {
    let list = list(&[3, 1, 2]);
    for seed in 1..=3 {
        assert_eq!(
            list.open(&reader(seed), INFO, is_key).unwrap().as_bytes(),
            key().as_bytes()
        );
    }
    assert_eq!(
        list.open(&reader(4), INFO, is_key).unwrap_err(),
        RecipientsError::NotARecipient
    );
    assert_eq!(
        list.open(&reader(1), b"content 2", is_key).unwrap_err(),
        RecipientsError::Unauthentic
    );
}

#[test]
fn a_reader_taken_out_has_no_envelope_in_the_list_and_the_others_keep_theirs() {
    let before = list(&[1, 2, 3]);
    let mut after = before.clone();
    assert!(after.remove(&reader(2).public()));
    assert!(!after.remove(&reader(2).public()));
    assert_eq!(
        after.open(&reader(2), INFO, is_key).unwrap_err(),
        RecipientsError::NotARecipient
    );
    let out = reader(2).public().to_bytes();
    assert!(!after.encode().windows(32).any(|bytes| bytes == out));
    for seed in [1, 3] {
        assert!(after.open(&reader(seed), INFO, is_key).is_ok());
    }
    // What removal does not end: the list of before still opens.
    assert!(before.open(&reader(2), INFO, is_key).is_ok());
}

#[test]
fn a_reader_is_in_a_list_once() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut list = list(&[1]);
    let first = list.clone();
    assert!(!list.add(&mut rng, &reader(1).public(), &key(), INFO).unwrap());
    assert_eq!(list, first);
}

/// Whoever writes a list could give each reader another key, and GCM would open one ciphertext to each a different content.
#[test]
fn an_envelope_of_another_key_gives_no_key() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let mut list = list(&[1]);
    list.add(&mut rng, &reader(2).public(), &Key::from_bytes([8; 32]), INFO)
        .unwrap();
    assert!(list.open(&reader(1), INFO, is_key).is_ok());
    assert_eq!(
        list.open(&reader(2), INFO, is_key).unwrap_err(),
        RecipientsError::WrongKey
    );
}

#[test]
fn a_list_holds_no_more_readers_than_its_bound() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let entry = |index: u16| Entry {
        recipient: RecipientPublic::from_bytes(&{
            let mut bytes = [7; 32];
            bytes[..2].copy_from_slice(&index.to_be_bytes());
            bytes
        })
        .unwrap(),
        envelope: [0; ENVELOPE_BYTES],
    };
    let mut full = Recipients((0..RECIPIENTS_MAX as u16).map(entry).collect());
    let count = RECIPIENTS_MAX + 1;
    assert_eq!(
        full.add(&mut rng, &reader(1).public(), &key(), INFO),
        Err(RecipientsError::TooMany { count })
    );
    assert_eq!(Recipients::decode(full.encode()).unwrap(), full);
    full.0.push(entry(RECIPIENTS_MAX as u16));
    assert!(Recipients::decode(full.encode()).is_err());
}

#[test]
fn a_list_out_of_order_or_with_a_reader_twice_is_not_a_list() {
    let list = list(&[1, 2]);
    let twice = Recipients(vec![list.0[0].clone(), list.0[0].clone()]);
    let reversed = Recipients(list.0.iter().rev().cloned().collect());
    assert!(Recipients::decode(list.encode()).is_ok());
    assert!(Recipients::decode(twice.encode()).is_err());
    assert!(Recipients::decode(reversed.encode()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_bytes_are_refused_or_are_the_one_encoding(
        count in 0u16..4,
        bytes in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let bytes = [&count.to_be_bytes()[..], &bytes].concat();
        if let Ok(list) = Recipients::decode(Bytes::copy_from_slice(&bytes)) {
            prop_assert_eq!(list.encode(), &bytes[..]);
        }
    }

    #[test]
    fn a_damaged_list_never_opens_to_another_key(at in 0usize..338, bit in 0u8..8) {
        let mut bytes = list(&[1, 2, 3]).encode().to_vec();
        bytes[at] ^= 1 << bit;
        if let Ok(list) = Recipients::decode(Bytes::copy_from_slice(&bytes)) {
            for seed in 1..=3 {
                if let Ok(found) = list.open(&reader(seed), INFO, |_| true) {
                    prop_assert!(found.as_bytes() == key().as_bytes());
                }
            }
        }
    }
}

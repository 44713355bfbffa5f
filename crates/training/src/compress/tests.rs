use super::*;
use commonware_codec::{Decode, Encode};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn density(k: u16) -> Density {
    Density::new(k).unwrap()
}

fn delta(seed: u64, length: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..length)
        .map(|_| rng.random_range(-1.0f32..1.0).powi(5) * 1e-2)
        .collect()
}

fn sparse(seed: u64, length: usize, k: u16) -> Sparse {
    Sparse::of(
        &delta(seed, length)
            .iter()
            .map(|value| to_fixed(*value))
            .collect::<Vec<_>>(),
        density(k),
    )
}

#[test]
fn what_is_sent_and_what_is_kept_add_up_to_the_last_bit() {
    for length in [1, 7, 4095, 4096, 4097, 10_000] {
        let mut feedback = ErrorFeedback::new(length, Decay::DEFAULT);
        for round in 0..5 {
            let delta = delta(round, length);
            let before: Vec<i64> = feedback.units().to_vec();
            let update = feedback.compress(&delta, density(64));
            let mut after = feedback.units().to_vec();
            for (place, value) in update.values() {
                after[place] += value << (FIXED_BITS - LEVEL_BITS);
            }
            for place in 0..length {
                let expected = feedback::decayed(before[place], Decay::DEFAULT) + to_fixed(delta[place]);
                assert_eq!(after[place], expected, "place {place} of {length} in round {round}");
            }
        }
    }
}

#[test]
fn an_update_taken_back_leaves_no_trace() {
    let mut feedback = ErrorFeedback::new(5000, Decay::NONE);
    feedback.compress(&delta(1, 5000), density(32));
    let before = feedback.units().to_vec();
    let mut kept = before.clone();
    let delta = delta(2, 5000);
    let update = feedback.compress(&delta, density(32));
    feedback.restore(&update);
    kept.iter_mut()
        .zip(&delta)
        .for_each(|(error, delta)| *error += to_fixed(*delta));
    assert_eq!(feedback.units(), kept);
}

#[test]
fn everything_is_sent_sooner_or_later() {
    let delta = delta(3, 4096);
    let mut feedback = ErrorFeedback::new(4096, Decay::NONE);
    feedback.compress(&delta, density(256));
    let first = feedback.norm();
    for _ in 0..60 {
        feedback.compress(&vec![0.0; 4096], density(256));
    }
    assert!(
        feedback.norm() < 0.02 * first,
        "{} of {first} still waits",
        feedback.norm()
    );
}

#[test]
fn the_largest_entries_are_chosen_and_the_earlier_of_equals() {
    let values = [3, -9, 4, 4, 4, 0].map(|value| value << FIXED_BITS);
    let update = Sparse::of(&values, density((CHUNK / 2) as u16));
    let places: Vec<usize> = update.values().map(|(place, _)| place).collect();
    assert_eq!(places, [1, 2, 3]);
    // The mean of 9, 4 and 4 lies between: 9 is high, the fours are low, and all are exact in f16.
    let values: Vec<i64> = update.values().map(|(_, value)| value >> LEVEL_BITS).collect();
    assert_eq!(values, [-9, 4, 4]);
}

#[test]
fn a_diverged_delta_saturates_and_does_not_panic() {
    let mut feedback = ErrorFeedback::new(4, Decay::DEFAULT);
    for _ in 0..10 {
        let update = feedback.compress(&[f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX], density(4096));
        let bytes = update.to_bytes();
        assert_eq!(Sparse::from_bytes(&bytes, 4, density(4096)).unwrap(), update);
    }
}

#[test]
fn bytes_stay_close_to_the_entropy_of_the_places() {
    // 64 of 4,096: log2 C(4096, 64) / 64 = 7.39 bits a place, and 2 bits of value, and 4 bytes of levels a chunk.
    let length = 1 << 18;
    let bytes = sparse(4, length, 64).to_bytes().len();
    let entropy = (length / 64) as f64 * (7.39 + 2.0) / 8.0 + (length / CHUNK * 4) as f64;
    assert!((bytes as f64) < 1.04 * entropy, "{bytes} bytes, entropy {entropy:.0}");
}

#[test]
fn bytes_are_as_on_the_page() {
    // Three values in a chunk of six: rice parameter 0, levels 4.0 and 9.0, places 1, 2, 3 as gaps 1, 0, 0.
    let values = [3, -9, 4, 4, 4, 0].map(|value| value << FIXED_BITS);
    let bytes = Sparse::of(&values, density((CHUNK / 2) as u16)).to_bytes();
    assert_eq!(bytes, [0x00, 0x44, 0x80, 0x48, 0b0100_1001, 0b0000_0000]);
}

proptest! {
    #[test]
    fn decoding_gives_back_what_was_encoded(seed: u64, length in 1usize..9000, k in 1u16..=4096) {
        let update = sparse(seed, length, k);
        let bytes = update.encode();
        prop_assert_eq!(bytes.len(), update.encode_size_for_test());
        let config = SparseConfig { length, density: density(k), byte_count: bytes.len() };
        prop_assert_eq!(Sparse::decode_cfg(bytes, &config).unwrap(), update);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic_and_what_it_takes_it_writes_alike(
        bytes in proptest::collection::vec(any::<u8>(), 0..600), length in 0usize..9000, k in 1u16..=4096,
    ) {
        if let Ok(update) = Sparse::from_bytes(&bytes, length, density(k)) {
            prop_assert_eq!(update.to_bytes(), bytes);
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_means_something_else(seed: u64, at: prop::sample::Index, flip in 1u8..) {
        let update = sparse(seed, 5000, 100);
        let mut bytes = update.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        if let Ok(other) = Sparse::from_bytes(&bytes, 5000, density(100)) {
            prop_assert_ne!(&other, &update);
            prop_assert_eq!(other.to_bytes(), bytes);
        }
    }
}

impl Sparse {
    fn encode_size_for_test(&self) -> usize {
        commonware_codec::EncodeSize::encode_size(self)
    }
}

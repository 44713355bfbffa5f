use super::*;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use rand_core::Rng as _;

/// Every length across three blocks and every count about that of lanes, in groups of mixed lengths.
#[test]
fn messages_hashed_together_have_the_digest_of_each() {
    let mut bytes = [0; 420];
    ChaCha8Rng::seed_from_u64(1).fill_bytes(&mut bytes);
    let messages: Vec<&[u8]> = (0..=410).map(|length| &bytes[length % 7..][..length]).collect();
    let alone = |messages: &[&[u8]]| messages.iter().map(keccak256).collect::<Vec<_>>();
    assert_eq!(hash_all(&messages), alone(&messages));
    let scattered: Vec<&[u8]> = (0..411).map(|index| messages[index * 131 % 411]).collect();
    for count in 0..40 {
        assert_eq!(hash_all(&scattered[..count]), alone(&scattered[..count]), "{count}");
    }
}

/// The digest of nothing, as every Ethereum account without code has it.
#[test]
fn nothing_hashes_as_ethereum_says() {
    let empty = primitives::b256!("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    assert_eq!(hash_all(&[&[][..]; 9]), [empty; 9]);
}

//! Ciphertexts and envelopes: they open only as they were sealed.
#![no_main]

use crypto::{
    envelope::{self, RecipientSecret},
    stream::{self, Key, SEGMENT_BYTES},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::sync::LazyLock;

const PREFIX: [u8; 7] = [9; 7];
const ASSOCIATED: &[u8] = b"associated";

static KEY: LazyLock<Key> = LazyLock::new(|| Key::from_bytes([3; 32]));
static READER: LazyLock<RecipientSecret> = LazyLock::new(|| RecipientSecret::from_seed(&[4; 32]));
/// Two segments: a whole one and a short one.
static SEALED: LazyLock<Vec<u8>> = LazyLock::new(|| stream::seal(&KEY, PREFIX, ASSOCIATED, &[7; SEGMENT_BYTES + 10]));
static ENVELOPE: LazyLock<[u8; envelope::ENVELOPE_BYTES]> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    envelope::wrap(&mut rng, &READER.public(), &KEY, ASSOCIATED)
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&SEALED, input) {
        if stream::open(&KEY, &PREFIX, ASSOCIATED, &bytes).is_ok() {
            assert!(bytes == *SEALED, "a damaged ciphertext opens");
        }
    }
    let _ = stream::open_segment(&KEY, &PREFIX, ASSOCIATED, 1, true, input);
    for bytes in aloft_fuzz::tries(&*ENVELOPE, input) {
        let Ok(bytes) = <[u8; envelope::ENVELOPE_BYTES]>::try_from(bytes) else {
            continue;
        };
        if envelope::unwrap(&READER, &bytes, ASSOCIATED).is_ok() {
            assert_eq!(bytes, *ENVELOPE, "a damaged envelope opens");
        }
    }
    if let Some(&bytes) = input.first_chunk() {
        let sealed_bytes = u64::from_le_bytes(bytes);
        if let Some(plain_bytes) = stream::plain_len(sealed_bytes) {
            assert_eq!(stream::sealed_len(plain_bytes), sealed_bytes);
        }
    }
});

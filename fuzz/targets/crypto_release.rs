//! What readers and a releasing committee hand in: lists of envelopes, ciphertexts, public keys, shares of a
//! release. A damaged share does not verify, a damaged ciphertext does not open.
#![no_main]

use commonware_codec::Encode;
use crypto::{
    envelope::RecipientSecret,
    recipients::Recipients,
    stream::Key,
    threshold::{Ciphertext, Committee, DealtThresholdKeys, Identity, PublicKey, ReleaseShare, Released},
};
use primitives::Digest;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::sync::LazyLock;

const CONTEXT: &[u8] = b"context";

struct Valid {
    committee: Committee,
    identity: Identity,
    released: Released,
    share: ReleaseShare,
    ciphertext: Ciphertext,
    recipients: Recipients,
}

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let mut rng = ChaCha20Rng::seed_from_u64(6);
    let key = Key::from_bytes([3; 32]);
    let identity = Identity(Digest::of(b"conditions"));
    let dealt = DealtThresholdKeys::deal(&mut rng, 2, 3).expect("two of three");
    let mut recipients = Recipients::new();
    for seed in 0..3 {
        let reader = RecipientSecret::from_seed(&[seed; 32]).public();
        recipients.add(&mut rng, &reader, &key, CONTEXT).expect("room");
    }
    let shares: Vec<ReleaseShare> = dealt.shares[..2].iter().map(|share| share.release(&identity)).collect();
    let combined = dealt.committee.combine(&identity, &shares).expect("two right shares");
    Valid {
        released: combined.released,
        ciphertext: Ciphertext::seal(&mut rng, dealt.committee.key(), &identity, &key, CONTEXT),
        share: shares[0],
        committee: dealt.committee,
        identity,
        recipients,
    }
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let valid = &*VALID;
    for bytes in aloft_fuzz::tries(&valid.share.encode(), input) {
        if let Some(share) = aloft_fuzz::decode::<ReleaseShare>(&bytes, &()) {
            let holds = valid.committee.verify(&valid.identity, &share);
            assert_eq!(holds, bytes == valid.share.encode(), "a damaged share verifies");
        }
    }
    for bytes in aloft_fuzz::tries(&valid.committee.encode(), input) {
        aloft_fuzz::decode::<Committee>(&bytes, &());
    }
    for bytes in aloft_fuzz::tries(&valid.committee.key().encode(), input) {
        aloft_fuzz::decode::<PublicKey>(&bytes, &());
    }
    for bytes in aloft_fuzz::tries(&valid.ciphertext.encode(), input) {
        if let Some(ciphertext) = aloft_fuzz::decode::<Ciphertext>(&bytes, &()) {
            let opens = ciphertext.open(&valid.released, CONTEXT).is_ok();
            assert_eq!(opens, bytes == valid.ciphertext.encode(), "a damaged ciphertext opens");
        }
    }
    for bytes in aloft_fuzz::tries(&valid.recipients.encode(), input) {
        aloft_fuzz::decode::<Recipients>(&bytes, &());
    }
});

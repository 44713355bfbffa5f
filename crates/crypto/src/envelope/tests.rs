use super::*;
use commonware_codec::{DecodeExt, Encode};
use primitives::hex;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use ring::{aead, hmac};

#[test]
fn a_key_reaches_its_recipient_and_nobody_else() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let (recipient, other) = (
        RecipientSecret::from_seed(&[1; 32]),
        RecipientSecret::from_seed(&[2; 32]),
    );
    let envelope = wrap(&mut rng, &recipient.public(), &Key::from_bytes([9; 32]), b"blob");
    assert_eq!(unwrap(&recipient, &envelope, b"blob").unwrap().as_bytes(), &[9; 32]);
    assert_eq!(
        unwrap(&other, &envelope, b"blob").unwrap_err(),
        EnvelopeError::Unauthentic
    );
    assert_eq!(
        unwrap(&recipient, &envelope, b"other blob").unwrap_err(),
        EnvelopeError::Unauthentic
    );
}

#[test]
fn an_envelope_changed_in_any_byte_does_not_open() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let recipient = RecipientSecret::from_seed(&[1; 32]);
    let envelope = wrap(&mut rng, &recipient.public(), &Key::from_bytes([9; 32]), b"");
    for byte in 0..ENVELOPE_BYTES {
        let mut changed = envelope;
        changed[byte] ^= 1;
        assert!(unwrap(&recipient, &changed, b"").is_err(), "byte {byte}");
    }
}

/// The shared secret with a point of low order is zero whoever computes it.
#[test]
fn nothing_is_sealed_to_a_key_of_low_order() {
    let secret = x25519_dalek::StaticSecret::from([77; 32]);
    for mut bytes in LOW_ORDER {
        for high_bit in [0, 0x80] {
            bytes[31] = bytes[31] & 0x7f | high_bit;
            assert_eq!(RecipientPublic::from_bytes(&bytes), Err(EnvelopeError::LowOrder));
            assert!(RecipientPublic::decode(bytes::Bytes::copy_from_slice(&bytes)).is_err());
            assert!(
                !secret.diffie_hellman(&bytes.into()).was_contributory(),
                "{}",
                hex::encode(bytes)
            );
        }
    }
}

#[test]
fn a_recipients_key_survives_the_wire() {
    let public = RecipientSecret::from_seed(&[3; 32]).public();
    assert_eq!(RecipientPublic::decode(public.encode()).unwrap(), public);
}

#[test]
fn a_secret_does_not_print() {
    assert_eq!(
        format!("{:?}", RecipientSecret::from_seed(&[3; 32])),
        "envelope::RecipientSecret(..)"
    );
}

/// HPKE's receiver in base mode, written from RFC 9180 alone: no byte of it is shared with the crate that seals.
fn open_by_the_book(
    algorithm: &'static aead::Algorithm,
    aead_id: u16,
    secret: [u8; 32],
    enc: [u8; 32],
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Vec<u8> {
    fn extract(salt: &[u8], suite: &[u8], label: &str, ikm: &[u8]) -> Vec<u8> {
        let labeled = [b"HPKE-v1", suite, label.as_bytes(), ikm].concat();
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), &labeled)
            .as_ref()
            .to_vec()
    }
    /// One block of HKDF-Expand: no output here is longer.
    fn expand(prk: &[u8], suite: &[u8], label: &str, info: &[u8], len: usize) -> Vec<u8> {
        let labeled = [
            &(len as u16).to_be_bytes()[..],
            b"HPKE-v1",
            suite,
            label.as_bytes(),
            info,
            &[1],
        ]
        .concat();
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, prk), &labeled).as_ref()[..len].to_vec()
    }
    let kem = [&b"KEM"[..], &0x20u16.to_be_bytes()].concat();
    let suite = [
        &b"HPKE"[..],
        &0x20u16.to_be_bytes(),
        &1u16.to_be_bytes(),
        &aead_id.to_be_bytes(),
    ]
    .concat();

    let secret = x25519_dalek::StaticSecret::from(secret);
    let public = x25519_dalek::PublicKey::from(&secret);
    let dh = secret.diffie_hellman(&enc.into());
    let context = [enc, *public.as_bytes()].concat();
    let shared = expand(
        &extract(&[], &kem, "eae_prk", dh.as_bytes()),
        &kem,
        "shared_secret",
        &context,
        32,
    );

    let psk_id_hash = extract(&[], &suite, "psk_id_hash", &[]);
    let info_hash = extract(&[], &suite, "info_hash", info);
    let context = [&[0][..], &psk_id_hash, &info_hash].concat();
    let prk = extract(&shared, &suite, "secret", &[]);
    let key = expand(&prk, &suite, "key", &context, algorithm.key_len());
    let nonce = expand(&prk, &suite, "base_nonce", &context, 12);

    let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, &key).unwrap());
    let nonce = aead::Nonce::try_assume_unique_for_key(&nonce).unwrap();
    let mut plain = sealed.to_vec();
    key.open_in_place(nonce, aead::Aad::from(aad), &mut plain)
        .unwrap()
        .to_vec()
}

/// RFC 9180, appendix A.1.1: its suite differs from ours in the cipher alone.
#[test]
fn the_receiver_written_from_the_rfc_opens_the_rfcs_own_ciphertext() {
    let plain = open_by_the_book(
        &aead::AES_128_GCM,
        1,
        hex!("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"),
        hex!("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
        b"Ode on a Grecian Urn",
        b"Count-0",
        &hex!("f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a"),
    );
    assert_eq!(plain, b"Beauty is truth, truth beauty");
}

#[test]
fn the_receiver_written_from_the_rfc_opens_our_envelopes() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let recipient = RecipientSecret::from_seed(&[5; 32]);
    let secret = recipient.0.to_bytes().into();
    let envelope = wrap(&mut rng, &recipient.public(), &Key::from_bytes([6; 32]), b"info");
    let (enc, sealed) = envelope.split_first_chunk().unwrap();
    assert_eq!(
        open_by_the_book(&aead::AES_256_GCM, 2, secret, *enc, b"info", &[], sealed),
        [6; 32]
    );
}

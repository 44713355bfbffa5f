use super::*;
use commonware_codec::{DecodeExt, Encode};
use primitives::Address;

fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed(&[seed; 32])
}

#[test]
fn a_signature_verifies_under_its_key_and_message_only() {
    let signature = secret(1).sign(b"blob");
    assert!(secret(1).public_key().verify(b"blob", &signature));
    assert!(!secret(1).public_key().verify(b"other", &signature));
    assert!(!secret(2).public_key().verify(b"blob", &signature));
}

#[test]
fn signatures_of_one_message_add_up_to_one_of_all_their_keys() {
    let secrets = [1, 2, 3].map(secret);
    let keys = secrets.each_ref().map(SecretKey::public_key);
    let signatures = secrets.each_ref().map(|secret| secret.sign(b"blob"));
    let sum = Signature::aggregate(&signatures).unwrap();
    assert!(sum.fast_aggregate_verify(&keys, b"blob"));
    assert!(!sum.fast_aggregate_verify(&keys[..2], b"blob"));
    assert!(!sum.fast_aggregate_verify(&keys, b"other"));
    assert!(!sum.fast_aggregate_verify(&[], b"blob"));
    assert_eq!(Signature::aggregate(&[]), Err(BlsError::Empty));
}

#[test]
fn possession_is_proved_by_no_other_signature() {
    let key = secret(1).public_key();
    let (owner, thief) = (Address::repeat_byte(1), Address::repeat_byte(2));
    let message = [&key.to_bytes()[..], owner.as_slice()].concat();
    assert!(key.verify_possession(owner, &secret(1).prove_possession(owner)));
    assert!(!key.verify_possession(thief, &secret(1).prove_possession(owner)));
    assert!(!key.verify_possession(owner, &secret(2).prove_possession(owner)));
    assert!(!key.verify_possession(owner, &secret(1).sign(&message)));
    assert!(!key.verify(&message, &secret(1).prove_possession(owner)));
}

/// The pairing's arguments in EIP-2537's encoding: the generator, its opposite and a signature's hash, as the precompile
/// takes them. Decoding ours with blst's own reader gives back the point.
#[test]
fn precompile_encodings_are_padded_coordinates() {
    let key = secret(1).public_key();
    let encoded = key.to_eip2537();
    assert!(encoded[..16].iter().chain(&encoded[64..80]).all(|byte| *byte == 0));
    let uncompressed = [&encoded[16..64], &encoded[80..128]].concat();
    assert_eq!(min_pk::PublicKey::deserialize(&uncompressed).unwrap(), key.0);

    let signature = secret(1).sign(b"blob");
    let encoded = signature.to_eip2537();
    let part = |index: usize| &encoded[64 * index + 16..64 * (index + 1)];
    // blst writes each coordinate's c1 before its c0; the precompile takes c0 first.
    let uncompressed = [part(1), part(0), part(3), part(2)].concat();
    assert_eq!(min_pk::Signature::deserialize(&uncompressed).unwrap(), signature.0);
}

#[test]
fn keys_and_signatures_survive_the_wire_and_nothing_else_does() {
    let (key, signature) = (secret(1).public_key(), secret(1).sign(b"blob"));
    assert_eq!(PublicKey::decode(key.encode()).unwrap(), key);
    assert_eq!(Signature::decode(signature.encode()).unwrap(), signature);
    for byte in 0..SIGNATURE_BYTES {
        let mut changed = signature.to_bytes();
        changed[byte] ^= 1;
        // Some other point of the curve is never in the subgroup but by a chance of 2^-381.
        assert!(Signature::decode(bytes::Bytes::copy_from_slice(&changed)).is_err());
    }
    let mut identity = [0; PUBLIC_KEY_BYTES];
    identity[0] = 0xc0;
    assert_eq!(PublicKey::from_bytes(&identity), Err(BlsError::PublicKey));
}

#[test]
fn a_secret_survives_storage_and_does_not_print() {
    assert_eq!(
        SecretKey::from_bytes(&secret(1).to_bytes()).unwrap().public_key(),
        secret(1).public_key()
    );
    assert_eq!(format!("{:?}", secret(1)), "bls::SecretKey(..)");
    assert!(matches!(SecretKey::from_bytes(&[0; 32]), Err(BlsError::SecretKey)));
    assert!(matches!(SecretKey::from_bytes(&[0xff; 32]), Err(BlsError::SecretKey)));
}

/// RFC 9380, appendix J.10.1, which hashes under a tag of its own.
#[test]
fn a_message_hashes_to_the_point_that_the_rfc_prints() {
    let point = hash_with_dst(
        b"abcdef0123456789",
        b"QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_",
    );
    let coordinates = [
        "121982811d2491fde9ba7ed31ef9ca474f0e1501297f68c298e9f4c0028add35aea8bb83d53c08cfc007c1e005723cd0",
        "190d119345b94fbd15497bcba94ecf7db2cbfd1e1fe7da034d26cbba169fb3968288b3fafb265f9ebd380512a71c3f2c",
        "05571a0f8d3c08d094576981f4a3b8eda0a8e771fcdcc8ecceaf1356a6acf17574518acb506e435b639353c2e14827c8",
        "0bb5e7572275c567462d91807de765611490205a941a5a6af3b1691bfe596c31225d3aabdf15faff860cb4ef17c7c3be",
    ];
    for (slot, coordinate) in point.chunks(64).zip(coordinates) {
        assert_eq!(primitives::hex::encode(&slot[16..]), coordinate);
    }
}

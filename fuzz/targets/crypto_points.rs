//! Keys, signatures, commitments and openings from outside: points that are none are refused, and what verifies is what was made.
#![no_main]

use crypto::{bls, ecdsa, envelope::RecipientPublic, kzg, merkle};
use primitives::{B256, Digest};
use std::sync::LazyLock;

struct Valid {
    key: bls::PublicKey,
    signature: bls::Signature,
    leaf: [u8; 32],
    commitment: kzg::Commitment,
    opening: kzg::Opening,
    ecdsa: ([u8; 65], primitives::Address),
}

const MESSAGE: &[u8] = b"message";

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let key = bls::SecretKey::from_seed(&[1; 32]);
    let leaves = [1u8, 2, 3].map(|byte| kzg::scalar(&Digest::of(&[byte])));
    let secret = ecdsa::Secret::from_bytes(&[1; 32]).expect("below the group's order");
    Valid {
        key: key.public_key(),
        signature: key.sign(MESSAGE),
        leaf: leaves[1],
        commitment: kzg::commit(&leaves),
        opening: kzg::open(&leaves, 1),
        ecdsa: (secret.sign(&B256::ZERO), secret.address()),
    }
});

/// The bytes of `made` damaged, or the input itself when it has the length.
fn arrays<const N: usize>(made: &[u8; N], input: &[u8]) -> impl Iterator<Item = [u8; N]> {
    aloft_fuzz::tries(made, input)
        .into_iter()
        .filter_map(|bytes| bytes.try_into().ok())
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let valid = &*VALID;
    for bytes in arrays(&valid.key.to_bytes(), input) {
        if let Some(key) = aloft_fuzz::decode::<bls::PublicKey>(&bytes, &()) {
            assert_eq!(key.verify(MESSAGE, &valid.signature), key == valid.key);
            let _ = key.to_eip2537();
        }
    }
    for bytes in arrays(&valid.signature.to_bytes(), input) {
        if let Some(signature) = aloft_fuzz::decode::<bls::Signature>(&bytes, &()) {
            assert_eq!(valid.key.verify(MESSAGE, &signature), signature == valid.signature);
        }
    }
    for bytes in arrays(&valid.commitment.to_bytes(), input) {
        let holds = kzg::verify(&kzg::Commitment(bytes), 1, &valid.leaf, &valid.opening);
        assert_eq!(holds, bytes == valid.commitment.to_bytes());
    }
    for bytes in arrays(&valid.opening.to_bytes(), input) {
        let holds = kzg::verify(&valid.commitment, 1, &valid.leaf, &kzg::Opening(bytes));
        assert_eq!(holds, bytes == valid.opening.to_bytes());
    }
    for bytes in arrays(&valid.leaf, input) {
        let holds = kzg::verify(&valid.commitment, 1, &bytes, &valid.opening);
        assert_eq!(holds, bytes == valid.leaf);
        aloft_fuzz::decode::<RecipientPublic>(&bytes, &());
    }
    for bytes in arrays(&valid.ecdsa.0, input) {
        if ecdsa::recover(&B256::ZERO, &bytes).ok() == Some(valid.ecdsa.1) {
            // The last byte has two spellings in wallets.
            assert_eq!(bytes[..64], valid.ecdsa.0[..64], "a signature has two spellings");
        }
    }
    let siblings: Vec<B256> = input.chunks_exact(32).map(B256::from_slice).collect();
    if let Some((root, proof)) = siblings.split_first() {
        let _ = merkle::verify(*root, B256::ZERO, proof);
    }
});

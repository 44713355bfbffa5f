use super::*;

#[test]
fn a_signature_verifies_under_its_key_and_message_only() {
    let secret = SecretKey::from_seed(&[1; 32]);
    let signature = secret.sign(b"blob");
    assert!(secret.public_key().verify(b"blob", &signature));
    assert!(!secret.public_key().verify(b"other", &signature));
    assert!(!SecretKey::from_seed(&[2; 32]).public_key().verify(b"blob", &signature));
}

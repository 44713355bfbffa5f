use super::*;
use primitives::{address, hex};

fn first_development_key() -> Secret {
    Secret::from_bytes(&hex!(
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    ))
    .unwrap()
}

#[test]
fn a_key_owns_the_address_that_wallets_show_for_it() {
    assert_eq!(
        first_development_key().address(),
        address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    );
    assert!(Secret::from_bytes(&[0; 32]).is_none());
    assert!(Secret::from_bytes(&[0xff; 32]).is_none());
}

#[test]
fn a_signature_names_its_signer_and_no_one_else() {
    let secret = first_development_key();
    let digest = keccak256("harvest");
    let signature = secret.sign(&digest);
    assert_eq!(recover(&digest, &signature).unwrap(), secret.address());
    assert_ne!(recover(&keccak256("other"), &signature).ok(), Some(secret.address()));
}

/// `(r, n - s, 1 - v)` verifies as well in plain ECDSA; accepting it would let anybody rename a signed voucher.
#[test]
fn the_other_spelling_of_a_signature_is_refused() {
    let order = hex!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141");
    let digest = keccak256("harvest");
    let mut signature = first_development_key().sign(&digest);
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let difference = i16::from(order[i]) - i16::from(signature[32 + i]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + i] = difference.rem_euclid(256) as u8;
    }
    signature[64] = 55 - signature[64];
    assert_eq!(recover(&digest, &signature), Err(SignatureError::HighS));
}

#[test]
fn a_recovery_id_that_contracts_refuse_is_refused() {
    let digest = keccak256("harvest");
    let mut signature = first_development_key().sign(&digest);
    signature[64] -= 27;
    let v = signature[64];
    assert_eq!(recover(&digest, &signature), Err(SignatureError::RecoveryId { v }));
}

#[test]
fn bytes_that_are_no_signature_are_nobodys() {
    let digest = keccak256("harvest");
    // r is zero; then above the order.
    for r in [0, 0xff] {
        let mut signature = [1; SIGNATURE_BYTES];
        signature[..32].fill(r);
        signature[64] = 27;
        assert_eq!(recover(&digest, &signature), Err(SignatureError::Unrecoverable));
    }
}

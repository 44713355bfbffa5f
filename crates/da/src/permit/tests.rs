use super::*;
use crate::tests::public_blob;
use commonware_codec::{DecodeExt, Encode};
use primitives::CHAIN_ID;

fn wallet(seed: u8) -> ecdsa::Secret {
    ecdsa::Secret::from_bytes(&[seed; 32]).unwrap()
}

#[test]
fn a_promise_is_its_payers_for_one_blob_one_deadline_and_one_chain() {
    let (domain, payer) = (Domain::of_chain(CHAIN_ID), wallet(1));
    let (blob, other) = (public_blob(1, 1000), public_blob(2, 1000));
    let header = blob.head().header();
    let permit = Permit::sign(&payer, &domain, header, 77);
    assert_eq!(permit.payer(&domain, header), Ok(payer.address()));
    for whose in [
        permit.payer(&domain, other.head().header()),
        permit.payer(&Domain::of_chain(1), header),
        Permit { deadline: 78, ..permit }.payer(&domain, header),
    ] {
        assert_ne!(whose, Ok(payer.address()));
    }
    let nobodys = Permit {
        signature: [0; 65],
        ..permit
    };
    assert!(nobodys.payer(&domain, header).is_err());
    assert_eq!(Permit::decode(permit.encode()).unwrap(), permit);
}

#[test]
fn the_fee_is_for_all_coded_bytes_until_the_expiry() {
    let blob = public_blob(1, 1000);
    let header = blob.head().header();
    let expiry = header.params.expiry_block;
    let price = U256::from(5);
    assert_eq!(fee_wei(header, price, expiry - 2), U256::from(3072 * 128 * 2 * 5));
    assert_eq!(fee_wei(header, price, expiry), U256::ZERO);
    assert_eq!(fee_wei(header, price, expiry + 9), U256::ZERO);
}

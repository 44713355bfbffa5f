use super::*;
use crate::{
    CodedBlob, CommitteeId, Privacy,
    encode::Request,
    tests::{payload, public_blob, request, seeded},
};
use commonware_codec::{DecodeExt, Encode};
use primitives::{CHAIN_ID, Epoch};

fn wallet(seed: u8) -> ecdsa::Secret {
    ecdsa::Secret::from_bytes(&[seed; 32]).unwrap()
}

#[test]
fn a_promise_is_its_payers_for_one_blob_one_deadline_and_one_chain() {
    let (domain, payer) = (Domain::of_chain(CHAIN_ID), wallet(1));
    let (blob, other) = (public_blob(1, 1000), public_blob(2, 1000));
    let header = blob.head().header();
    let purchase = blob.purchase();
    let permit = Permit::sign(&payer, &domain, header, Some(purchase), 77);
    assert_eq!(permit.payer(&domain, header), Ok(payer.address()));
    for whose in [
        permit.payer(&domain, other.head().header()),
        permit.payer(&Domain::of_chain(1), header),
        Permit { deadline: 78, ..permit }.payer(&domain, header),
        Permit {
            purchase: Some(other.purchase()),
            ..permit
        }
        .payer(&domain, header),
        Permit {
            purchase: None,
            ..permit
        }
        .payer(&domain, header),
    ] {
        assert_ne!(whose, Ok(payer.address()));
    }
    let nobodys = Permit {
        signature: [0; 65],
        ..permit
    };
    assert!(nobodys.payer(&domain, header).is_err());
    for permit in [
        permit,
        Permit {
            purchase: None,
            ..permit
        },
    ] {
        assert_eq!(Permit::decode(permit.encode()).unwrap(), permit);
    }
}

/// The same blob in whichever quorum and epoch; another as soon as anything else differs.
#[test]
fn a_purchase_names_a_blob_but_for_its_committee() {
    let (blob, purchase) = (public_blob(1, 1000), public_blob(1, 1000).purchase());
    let moved = blob.clone().moved_to(CommitteeId {
        quorum: 9,
        epoch: Epoch(7),
    });
    assert_ne!(moved.head().root(), blob.head().root());
    assert_eq!((blob.purchase(), moved.purchase()), (purchase, purchase));
    let later = Request {
        expiry_block: request(Privacy::Public).expiry_block + 1,
        ..request(Privacy::Public)
    };
    let renamed = Request {
        meta: b"another name".to_vec(),
        ..request(Privacy::Public)
    };
    for other in [later, renamed] {
        let other = CodedBlob::encode(&mut seeded(1), payload(1, 1000), other).unwrap();
        assert_ne!(other.purchase(), purchase);
    }
    assert_ne!(public_blob(2, 1000).purchase(), purchase);
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

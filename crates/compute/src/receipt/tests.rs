use super::*;
use commonware_codec::{DecodeExt, Encode};
use primitives::{CHAIN_ID, b256};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SALT: [u8; 32] = [5; 32];

fn signer() -> Secret {
    Secret::from_bytes(&[2; 32]).unwrap()
}

fn receipt() -> Receipt {
    Receipt {
        version: RECEIPT_VERSION,
        chain_id: CHAIN_ID,
        service: "soil".into(),
        model_root: BlobRoot::from([7; 32]),
        engine: EngineId {
            name: "aloft-model".into(),
            version: "0.1.0".into(),
            numerics: "bit-exact-f32/1".into(),
        },
        request_hash: request_hash(&SALT, b"request"),
        response_hash: response_hash(&SALT, b"response"),
        price: 2000,
        channel_id: B256::repeat_byte(9),
        sequence: 3,
        timestamp_ms: 1_700_000_000_000,
        verify_class: VerifyClass::Reexecutable,
    }
}

fn evidence() -> Evidence {
    Evidence {
        salt: SALT,
        request: b"request".to_vec(),
        response: b"response".to_vec(),
    }
}

fn honest(_: &[u8]) -> Result<Vec<u8>, String> {
    Ok(b"response".to_vec())
}

/// Changed on purpose or not at all: receipts already given must keep their ids.
#[test]
fn the_id_and_the_bytes_of_a_receipt_are_golden() {
    assert_eq!(
        receipt().id(),
        b256!("0x72053dda888865cd00eb322dc2a226bf8546e665e3617a95ef97ce6839f697b4")
    );
    assert_eq!(
        Digest::of(&receipt().sign(&signer()).encode()).0,
        b256!("0xcf4ca70d2893aa974cbfabe45aeb831487d8adcfdae198ae583d231cd045fe2a")
    );
}

#[test]
fn an_honest_receipt_holds_on_every_line() {
    let signed = receipt().sign(&signer());
    let verdict = verify(
        &signed,
        signer().address(),
        BlobRoot::from([7; 32]),
        &evidence(),
        Some(&honest),
    );
    assert!(verdict.holds(), "{verdict}");
    assert_eq!(verdict.to_string().lines().count(), 5);
}

/// One thing wrong shows on its own line, and only there.
#[test]
fn each_lie_is_found_on_its_line() {
    let signed = receipt().sign(&signer());
    let provider = signer().address();
    let root = BlobRoot::from([7; 32]);
    let lying = |_: &[u8]| Ok(b"responsf".to_vec());
    let other = Secret::from_bytes(&[3; 32]).unwrap().address();
    let rows: [(Check, Verdict); 5] = [
        (
            Check::Signature,
            verify(&signed, other, root, &evidence(), Some(&honest)),
        ),
        (
            Check::ModelRoot,
            verify(&signed, provider, BlobRoot::from([8; 32]), &evidence(), Some(&honest)),
        ),
        (
            Check::RequestHash,
            verify(
                &signed,
                provider,
                root,
                &Evidence {
                    request: b"other".to_vec(),
                    ..evidence()
                },
                Some(&honest),
            ),
        ),
        (
            Check::ResponseHash,
            verify(
                &SignedReceipt {
                    receipt: Receipt {
                        response_hash: Digest::of(b""),
                        ..receipt()
                    },
                    ..Receipt {
                        response_hash: Digest::of(b""),
                        ..receipt()
                    }
                    .sign(&signer())
                },
                provider,
                root,
                &evidence(),
                Some(&honest),
            ),
        ),
        (
            Check::Reexecution,
            verify(&signed, provider, root, &evidence(), Some(&lying)),
        ),
    ];
    for (wrong, verdict) in rows {
        assert!(verdict.is_refuted());
        for (check, finding) in &verdict.lines {
            assert_eq!(
                matches!(finding, Finding::False(_)),
                *check == wrong,
                "{wrong:?}: {verdict}"
            );
        }
    }
}

#[test]
fn what_cannot_be_computed_again_is_unchecked_not_false() {
    let signed = receipt().sign(&signer());
    let absent = |_: &[u8]| Err("no such model".to_string());
    for verdict in [
        verify(&signed, signer().address(), BlobRoot::from([7; 32]), &evidence(), None),
        verify(
            &signed,
            signer().address(),
            BlobRoot::from([7; 32]),
            &evidence(),
            Some(&absent),
        ),
    ] {
        assert!(!verdict.holds() && !verdict.is_refuted(), "{verdict}");
    }
}

/// Without the salt a receipt tells nothing about what was asked: equal requests have unequal hashes.
#[test]
fn hashes_differ_by_salt_and_by_purpose() {
    assert_ne!(request_hash(&[1; 32], b"x"), request_hash(&[2; 32], b"x"));
    assert_ne!(request_hash(&[1; 32], b"x"), response_hash(&[1; 32], b"x"));
}

#[test]
fn a_receipt_survives_json_and_bytes() {
    let signed = receipt().sign(&signer());
    let json = serde_json::to_string(&signed).unwrap();
    assert_eq!(serde_json::from_str::<SignedReceipt>(&json).unwrap(), signed);
    assert!(json.contains(r#""price":"2000""#));
    assert_eq!(SignedReceipt::decode(signed.encode()).unwrap(), signed);
    assert_eq!(signed.signer().unwrap(), signer().address());
}

#[test]
fn hostile_receipt_bytes_never_panic_and_decode_canonically() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let good = receipt().sign(&signer()).encode().to_vec();
    for _ in 0..20_000 {
        let mut bytes = good.clone();
        for _ in 0..random.random_range(1..5) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        bytes.truncate(random.random_range(0..=bytes.len()));
        if let Ok(signed) = SignedReceipt::decode(bytes.clone()) {
            assert_eq!(signed.encode().to_vec(), bytes);
        }
    }
    let mut noise = vec![0; 2048];
    random.fill_bytes(&mut noise);
    assert!(SignedReceipt::decode(noise).is_err());
}

use super::*;
use crate::voucher::Terms;
use contracts::typed_data::{ReceiveWithAuthorization, deposit_nonce, receive_with_authorization_digest};
use primitives::{CHAIN_ID, address};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Headers that the public JavaScript client sent, with its payer's address.
#[derive(Deserialize)]
struct Vector {
    payer: Address,
    deposit: String,
    voucher: String,
}

fn vector() -> Vector {
    serde_json::from_str(include_str!("client_2.27.json")).unwrap()
}

/// The terms the headers were made under.
fn terms() -> Terms {
    Terms {
        chain_id: CHAIN_ID,
        receiver: Address::repeat_byte(0x5b),
        receiver_authorizer: crypto::ecdsa::Secret::from_bytes(&[2; 32]).unwrap().address(),
        token: address!("0xA10F700000000000000000000000000000000003"),
        withdraw_delay_s: 3600,
    }
}

#[test]
fn the_public_clients_vouchers_pass() {
    for (header, ceiling) in [(vector().deposit, 2000), (vector().voucher, 4000)] {
        let payment = Payment::from_header(header.as_bytes()).unwrap();
        assert_eq!(
            (payment.scheme.as_str(), payment.network.as_str()),
            (SCHEME, "eip155:16602")
        );
        assert_eq!(payment.voucher.ceiling, ceiling);
        let channel_id = payment.channel_id;
        let checked = payment.voucher.check(&terms()).unwrap();
        assert_eq!(checked.channel_id(), channel_id, "we hash channels as the client does");
        assert_eq!(checked.voucher().config.payer, vector().payer);
    }
}

/// The deposit's authorization is what the token on chain will check: our digest recovers to the client's payer.
#[test]
fn the_public_clients_deposit_authorization_is_its_payers() {
    let payment = Payment::from_header(vector().deposit.as_bytes()).unwrap();
    let deposit = payment.deposit.unwrap();
    assert_eq!(deposit.amount, 20_000);
    let authorization = ReceiveWithAuthorization {
        from: vector().payer,
        to: contracts::addresses::ERC3009_COLLECTOR,
        value: U256::from(deposit.amount),
        validAfter: deposit.valid_after,
        validBefore: deposit.valid_before,
        nonce: deposit_nonce(payment.channel_id, deposit.salt),
    };
    let digest = receive_with_authorization_digest(CHAIN_ID, &authorization);
    assert_eq!(crypto::ecdsa::recover(&digest, &deposit.signature), Ok(vector().payer));
}

#[test]
fn a_payment_reads_back_from_the_header_it_writes() {
    for header in [vector().deposit, vector().voucher] {
        let payment = Payment::from_header(header.as_bytes()).unwrap();
        assert_eq!(Payment::from_header(payment.to_header().as_bytes()).unwrap(), payment);
    }
}

#[test]
fn what_is_asked_for_has_the_fields_the_client_reads() {
    let offer = Offer {
        terms: terms(),
        token_name: "USDX".into(),
        token_version: "1".into(),
    };
    let json = serde_json::to_value(offer.requirements(2000)).unwrap();
    assert_eq!(
        json,
        serde_json::json!({
            "scheme": "batch-settlement", "network": "eip155:16602", "amount": "2000",
            "asset": "0xA10f700000000000000000000000000000000003".parse::<Address>().unwrap().to_checksum(None),
            "payTo": "0x5b5b5b5B5b5B5B5b5b5B5B5B5B5b5B5B5B5B5B5b".parse::<Address>().unwrap().to_checksum(None),
            "maxTimeoutSeconds": 600,
            "extra": {
                "receiverAuthorizer": terms().receiver_authorizer.to_checksum(None), "withdrawDelay": 3600,
                "name": "USDX", "version": "1", "assetTransferMethod": "eip3009", "minDeposit": "20000",
            },
        })
    );
}

#[test]
fn numbers_are_digits_and_nothing_else() {
    for wrong in [
        "",
        "-1",
        "+1",
        "0x10",
        "1_000",
        " 1",
        "1.0",
        "340282366920938463463374607431768211456",
    ] {
        assert!(number::<u128>("amount", wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(
        number::<u128>("amount", "340282366920938463463374607431768211455").unwrap(),
        u128::MAX
    );
}

#[test]
fn hostile_headers_never_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let seeds = [vector().deposit, vector().voucher].map(|header| STANDARD.decode(header).unwrap());
    for round in 0..20_000 {
        let mut json = seeds[round % 2].clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..json.len());
            json[at] = if random.random_bool(0.5) {
                random.random()
            } else {
                b"0123456789\"{}[],:x"[random.random_range(0..18)]
            };
        }
        json.truncate(if random.random_bool(0.2) {
            random.random_range(0..=json.len())
        } else {
            json.len()
        });
        let mut header = STANDARD.encode(&json).into_bytes();
        if random.random_bool(0.1) {
            let at = random.random_range(0..header.len().max(1));
            header.get_mut(at).into_iter().for_each(|byte| *byte = random.random());
        }
        if let Ok(payment) = Payment::from_header(&header) {
            let _ = payment.voucher.check(&terms());
        }
        let _ = from_header::<PaymentRequired>(&header);
        let _ = from_header::<PaymentResponse>(&header);
    }
    assert!(matches!(
        Payment::from_header(&vec![b'A'; MAX_HEADER_BYTES + 1]),
        Err(PaymentError::TooLong { .. })
    ));
}

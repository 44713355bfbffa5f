//! The headers of a payment: a client's, and the two that a provider answers with.
#![no_main]

use base64::{Engine, engine::general_purpose::STANDARD};
use compute::{
    till::Funds,
    voucher::{Terms, Voucher},
    x402::{
        ChannelState, Charged, Deposit, MAX_HEADER_BYTES, Offer, Payment, PaymentRequired, PaymentResponse, Resource,
        SCHEME, VERSION, from_header, header,
    },
};
use contracts::typed_data::{ChannelConfig, channel_id, voucher_digest};
use crypto::ecdsa::Secret;
use primitives::{Address, B256, CHAIN_ID, U256};
use serde::{Deserialize, Serialize};
use std::{fmt::Debug, sync::LazyLock};

/// The JSON of each header; base64 would hide its fields from the fuzzer.
struct Valid {
    payments: [Vec<u8>; 2],
    required: Vec<u8>,
    response: Vec<u8>,
}

static VALID: LazyLock<Valid> = LazyLock::new(|| {
    let json = |header: String| STANDARD.decode(header).expect("a header is base64");
    let signer = Secret::from_bytes(&[1; 32]).expect("below the group's order");
    let config = ChannelConfig {
        payer: signer.address(),
        payerAuthorizer: Address::ZERO,
        receiver: Address::repeat_byte(2),
        receiverAuthorizer: Address::repeat_byte(3),
        token: Address::repeat_byte(4),
        withdrawDelay: alloy_primitives::aliases::U40::from(900u64),
        salt: B256::repeat_byte(5),
    };
    let channel_id = channel_id(CHAIN_ID, &config);
    let ceiling = 1_000;
    let plain = Payment {
        scheme: SCHEME.into(),
        network: format!("eip155:{CHAIN_ID}"),
        channel_id,
        voucher: Voucher {
            signature: signer.sign(&voucher_digest(CHAIN_ID, channel_id, ceiling)),
            config,
            ceiling,
        },
        deposit: None,
    };
    let deposit = Deposit {
        amount: 5_000,
        valid_after: U256::ZERO,
        valid_before: U256::MAX,
        salt: U256::ONE,
        signature: plain.voucher.signature,
    };
    let with_deposit = Payment {
        deposit: Some(deposit),
        ..plain.clone()
    };
    let offer = Offer {
        terms: Terms {
            chain_id: CHAIN_ID,
            receiver: Address::repeat_byte(2),
            receiver_authorizer: Address::repeat_byte(3),
            token: Address::repeat_byte(4),
            withdraw_delay_s: 900,
        },
        token_name: "USDX".into(),
        token_version: "1".into(),
    };
    let required = PaymentRequired {
        x402_version: VERSION,
        error: "payment required".into(),
        resource: Resource {
            url: "http://localhost/v2/models/m/infer".into(),
            description: "m".into(),
            mime_type: "application/json".into(),
        },
        accepts: vec![offer.requirements(250)],
    };
    let response = PaymentResponse {
        success: true,
        transaction: String::new(),
        network: offer.network(),
        payer: signer.address(),
        extra: Charged {
            charged_amount: "250".into(),
            channel_state: ChannelState::new(channel_id, Funds::default(), 250),
        },
    };
    Valid {
        payments: [plain, with_deposit].map(|payment| json(payment.to_header())),
        required: json(header(&required)),
        response: json(header(&response)),
    }
});

/// `input` as the header itself, as its JSON, and as damage to JSON that is one.
fn headers<'a>(valid: &'a [u8], input: &'a [u8]) -> impl Iterator<Item = Vec<u8>> + 'a {
    let texts = aloft_fuzz::tries(valid, input).map(|json| STANDARD.encode(json).into_bytes());
    [input.to_vec()].into_iter().chain(texts)
}

/// What reads, reads again from what it is written as. Writing may add a prefix that was left out, hence exceed the limit.
fn check<T: Debug + PartialEq>(value: &T, text: &str, read: impl Fn(&[u8]) -> Option<T>) {
    if text.len() <= MAX_HEADER_BYTES {
        assert_eq!(read(text.as_bytes()).as_ref(), Some(value), "its own text");
    }
}

fn check_answer<T: Debug + PartialEq + Serialize + for<'de> Deserialize<'de>>(bytes: &[u8]) {
    if let Ok(value) = from_header::<T>(bytes) {
        check(&value, &header(&value), |bytes| from_header(bytes).ok());
    }
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for valid in &VALID.payments {
        for bytes in headers(valid, input) {
            if let Ok(payment) = Payment::from_header(&bytes) {
                check(&payment, &payment.to_header(), |bytes| Payment::from_header(bytes).ok());
            }
        }
    }
    headers(&VALID.required, input).for_each(|bytes| check_answer::<PaymentRequired>(&bytes));
    headers(&VALID.response, input).for_each(|bytes| check_answer::<PaymentResponse>(&bytes));
});

//! What a provider's till and a client's folder keep of a sale, and a channel's account, as bytes.
#![no_main]

use commonware_codec::{Encode, FixedSize};
use compute::{
    receipt::{Evidence, SignedReceipt},
    till::{Account, Sale},
};
use std::sync::LazyLock;

static SALE: LazyLock<Vec<u8>> = LazyLock::new(|| aloft_fuzz::sale().encode().to_vec());
static SIGNED: LazyLock<Vec<u8>> = LazyLock::new(|| aloft_fuzz::sale().signed.encode().to_vec());
static EVIDENCE: LazyLock<Vec<u8>> = LazyLock::new(|| aloft_fuzz::sale().evidence.encode().to_vec());

/// Any bytes of this length whose delay has 40 bits are an account, and zeros are.
const ACCOUNT: [u8; Account::SIZE] = [0; Account::SIZE];

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&SALE, input) {
        aloft_fuzz::decode::<Sale>(&bytes, &());
    }
    for bytes in aloft_fuzz::tries(&SIGNED, input) {
        aloft_fuzz::decode::<SignedReceipt>(&bytes, &());
    }
    for bytes in aloft_fuzz::tries(&EVIDENCE, input) {
        aloft_fuzz::decode::<Evidence>(&bytes, &());
    }
    for bytes in aloft_fuzz::tries(&ACCOUNT, input) {
        if let Some(account) = aloft_fuzz::decode::<Account>(&bytes, &()) {
            assert!(account.charged <= account.ceiling, "more is charged than was promised");
        }
    }
});

//! A receipt as JSON, as anyone may show it: reads back as it was read, and is its provider's only while it is whole.
#![no_main]

use compute::receipt::SignedReceipt;
use std::sync::LazyLock;

static SALE: LazyLock<compute::till::Sale> = LazyLock::new(aloft_fuzz::sale);
static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| serde_json::to_vec(&SALE.signed).expect("a receipt is JSON"));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for text in aloft_fuzz::tries(&VALID, input) {
        let Ok(signed) = serde_json::from_slice::<SignedReceipt>(&text) else {
            continue;
        };
        let again = serde_json::to_vec(&signed).expect("a receipt is JSON");
        let again: SignedReceipt = serde_json::from_slice(&again).expect("its own text");
        assert_eq!(again, signed);
        if signed.signer().ok() == SALE.signed.signer().ok() {
            assert_eq!(
                signed.receipt, SALE.signed.receipt,
                "another receipt has the provider's signature"
            );
        }
    }
});

//! A block as a node's database holds it, after damage.
#![no_main]

use alloy_consensus::Header;
use alloy_rlp::Encodable;
use chain::store::record;
use std::sync::LazyLock;

/// A block of one transaction, with its receipt.
static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a small part").to_be_bytes();
    let (mut header, transaction) = (Vec::new(), aloft_fuzz::transfer());
    Header::default().encode(&mut header);
    // A receipt of type 2: status, gas used, a bloom of 256 zeros, no logs.
    let mut receipt = vec![2, 0xf9, 0x01, 0x08, 0x01, 0x82, 0x52, 0x08, 0xb9, 0x01, 0x00];
    receipt.resize(receipt.len() + 256, 0);
    receipt.push(0xc0);
    let (sender, count) = ([1; 20], 1u32.to_be_bytes());
    let parts: [&[u8]; 8] = [
        &length(&header),
        &header,
        &count,
        &sender,
        &length(&transaction),
        &transaction,
        &length(&receipt),
        &receipt,
    ];
    let bytes = parts.concat();
    record::decode(&bytes).expect("a record");
    bytes
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&VALID, input) {
        if let Ok(block) = record::decode(&bytes) {
            assert_eq!(record::decode(&record::encode(&block)).expect("its own bytes"), block);
        }
    }
});

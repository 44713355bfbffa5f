//! A block from another validator: decodes canonically or is refused.
#![no_main]

use alloy_consensus::Header;
use aloft_fuzz::transfer;
use commonware_codec::Encode;
use std::sync::LazyLock;

/// A block of one transaction: the genesis block's bytes, whose last is its count of transactions.
static VALID: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let leader = chain::ValidatorKeys::from_seed(&[1; 32]).identity();
    let mut bytes = chain::Block::genesis(Header::default(), leader).encode().to_vec();
    assert_eq!(bytes.pop(), Some(0), "a genesis block has no transactions");
    let transaction = transfer();
    bytes.push(1);
    bytes.push(u8::try_from(transaction.len()).expect("under 128 bytes: a varint of one byte"));
    bytes.extend(transaction);
    aloft_fuzz::decode::<chain::Block>(&bytes, &()).expect("a block");
    bytes
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    for bytes in aloft_fuzz::tries(&VALID, input) {
        aloft_fuzz::decode::<chain::Block>(&bytes, &());
    }
});

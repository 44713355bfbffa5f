//! What a contract returns when it refuses, and the events that services read.
#![no_main]

use alloy_sol_types::SolEvent;
use contracts::{
    Event,
    abi::{DAEntrance, OperatorRegistry},
};
use primitives::{Address, B256, Bytes};

/// Longest reason, bytes, as `contracts::revert_reason` bounds it.
const MAX_REASON_BYTES: usize = 1024;

/// Most topics of an event: the machine has no instruction for more.
const MAX_TOPICS: u8 = 4;

/// Reads `topics` and `data` as `E`; the fuzzer need not find the hash of a signature, so it is put first.
fn read<E: SolEvent>(topics: &[B256], data: &Bytes) {
    let topics = [&[E::SIGNATURE_HASH][..], topics].concat();
    let event = Event {
        address: Address::ZERO,
        topics,
        data: data.clone(),
        block: 0,
        transaction: B256::ZERO,
        log_index: 0,
    };
    let _ = event.decode::<E>();
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    assert!(contracts::revert_reason(input).len() <= MAX_REASON_BYTES);

    let Some((&count, rest)) = input.split_first() else {
        return;
    };
    let count = usize::from(count % MAX_TOPICS).min(rest.len() / 32);
    let (topics, data) = rest.split_at(32 * count);
    let topics: Vec<B256> = topics.chunks_exact(32).map(B256::from_slice).collect();
    let data = Bytes::copy_from_slice(data);
    read::<DAEntrance::BlobCertified>(&topics, &data);
    read::<OperatorRegistry::EndpointChanged>(&topics, &data);
});

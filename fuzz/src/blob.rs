//! A blob to damage: coded once a process.

use da::{CodedBlob, Privacy, encode::Request};
use primitives::{Address, Epoch};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::sync::LazyLock;

/// A public blob of the smallest rows, named and typed.
pub static BLOB: LazyLock<CodedBlob> = LazyLock::new(|| {
    let request = Request {
        owner: Address::repeat_byte(1),
        epoch: Epoch(0),
        expiry_block: 10_000,
        meta: b"\x05a.csv\x08text/csv".to_vec(),
        privacy: Privacy::Public,
    };
    let payload = (0..5000u32).flat_map(u32::to_le_bytes).collect();
    CodedBlob::encode(&mut ChaCha20Rng::seed_from_u64(7), payload, request).expect("a payload of 20 KB is coded")
});

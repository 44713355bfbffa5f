//! Tests of the whole role: real operators, dispersers and readers in one thread on one seed, over simulated links, disks and
//! chain.

mod attacks;
mod chain;
mod cosets;
mod disputes;
mod epochs;
mod evm_chain;
mod full;
mod lapses;
mod liars;
mod local;
mod loopback;
mod members;
mod network;
mod parts;
mod permits;
mod publish;
mod quorums;
mod releases;
mod scenarios;
mod streams;

use crate::{CodedBlob, CommitteeId, Privacy, encode::Request};
use primitives::{Address, Epoch};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use rand_core::Rng;

pub(crate) fn seeded(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// `bytes` bytes that look random.
pub(crate) fn payload(seed: u64, bytes: usize) -> Vec<u8> {
    let mut payload = vec![0; bytes];
    seeded(seed).fill_bytes(&mut payload);
    payload
}

/// What to publish in most tests.
pub(crate) fn request(privacy: Privacy<'_>) -> Request<'_> {
    Request {
        owner: Address::repeat_byte(1),
        committee: CommitteeId::first(Epoch(0)),
        expiry_block: 10_000,
        meta: b"meta".to_vec(),
        privacy,
    }
}

/// A public blob of `bytes` bytes.
pub(crate) fn public_blob(seed: u64, bytes: usize) -> CodedBlob {
    CodedBlob::encode(&mut seeded(seed), payload(seed, bytes), request(Privacy::Public)).unwrap()
}

/// Flips up to `most` random bits of `bytes`.
pub(crate) fn flip_bits(rng: &mut impl Rng, bytes: &mut [u8], most: u32) {
    for _ in 0..1 + rng.next_u32() % most {
        let bit = rng.next_u64() as usize % (8 * bytes.len());
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

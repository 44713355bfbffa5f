//! Blobs to damage, each coded once a process.

use crypto::{envelope::RecipientSecret, stream::Key};
use da::{CodedBlob, CommitteeId, Privacy, encode::Request};
use primitives::{Address, Epoch};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::sync::LazyLock;

/// A public blob of the smallest rows, named and typed.
pub static BLOB: LazyLock<CodedBlob> = LazyLock::new(|| {
    let payload = (0..5000u32).flat_map(u32::to_le_bytes).collect();
    coded(7, payload, Address::repeat_byte(1), Privacy::Public)
});

/// A public blob whose rows are two chunks and five eighths, so that hashes lead from each chunk to its row's.
pub static BLOB_OF_CHUNKS: LazyLock<CodedBlob> = LazyLock::new(|| {
    let payload = (0..680_000u32).flat_map(u32::to_le_bytes).collect();
    coded(9, payload, Address::repeat_byte(1), Privacy::Public)
});

/// A small encrypted blob, its key, and who finds that in its header.
pub struct SealedBlob {
    /// The blob.
    pub blob: CodedBlob,
    /// What it is encrypted under.
    pub key: Key,
    /// The only recipient in the header.
    pub reader: RecipientSecret,
}

impl SealedBlob {
    /// A blob that `owner` publishes.
    pub fn of(owner: Address) -> Self {
        let (key, reader) = (Key::from_bytes([3; 32]), RecipientSecret::from_seed(&[4; 32]));
        let privacy = Privacy::Sealed {
            key: &key,
            recipients: &[reader.public()],
        };
        let blob = coded(8, vec![5; 1000], owner, privacy);
        Self { blob, key, reader }
    }
}

fn coded(seed: u64, payload: Vec<u8>, owner: Address, privacy: Privacy<'_>) -> CodedBlob {
    let request = Request {
        owner,
        committee: CommitteeId::first(Epoch(0)),
        expiry_block: 10_000,
        meta: b"\x05a.csv\x08text/csv".to_vec(),
        privacy,
    };
    CodedBlob::encode(&mut ChaCha20Rng::seed_from_u64(seed), payload, request).expect("a payload that fits is coded")
}

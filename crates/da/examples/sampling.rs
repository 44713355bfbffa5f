//! Measures how many samples a light client checks on one core, and what a sample costs who serves it.
//!
//! Blobs that differ, 26 samples of each at random places, all checked as one batch: every commitment is another, and of the
//! openings only those that fall into one group are the same. Times are CPU time of this thread, with the wall's beside.
//!
//! `cargo run --release -p da --example sampling -- [blobs] [MiB a blob]` (128 and 1 when not said). The last line is one JSON object.

use commonware_codec::EncodeSize;
use crypto::kzg::{self, LEAVES_MAX};
use da::{
    CodedBlob, CommitteeId, Privacy,
    encode::Request,
    sample::{Answer, Challenge, Prover, SAMPLES, Sample, Verdict, chunks, verify},
};
use primitives::{Address, Digest, Epoch, MIB};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{hint::black_box, time::Instant};

/// Runs of each measurement, of which the best counts: the machine may be shared.
const RUNS: usize = 3;

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().expect("a number"));
    let blobs: u64 = arguments.next().unwrap_or(128);
    let mib: u64 = arguments.next().unwrap_or(1);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let mut asked = Vec::new();
    let mut prove = Spent::default();
    for blob in 0..blobs {
        let mut payload = vec![0; (mib * MIB) as usize];
        blake3::Hasher::new_derive_key("sampling")
            .update(&blob.to_be_bytes())
            .finalize_xof()
            .fill(&mut payload);
        let request = Request {
            owner: Address::ZERO,
            committee: CommitteeId::first(Epoch(0)),
            expiry_block: 1,
            meta: Vec::new(),
            privacy: Privacy::Public,
        };
        let blob = CodedBlob::encode(&mut rng, payload, request).expect("the payload fits");
        let prover = Prover::new(blob.head().clone());
        let challenges = Challenge::draw(&mut rng, blob.head().shape(), blob.head().row_bytes(), SAMPLES);
        let start = Spent::now();
        let samples: Vec<Option<Sample>> = challenges
            .iter()
            .map(|challenge| prover.prove(blob.row(challenge.row).row(), challenge.chunk).ok())
            .collect();
        prove = prove + start.since();
        asked.push((blob.head().header().clone(), challenges, samples));
    }
    let answers: Vec<Answer<'_>> = asked
        .iter()
        .map(|(header, challenges, samples)| Answer {
            commitment: header.commitment,
            shape: header.params.shape,
            row_bytes: header.params.row_bytes(),
            challenges,
            samples,
        })
        .collect();
    let samples = blobs * u64::from(SAMPLES);
    let (all, verdicts) = best(|| verify(&answers));
    let (one, _) = best(|| verify(&answers[..1]));
    let leaves: Vec<[u8; 32]> = (0..LEAVES_MAX as u64)
        .map(|leaf| kzg::scalar(&Digest::of(&leaf.to_be_bytes())))
        .collect();
    let (open, _) = best(|| kzg::open(&leaves, 5));
    let (open_all, _) = best(|| kzg::open_all(&leaves));
    assert!(verdicts.iter().all(Verdict::all_found), "honest samples");
    let row_bytes = asked[0].0.params.row_bytes();
    let bytes: usize = asked
        .iter()
        .flat_map(|(_, _, samples)| samples.iter().flatten())
        .map(EncodeSize::encode_size)
        .sum();
    println!("{}", verdicts[0].confidence());
    let figures = serde_json::json!({
        "blobs": blobs,
        "samples": samples,
        "row_bytes": row_bytes,
        "chunks_per_row": chunks(row_bytes),
        "bytes_per_sample": bytes as f64 / samples as f64,
        "samples_per_core_s": samples as f64 / all.cpu_s,
        "samples_per_wall_s": samples as f64 / all.wall_s,
        "verify_batch_cpu_s": all.cpu_s,
        "verify_batch_wall_s": all.wall_s,
        "one_blob_cpu_ms": one.cpu_s * 1e3,
        "one_blob_samples_per_core_s": f64::from(SAMPLES) / one.cpu_s,
        "prove_cpu_ms_per_blob": prove.cpu_s * 1e3 / blobs as f64,
        "prove_wall_ms_per_blob": prove.wall_s * 1e3 / blobs as f64,
        "open_one_cpu_ms": open.cpu_s * 1e3,
        "open_all_cpu_ms": open_all.cpu_s * 1e3,
    });
    println!("{figures}");
}

/// The run of `work` that took the least CPU time, and what the last returned.
fn best<T>(mut work: impl FnMut() -> T) -> (Spent, T) {
    let mut run = || {
        let start = Spent::now();
        let result = black_box(work());
        (start.since(), result)
    };
    let (mut least, mut last) = run();
    for _ in 1..RUNS {
        let (spent, result) = run();
        last = result;
        if spent.cpu_s < least.cpu_s {
            least = spent;
        }
    }
    (least, last)
}

/// Time that a measurement took.
#[derive(Clone, Copy, Default)]
struct Spent {
    cpu_s: f64,
    wall_s: f64,
}

impl Spent {
    fn now() -> Start {
        Start {
            cpu_s: cpu_seconds(),
            wall: Instant::now(),
        }
    }
}

impl std::ops::Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_s: self.cpu_s + other.cpu_s,
            wall_s: self.wall_s + other.wall_s,
        }
    }
}

/// When a measurement began.
struct Start {
    cpu_s: f64,
    wall: Instant,
}

impl Start {
    fn since(&self) -> Spent {
        Spent {
            cpu_s: cpu_seconds() - self.cpu_s,
            wall_s: self.wall.elapsed().as_secs_f64(),
        }
    }
}

/// CPU time of this thread, in seconds.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux and macOS, and the pointer is to a live timespec.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "the thread's CPU clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

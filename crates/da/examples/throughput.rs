//! Prints, as one JSON object, the CPU time that each step of a blob's life takes on this machine: seconds of this thread's CPU
//! per GB (1e9 bytes) of payload, the best of several runs.
//!
//! Memory is fresh in each run, as it is for a user, and touching new pages counts. To see the rest without it:
//! `GLIBC_TUNABLES=glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592`.
//!
//! `cargo run --release -p da --example throughput -- [MiB]` (32 when not said)

use crypto::{reed_solomon::Code, stream::Key};
use da::{
    CodedBlob, Privacy, Row, RowChecker,
    encode::{self, Request},
    header::{DATA_ROWS, TOTAL_ROWS},
};
use primitives::{Address, Epoch, MIB};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::hint::black_box;

/// Runs of each measurement, of which the best counts: the machine may be shared.
const RUNS: usize = 5;

fn main() {
    let mib: u64 = std::env::args()
        .nth(1)
        .map_or(32, |arg| arg.parse().expect("a size in MiB"));
    let bytes = (mib * MIB) as usize - 64 * 1024;
    let mut payload = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut payload);
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let key = Key::generate(&mut rng);
    let mut encode = |sealed: bool| {
        let copies = || payload.clone();
        best_of(copies, |payload| {
            let privacy = if sealed {
                Privacy::Sealed {
                    key: &key,
                    recipients: &[],
                }
            } else {
                Privacy::Public
            };
            let request = Request {
                owner: Address::ZERO,
                epoch: Epoch(0),
                expiry_block: 1,
                meta: Vec::new(),
                privacy,
            };
            CodedBlob::encode(&mut rng, payload, request).expect("the payload fits")
        })
    };
    let (encode_s, blob) = encode(false);
    let (encode_sealed_s, sealed) = encode(true);
    let (head_s, checker) = best(|| RowChecker::new(blob.head().head().clone().check().expect("an honest head")));
    let rows: Vec<Row> = (0..TOTAL_ROWS).map(|index| blob.row(index).row().clone()).collect();
    let (check_s, _) = best(|| {
        rows.iter().for_each(|row| {
            black_box(checker.check(row.clone()).expect("an honest row"));
        });
    });
    let code = Code::new(DATA_ROWS, TOTAL_ROWS).expect("the shape of every blob");
    let row_bytes = blob.head().row_bytes() as usize;
    let third = |first: u32, step: usize| -> Vec<(u32, &[u8])> {
        rows.iter()
            .skip(first as usize)
            .step_by(step)
            .take(DATA_ROWS as usize)
            .map(|row| (row.index, &row.bytes[..]))
            .collect()
    };
    let (decode_s, _) = best(|| code.decode(&third(2, 3), row_bytes).expect("enough rows"));
    let params = &sealed.head().header().params;
    let mut coded: Vec<u8> = (0..DATA_ROWS)
        .flat_map(|index| sealed.row(index).bytes().to_vec())
        .collect();
    coded.truncate(params.length as usize);
    let (open_s, _) = best_of(
        || coded.clone(),
        |coded| encode::open(params, Some(&key), coded).expect("the right key"),
    );

    let gb = bytes as f64 / 1e9;
    let figures = serde_json::json!({
        "payload_bytes": bytes,
        "row_bytes": row_bytes,
        "runs": RUNS,
        "encode_cpu_s_per_gb": encode_s / gb,
        "encode_sealed_cpu_s_per_gb": encode_sealed_s / gb,
        "head_check_cpu_ms_per_blob": head_s * 1e3,
        "row_check_cpu_s_per_payload_gb": check_s / gb,
        "row_check_cpu_s_per_row_gb": check_s / (gb * 3.0),
        "decode_every_third_row_cpu_s_per_gb": decode_s / gb,
        "decrypt_cpu_s_per_gb": open_s / gb,
    });
    println!("{figures:#}");
}

/// The least CPU seconds of this thread that `work` took, and what it last returned.
fn best<T>(mut work: impl FnMut() -> T) -> (f64, T) {
    best_of(|| (), |()| work())
}

/// As [`best`], of work on what `input` makes, which does not count.
fn best_of<I, T>(mut input: impl FnMut() -> I, mut work: impl FnMut(I) -> T) -> (f64, T) {
    let mut least = f64::INFINITY;
    let mut last = None;
    for _ in 0..RUNS {
        // The last result goes first: two blobs in memory are more than needed.
        drop(last.take());
        let input = input();
        let start = cpu_seconds();
        last = Some(work(input));
        least = least.min(cpu_seconds() - start);
    }
    (least, last.expect("at least one run"))
}

/// CPU time of this thread, in seconds.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux and macOS, and the pointer is to a live timespec.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "the thread's CPU clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

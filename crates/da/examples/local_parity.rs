//! Measures what local rows add to coding a blob, and what a rotten row costs to repair with them and without.
//!
//! Times are CPU time of this thread, with the wall's beside; the best of several runs, since the machine may be shared.
//!
//! `cargo run --release -p da --example local_parity -- [MiB]` (32 when not said). The last line is one JSON object.

use da::{
    CommitteeId, Encoder, Privacy, Row,
    encode::Request,
    local::{self, LocalRow},
};
use primitives::{Address, Epoch, MIB};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{hint::black_box, time::Instant};

/// Runs of each measurement, of which the best counts.
const RUNS: usize = 7;

fn main() {
    let mib: u64 = std::env::args()
        .nth(1)
        .map_or(32, |argument| argument.parse().expect("a number"));
    let mut payload = vec![0; (mib * MIB) as usize];
    blake3::Hasher::new().finalize_xof().fill(&mut payload);
    let encoder = Encoder::new();
    let encode = |payload: Vec<u8>| {
        let request = Request {
            owner: Address::ZERO,
            committee: CommitteeId::first(Epoch(0)),
            expiry_block: 1,
            meta: Vec::new(),
            privacy: Privacy::Public,
        };
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        encoder.encode(&mut rng, payload, request).expect("the payload fits")
    };
    let encoded = best(|| payload.clone(), encode);
    let blob = encode(payload.clone());
    let added = best(|| (), |()| local::local_rows(&blob));
    let rows = local::local_rows(&blob);
    let missing = 77;
    let others: Vec<Row> = local::rows_of(local::group_of(missing))
        .filter(|row| *row != missing)
        .map(|row| blob.row(row).row().clone())
        .collect();
    let group: &LocalRow = &rows[local::group_of(missing) as usize];
    let rebuilt = best(
        || (),
        |()| local::rebuild(blob.head(), missing, &others, group).expect("it is the group's"),
    );
    let row_bytes = u64::from(blob.head().row_bytes());
    let local_bytes: usize = rows.iter().map(|row| row.bytes.len()).sum();
    let figures = serde_json::json!({
        "payload_mib": mib,
        "row_bytes": row_bytes,
        "encode_cpu_s": encoded.0,
        "encode_wall_s": encoded.1,
        "local_rows_cpu_s": added.0,
        "local_rows_wall_s": added.1,
        "local_rows_of_encode": added.0 / encoded.0,
        "local_bytes_of_rows": local_bytes as f64 / (3 * 1024 * row_bytes) as f64,
        "rebuild_cpu_ms": rebuilt.0 * 1e3,
        "rows_read_from_group": others.len() + 1,
        "rows_read_from_blob": 1024,
        "bytes_read_from_group": (others.len() as u64 + 1) * row_bytes,
        "bytes_read_from_blob": 1024 * row_bytes,
    });
    println!("{figures}");
}

/// CPU and wall seconds of the run of `work` that took the least CPU time; what it is given is made outside of the time.
fn best<I, T>(given: impl Fn() -> I, work: impl Fn(I) -> T) -> (f64, f64) {
    (0..RUNS)
        .map(|_| {
            let input = given();
            let (cpu, wall) = (cpu_seconds(), Instant::now());
            let output = black_box(work(input));
            let spent = (cpu_seconds() - cpu, wall.elapsed().as_secs_f64());
            drop(output);
            spent
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("some runs")
}

/// CPU time of this thread, in seconds.
fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the clock exists on every Linux and macOS, and the pointer is to a live timespec.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(status, 0, "the thread's CPU clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
